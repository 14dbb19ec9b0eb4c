"""The end of a run: whatever goes wrong on the way, what was made is destroyed."""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from making import Still, design, inventory
from standing_in import FolderExecutor, ListedTarget

from provisioner import clock
from provisioner.errors import ExitCode, Refused
from provisioner.events import Events
from provisioner.executor.process import CommandFailed, Completed
from provisioner.jobs.model import Submitted
from provisioner.lifecycle import teardown
from provisioner.lifecycle.record import Record, claim
from provisioner.lifecycle.run import end
from provisioner.lifecycle.signals import Signals
from provisioner.lifecycle.state import RunState
from provisioner.lifecycle.work import Cluster
from provisioner.targets.base import Intent, Inventory, Resource

DESIGN = design("version: 1\nname: a\ngroups: {cpu: {nodes: 1}}\njobs: {melt: {command: ls, outputs: log}}\n")
RUN_ID = DESIGN.run.id


class Broken(FolderExecutor):
    """A head on which every command does this."""

    def __init__(self, act: Callable[[], str]) -> None:
        super().__init__()
        self._act = act

    def run(self, argv: Sequence[str], **_: Any) -> Completed:
        return Completed(tuple(argv), 0, self._act(), "")


def unanswered() -> str:
    raise CommandFailed(["scontrol"], 1, "", "slurm_load_jobs error: Unable to contact slurm controller")


def ended(
    folder: Path,
    executor: FolderExecutor,
    spoil: Callable[[Record], None] = lambda _: None,
    place: type[ListedTarget] = ListedTarget,
) -> tuple[ListedTarget, Record]:
    """One run's end, with one job submitted. What it raises is swallowed: the question is what is left."""
    (folder / "state").mkdir()
    record = Record(DESIGN, RunState(folder / "state"), claim(folder / "results"), [])
    record.state.save_submitted({"melt": Submitted(name="melt", slurm_id=1, folder=str(folder / "work" / "melt"))})
    target = place(there=[RUN_ID])
    inventory = Inventory(
        run_id=RUN_ID,
        target="local",
        head="localhost",
        address="127.0.0.1",
        nodes={},
        workdir=str(folder / "work"),
        mounts={},
        slurm_version="22.05",
        place={},
    )
    spoil(record)
    with clock.use(Still()):
        try:
            end(record, target, Cluster(target, inventory, executor), Signals(lambda: ""))
        except Exception as problem:
            record.stopped(problem)
    return target, record


def test_a_slurmctld_that_does_not_answer_keeps_nothing_alive(folder: Path) -> None:
    target, record = ended(folder, Broken(unanswered))
    assert (target.there, record.remains) == (set(), ())
    assert record.jobs["melt"].state == "UNKNOWN"
    assert not record.state.folder.exists()


def test_a_slurmctld_that_hangs_costs_no_outputs(folder: Path) -> None:
    def hangs() -> str:
        clock.sleep(40)
        return unanswered()

    (folder / "work/melt").mkdir(parents=True)
    (folder / "work/melt/log").write_text("precious")
    _, record = ended(folder, Broken(hangs))
    assert (folder / "results/melt/log").read_text() == "precious"
    assert record.jobs["melt"].state == "UNKNOWN"


def test_a_bug_of_ours_while_collecting_keeps_nothing_alive(folder: Path) -> None:
    def bug() -> str:
        raise KeyError("JobState")

    assert ended(folder, Broken(bug))[0].there == set()


def test_results_that_cannot_be_written_any_more_keep_nothing_alive(folder: Path) -> None:
    target, _ = ended(folder, Broken(unanswered), spoil=lambda record: shutil.rmtree(record.results))
    assert target.there == set()


def test_a_journal_that_cannot_be_written_any_more_keeps_nothing_alive(folder: Path) -> None:
    def full(_: object) -> None:
        raise OSError(28, "No space left on device")

    target = ListedTarget(there=[RUN_ID])
    with contextlib.suppress(OSError):
        teardown.destroy(target, RUN_ID, Events(RUN_ID, [full]))
    assert target.there == set()


def test_destroy_tries_three_times_and_tells_what_is_left() -> None:
    told: list[tuple[str, str]] = []
    target = ListedTarget(there=[RUN_ID], stubborn=[RUN_ID])
    with clock.use(Still()):
        ended = teardown.destroy(target, RUN_ID, Events(RUN_ID, [lambda event: told.append((event.kind, event.message))]))
    assert [resource.id for resource in ended.remains] == [RUN_ID]
    assert [(scan.answered, scan.billed, scan.free) for scan in ended.scans] == [(True, 0, 1)] * 3
    assert target.calls == [("destroy", RUN_ID), ("reap", RUN_ID)] * 3
    assert told[-1] == ("left", f"left: folder {RUN_ID} (free)")


class Deaf(ListedTarget):
    """A place whose credentials have run out in the middle."""

    def remains(self, run_id: str, intents: Sequence[Intent] = ()) -> tuple[Resource, ...]:
        raise Refused("no credentials", why="ExpiredToken: the security token has expired", fix="aws sso login")


def test_a_place_that_cannot_be_asked_is_never_said_to_be_empty(folder: Path) -> None:
    target, record = ended(folder, Broken(unanswered), place=Deaf)
    assert record.exit_code() is ExitCode.LEFTOVER
    (left,) = record.remains
    why = "no credentials: ExpiredToken: the security token has expired; aws sso login"
    assert left.name == f"local could not be asked what is left: {why}"
    assert ("reap", left.id) not in target.calls, "nobody knows what it is"
    assert record.state.folder.exists(), "the next sweep asks again"


def test_what_is_on_its_way_is_not_brought_a_second_time_beside_it(folder: Path) -> None:
    """A signal may have kept the watch from waiting for its courier."""
    order: list[str] = []

    class Slow(Broken):
        def python(self, script: Path, request: dict[str, Any]) -> Any:
            order.append("asked")
            return super().python(script, request)

    (folder / "work/melt").mkdir(parents=True)
    (folder / "work/melt/log").write_text("precious")
    (folder / "state").mkdir()
    record = Record(DESIGN, RunState(folder / "state"), claim(folder / "results"), [])
    record.state.save_submitted({"melt": Submitted(name="melt", slurm_id=1, folder=str(folder / "work" / "melt"))})
    cluster = Cluster(ListedTarget(there=[RUN_ID]), inventory(DESIGN, folder / "work"), Slow(unanswered))
    with ThreadPoolExecutor(1) as courier, clock.use(Still()):
        cluster.under_way.append(courier.submit(lambda: (time.sleep(0.2), order.append("courier"))[1]))
        end(record, cluster.target, cluster, Signals(lambda: ""))
    assert order[0] == "courier"
    assert (folder / "results/melt/log").read_text() == "precious"
