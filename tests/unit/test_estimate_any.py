"""What any design will cost: never less with more of anything, and never below what any run of it comes to.

A run is simulated: machines live and die under their names, and the very meter that a real run has hears of it as a client
does, by events and by what slurmctld says now and then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st
from making import RUN, Still, task

from provisioner import clock
from provisioner.catalog.table import bundled
from provisioner.cost.bill import Item
from provisioner.cost.ledger import Ledger, load
from provisioner.design.bill import bill
from provisioner.design.decide import decide
from provisioner.design.estimate import longest
from provisioner.design.model import Design, Estimate, Market
from provisioner.events import Event
from provisioner.lifecycle.budget import Meter
from provisioner.slurm.states import NodeState
from provisioner.spec.model import Spec, parse_target
from provisioner.units import GIB

# Types with a price, and one of each cloud that is never on the spot market.
TYPES = {
    "aws": ["c7i.large", "c7a.48xlarge", "p5en.48xlarge", "hpc7a.96xlarge"],
    "gcp": ["c3-standard-4", "c4-standard-8", "g2-standard-4", "h3-standard-88"],
    "azure": ["Standard_D4s_v5", "Standard_NC24ads_A100_v4", "Standard_B2s"],
}
# Sizes that a service has, in one of its tiers: a larger size of a slower tier may cost less.
SIZES = {
    "aws": {"lustre": [1200, 2400, 7200], "managed-nfs": [1, 100], "bucket": [10, 1000], "nfs": [1, 200, 2000]},
    "gcp": {"lustre": [9000, 27000], "managed-nfs": [1024, 2560], "bucket": [10, 1000], "nfs": [1, 200, 2000]},
    "azure": {"lustre": [4096, 12288, 20480], "managed-nfs": [100, 300], "nfs": [1, 100, 2000]},
}
# Nobody gives a name to a new machine sooner: Bill.most has why.
APART = 60.0


@st.composite
def files(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    """(target, a file's data)."""
    cloud = draw(st.sampled_from(sorted(TYPES)))
    groups = {name: draw(a_group(cloud)) for name in draw(st.sets(st.sampled_from(["cpu", "gpu"]), min_size=1))}
    kinds = draw(st.lists(st.sampled_from(sorted(SIZES[cloud])), max_size=2, unique=True))
    data: dict[str, Any] = {
        "version": 1,
        "name": "a",
        "groups": groups,
        "head": {"instance": TYPES[cloud][0]},
        "network": {"access": draw(st.sampled_from(["public", "tunnel"])), "egress": draw(st.sampled_from(["head", "gateway"]))},
        "filesystems": {f"/{kind}": {"type": kind, "size": f"{SIZES[cloud][kind][0]}GiB"} for kind in kinds},
        "jobs": {name: draw(a_job(sorted(groups))) for name in draw(st.sets(st.sampled_from("abc"), min_size=1))},
        "limits": {"ttl": draw(st.integers(5, 3000)) * 60, "idle": draw(st.sampled_from([10, 60, 600, 3600]))},
    }
    if draw(st.booleans()):
        data["login"] = {"instance": TYPES[cloud][0], "nodes": draw(st.integers(1, 3))}
    return cloud, data


@st.composite
def a_group(draw: st.DrawFn, cloud: str) -> dict[str, Any]:
    least = draw(st.integers(0, 3))
    return {
        "instance": draw(st.lists(st.sampled_from(TYPES[cloud]), min_size=1, max_size=2, unique=True)),
        "nodes": {"min": least, "max": least + draw(st.integers(0 if least else 1, 3))},
        "spot": draw(st.sampled_from(["never", "prefer", "only"])),
    }


@st.composite
def a_job(draw: st.DrawFn, groups: list[str]) -> dict[str, Any]:
    job = {"command": "ls", "outputs": ["log"], "group": draw(st.sampled_from(groups)), "time": draw(st.integers(1, 90)) * 60}
    return job | ({"array": f"0-{draw(st.integers(1, 9))}"} if draw(st.booleans()) else {})


def decided(target: str, data: dict[str, Any]) -> Design:
    texts = {**data, "limits": {key: f"{seconds}s" for key, seconds in data["limits"].items()}}
    texts["jobs"] = {name: job | ({"time": f"{job['time']}s"} if "time" in job else {}) for name, job in data["jobs"].items()}
    return decide(Spec.model_validate(texts), bundled(), RUN, parse_target(target))[0]


def rows(estimate: Estimate) -> Iterator[Estimate | Market]:
    """The whole, and each market; one that is there twice in one of two is the same for both."""
    yield estimate
    yield estimate.markets[0]
    yield estimate.markets[-1]


def never_less(before: Design, after: Design, *fields: str) -> None:
    for was, now in zip(rows(before.estimate), rows(after.estimate), strict=True):
        for field in fields:
            assert getattr(now, field) >= getattr(was, field), (field, was, now)


RATES = ("hourly", "hourly_max", "total_max")


@given(files(), st.integers(1, 4), st.data())
def test_more_nodes_never_cost_less(made: tuple[str, dict[str, Any]], more: int, data: st.DataObject) -> None:
    """But what is expected may be less: with more nodes the same work is done sooner, and all else is needed for less time."""
    target, given_ = made
    name = data.draw(st.sampled_from(sorted(given_["groups"])))
    nodes = given_["groups"][name]["nodes"]
    ways = [{"max": nodes["max"] + more}, {"min": nodes["min"] + more, "max": nodes["max"] + more}, {"min": nodes["max"]}]
    for way in ways:
        wider = deepcopy(given_)
        wider["groups"][name]["nodes"].update(way)
        never_less(decided(target, given_), decided(target, wider), *RATES)


@given(files(), st.integers(1, 4))
def test_nodes_that_no_job_needs_are_expected_to_cost_more(made: tuple[str, dict[str, Any]], more: int) -> None:
    target, given_ = made
    for name, group in given_["groups"].items():
        group["nodes"] = {"min": 2, "max": 2}
        given_["jobs"][f"only-{name}"] = {"command": "ls", "group": name, "nodes": 2, "time": 600}
    given_["jobs"] = {name: job for name, job in given_["jobs"].items() if name.startswith("only-")}
    wider = deepcopy(given_)
    for group in wider["groups"].values():
        group["nodes"] = {"min": 2 + more, "max": 2 + more}
    never_less(decided(target, given_), decided(target, wider), *RATES, "expected")


# Found once: jobs side by side, in a life that is over before the first could begin.
SHORT = (
    "aws",
    {
        "version": 1,
        "name": "a",
        "groups": {"cpu": {"instance": ["c7a.48xlarge"], "nodes": {"min": 2, "max": 3}, "spot": "never"}},
        "filesystems": {"/lustre": {"type": "lustre", "size": "1200GiB"}},
        "jobs": {name: {"command": "ls", "group": "cpu", "time": 60} for name in "abc"},
        "limits": {"ttl": 300, "idle": 10},
    },
)


@given(files(), st.integers(1, 36_000))
@example(SHORT, 60)
def test_more_time_never_costs_less(made: tuple[str, dict[str, Any]], seconds: int) -> None:
    target, given_ = made
    longer, slower = deepcopy(given_), deepcopy(given_)
    longer["limits"]["ttl"] += seconds
    slower["jobs"][min(slower["jobs"])]["time"] += seconds
    before = decided(target, given_)
    for other in (longer, slower):
        never_less(before, decided(target, other), *RATES, "expected")


@given(files(), st.data())
def test_larger_filesystems_never_cost_less(made: tuple[str, dict[str, Any]], data: st.DataObject) -> None:
    target, given_ = made
    for mount, fs in given_["filesystems"].items():
        larger = deepcopy(given_)
        size = data.draw(st.sampled_from(SIZES[target][fs["type"]]))
        larger["filesystems"][mount]["size"] = f"{size}GiB"
        never_less(decided(target, given_), decided(target, larger), *RATES, "expected")


@given(files(), st.booleans())
def test_a_run_never_costs_more_than_the_longest_one_nor_spot_more_than_on_demand(
    made: tuple[str, dict[str, Any]], timed: bool
) -> None:
    target, given_ = made
    if not timed:
        given_["jobs"][min(given_["jobs"])].pop("time")
    estimate = decided(target, given_).estimate
    assert (estimate.expected is None) is bool(estimate.assumed) is (not timed)
    spot, on_demand = estimate.markets[0], estimate.markets[-1]
    for row in estimate.markets:
        assert 0 <= row.expected <= row.total_max <= estimate.total_max
        assert 0 <= row.hourly <= row.hourly_max <= estimate.hourly_max
    for field in RATES:
        assert getattr(spot, field) <= getattr(on_demand, field)
    # Where one type has no spot market, a cheap one on demand may come before a dear one on spot.
    if all(len(group["instance"]) == 1 for group in given_["groups"].values()):
        assert spot.expected <= on_demand.expected
    prefers = [
        group for group in bill(decided(target, given_)).nodes if {o.market for o in group.options} == {"spot", "on-demand"}
    ]
    assert len(estimate.markets) == (2 if prefers else 1)


# One machine under a name, with what it is: (began, ended, its items), in seconds from the beginning.
Life = tuple[float, float, tuple[Item, ...]]


@dataclass
class Truth:
    """What really happened. `lives` by name; the machines were ended at `ended`, everything was gone at `gone`."""

    whole: Design
    lives: dict[str, list[Life]]
    instances: dict[tuple[str, float], tuple[str, str]]
    collected: list[float]
    ended: float
    gone: float

    def ledger(self) -> Ledger:
        """As whoever sends the bill has it."""
        known, ledger = bill(self.whole), Ledger()
        for i, item in enumerate(known.fixed):
            ledger.begin(f"fixed-{i}", [item], 0.0)
        ledger.end(self.gone)
        for name, lives in self.lives.items():
            for began, ended, items in lives:
                ledger.begin(name, items, began)
                ledger.end(ended, name)
        for traffic in known.traffic:
            if traffic.name == "outputs":
                for gib in self.collected:
                    ledger.move(traffic, gib)
        return ledger

    def there(self, at: float) -> dict[str, NodeState]:
        """As slurmctld has it."""
        alive = {name: any(began <= at < ended for began, ended, _ in lives) for name, lives in self.lives.items()}
        return {name: NodeState(name, "idle", True, here, not here) for name, here in alive.items()}


@st.composite
def truths(draw: st.DrawFn, whole: Design, market: str = "") -> Truth:
    """A run of any length that it may have; by one market alone where one is named. Every other one is as dear as it can be,
    but for the names that change hands: there the estimate has nothing to spare.
    """
    dear, most = draw(st.booleans()), float(longest(whole))
    gone = most if dear else draw(st.floats(60, most))
    ended = whole.ttl if dear else min(whole.ttl, gone) * draw(st.floats(0.1, 1))
    known, lives, instances = bill(whole).on(market), {}, {}
    for nodes in known.nodes:
        for number in range(1, nodes.most + 1):
            name = f"{nodes.group}-{number}"
            lives[name], at = [], 0.0 if dear else draw(st.floats(0, ended))
            while at < ended and len(lives[name]) < 6:
                option = nodes.dearest if dear else draw(st.sampled_from(nodes.options))
                last = dear and len(lives[name]) == 5
                until = gone if last else min(at + draw(st.sampled_from([1.0, 59.0, 90.0, gone])), gone)
                lives[name].append((at, until, option.items))
                instances[name, at] = option.instance, option.market
                at = max(until, at + APART) + (0.0 if dear else draw(st.sampled_from([0.0, 1.0, 500.0])))
    outputs = max([traffic.most for traffic in known.traffic], default=0.0)
    collected = [outputs] if dear else draw(st.lists(st.floats(0, outputs / 3), max_size=3))
    return Truth(whole, lives, instances, collected, ended, gone)


@given(files(), st.data())
def test_no_invoice_is_above_the_estimate(made: tuple[str, dict[str, Any]], data: st.DataObject) -> None:
    whole = decided(*made)
    truth = data.draw(truths(whole))
    ledger = truth.ledger()
    assert ledger.total(truth.gone / 2) <= ledger.total(truth.gone) <= whole.estimate.total_max
    assert load(ledger.dump()).total(truth.gone) == ledger.total(truth.gone)
    for row, market in zip(whole.estimate.markets[:: len(whole.estimate.markets) - 1 or 1], ["spot", "on-demand"], strict=False):
        alone = data.draw(truths(whole, market))
        assert alone.ledger().total(alone.gone) <= row.total_max


@given(files(), st.data())
def test_no_meter_is_above_the_estimate(made: tuple[str, dict[str, Any]], data: st.DataObject) -> None:
    """It is told of what a client launches, and of the rest hears from slurmctld at odd moments, or afterwards from jobs."""
    whole = decided(*made)
    truth = data.draw(truths(whole))
    meter = told(truth, data)
    assert meter.spent_at(truth.gone) <= whole.estimate.total_max
    for key in {stretch.key for stretch in meter.meter.ledger.stretches}:
        known = sorted((s.began, s.ended) for s in meter.meter.ledger.stretches if s.key == key)
        assert all(ended <= began for (_, ended), (began, _) in pairwise(known)), "two machines never have one name"
    assert meter.spent_at(truth.gone + 10 * whole.ttl) == meter.spent_at(truth.gone), "it has closed"


class Told:
    """A meter of a run that began so many seconds before its expiry as it may live."""

    def __init__(self, whole: Design) -> None:
        self.began = whole.run.expires - whole.ttl
        self.clock = Still(self.began)
        with clock.use(self.clock):
            self.meter = Meter(whole, Path("there is none"), lambda _: None, keep=False)

    def event(self, at: float, kind: str, **known: Any) -> None:
        self.meter(Event(time=self.began + at, run_id="a", kind=kind, message="", data=known))

    def spent_at(self, at: float) -> float:
        self.clock.at = self.began + at
        with clock.use(self.clock):
            return self.meter.spent()


def told(truth: Truth, data: st.DataObject) -> Told:
    """Everything in its order, in time."""
    run, plan = Told(truth.whole), list[tuple[float, Callable[[], object]]]()
    run.event(0.0, "step", step="create.folder")
    moments = sorted(moment for lives in truth.lives.values() for began, end, _ in lives for moment in (began, end))
    near = st.sampled_from([moment for moment in moments if moment <= truth.ended] or [0.0])
    looks = data.draw(st.lists(near | st.floats(0, truth.ended), max_size=8))
    plan += [(at, lambda at=at: run.meter.observe(truth.there(at))) for at in looks]
    for name, lives in truth.lives.items():
        for began, ended, _ in lives:
            instance, market = truth.instances[name, began]
            launched = {"nodes": [name], "instance": instance, "market": market}
            if name in truth.whole.fixed and began <= truth.ended:
                plan.append((began, lambda at=began, known=launched: run.event(at, "launched", **known)))
            elif name not in truth.whole.fixed:
                jobs = data.draw(st.integers(0, 2))
                plan += [ran(run, name, began, min(ended, truth.ended), truth.ended, data) for _ in range(jobs)]
    plan += [(truth.ended, lambda gib=gib: run.event(truth.ended, "job.collected", bytes=gib * GIB)) for gib in truth.collected]
    with clock.use(run.clock):
        for at, act in sorted(plan, key=lambda each: each[0]):
            run.clock.at = run.began + at
            act()
        run.event(truth.ended, "machines.ended")
        run.event(truth.gone, "destroyed")
    return run


def ran(run: Told, name: str, began: float, ended: float, last: float, data: st.DataObject) -> tuple[float, Callable[[], object]]:
    """A job on that machine, of which one hears while it runs or long after it is over."""
    started, over = sorted((data.draw(st.floats(began, ended)), data.draw(st.floats(began, ended))))
    heard = data.draw(st.floats(started, last))
    known = task(nodes=name, started=run.began + started, ended=run.began + over if over <= heard else None)
    return heard, lambda: run.meter.ran([known])


def everything(whole: Design, seconds: float) -> float:
    """Every node for the whole time, at its group's dearest, and as much of the outputs as is counted on."""
    known, ledger = bill(whole), Ledger()
    ledger.begin("fixed", known.fixed, 0.0)
    for nodes in known.nodes:
        for number in range(nodes.most):
            ledger.begin(f"{nodes.group}-{number}", nodes.dearest.items, 0.0)
    for traffic in known.traffic:
        ledger.move(traffic, traffic.most)
    ledger.end(seconds)
    return ledger.total(seconds)


@given(files())
def test_the_most_is_reached_but_for_a_cent(made: tuple[str, dict[str, Any]]) -> None:
    whole = decided(*made)
    worst = everything(whole, float(longest(whole)))
    assert worst <= whole.estimate.total_max < worst + 0.011
