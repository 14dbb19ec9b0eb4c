"""Tasks → the result that the receipt has."""

from __future__ import annotations

from pathlib import Path

import pytest
from making import task
from standing_in import FolderExecutor

from provisioner.jobs.collect import Collected
from provisioner.jobs.model import JobResult, OutputFile, Submitted
from provisioner.jobs.result import expand, not_submitted, result, tail
from provisioner.slurm.states import Task

JOB = Submitted(name="melt", slurm_id=7, folder="/work/melt")


def of(*tasks: Task) -> JobResult:
    return result(JOB, tasks, Collected(), "")


def test_one_job() -> None:
    done = of(task(nodes="cpu-[1-3]", submitted=100.0, started=104.0, ended=110.0))
    assert (done.slurm_id, done.state, done.exit_code, done.nodes) == (7, "COMPLETED", 0, ("cpu-1", "cpu-2", "cpu-3"))
    assert (done.queued_seconds, done.seconds, done.tasks) == (4.0, 6.0, ())


def test_what_was_collected_is_in_it() -> None:
    collected = Collected()
    collected.outputs, collected.missing, collected.logs = (OutputFile(path="a", bytes=1, sha256="x"),), ("b",), ("c",)
    done = result(JOB, [task()], collected, "the end")
    assert (done.outputs, done.missing, done.logs, done.log_tail) == (collected.outputs, ("b",), ("c",), "the end")


@pytest.mark.parametrize(
    ("states", "worst"),
    [
        (["COMPLETED", "COMPLETED"], "COMPLETED"),
        (["COMPLETED", "FAILED", "COMPLETED"], "FAILED"),
        (["CANCELLED", "TIMEOUT"], "TIMEOUT"),
        (["TIMEOUT", "OUT_OF_MEMORY"], "OUT_OF_MEMORY"),
        (["COMPLETED", "RUNNING"], "RUNNING"),
        (["RUNNING", "CANCELLED"], "CANCELLED"),
        (["COMPLETED", "PREEMPTED"], "PREEMPTED"),
    ],
)
def test_an_array_is_as_its_worst_task(states: list[str], worst: str) -> None:
    assert of(*(task(index=i, state=state) for i, state in enumerate(states))).state == worst


def test_an_array_tells_of_each_task_and_sums_up() -> None:
    second = task(index=1, state="FAILED", reason="NonZeroExitCode", exit_code=9, nodes="cpu-2", started=105.0, ended=120.0)
    third = task(index=2, state="RUNNING", exit_code=0, nodes="cpu-3", started=130.0, ended=None)
    done = of(third, second, task(index=0, exit_code=1, restarts=2))
    assert [(t.index, t.state, t.exit_code, t.seconds) for t in done.tasks] == [
        (0, "COMPLETED", 1, 10.0),
        (1, "FAILED", 9, 15.0),
        (2, "RUNNING", 0, None),
    ]
    assert (done.exit_code, done.restarts, done.reason) == (9, 2, "NonZeroExitCode")
    assert (done.nodes, done.queued_seconds, done.seconds) == (("cpu-1", "cpu-2", "cpu-3"), 1.0, None)


def test_a_job_that_never_ran() -> None:
    done = of(task(state="CANCELLED", started=None, ended=108.0, nodes=""))
    assert (done.state, done.nodes, done.queued_seconds, done.seconds) == ("CANCELLED", (), None, None)


def test_clocks_that_differ_make_no_negative_times() -> None:
    done = of(task(submitted=100.0, started=99.0, ended=98.0))
    assert (done.queued_seconds, done.seconds) == (0.0, 0.0)


def test_a_job_that_nobody_could_be_asked_about() -> None:
    done = of()
    assert (done.state, done.exit_code, done.reason) == ("UNKNOWN", None, "slurmctld was not there to be asked")


def test_a_job_that_sbatch_refused() -> None:
    done = not_submitted("Requested node configuration is not available")
    assert (done.state, done.slurm_id, done.reason) == ("NOT_SUBMITTED", None, "Requested node configuration is not available")


@pytest.mark.parametrize(
    ("hostlist", "names"),
    [
        ("", ()),
        ("cpu-1", ("cpu-1",)),
        ("cpu-2,cpu-1,cpu-2", ("cpu-1", "cpu-2")),
        ("cpu-[1-2,4],gpu-1", ("cpu-1", "cpu-2", "cpu-4", "gpu-1")),
        ("a-1-[09-11]", ("a-1-09", "a-1-10", "a-1-11")),
    ],
)
def test_hostlists(hostlist: str, names: tuple[str, ...]) -> None:
    assert expand(hostlist) == names


def test_the_end_of_what_the_first_failed_task_wrote(folder: Path) -> None:
    for name, text in (("0.out", "fine\n"), ("1.out", "out\x1b[1m\n"), ("1.err", "err\n"), ("2.out", "also failed\n")):
        (folder / name).write_text(text)

    def logs(i: int, state: str) -> Task:
        return task(index=i, state=state, stdout=str(folder / f"{i}.out"), stderr=str(folder / f"{i}.err"))

    tasks = [logs(0, "COMPLETED"), logs(1, "FAILED"), logs(2, "FAILED")]
    assert tail(FolderExecutor(), tasks) == "out�[1m\nerr"
    assert tail(FolderExecutor(), tasks[:1]) == ""
    assert tail(FolderExecutor(), [logs(3, "FAILED")]) == "", "a log that is not there"


def test_the_end_of_a_long_log_fits_a_screen(folder: Path) -> None:
    (folder / "log").write_text("".join(f"line {i}\n" for i in range(100_000)))
    failed = task(state="FAILED", stdout=str(folder / "log"), stderr=str(folder / "log"))
    assert tail(FolderExecutor(), [failed]).splitlines() == [f"line {i}" for i in range(99_980, 100_000)]
