"""What a design will cost, in figures that are worked out by hand; what is true of any is in test_estimate_any.py."""

from __future__ import annotations

import pytest
from making import RUN, catalogue, design, instance, spec

from provisioner.catalog.table import bundled
from provisioner.cost.bill import Item
from provisioner.cost.ledger import Ledger
from provisioner.design.bill import bill, rates
from provisioner.design.decide import decide
from provisioner.findings import Finding, Level
from provisioner.report.costs import print_bill, print_costs
from provisioner.spec.model import parse_target


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


@pytest.mark.parametrize(
    ("jobs", "node_hours"),
    [
        # They cannot idle longer than the cluster lives.
        ("{big: {command: ls, nodes: 4, time: 1h}}", 4 * 3605 / 3600),
        # Eight tasks on eight nodes, each idle for ten minutes, while a job of another group goes on.
        ("{many: {command: ls, nodes: 1, array: 0-7, time: 30m}, other: {command: ls, group: fixed, time: 2h}}", 8 * 40 / 60),
        # Two at once are two nodes, four times.
        (
            "{many: {command: ls, nodes: 1, array: 0-7%2, time: 30m}, other: {command: ls, group: fixed, time: 3h}}",
            8 * 30 / 60 + 2 * 10 / 60,
        ),
        # Tasks share a node: with two CPUs each, eight of them are four nodes at once, and then once more.
        (
            "{many: {command: ls, array: 0-15, time: 30m}, other: {command: ls, group: fixed, time: 3h}}",
            8 * 30 / 60 + 8 * 10 / 60,
        ),
    ],
)
def test_nodes_that_come_and_go_are_expected_for_their_jobs_and_their_idling(jobs: str, node_hours: float) -> None:
    text = f"""\
    version: 1
    name: a
    groups: {{cpu: {{nodes: {{max: 8}}}}, fixed: {{nodes: 1}}}}
    jobs: {jobs}
    limits: {{ttl: 8h, idle: 10m}}
    """
    rehearsed, _ = decide(spec(text), bundled(), RUN, parse_target("local"), rehearsed=1.0)
    # The longest job, and five seconds: so long there are a head and the fixed node.
    life = (max(int(job.options[-1].removeprefix("--time=")) * 60 for job in rehearsed.jobs) + 5) / 3600
    assert rehearsed.estimate.expected == pytest.approx(2 * life + node_hours, abs=0.01)


def test_a_node_that_is_always_there_does_nothing_for_a_job_that_is_over() -> None:
    """By hand: a second node for the first job's two hours; the first one is there for all six. What idles is counted as if the
    group's jobs were at once: three nodes, of which two come and go."""
    text = """\
    version: 1
    name: a
    groups: {cpu: {nodes: {min: 1, max: 4}}, big: {nodes: 1}}
    jobs:
      a: {command: ls, nodes: 2, time: 2h}
      b: {command: ls, group: big, time: 3h, needs: [a]}
      c: {command: ls, nodes: 1, time: 1h, needs: [b]}
    limits: {ttl: 8h, idle: 10m}
    """
    rehearsed, _ = decide(spec(text), bundled(), RUN, parse_target("local"), rehearsed=1.0)
    assert rehearsed.estimate.expected == pytest.approx(3 * (6 + 5 / 3600) + 2 + 2 * 10 / 60, abs=0.01)


def test_of_jobs_without_a_time_something_is_expected_that_is_said_to_be_assumed() -> None:
    """An hour each, one after the other: two hours, and five seconds."""
    text = """\
    version: 1
    name: a
    groups: {cpu: {nodes: 1}}
    jobs: {a: {command: ls, time: 1h}, b: {command: ls, needs: [a]}}
    limits: {ttl: 8h}
    """
    estimate = decide(spec(text), bundled(), RUN, parse_target("local"), rehearsed=36.0)[0].estimate
    assert (estimate.expected, estimate.assumed) == (None, {"b": 3600}), "what is assumed is never told without saying so"
    assert estimate.markets[0].expected == pytest.approx(2 * 36 * (2 * 3600 + 5) / 3600, abs=0.01)
    short = text.replace("8h", "30m")
    estimate = decide(spec(short), bundled(), RUN, parse_target("local"), rehearsed=36.0)[0].estimate
    assert estimate.assumed == {"b": 1620}, "as long as the cluster lives, less the time for collecting"
    assert estimate.markets[0].expected == pytest.approx(2 * 36 * (1620 + 5) / 3600, abs=0.01)


def test_nothing_is_expected_where_there_are_no_jobs() -> None:
    estimate = design("version: 1\nname: a\ngroups: {cpu: {nodes: 1}}\n", "aws").estimate
    assert (estimate.expected, [market.expected for market in estimate.markets], estimate.assumed) == (None, [None], {})


@pytest.mark.parametrize(
    ("spots", "wanted"),
    [
        (("prefer",), [("spot", 0.25), ("on-demand", 1.0)]),
        (("never",), [("on-demand", 1.0)]),
        (("only",), [("spot", 0.25)]),
        (("never", "prefer"), [("spot", 1.25), ("on-demand", 2.0)]),
        (("only", "prefer"), [("spot", 0.5), ("on-demand", 1.25)]),
        (("never", "only"), [("spot", 1.25)]),
    ],
)
def test_each_market_has_its_line(spots: tuple[str, ...], wanted: list[tuple[str, float]]) -> None:
    """Each group has two nodes always and two more: 1 USD an hour, or 0.25 on the spot market, where the head never is."""
    kinds = catalogue(instance("node", on_demand=1.0, spot=0.25), instance("head", on_demand=0.5))
    groups = ", ".join(f"{spot}: {{instance: node, nodes: {{min: 2, max: 4}}, spot: {spot}}}" for spot in spots)
    text = f"version: 1\nname: a\nhead: {{instance: head}}\ngroups: {{{groups}}}\nlimits: {{ttl: 1h}}\n"
    estimate = decide(spec(text), kinds, RUN, parse_target("aws"))[0].estimate
    disks, around = len(spots) * 32 * 0.08 / 730, 0.5 + 50 * 0.08 / 730 + 0.005
    assert [market.market for market in estimate.markets] == [name for name, _ in wanted]
    for market, (_, each) in zip(estimate.markets, wanted, strict=True):
        assert market.hourly == pytest.approx(around + 2 * (each + disks), abs=1e-4)
        assert market.hourly_max == pytest.approx(around + 4 * (each + disks), abs=1e-4)
    assert estimate.hourly == estimate.markets[-1].hourly, "whichever is to be had"


def test_a_spot_machine_is_never_dearer_than_one_on_demand_nor_is_an_unknown_price_hidden() -> None:
    kinds = catalogue(instance("odd", on_demand=1.0, spot=1.5), instance("new", on_demand=2.0), instance("head", on_demand=0.5))
    text = "version: 1\nname: a\nhead: {instance: head}\ngroups: {a: {instance: [odd, new], nodes: 1, spot: prefer}}\n"
    decided, _ = decide(spec(text), kinds, RUN, parse_target("aws"))
    prices = [option.items[0].usd for option in bill(decided).nodes[0].options]
    assert prices == [1.0, 2.0, 1.0, 2.0]
    assert decided.estimate.basis.endswith("; no spot price is known of new, on demand's stands for it")


@pytest.mark.parametrize(
    ("cloud", "kind", "told"),
    [
        ("aws", "c7i.large", ("NAT data (0.045 USD a GiB)", "EFS data (0.06 USD a GiB)", "requests to buckets")),
        (
            "gcp",
            "c2-standard-60",
            ("NAT data (0.045 USD a GiB)", "requests to buckets", "Tier_1 networking of cpu, whose price was not found"),
        ),
        (
            "azure",
            "Standard_D4s_v5",
            ("NAT data (0.045 USD a GiB)", "requests to buckets", "transactions of nodes' disks"),
        ),
        ("local", "c7i.large", ()),
    ],
)
def test_what_is_billed_beside_the_bill_is_named(cloud: str, kind: str, told: tuple[str, ...]) -> None:
    text = f"""\
    version: 1
    name: a
    network: {{egress: gateway}}
    groups: {{cpu: {{instance: {kind}, nodes: 1}}}}
    filesystems: {{/data: {{type: bucket, size: 1GiB}}, /more: {{type: managed-nfs, size: 1TiB}}}}
    """
    assert design(text, cloud).estimate.uncounted == told


@pytest.mark.parametrize(
    ("cloud", "kind", "image", "sizes"),
    [
        ("aws", "c7i.large", "ami-1", [75, 75, 75]),
        # Its head has a disk of 50 GiB, billed as 64.
        ("azure", "Standard_D4s_v5", "a:b:c:1", [64, 64, 64]),
        # There a disk's size is said, whatever the image.
        ("gcp", "c3-standard-4", "projects/p/global/images/i", [50, 30, 30]),
    ],
)
def test_a_disk_is_as_large_as_an_image_of_the_users_own_may_be(cloud: str, kind: str, image: str, sizes: list[int]) -> None:
    groups = f"{{cpu: {{instance: {kind}, nodes: 1}}}}"
    known = bill(design(f"version: 1\nname: a\nimage: {image}\nlogin: {{instance: {kind}}}\ngroups: {groups}\n", cloud))
    items = [*known.fixed, *known.nodes[0].options[0].items]
    told = {item.name: int(item.what.split()[-2]) for item in items if item.name.endswith("disk")}
    assert told == dict(zip(("head disk", "login disk", "cpu disk"), sizes, strict=True))


def test_a_name_has_one_machine_at_a_time() -> None:
    """Of a life that is heard of late only what was before the next one of that name is counted."""
    item, ledger = Item("cpu", "a", 36.0), Ledger()
    ledger.begin("cpu-1", [item], 200.0)
    ledger.was("cpu-1", [item], 10.0, 100.0)
    ledger.was("cpu-1", [item], 60.0, 250.0)
    ledger.was("cpu-1", [item], 20.0, 90.0)
    assert [(stretch.began, stretch.ended) for stretch in ledger.stretches] == [(100.0, None), (10.0, 100.0)]
    ledger.end(300.0)
    ledger.begin("cpu-1", [item], 290.0)
    assert ledger.total(400.0) == pytest.approx(390 * 0.01), "it begins when the one before it ended"


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
    print_bill(bill(whole))
    lines = capsys.readouterr().out.splitlines()
    assert [" ".join(line.split()) for line in lines] == [
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


def test_a_plan_shows_what_that_makes(capsys: pytest.CaptureFixture[str]) -> None:
    """The head and around it are 0.2184 USD an hour, a node is 0.0549 or 0.2071; two hours and five minutes, 10 GiB."""
    text = """\
    version: 1
    name: a
    head: {instance: c3-standard-4}
    network: {egress: gateway}
    groups: {cpu: {instance: c3-standard-4, nodes: {min: 1, max: 4}, spot: prefer}}
    jobs: {melt: {command: ls, outputs: dump, time: 1h}TAIL}
    limits: {LIMIT}
    """
    whole = design(text.replace("TAIL", "").replace("LIMIT", "cost: 3 USD, ttl: 2h"), "gcp")
    print_costs(whole.estimate, whole.budget, whole.ttl)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split() for line in lines[:3]] == [
        ["cost", "USD", "an", "hour", "expected", "at", "most,", "in", "2h", "and", "its", "end"],
        ["spot", "0.27", "to", "0.44", f"{whole.estimate.markets[0].expected:.2f}", "2.12"],
        ["on-demand", "0.43", "to", "1.05", f"{whole.estimate.markets[1].expected:.2f}", "3.39"],
    ]
    assert lines[3:] == [
        "counted: everything that is billed, by published prices; the outputs are a guess; not counted: NAT data (0.045 USD a GiB)",
        "limit: 3.00 USD (limits.cost); the run is ended before",
    ]
    jobs = "".join(f", j{i}: {{command: ls}}" for i in range(6))
    whole = design(text.replace("TAIL", jobs).replace("LIMIT", "ttl: 2h"), "gcp")
    print_costs(whole.estimate, whole.budget, whole.ttl)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) <= 6
    assert (
        lines[3]
        == "~ assumed: 1h for each job, or task of an array, of which the file says no time (scripts are not read): j0, j1, j2, j3 and 2 more"
    )
    assert [line.split()[-2][-1] for line in lines[1:3]] == ["~", "~"]


def test_a_plan_says_what_is_not_known_and_what_costs_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    known = catalogue(instance("free", on_demand=None), instance("head", on_demand=0.1))
    text = "version: 1\nname: a\nhead: {instance: head}\ngroups: {cpu: {instance: free, nodes: 1}}\n"
    whole = design(text, "aws", known)
    print_costs(whole.estimate, None, whole.ttl)
    whole = design("version: 1\nname: a\ngroups: {cpu: {nodes: 1}}\n")
    print_bill(bill(whole))
    print_costs(whole.estimate, None, whole.ttl)
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert lines[1:3] == ["on-demand not known", "not known: a type has no price in the catalogue"]
    assert lines[-1] == "cost: nothing (this machine: nothing is billed)"


def test_a_head_is_told_what_everything_costs() -> None:
    text = "version: 1\nname: a\nhead: {instance: c7i.large}\ngroups: {cpu: {instance: [c7i.large, c7a.48xlarge], nodes: 4}}\n"
    told = rates(design(text, "aws"))
    assert told == {
        "hourly": pytest.approx(0.08925 + 50 * 0.08 / 730 + 0.005, abs=1e-5),
        "nodes": {"cpu": pytest.approx(9.85344 + 75 * 0.08 / 730, abs=1e-5)},
    }
