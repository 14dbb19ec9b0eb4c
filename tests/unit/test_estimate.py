"""What a design will cost: never less with more nodes or more time, and never below what any run of it comes to."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from making import RUN, catalogue, design, instance, spec

from provisioner.catalog.table import bundled
from provisioner.cost.ledger import Ledger, load
from provisioner.design.bill import bill, rates
from provisioner.design.decide import decide
from provisioner.design.estimate import longest
from provisioner.design.model import Design
from provisioner.findings import Finding, Level
from provisioner.report.costs import print_bill
from provisioner.spec.model import parse_target

# Types with a price, and one that is never on the spot market.
TYPES = {
    "aws": ["c7i.large", "c7a.48xlarge", "p5en.48xlarge", "hpc7a.96xlarge"],
    "gcp": ["c3-standard-4", "c4-standard-8", "g2-standard-4", "h3-standard-88"],
    "azure": ["Standard_D4s_v5", "Standard_NC24ads_A100_v4", "Standard_B2s"],
}
FILESYSTEMS = {
    "aws": [("lustre", "1200GiB"), ("managed-nfs", "100GiB"), ("bucket", "100GiB"), ("nfs", "200GiB")],
    "gcp": [("lustre", "9000GiB"), ("managed-nfs", "1TiB"), ("bucket", "100GiB")],
    "azure": [("lustre", "16TiB"), ("managed-nfs", "100GiB"), ("nfs", "2TiB")],
}


@st.composite
def files(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    """(target, a file's data)."""
    cloud = draw(st.sampled_from(sorted(TYPES)))
    groups = {}
    for name in draw(st.lists(st.sampled_from(["cpu", "gpu", "more"]), min_size=1, unique=True)):
        least = draw(st.integers(0, 4))
        groups[name] = {
            "instance": draw(st.lists(st.sampled_from(TYPES[cloud]), min_size=1, max_size=2, unique=True)),
            "nodes": {"min": least, "max": least + draw(st.integers(1 if not least else 0, 4))},
            "spot": draw(st.sampled_from(["never", "prefer"])),
        }
    kinds = draw(st.lists(st.sampled_from(FILESYSTEMS[cloud]), max_size=2, unique=True))
    data: dict[str, Any] = {
        "version": 1,
        "name": "a",
        "groups": groups,
        "head": {"instance": TYPES[cloud][0]},
        "network": {"access": draw(st.sampled_from(["public", "tunnel"])), "egress": draw(st.sampled_from(["head", "gateway"]))},
        "filesystems": {f"/fs{i}": {"type": kind, "size": size} for i, (kind, size) in enumerate(kinds)},
        "jobs": {"job": {"command": "ls", "outputs": ["log"], "time": f"{draw(st.integers(1, 90))}m"}},
        "limits": {"ttl": f"{draw(st.integers(10, 3000))}m"},
    }
    return cloud, data


def decided(target: str, data: dict[str, Any]) -> Design:
    return decide(
        type(spec("version: 1\nname: a\ngroups: {a: {nodes: 1}}\n")).model_validate(data), bundled(), RUN, parse_target(target)
    )[0]


@given(files(), st.integers(1, 5), st.integers(1, 600))
def test_more_nodes_or_more_time_never_cost_less(made: tuple[str, dict[str, Any]], more: int, minutes: int) -> None:
    target, data = made
    before = decided(target, data).estimate
    group = next(iter(data["groups"]))
    nodes = data["groups"][group]["nodes"]
    wider = data | {"groups": data["groups"] | {group: data["groups"][group] | {"nodes": nodes | {"max": nodes["max"] + more}}}}
    always = {"min": nodes["min"] + more, "max": nodes["max"] + more}
    fixed = data | {"groups": data["groups"] | {group: data["groups"][group] | {"nodes": always}}}
    longer = data | {"limits": {"ttl": f"{int(data['limits']['ttl'][:-1]) + minutes}m"}}
    slower = data | {"jobs": {"job": data["jobs"]["job"] | {"time": f"{int(data['jobs']['job']['time'][:-1]) + minutes}m"}}}
    for other in (wider, fixed, longer, slower):
        after = decided(target, other).estimate
        for field in ("hourly", "hourly_max", "total_max"):
            assert getattr(after, field) >= getattr(before, field), field
    assert (decided(target, slower).estimate.expected or 0) >= (before.expected or 0)
    assert (before.expected or 0) <= (before.total_max or 0)


@st.composite
def lives(draw: st.DrawFn, most: float) -> list[tuple[float, float]]:
    """(began, ended) of one node, one after the other: nobody makes one anew within a minute."""
    found, at = [], draw(st.floats(0, most / 2))
    for _ in range(draw(st.integers(0, 3))):
        ended = min(most, at + draw(st.floats(0, most)))
        found.append((at, ended))
        at = max(ended, at + 60) + draw(st.floats(0, 600))
        if at >= most - 60:
            break
    return found


def everything(whole: Design, seconds: float) -> Ledger:
    """Every node for the whole time, at its group's dearest, and as much of the outputs as is counted on."""
    known, ledger = bill(whole), Ledger()
    ledger.begin("fixed", known.fixed, 0.0)
    for nodes in known.nodes:
        for number in range(nodes.most):
            ledger.begin(f"{nodes.group}-{number}", nodes.dearest.items, 0.0)
    for traffic in known.traffic:
        ledger.move(traffic, traffic.most)
    ledger.end(seconds)
    return ledger


@given(files(), st.data())
def test_no_run_comes_to_more_than_the_estimate(made: tuple[str, dict[str, Any]], data: st.DataObject) -> None:
    whole = decided(*made)
    known, most = bill(whole), float(longest(whole))
    total = whole.estimate.total_max
    assert total is not None
    worst = everything(whole, most).total(most)
    assert worst <= total < worst + 0.011, "it is reached, but for a cent"
    ledger = Ledger()
    for i, item in enumerate(known.fixed):
        ledger.begin(f"fixed-{i}", [item], 0.0)
    for nodes in known.nodes:
        for number in range(1, nodes.most + 1):
            for began, ended in data.draw(lives(whole.ttl)):
                option = data.draw(st.sampled_from(nodes.options))
                ledger.begin(f"{nodes.group}-{number}", option.items, began)
                ledger.end(ended, f"{nodes.group}-{number}")
    for traffic in known.traffic:
        ledger.move(traffic, data.draw(st.floats(0, traffic.most)))
    ends = data.draw(st.floats(0, most))
    assert ledger.total(ends) <= ledger.total(most) <= total
    assert load(ledger.dump()).total(ends) == ledger.total(ends)


def test_what_a_job_may_take_is_what_is_expected() -> None:
    """Two tasks of an hour each on one node, then an hour on both: three hours on the critical path, by a clock of ours."""
    text = """\
    version: 1
    name: a
    groups: {cpu: {nodes: 2}}
    jobs:
      many: {command: ls, array: "0-3%1", time: 30m}
      last: {command: ls, needs: [many], nodes: 2, time: 1h}
    limits: {ttl: 8h}
    """
    rehearsed, _ = decide(spec(text), bundled(), RUN, parse_target("local"), rehearsed=36.0)
    # The head and two nodes, for three hours and five seconds.
    assert rehearsed.estimate.expected == pytest.approx(3 * 36 * (3 * 3600 + 5) / 3600, abs=0.01)
    assert rehearsed.estimate.total_max == pytest.approx(3 * 36 * (8 * 3600 + 5) / 3600, abs=0.01)


def test_nodes_that_come_and_go_are_expected_for_their_jobs_and_their_idling() -> None:
    text = """\
    version: 1
    name: a
    groups: {cpu: {nodes: {max: 8}}}
    jobs: {big: {command: ls, nodes: 4, time: 1h}}
    limits: {ttl: 8h, idle: 10m}
    """
    rehearsed, _ = decide(spec(text), bundled(), RUN, parse_target("local"), rehearsed=1.0)
    assert rehearsed.estimate.expected == pytest.approx(1 + 5 / 3600 + 4 * 70 / 60, abs=0.01)


@pytest.mark.parametrize("jobs", ["{}", "{a: {command: ls, time: 1h}, b: {command: ls}}"])
def test_nothing_is_expected_of_jobs_that_may_take_any_time(jobs: str) -> None:
    assert design(f"version: 1\nname: a\ngroups: {{cpu: {{nodes: 1}}}}\njobs: {jobs}\n", "aws").estimate.expected is None


def over(cost: str, ttl: str = "8h", nodes: str = "{min: 1, max: 4}", instance: str = "c7i.large") -> list[Finding]:
    text = f"""\
    version: 1
    name: a
    head: {{instance: c7i.large}}
    groups: {{cpu: {{instance: {instance}, nodes: {nodes}}}}}
    limits: {{cost: {cost} USD, ttl: {ttl}}}
    """
    return [f for f in decide(spec(text), bundled(), RUN, parse_target("aws"))[1] if f.code == "budget"]


def test_a_budget_that_is_spent_before_anything_is_done_is_refused() -> None:
    (found,) = over("0.04")
    assert found.level is Level.ERROR
    # Two machines of 0.08925 USD for a quarter of an hour, their disks, and an address for a begun hour.
    assert found.message == "limits.cost is 0.04 USD, but what is always there costs 0.05 USD in 15m"
    assert found.fix == "raise limits.cost, or ask for less"


def test_a_budget_that_may_not_last_is_a_warning_that_says_until_when() -> None:
    (found,) = over("1")
    assert (found.level, found.fix) == (Level.WARNING, "raise limits.cost, shorten limits.ttl, or ask for less")
    # Five machines cost 0.4707 USD an hour: two hours, less ten minutes for the end.
    said = "limits.cost is 1.00 USD, but it may cost 3.81 USD within limits.ttl: with every node there, jobs are cancelled after"
    assert found.message == f"{said} 1h57m"


def test_a_budget_that_lasts_is_not_mentioned() -> None:
    assert over("4") == []


def test_a_short_life_need_not_last_a_quarter_of_an_hour() -> None:
    assert [f.level for f in over("0.04", ttl="5m")] == [Level.WARNING]


def test_what_has_no_price_is_said_not_to_be_counted() -> None:
    known = catalogue(instance("free", on_demand=None), instance("head", on_demand=0.1))
    text = "version: 1\nname: a\nhead: {instance: head}\ngroups: {cpu: {instance: free, nodes: 1}}\nlimits: {cost: 5 USD}\n"
    (found,) = decide(spec(text), known, RUN, parse_target("aws"))[1]
    assert (found.level, found.code) == (Level.WARNING, "budget")
    assert found.message == "limits.cost: no price is known of cpu (free, on-demand), which is not counted"


def test_this_machine_costs_nothing_whatever_the_budget() -> None:
    text = "version: 1\nname: a\ngroups: {cpu: {nodes: 1}}\nlimits: {cost: 0.01 USD}\n"
    whole, found = decide(spec(text), bundled(), RUN, parse_target("local"))
    assert (whole.estimate.total_max, found, bill(whole).free) == (0.0, (), True)


def test_a_plan_shows_each_line_of_the_bill(capsys: pytest.CaptureFixture[str]) -> None:
    text = """\
    version: 1
    name: a
    head: {instance: c3-standard-4}
    network: {egress: gateway}
    groups: {cpu: {instance: c3-standard-4, nodes: {min: 1, max: 4}, spot: prefer}}
    jobs: {melt: {command: ls, outputs: dump, time: 1h}}
    limits: {cost: 5 USD, ttl: 2h}
    """
    whole = design(text, "gcp")
    print_bill(bill(whole), whole.estimate, whole.budget)
    lines = capsys.readouterr().out.splitlines()
    assert [" ".join(line.split()) for line in lines[:-1]] == [
        "billed what how many USD each",
        "head c3-standard-4, on-demand 1 0.2016/h",
        "head disk pd-balanced, 50 GiB 1 0.0068/h",
        "public address address 1 0.0050/h",
        "gateway address address 1 0.0050/h",
        "cpu c3-standard-4, spot 1 to 4 0.0494/h",
        "cpu disk pd-balanced, 30 GiB 1 to 4 0.0041/h",
        "cpu NAT Cloud NAT, for each machine 1 to 4 0.0014/h",
        "cpu c3-standard-4, on-demand 1 to 4 0.2016/h",
        "outputs to the Internet 1 to 10 GiB, a guess 0.1200/GiB",
        "NAT data processed by the gateway not counted 0.0450/GiB",
    ]
    assert lines[-1].startswith("cost: 0.43 to 1.05 USD an hour, about ")
    assert " expected, 3.39 USD at most; ended before limits.cost, 5.00 (" in lines[-1]


def test_a_head_is_told_what_everything_costs() -> None:
    text = "version: 1\nname: a\nhead: {instance: c7i.large}\ngroups: {cpu: {instance: [c7i.large, c7a.48xlarge], nodes: 4}}\n"
    told = rates(design(text, "aws"))
    assert told == {
        "hourly": pytest.approx(0.08925 + 50 * 0.08 / 730 + 0.005, abs=1e-5),
        "nodes": {"cpu": pytest.approx(9.85344 + 75 * 0.08 / 730, abs=1e-5)},
    }
