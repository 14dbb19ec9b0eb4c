"""Where a run goes when there is no room: the path, the cost and the time of it, on a scripted market (market.py)."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from making import Still
from market import END, LAUNCH, STACK, Life, Market, Room, opened, written

from provisioner import clock
from provisioner.errors import ExitCode, Kind, NotCreated
from provisioner.events import Event
from provisioner.lifecycle import state, teardown
from provisioner.lifecycle.acquire import acquire
from provisioner.lifecycle.prepare import PreflightRefused, Wanted, Work, considered, prepare
from provisioner.lifecycle.record import Record, claim
from provisioner.report.receipt import Receipt
from provisioner.targets.base import Zone

FILE = """\
version: 1
name: walk
target: [aws/us-east-2, aws/us-west-2, gcp/us-central1]
rank: listed
head: {instance: auto}
groups:
  cpu: {needs: {cores: 16, memory: 32GiB}, nodes: 2, spot: SPOT}
limits: {ttl: 4h}
"""
# Two types, and a head of a third one.
TWO = (
    FILE.replace("needs: {cores: 16, memory: 32GiB}", "instance: [c7a.8xlarge, c7i.8xlarge]")
    .replace("instance: auto", "instance: m7i.8xlarge")
    .replace(", gcp/us-central1", "")
)
ZONES = {
    ("aws", "us-east-2"): [Zone("us-east-2b", 0.9, "9 of 10"), Zone("us-east-2a")],
    ("aws", "us-west-2"): [Zone("us-west-2a"), Zone("us-west-2b")],
    ("gcp", "us-central1"): [Zone("us-central1-a")],
}
Step = tuple[str, str, str]


@pytest.fixture
def still() -> Iterator[Still]:
    made = Still()
    with clock.use(made):
        yield made


class Story:
    """A run up to its cluster, an hour of work, and its end."""

    def __init__(self, folder: Path, market: Market) -> None:
        self.folder, self.market = folder, market
        self.events: list[Event] = []
        self.numbers = itertools.count()

    def run(self, work: Work, hours: float = 1.0) -> Receipt:
        with state.begin(work.design.run.id) as remembered:
            self.record = Record(work.design, remembered, claim(self.folder / f"r{next(self.numbers)}"), [self.events.append])
            try:
                acquire(self.record, work)
                clock.sleep(hours * 3600)
            except NotCreated as problem:
                self.record.stopped(problem)
            assert self.record.target is not None
            ended = teardown.destroy(self.record.target, work.design.run.id, self.record.events, remembered.journal)
            self.record.remains = ended.remains
            return self.record.receipt()


Tell = Callable[..., tuple[Receipt, Story]]


@pytest.fixture
def told(folder: Path, still: Still, monkeypatch: pytest.MonkeyPatch) -> Tell:
    """A run of a file on a market with this script."""

    def tell(text: str, room: Room, spot: str = "never", hours: float = 1.0, **known: Any) -> tuple[Receipt, Story]:
        market = Market(still, room, dict(ZONES), **known)
        opened(monkeypatch, market)
        story = Story(folder, market)
        return story.run(prepare(written(folder, text.replace("SPOT", spot))), hours), story

    return tell


def path(receipt: Receipt, *, nodes: bool = True) -> list[Step]:
    """Where the nodes (or the head) were asked for."""
    asked = [attempt for attempt in receipt.attempts if (attempt.nodes != ("head",)) is nodes]
    return [(attempt.zone, attempt.instance, attempt.market) for attempt in asked]


def only(*zones: str, market: str = "") -> Room:
    """Room for nodes in these zones alone, on that market where one is named; for heads everywhere."""
    return lambda target, region, zone, kind, asked, minute: _head(kind) or (zone in zones and market in ("", asked))


def _head(instance: str) -> bool:
    return instance == "m7i.8xlarge"


def test_there_is_room_at_once(told: Tell, still: Still) -> None:
    receipt, story = told(TWO, lambda *_: True)
    assert path(receipt) == [("us-east-2b", "c7a.8xlarge", "on-demand")]
    assert (receipt.target, receipt.remains, story.market.stacks) == ("aws/us-east-2", (), set())
    assert [choice.target for choice in receipt.choices] == ["aws/us-east-2", "aws/us-west-2"]


def test_types_then_zones_then_regions(told: Tell, still: Still) -> None:
    """Room for c7i alone, in the second region's second zone: every type in every zone before is asked for, in order."""
    began = still.now()
    receipt, story = told(
        TWO, lambda t, r, zone, kind, m, _: kind != "c7a.8xlarge" and (zone == "us-west-2b" or kind != "c7i.8xlarge")
    )
    zones = ("us-east-2b", "us-east-2a", "us-west-2a", "us-west-2b")
    assert path(receipt) == [(zone, kind, "on-demand") for zone in zones for kind in ("c7a.8xlarge", "c7i.8xlarge")]
    assert [attempt.made for attempt in receipt.attempts] == [False] * 7 + [True]
    assert (receipt.target, receipt.exit_code, receipt.remains) == ("aws/us-west-2", 0, ())
    # Three that had no room: the stack, the head, two types, then machines and stack are ended. The fourth works an hour.
    refused, made = STACK + 3 * LAUNCH + 2 * END, STACK + 3 * LAUNCH + 3600 + 2 * END
    assert still.now() - began == pytest.approx(3 * refused + made)
    assert [event.message for event in story.events if event.kind == "fallback"][-1] == (
        "no room in aws/us-west-2 (us-west-2a): everything of it is gone, next is aws/us-west-2 (us-west-2b)"
    )


def test_the_cost_of_it_is_every_machine_there_was(told: Tell, still: Still) -> None:
    """By hand: four heads and two nodes, each from when it was made until it was ended."""
    receipt, story = told(
        TWO, lambda t, r, zone, kind, m, _: kind != "c7a.8xlarge" and (zone == "us-west-2b" or kind != "c7i.8xlarge")
    )
    design = story.record.design
    head, node = design.head.price or 0.0, next(n.price for n in design.group("cpu").alternatives if n.instance == "c7i.8xlarge")
    assert node
    heads = [life for life in story.market.lives if life.name == "head"]
    assert len(heads) == 4
    lived = [2 * LAUNCH + END] * 3 + [2 * LAUNCH + 3600 + END]
    assert [life.ended - life.began for life in heads if life.ended] == pytest.approx(lived)
    by_hand = (sum(lived) * head + 2 * (3600 + END) * node) / 3600
    assert story.market.invoice(lambda life: head if life.name == "head" else node) == pytest.approx(by_hand)
    # The ledger begins with the creation, a stack's time before the cloud's own bill; disks and the address come on top.
    machines = sum(item.usd for item in receipt.cost.items if "on-demand" in item.what)
    early = (STACK + LAUNCH) * 4 * head / 3600
    assert machines == pytest.approx(by_hand + early, rel=0.01)


def test_spot_before_on_demand_where_it_may(told: Tell) -> None:
    receipt, _ = told(TWO, only("us-east-2b", market="on-demand"), "prefer")
    kinds = ("c7a.8xlarge", "c7i.8xlarge")
    assert path(receipt) == [*(("us-east-2b", kind, "spot") for kind in kinds), ("us-east-2b", "c7a.8xlarge", "on-demand")]


def test_spot_alone_is_never_on_demand(told: Tell) -> None:
    receipt, _ = told(TWO, lambda t, r, z, instance, market, _: _head(instance) or market == "on-demand", "only")
    assert {market for _, _, market in path(receipt)} == {"spot"}
    assert (receipt.exit_code, receipt.problem and receipt.problem.kind) == (ExitCode.NOT_CREATED, "CAPACITY")


def test_another_cloud_is_the_last_resort(told: Tell) -> None:
    receipt, story = told(FILE, lambda target, *_: target == "gcp")
    assert receipt.target == "gcp/us-central1"
    # Where not even the head is to be had, that is an attempt of its own.
    assert [step[0] for step in path(receipt, nodes=False)] == ["us-east-2b", "us-east-2a", "us-west-2a", "us-west-2b"]
    assert [life.place[0] for life in story.market.lives] == ["gcp"] * 3


def test_room_that_comes_later_is_not_waited_for_but_found(told: Tell) -> None:
    """The first zone has room again after five minutes, when the walk is elsewhere: it is not gone back to."""
    receipt, _ = told(TWO, lambda t, r, zone, kind, m, minute: _head(kind) or zone == "us-west-2a" or minute > 5)
    assert [step[0] for step in path(receipt)][-1] in ("us-east-2a", "us-west-2a")
    assert receipt.exit_code == 0


def test_nobody_has_room(told: Tell) -> None:
    receipt, story = told(FILE, only())
    assert receipt.exit_code == ExitCode.NOT_CREATED
    assert receipt.problem is not None
    assert (receipt.problem.kind, receipt.remains) == ("CAPACITY", ())
    assert len({attempt.zone for attempt in receipt.attempts}) == 5
    assert not [life for life in story.market.lives if life.ended is None]


def test_nothing_is_begun_that_would_end_before_a_job(told: Tell) -> None:
    """A place without room takes four minutes to find out and to leave; of nine minutes of life eight are for jobs."""
    receipt, _ = told(TWO.replace("ttl: 4h", "ttl: 9m"), only())
    assert [zone for zone, *_ in path(receipt)] == ["us-east-2b"] * 2 + ["us-east-2a"] * 2
    assert (receipt.exit_code, receipt.remains) == (ExitCode.NOT_CREATED, ())
    assert receipt.problem is not None
    assert receipt.problem.fix.startswith("raise limits.ttl")


def test_another_reason_is_for_a_person_to_read(told: Tell) -> None:
    receipt, _ = told(TWO, lambda *_: True, quota={"us-east-2"})
    assert receipt.problem is not None
    assert (receipt.problem.kind, receipt.target) == ("QUOTA", "aws/us-east-2")
    assert {attempt.target for attempt in receipt.attempts} <= {"aws/us-east-2"}


def test_what_does_not_go_away_keeps_the_next_from_being_begun(told: Tell) -> None:
    receipt, story = told(TWO, only("us-west-2a"), stubborn={"us-east-2"})
    assert receipt.exit_code == ExitCode.LEFTOVER
    assert {life.place[1] for life in story.market.lives} == {"us-east-2"}
    assert {resource.region for resource in receipt.remains} == {"us-east-2"}


def test_who_said_no_lately_is_asked_last(told: Tell, folder: Path, still: Still) -> None:
    """For half an hour; and not any more once it has had room."""
    _, story = told(TWO, only("us-east-2a"), hours=0.1)
    zones = [zone.name for zone in considered(folder / "burst.yaml").ranked[0].zones]
    assert zones == ["us-east-2a", "us-east-2b"]
    again = story.run(prepare(folder / "burst.yaml"), hours=0.1)
    assert path(again) == [("us-east-2a", "c7a.8xlarge", "on-demand")]
    still.sleep(1800)
    assert [zone.name for zone in considered(folder / "burst.yaml").ranked[0].zones] == ["us-east-2b", "us-east-2a"]


def test_a_target_that_said_no_everywhere_comes_after_the_others(told: Tell, folder: Path) -> None:
    told(TWO, only("us-west-2a"), hours=0.1)
    work = considered(folder / "burst.yaml")
    assert [choice.target for choice in work.choices] == ["aws/us-west-2", "aws/us-east-2"]
    assert work.choices[0].why == "the first of the list of those with room"
    assert re.fullmatch(r"last: no room for c7i\.8xlarge \d+m\d+s ago in us-east-2a", work.choices[1].why)


def test_a_target_that_may_not_is_not_tried_and_says_why(told: Tell, folder: Path) -> None:
    receipt, _ = told(TWO, lambda *_: True, refuses={"aws/us-east-2": "the quota is 0 vCPUs"})
    assert receipt.target == "aws/us-west-2"
    assert [(choice.target, choice.chosen, choice.fits, choice.why) for choice in receipt.choices] == [
        ("aws/us-west-2", True, True, "the only one that fits"),
        ("aws/us-east-2", False, False, "the quota is 0 vCPUs"),
    ]


def test_all_may_not(folder: Path, still: Still, monkeypatch: pytest.MonkeyPatch) -> None:
    refuses = dict.fromkeys(("aws/us-east-2", "aws/us-west-2"), "the quota is 0 vCPUs")
    opened(monkeypatch, Market(still, lambda *_: True, dict(ZONES), refuses=refuses))
    with pytest.raises(PreflightRefused) as caught:
        prepare(written(folder, TWO.replace("SPOT", "never")))
    assert caught.value.message == "preflight on aws/us-east-2: 1 thing must be fixed first"
    assert "aws/us-west-2: the quota is 0 vCPUs" in caught.value.why


def test_the_cheapest_comes_first(folder: Path, still: Still, monkeypatch: pytest.MonkeyPatch) -> None:
    opened(monkeypatch, Market(still, lambda *_: True, dict(ZONES)))
    file = written(folder, FILE.replace("SPOT", "never").replace("rank: listed", "rank: cost"))
    work = considered(file)
    hourly = [choice.hourly_usd or 0.0 for choice in work.choices]
    assert hourly == sorted(hourly)
    assert work.choices[0].why == "the cheapest"
    assert considered(file, Wanted(target="gcp,aws")).choices != ()
    fastest = considered(written(folder, FILE.replace("SPOT", "never").replace("rank: listed", "rank: time")))
    ready = [choice.ready_s for choice in fastest.choices]
    assert (ready, fastest.choices[0].why) == (sorted(ready), "the first to be ready")


FULL = st.dictionaries(st.sampled_from(["us-east-2b", "us-east-2a", "us-west-2a", "us-west-2b"]), st.floats(0, 30), max_size=4)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(full=FULL, spot=st.sampled_from(["never", "prefer", "only"]), hours=st.floats(0, 3))
def test_whatever_the_market_does(
    full: dict[str, float], spot: str, hours: float, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Zones have room from some minute on, or never. All of a run is in one zone; every place is asked once; nothing is left;
    the ledger is never below the market's own invoice, nor the estimate below what any one place's ledger comes to.
    """
    folder, still = tmp_path_factory.mktemp("m"), Still()
    with clock.use(still), monkeypatch.context() as patched:
        patched.setenv("XDG_STATE_HOME", str(folder / "state"))
        patched.setenv("XDG_DATA_HOME", str(folder / "data"))
        market = Market(still, lambda t, r, zone, kind, m, minute: _head(kind) or minute >= full.get(zone, 1e9), dict(ZONES))
        opened(patched, market)
        story = Story(folder, market)
        receipt = story.run(prepare(written(folder, TWO.replace("SPOT", spot))), hours)
        assert (receipt.remains, market.stacks) == ((), set())
        got = [attempt for attempt in receipt.attempts if attempt.made]
        assert len({attempt.zone for attempt in got}) == len(got) == (1 if receipt.exit_code == 0 else 0)
        order = list(dict.fromkeys(attempt.zone for attempt in receipt.attempts))
        assert order == [zone.name for region in ("us-east-2", "us-west-2") for zone in ZONES["aws", region]][: len(order)]
        if receipt.exit_code:
            assert (len(order), receipt.problem and receipt.problem.kind) == (4, Kind.CAPACITY.value)
        design = story.record.design

        def price(life: Life) -> float:
            node = (
                design.head
                if life.name == "head"
                else next(n for n in design.group("cpu").alternatives if n.instance == life.instance)
            )
            found = node.spot_price if life.market == "spot" and node.spot_price is not None else node.price
            return found or 0.0

        assert receipt.cost.final_usd is not None
        assert receipt.cost.final_usd >= market.invoice(price) - 0.01
        for begun, last in ((life.began, life.ended or 0.0) for life in market.lives if life.name == "head"):
            items = story.record.meter.ledger.total(last) - story.record.meter.ledger.total(begun)
            assert items <= (receipt.cost.estimated_usd or 0.0)
