"""limits.cost while a run goes on: said when most of it is spent, and ended before all of it is."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from making import RUN, Planned, Still, inventory, spec, task
from standing_in import ListedTarget, SlurmHead

from provisioner import clock
from provisioner.catalog.table import bundled
from provisioner.design.decide import decide
from provisioner.design.model import Design
from provisioner.errors import ExitCode, Kind, NotCreated
from provisioner.events import Event, Events
from provisioner.findings import Finding
from provisioner.jobs.model import Submitted
from provisioner.lifecycle import work
from provisioner.lifecycle.budget import Meter, Overspent
from provisioner.lifecycle.candidates import Candidate
from provisioner.lifecycle.prepare import Work
from provisioner.lifecycle.record import Record, claim
from provisioner.lifecycle.run import run
from provisioner.lifecycle.state import RunState
from provisioner.lifecycle.work import Cluster
from provisioner.report.terminal import receipt_lines
from provisioner.slurm.states import NodeState
from provisioner.spec.model import parse_target
from provisioner.targets.base import Inventory

LIFE = 10_000
BEGUN = float(RUN.expires - LIFE)
# A machine costs a cent a second. Five minutes are kept for collecting, five seconds for ending what is on this machine.
CENT = 36.0
ENDING = 305


def rehearsed(cost: float, nodes: str = "2") -> Design:
    text = f"""\
    version: 1
    name: a
    groups: {{cpu: {{nodes: {nodes}}}}}
    jobs: {{melt: {{command: ls, outputs: log}}}}
    limits: {{cost: {cost} USD, ttl: {LIFE}s, idle: 60s}}
    """
    return decide(spec(text), bundled(), RUN, parse_target("local"), rehearsed=CENT)[0]


class Run:
    """One run with a job that goes on, and its meter."""

    def __init__(self, folder: Path, decided: Design) -> None:
        self.design, self.events = decided, list[Event]()
        self.state = RunState(folder / "state")
        self.state.folder.mkdir(exist_ok=True)
        self.head = SlurmHead()
        self.record = Record(decided, self.state, claim(folder / "results"), [self.events.append])
        self.cluster = Cluster(ListedTarget(), inventory(decided, folder / "work"), self.head)
        self.job = Submitted(name="melt", slurm_id=1, folder=str(folder / "work" / "melt"))
        self.running(None)
        log = folder / "work" / "melt" / "log"
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text("melt\n")
        self.state.save_submitted({"melt": self.job})

    def running(self, nodes: str | None) -> None:
        self.head.jobs["melt"] = task(state="RUNNING", ended=None, started=BEGUN, nodes=nodes or "cpu-1")

    def cancels(self, line: str) -> None:
        if line.startswith("scancel"):
            self.head.jobs["melt"] = task(state="CANCELLED", started=BEGUN, ended=clock.now())

    def created(self) -> None:
        self.record.events.step("create.folder", "…")
        self.record.events.step("create.nodes", "…", nodes=list(self.design.fixed))

    @property
    def budget(self) -> list[Finding]:
        return [finding for finding in self.record.findings if finding.code == "budget"]


@pytest.fixture
def still() -> Iterator[Still]:
    with clock.use(Still(BEGUN)) as at:
        assert isinstance(at, Still)
        yield at


def test_most_of_a_budget_is_said_once_and_before_all_of_it_is_spent_it_is_enough(folder: Path, still: Still) -> None:
    # The head and two nodes: three cents a second.
    one = Run(folder, rehearsed(cost=100))
    one.created()
    seen: list[tuple[int, bool, int]] = []
    for seconds in range(0, 3400, 10):
        still.at = BEGUN + seconds
        seen.append((seconds, one.record.meter.over(), len(one.budget)))
    said = next(seconds for seconds, _, told in seen if told)
    enough = next(seconds for seconds, over, _ in seen if over)
    assert said == 2670, "80 USD at three cents a second"
    assert enough == 3030, "100 USD, less 305 seconds of it"
    assert seen[-1][2] == 1
    (found,) = one.budget
    assert found.message == "80.10 of 100.00 USD are spent, 108.00 USD an hour: jobs are cancelled in about 6 min"
    assert (found.level.value, found.fix) == ("warning", "raise limits.cost")


@pytest.mark.parametrize(("cost", "rehearsed_price"), [(0.01, None), (1_000_000, CENT)])
def test_nothing_is_said_where_nothing_is_billed_or_there_is_enough(
    folder: Path, still: Still, cost: float, rehearsed_price: float | None
) -> None:
    text = f"version: 1\nname: a\ngroups: {{cpu: {{nodes: 2}}}}\nlimits: {{cost: {cost} USD}}\n"
    one = Run(folder, decide(spec(text), bundled(), RUN, parse_target("local"), rehearsed=rehearsed_price)[0])
    one.created()
    still.at += 5000
    assert not one.record.meter.over()
    assert one.budget == []


def test_jobs_are_cancelled_collected_and_the_reason_told(folder: Path) -> None:
    one = Run(folder, rehearsed(cost=100))
    plan = {3300: lambda: pytest.fail("it went on")}
    ran = one.head.run

    def spy(argv: Any, **known: Any) -> Any:
        one.cancels(" ".join(argv))
        return ran(argv, **known)

    one.head.run = spy  # type: ignore[method-assign]
    with clock.use(Planned(plan, BEGUN)):
        one.created()
        watch = work.follow(one.cluster, one.record, {"melt": one.job}, None, bring=True)
        work.gather(one.cluster, one.record)
        at = clock.now() - BEGUN
        cost = one.record.receipt().cost
    assert watch.overspent
    assert not watch.expired
    assert 3028 <= at <= 3032
    assert "scancel 1" in one.head.ran
    assert [finding.message for finding in one.budget][1:] == [
        f"{cost.final_usd:.2f} of limits.cost's 100.00 USD are spent, and ending it costs the rest"
    ]
    assert one.record.jobs["melt"].state == "CANCELLED"
    assert (one.record.results / "melt" / "log").read_text() == "melt\n"
    assert one.record.exit_code() is ExitCode.JOB_FAILED
    assert cost.limit_usd == 100
    assert cost.final_usd == pytest.approx(3 * at * 0.01, abs=0.05)


def test_nodes_that_slurm_starts_are_counted_from_when_they_are_seen(folder: Path) -> None:
    one = Run(folder, rehearsed(cost=100_000, nodes="{min: 0, max: 3}"))
    one.running("cpu-[1-2]")
    one.head.nodes = {"cpu-1": "idle~", "cpu-2": "idle~", "cpu-3": "idle~"}
    plan = {
        100: lambda: one.head.nodes.update({"cpu-1": "mixed#", "cpu-2": "mixed#"}),
        110: lambda: one.head.nodes.update({"cpu-1": "mixed"}),
        400: lambda: one.head.nodes.update({"cpu-2": "idle%"}),
        500: lambda: one.head.nodes.update({"cpu-2": "idle~"}),
        700: lambda: one.head.jobs.update(melt=task(started=BEGUN + 110, ended=BEGUN + 700, nodes="cpu-1")),
    }
    with clock.use(Planned(plan, BEGUN)):
        one.created()
        work.follow(one.cluster, one.record, {"melt": one.job}, None)
        lines = {line.name: line for line in one.record.meter.lines()}
    assert (lines["cpu"].count, lines["head"].count) == (2, 1)
    assert lines["cpu"].usd == pytest.approx(0.01 * (600 + 400), abs=0.01 * 10), "two seconds late each time at most"


def test_nodes_of_jobs_that_nobody_watched_are_counted_from_the_jobs(folder: Path, still: Still) -> None:
    """A kept cluster: the client comes back when all is over."""
    one = Run(folder, rehearsed(cost=100_000, nodes="{min: 0, max: 3}"))
    one.created()
    still.at = BEGUN + 5000
    meter = Meter(one.design, one.state.folder, lambda _: None)
    one, two = task(started=BEGUN + 1000, ended=BEGUN + 1500, nodes="cpu-[1-2]"), task(started=None, ended=None, nodes="")
    again = task(started=BEGUN + 1510, ended=BEGUN + 1600, nodes="cpu-1")
    meter.ran([one, two, again])
    meter.observe({"cpu-1": NodeState("cpu-1", "idle", True, True), "cpu-2": NodeState("cpu-2", "idle", True, False, True)})
    lines = {line.name: line for line in meter.lines()}
    # Both for 500 seconds and a minute of idling, in which the one got another job: 600 seconds and a minute.
    assert lines["cpu"].usd == pytest.approx(0.01 * (660 + 560))
    assert meter.ledger.open() == {"head", "cluster", "cpu-1"}


def test_nodes_that_are_asked_for_before_their_jobs_are_counted_from_then(folder: Path, still: Still) -> None:
    one = Run(folder, rehearsed(cost=100_000, nodes="{min: 0, max: 3}"))
    one.created()
    one.record.events.say("nodes.asked", "…", nodes=["cpu-1", "cpu-2"])
    still.at += 100
    one.record.events.say("nodes.asked", "…", nodes=["cpu-1"])
    assert one.record.meter.spent() == pytest.approx(3 * 100 * 0.01)


def test_nodes_that_went_while_nobody_looked_went_when_they_had_idled(folder: Path, still: Still) -> None:
    one = Run(folder, rehearsed(cost=100_000, nodes="{min: 0, max: 3}"))
    one.created()
    there = {name: NodeState(name, "idle", True, True) for name in ("cpu-1", "cpu-2")}
    one.record.meter.observe(there)
    still.at = BEGUN + 100
    one.record.meter.observe(there)
    still.at = BEGUN + 5000
    later = Meter(one.design, one.state.folder, lambda _: None)
    later.ran([task(started=BEGUN + 50, ended=BEGUN + 1000, nodes="cpu-2")])
    later.observe({name: NodeState(name, "idle", True, False, True) for name in there})
    (line,) = [line for line in later.lines() if line.name == "cpu"]
    assert line.usd == pytest.approx(0.01 * (160 + 1060))


def test_a_ledger_outlives_its_client_and_goes_with_the_run(folder: Path, still: Still) -> None:
    one = Run(folder, rehearsed(cost=100))
    one.created()
    still.at += 1000
    later = Meter(one.design, one.state.folder, lambda _: None)
    assert later.spent() == pytest.approx(30)
    still.at = one.design.run.expires + 5000
    expired = Meter(one.design, one.state.folder, lambda _: None, keep=False)
    assert expired.spent() == pytest.approx(3 * LIFE * 0.01), "the machines have ended themselves at the expiry"
    one.record.events.say("destroyed", "nothing is left")
    one.state.forget()
    one.record.events.say("launched", "…", nodes=["cpu-1"], instance="x", market="spot")
    assert not one.state.folder.exists()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"stretches": [{}], "moved": []}', '{"stretches": 1}'])
def test_a_ledger_that_cannot_be_read_is_begun_anew(folder: Path, still: Still, text: str) -> None:
    one = Run(folder, rehearsed(cost=100))
    (one.state.folder / "ledger.json").write_text(text)
    assert Meter(one.design, one.state.folder, lambda _: None).spent() == 0


def test_everything_ends_when_nothing_is_left(folder: Path, still: Still) -> None:
    one = Run(folder, rehearsed(cost=100))
    one.created()
    still.at += 100
    one.record.events.say("destroyed", "nothing is left")
    still.at += 100
    cost = one.record.receipt().cost
    assert cost.final_usd == 3.0
    assert [(line.name, line.count, line.usd) for line in cost.items] == [("head", 1, 1.0), ("cpu", 2, 2.0)]


@contextmanager
def watched(run: Run) -> Iterator[None]:
    """A creation that hangs, with an alarm of somebody else's around it."""
    rang: list[int] = []
    before = signal.signal(signal.SIGALRM, lambda signum, frame: rang.append(signum))
    timer = signal.setitimer(signal.ITIMER_REAL, 500.0)
    try:
        with run.record.meter.guarding(every=0.01):
            yield
    finally:
        left, _ = signal.setitimer(signal.ITIMER_REAL, *timer)
        handler = signal.signal(signal.SIGALRM, before)
    assert (rang, left > 0, callable(handler)) == ([], True, True)


def test_a_creation_that_hangs_is_broken_off_when_it_is_enough(folder: Path, still: Still) -> None:
    one = Run(folder, rehearsed(cost=100))
    broken: list[Overspent] = []
    with watched(one):
        try:
            one.created()
            still.at += 3100
            for _ in range(3000):
                time.sleep(0.01)
        except Overspent as problem:
            broken.append(problem)
    (problem,) = broken
    assert problem.exit_code is ExitCode.NOT_CREATED
    assert problem.why == "93.00 of limits.cost's 100.00 USD are spent, and ending it costs the rest"
    assert [finding.message for finding in one.budget] == [problem.why]


class Hanging(ListedTarget):
    """A place that begins to make a cluster, and then says nothing any more."""

    def create(self, design: Design, events: Events, folder: Path, state: Path) -> Inventory:
        self.there.add(design.run.id)
        events.step("create.folder", "…")
        clock.sleep(9_800)
        for _ in range(3000):
            time.sleep(0.01)
        raise AssertionError("nobody broke it off")


def test_a_run_whose_creation_hangs_is_destroyed_when_it_is_enough(folder: Path, still: Still) -> None:
    prepared, place = rehearsed(cost=100), Hanging()
    receipt = run(Work(folder / "burst.yaml", folder, (Candidate(prepared, (), place),)), folder / "results")
    assert (receipt.status, receipt.exit_code) == ("not-created", ExitCode.NOT_CREATED)
    assert (place.there, receipt.remains) == (set(), ())
    assert ("destroy", prepared.run.id) in place.calls
    # The head alone, at a cent a second.
    assert receipt.cost.final_usd == pytest.approx(98, abs=0.01)
    said = "98.00 of limits.cost's 100.00 USD are spent, and ending it costs the rest"
    assert [finding.message for finding in receipt.findings if finding.code == "budget"][-1] == said
    assert receipt.problem is not None
    assert (receipt.problem.why, receipt.problem.fix) == (said, "raise limits.cost")
    assert any(line.endswith("cost 98.00 USD (of at most 100.00)") for line in receipt_lines(receipt))


class Full(ListedTarget):
    """A place without room, whose end takes so long that the budget is spent meanwhile."""

    def create(self, design: Design, events: Events, folder: Path, state: Path) -> Inventory:
        self.there.add(design.run.id)
        events.step("create.folder", "…")
        raise NotCreated("the head could not be made", why="no room", kind=Kind.CAPACITY)

    def destroy(self, run_id: str, events: Events) -> None:
        if not self.calls:
            clock.sleep(9_800)
            signal.raise_signal(signal.SIGALRM)
        super().destroy(run_id, events)


def test_nothing_is_begun_elsewhere_when_it_is_enough(folder: Path, still: Still) -> None:
    """It is enough while the first place is left: that is not broken off, and no other one is begun."""
    prepared, first, second = rehearsed(cost=100), Full(), Hanging()
    candidates = (Candidate(prepared, (), first), Candidate(prepared, (), second))
    receipt = run(Work(folder / "burst.yaml", folder, candidates), folder / "results")
    assert (receipt.status, receipt.remains, receipt.cost.final_usd) == ("not-created", (), pytest.approx(98, abs=0.01))
    assert first.calls == [("destroy", prepared.run.id)] * 2, "to leave it, and at the end of the run"
    assert (first.there, second.there, second.calls) == (set(), set(), [])
    assert receipt.problem is not None
    assert receipt.problem.fix == "raise limits.cost"


def test_a_creation_that_does_not_hang_is_left_alone(folder: Path, still: Still) -> None:
    one = Run(folder, rehearsed(cost=100))
    with watched(one):
        one.created()
        time.sleep(0.05)
    assert one.budget == []
