"""Tasks as slurmctld told of them → the JobResult that the receipt has."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from provisioner.executor.base import Executor
from provisioner.jobs.collect import Collected
from provisioner.jobs.follow import printable
from provisioner.jobs.model import JobResult, Submitted, TaskResult
from provisioner.slurm.states import Task, expand

# The worst state of an array's tasks is the job's: in this order, then any other that is not COMPLETED.
_WORST = ("FAILED", "OUT_OF_MEMORY", "NODE_FAIL", "BOOT_FAIL", "TIMEOUT", "DEADLINE", "CANCELLED")
# Enough to see what went wrong, short enough for one screen.
_TAIL_LINES, _TAIL_BYTES = 20, 8192


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
    worst = _worst(tasks)
    submitted = _least(task.submitted for task in tasks)
    started = _least(task.started for task in tasks)
    ended = _most(task.ended for task in tasks) if tasks and all(task.over for task in tasks) else None
    return JobResult(
        slurm_id=job.slurm_id,
        state=worst.state if worst else "UNKNOWN",
        reason=worst.reason if worst else "slurmctld was not there to be asked",
        exit_code=max((task.exit_code for task in tasks if task.over), default=None),
        nodes=expand(",".join(sorted({task.nodes for task in tasks if task.nodes}))),
        restarts=max((task.restarts for task in tasks), default=0),
        queued_seconds=_between(submitted, started),
        seconds=_between(started, ended),
        outputs=collected.outputs,
        missing=collected.missing,
        logs=collected.logs,
        log_tail=tail,
        tasks=tuple(_task(task) for task in sorted(tasks, key=lambda t: t.index or 0) if task.index is not None),
    )


def _task(task: Task) -> TaskResult:
    return TaskResult(
        index=task.index or 0,
        state=task.state,
        exit_code=task.exit_code,
        nodes=expand(task.nodes),
        queued_seconds=_between(task.submitted, task.started),
        seconds=_between(task.started, task.ended) if task.over else None,
    )


def _worst(tasks: Sequence[Task]) -> Task | None:
    def rank(task: Task) -> int:
        if task.state in _WORST:
            return _WORST.index(task.state)
        return len(_WORST) + (task.state == "COMPLETED")

    return min(tasks, key=rank, default=None)


def _between(first: float | None, last: float | None) -> float | None:
    return max(0.0, last - first) if first is not None and last is not None else None


def _least(times: Iterable[float | None]) -> float | None:
    return min((t for t in times if t is not None), default=None)


def _most(times: Iterable[float | None]) -> float | None:
    return max((t for t in times if t is not None), default=None)


def tail(executor: Executor, tasks: Sequence[Task]) -> str:
    """The end of what a failed job wrote: of the first of its tasks that failed."""
    for task in tasks:
        if task.over and task.state != "COMPLETED":
            texts = [_end(executor, path) for path in dict.fromkeys((task.stdout, task.stderr)) if path]
            return "\n".join(text for text in texts if text)
    return ""


def _end(executor: Executor, path: str) -> str:
    offset, block = 0, b""
    size = executor.run(["stat", "--format=%s", "--", path], check=False).stdout.strip()
    if size.isdigit():
        offset = max(0, int(size) - _TAIL_BYTES)
        block = executor.read(path, offset, _TAIL_BYTES)
    lines = block.decode(errors="replace").splitlines()[-_TAIL_LINES:]
    return "\n".join(printable(line.encode()) for line in lines)
