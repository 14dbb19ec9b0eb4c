"""What a run has cost so far: from what its client kept, and of a kept cluster from what slurmctld says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from making import RUN, Still, inventory, spec, task
from standing_in import ListedTarget, SlurmHead

from provisioner import clock
from provisioner.catalog.table import bundled
from provisioner.design.decide import decide
from provisioner.errors import Invalid, Refused
from provisioner.executor.base import Executor
from provisioner.lifecycle import spending, state
from provisioner.lifecycle.budget import Meter
from provisioner.lifecycle.state import RunState
from provisioner.report.costs import cost_json, print_cost
from provisioner.spec.model import parse_target
from provisioner.targets.base import Inventory

BEGUN = float(RUN.expires - 20_000)
TEXT = """\
version: 1
name: test
groups: {cpu: {nodes: {min: 1, max: 3}}}
limits: {cost: 500 USD, ttl: 20000s, idle: 60s}
"""
DESIGN = decide(spec(TEXT), bundled(), RUN, parse_target("local"), rehearsed=36.0)[0]


class Place(ListedTarget):
    """Where a head is that says what it knows, or that nobody reaches."""

    def __init__(self, head: SlurmHead | None) -> None:
        super().__init__()
        self.head = head

    def connect(self, inventory: Inventory) -> Executor:
        if self.head is None:
            raise Refused("no credentials", why="they have expired", fix="aws sso login")
        return self.head


def remembered(kept: bool) -> RunState:
    folder = state.runs_folder() / RUN.id
    folder.mkdir(parents=True)
    found = RunState(folder)
    found.save_design(DESIGN)
    found.save_inventory(inventory(DESIGN, folder))
    steps = [{"time": BEGUN, "step": "create.folder"}, {"time": BEGUN, "step": "create.nodes", "nodes": ["cpu-1"]}]
    found.journal.path.write_text("".join(json.dumps(s) + "\n" for s in [*steps, *([{"step": "kept"}] if kept else [])]))
    with clock.use(Still(BEGUN)):
        meter = Meter(DESIGN, folder, lambda _: None)
        meter.ledger.begin("head", meter._bill.fixed, BEGUN)
        meter.ledger.begin("cpu-1", meter._bill.nodes[0].dearest.items, BEGUN)
        meter._keep()
    return found


def so_far(monkeypatch: pytest.MonkeyPatch, head: SlurmHead | None) -> spending.Spending:
    monkeypatch.setattr(spending, "open_target", lambda name: Place(head))
    with clock.use(Still(BEGUN + 1000)):
        return spending.so_far(None)


def test_of_a_run_that_goes_on_nobody_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    remembered(kept=False)
    found = so_far(monkeypatch, None)
    assert (found.spent, found.rate, found.asked) == (pytest.approx(20), 72, False)
    assert [(line.name, line.count) for line in found.lines] == [("head", 1), ("cpu", 1)]


def test_a_kept_cluster_says_who_is_there_and_who_was(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = remembered(kept=True)
    before = (kept.folder / "ledger.json").read_bytes()
    head = SlurmHead()
    head.nodes = {"cpu-1": "idle", "cpu-2": "idle", "cpu-3": "idle~"}
    head.jobs = {"melt": task(started=BEGUN + 200, ended=BEGUN + 300, nodes="cpu-[2-3]")}
    found = so_far(monkeypatch, head)
    # cpu-3 idled for a minute and went; cpu-2 is there again, as far as anybody knows since this moment.
    assert (found.spent, found.rate, found.asked) == (pytest.approx(20 + 2 * 1.6), 108, True)
    assert (kept.folder / "ledger.json").read_bytes() == before, "who looks keeps nothing"


def test_a_cluster_that_nobody_reaches_has_cost_what_was_last_known(monkeypatch: pytest.MonkeyPatch) -> None:
    remembered(kept=True)
    found = so_far(monkeypatch, None)
    assert (found.spent, found.asked) == (pytest.approx(20), False)


def test_a_run_that_has_decided_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    (remembered(kept=False).folder / "design.json").unlink()
    with pytest.raises(Invalid) as caught:
        so_far(monkeypatch, None)
    assert caught.value.fix == "burst sweep"


def test_it_is_shown_line_by_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    remembered(kept=False)
    found = so_far(monkeypatch, None)
    print_cost(found.design, found.lines, found.spent, found.rate, ("gpu (x)",))
    shown = capsys.readouterr().out.splitlines()
    assert [line.split() for line in shown[:3]] == [
        ["billed", "what", "how", "many", "in", "all", "USD"],
        ["head", "rehearsed", "1", "16m40s", "10.00"],
        ["cpu", "rehearsed", "1", "16m40s", "10.00"],
    ]
    # Four machines for the whole life and five seconds.
    assert shown[3:] == [
        f"{RUN.id}: 20.00 USD so far, 72.00 USD an hour now; 800.20 USD at most, ended before 500.00 USD (limits.cost)",
        "not counted: gpu (x) has no known price",
    ]
    told = json.loads(cost_json(found.design, found.lines, found.spent, found.rate, ()))
    assert (told["spent_usd"], told["hourly_usd"], told["estimated_usd"], told["limit_usd"]) == (20.0, 72.0, 800.2, 500.0)


def test_a_file_may_be_there_no_more(folder: Path) -> None:
    with pytest.raises(Invalid):
        spending.so_far("nobody")
