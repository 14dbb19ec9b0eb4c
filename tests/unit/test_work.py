"""Each job's outputs are brought as soon as it is over, once; what goes wrong early is done again in the end."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from making import Planned, design, inventory, task
from standing_in import ListedTarget, SlurmHead

from provisioner import clock
from provisioner.events import Event, Events
from provisioner.executor.process import CommandFailed
from provisioner.findings import Level
from provisioner.jobs.model import Submitted
from provisioner.jobs.watch import ClusterLost
from provisioner.lifecycle import work
from provisioner.lifecycle.record import Record, claim
from provisioner.lifecycle.state import RunState
from provisioner.lifecycle.work import Cluster

DESIGN = design("""\
version: 1
name: a
groups: {cpu: {nodes: {min: 2, max: 4}}}
jobs:
  melt: {command: ls, outputs: log}
  plot: {command: ls, outputs: log}
""")
RUNNING: dict[str, Any] = {"state": "RUNNING", "ended": None}
BEGUN = DESIGN.run.expires - DESIGN.ttl


class Run:
    """A run with two jobs that go on, whose outputs are on the head."""

    def __init__(self, folder: Path) -> None:
        self.head = SlurmHead()
        self.target = ListedTarget()
        self.events: list[Event] = []
        self.work = folder / "work"
        self.cluster = Cluster(self.target, inventory(DESIGN, self.work), self.head)
        (folder / "state").mkdir()
        self.record = Record(DESIGN, RunState(folder / "state"), claim(folder / "results"), [self.events.append])
        self.submitted = {}
        for number, name in enumerate(("melt", "plot"), 1):
            self.submitted[name] = Submitted(name=name, slurm_id=number, folder=str(self.work / name))
            self.head.jobs[name] = task(job_id=number, own_id=number, **RUNNING)
            self.log(name).parent.mkdir(parents=True)
            self.log(name).write_text(f"{name}\n")
        self.record.state.save_submitted(self.submitted)

    def log(self, name: str) -> Path:
        return self.work / name / "log"

    def ends(self, name: str, **known: Any) -> Callable[[], object]:
        number = self.submitted[name].slurm_id
        return lambda: self.head.jobs.update({name: task(job_id=number, own_id=number, **known)})

    def waits_for(self, kind: str) -> Callable[[], object]:
        """The courier is a thread: an act that waits until it has said this."""
        said = threading.Event()
        self.record.events.listen(lambda event: said.set() if event.kind == kind else None)
        return lambda: said.wait(10) or pytest.fail(f"nobody said {kind}")

    def follow(self, plan: dict[float, Callable[[], object]], *, bring: bool = True) -> None:
        with clock.use(Planned(plan, BEGUN)):
            work.follow(self.cluster, self.record, self.submitted, None, bring=bring)

    def fetched(self) -> list[str]:
        return [path for paths in self.head.fetches for path in paths]

    def collected(self) -> list[str]:
        return [event.data["job"] for event in self.events if event.kind == "job.collected"]


@pytest.fixture
def run(folder: Path) -> Run:
    return Run(folder)


def test_a_job_is_collected_while_others_run_and_not_once_more(run: Run) -> None:
    there: list[set[str]] = []
    run.follow(
        {
            5: run.ends("melt"),
            6: run.waits_for("job.collected"),
            7: lambda: there.append(set(run.record.jobs)),
            8: run.ends("plot"),
        }
    )
    assert there == [{"melt"}]
    assert set(run.record.jobs) == {"melt", "plot"}
    assert (run.record.results / "melt" / "log").read_text() == "melt\n"
    work.gather(run.cluster, run.record)
    assert run.fetched() == [str(run.log("melt")), str(run.log("plot"))]
    assert run.collected() == ["melt", "plot"]
    assert {job.state for job in run.record.jobs.values()} == {"COMPLETED"}
    assert run.record.findings == []


def test_nothing_is_brought_early_where_nobody_asks(run: Run) -> None:
    run.follow({5: run.ends("melt"), 8: run.ends("plot")}, bring=False)
    assert (run.record.jobs, run.fetched()) == ({}, [])
    work.gather(run.cluster, run.record)
    assert run.collected() == ["melt", "plot"]


def test_what_is_missing_early_may_be_there_in_the_end(run: Run) -> None:
    run.log("melt").unlink()
    run.follow({5: run.ends("melt"), 8: run.ends("plot"), 9: lambda: None})
    assert set(run.record.jobs) == {"plot"}
    assert run.record.findings == [], "it is not told before it is certain"
    run.log("melt").write_text("late\n")
    work.gather(run.cluster, run.record)
    assert run.record.jobs["melt"].missing == ()
    assert (run.record.results / "melt" / "log").read_text() == "late\n"
    assert run.collected() == ["plot", "melt"]


def test_what_is_missing_in_the_end_too_is_told_once(run: Run) -> None:
    run.log("melt").unlink()
    run.follow({5: run.ends("melt"), 8: run.ends("plot")})
    work.gather(run.cluster, run.record)
    assert run.record.jobs["melt"].missing == ("log",)
    assert [(finding.code, finding.level) for finding in run.record.findings] == [("output", Level.ERROR)]


def test_a_line_that_drops_early_is_there_again_in_the_end(run: Run) -> None:
    run.head.fails["python"] = "Connection closed by remote host"
    run.follow({5: run.ends("melt"), 8: run.ends("plot")})
    assert run.record.jobs == {}
    run.head.fails.clear()
    work.gather(run.cluster, run.record)
    assert run.collected() == ["melt", "plot"]
    assert run.record.findings == []


def test_a_head_that_dies_later_does_not_cost_what_was_brought(run: Run) -> None:
    def dies() -> None:
        run.head.fails |= dict.fromkeys(("scontrol", "sinfo", "python", "read", "stat"), "No route to host")

    with pytest.raises(ClusterLost):
        run.follow({5: run.ends("melt"), 6: run.waits_for("job.collected"), 7: dies})
    work.gather(run.cluster, run.record)
    melt, plot = run.record.jobs["melt"], run.record.jobs["plot"]
    assert (melt.state, melt.missing, [output.path for output in melt.outputs]) == ("COMPLETED", (), ["log"])
    assert (plot.state, plot.missing) == ("UNKNOWN", ("log",))
    assert (run.record.results / "melt" / "log").read_text() == "melt\n"
    assert run.collected() == ["melt", "plot"]


def test_what_goes_on_is_left_out_where_it_may(run: Run) -> None:
    run.ends("melt")()
    work.gather(run.cluster, run.record, running=True)
    assert (set(run.record.jobs), run.head.ran) == ({"melt"}, [])


def test_a_last_look_at_the_logs_over_a_dead_line_hides_nothing(run: Run, folder: Path) -> None:
    log = folder / "out"
    log.write_text("words\n")
    run.head.jobs["melt"] = task(job_id=1, own_id=1, stdout=str(log), **RUNNING)
    shown: list[str] = []
    plan = {5: lambda: run.head.fails.update(dict.fromkeys(("scontrol", "read"), "No route to host"))}
    with clock.use(Planned(plan, BEGUN)), pytest.raises(ClusterLost):
        work.follow(run.cluster, run.record, run.submitted, lambda _, line: shown.append(line))
    assert shown == ["words"]


def heal(folder: Path, *names: str, full: str = "") -> tuple[ListedTarget, list[Event]]:
    target, told = ListedTarget(), list[Event]()
    target.full = full
    Cluster(target, inventory(DESIGN, folder), SlurmHead()).heal(names, Events("a", [told.append]))
    return target, told


def test_only_nodes_that_are_always_there_are_made_anew(folder: Path) -> None:
    assert heal(folder, "cpu-1", "cpu-2", "cpu-3")[0].calls == [("launch", "cpu-1,cpu-2")]
    assert heal(folder, "cpu-3", "cpu-4")[0].calls == []


def test_a_node_that_cannot_be_made_anew_is_told_and_the_run_goes_on(folder: Path) -> None:
    target, told = heal(folder, "cpu-1", full="no room for c7a.xlarge")
    assert target.calls == [("launch", "cpu-1")]
    assert [event.data.get("step", event.kind) for event in told] == ["heal", "heal.failed", "settled"]
    assert told[1].data["nodes"] == ["cpu-1"]
    assert told[1].message == "cpu-1 could not be launched: no room for c7a.xlarge"


def test_a_place_that_is_broken_is_no_refusal(folder: Path) -> None:
    class Broken(ListedTarget):
        def launch(self, *_: Any) -> None:
            raise CommandFailed(["ip"], 1, "", "no")

    with pytest.raises(CommandFailed):
        Cluster(Broken(), inventory(DESIGN, folder), SlurmHead()).heal(["cpu-1"], Events("a", []))


def test_the_watch_heals_what_dies(run: Run) -> None:
    run.target.full = "no room"
    run.head.nodes = {"cpu-1": "idle*"}
    run.follow({20: run.ends("melt"), 21: run.ends("plot")})
    assert run.target.calls == [("launch", "cpu-1")]
    assert [event.kind for event in run.events if event.kind in ("node.dead", "heal.failed")] == ["node.dead", "heal.failed"]
    assert {job.state for job in run.record.jobs.values()} == {"COMPLETED"}


def test_a_line_that_drops_in_the_end_is_asked_again(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in run.submitted:
        run.ends(name)()
    tried, once = [], run.head.python

    def dropping(*request: Any) -> Any:
        tried.append(request)
        if len(tried) < 4:
            raise CommandFailed(["python3"], None, "", "the connection went down")
        return once(*request)

    monkeypatch.setattr(run.head, "python", dropping)
    with clock.use(Planned({}, BEGUN)):
        work.gather(run.cluster, run.record)
    assert [run.record.jobs[name].missing for name in run.submitted] == [(), ()]
    assert run.record.findings == []


@pytest.mark.parametrize(("lost", "least", "most"), [(False, 20, 22), (True, 0, 1)])
def test_a_head_that_is_gone_is_asked_for_so_long(
    run: Run, monkeypatch: pytest.MonkeyPatch, lost: bool, least: int, most: int
) -> None:
    for name in run.submitted:
        run.ends(name)()

    def gone(*request: Any) -> Any:
        raise CommandFailed(["python3"], None, "", "no route to host")

    monkeypatch.setattr(run.head, "python", gone)
    run.cluster.lost = lost
    with clock.use(Planned({}, BEGUN)):
        began = clock.now()
        work.gather(run.cluster, run.record)
        assert least <= clock.now() - began <= most
    assert all("no route to host" in finding.message for finding in run.record.findings if finding.code == "output")
    assert [run.record.jobs[name].missing for name in run.submitted] == [("log",), ("log",)]
