"""Tasks as slurmctld told of them → the JobResult that the receipt has."""

from __future__ import annotations

from collections.abc import Sequence

from provisioner.executor.base import Executor
from provisioner.jobs.collect import Collected
from provisioner.jobs.model import JobResult, Submitted
from provisioner.slurm.outcome import TAIL_BYTES, failed_logs, last_lines, outcome
from provisioner.slurm.states import Task, expand


def not_submitted(reason: str) -> JobResult:
    """A job that sbatch never took."""
    return JobResult(
        slurm_id=None,
        state="NOT_SUBMITTED",
        reason=reason,
        exit_code=None,
        nodes=(),
        restarts=0,
        queued_seconds=None,
        seconds=None,
    )


def result(job: Submitted, tasks: Sequence[Task], collected: Collected, tail: str) -> JobResult:
    """What became of a job."""
    files = {"outputs": collected.outputs, "missing": collected.missing, "logs": collected.logs, "log_tail": tail}
    return JobResult.model_validate({**outcome(job.slurm_id, tasks, expand), **files})


def tail(executor: Executor, tasks: Sequence[Task]) -> str:
    """The end of what a failed job wrote: of the first of its tasks that failed."""
    texts = [_end(executor, path) for path in failed_logs(tasks)]
    return "\n".join(text for text in texts if text)


def _end(executor: Executor, path: str) -> str:
    size = executor.run(["stat", "--format=%s", "--", path], check=False).stdout.strip()
    offset = max(0, int(size) - TAIL_BYTES) if size.isdigit() else 0
    return last_lines(executor.read(path, offset, TAIL_BYTES) if size.isdigit() else b"")
