"""What became of a job, as the receipt has it: plain data, judged in the same way by the client and by the head itself.

Standard library only, and nothing else of ours but the shape of a Task: the head of a run whose client has gone has this
file as it is (alone/detached.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from provisioner.slurm.states import Task

# The worst state of an array's tasks is the job's: in this order, then any other that is not COMPLETED.
_WORST = ("FAILED", "OUT_OF_MEMORY", "NODE_FAIL", "BOOT_FAIL", "TIMEOUT", "DEADLINE", "CANCELLED")
# Enough to see what went wrong, short enough for one screen.
TAIL_BYTES, _TAIL_LINES = 8192, 20

# A hostlist → the names in it.
Expand = Callable[[str], Sequence[str]]


def outcome(slurm_id: int, tasks: Sequence[Task], expand: Expand) -> dict[str, Any]:
    """How a job ended, with the keys of jobs/model.py's JobResult but for its files."""
    worst = _worst(tasks)
    submitted = _least(task.submitted for task in tasks)
    started = _least(task.started for task in tasks)
    ended = _most(task.ended for task in tasks) if tasks and all(task.over for task in tasks) else None
    return {
        "slurm_id": slurm_id,
        "state": worst.state if worst else "UNKNOWN",
        "reason": worst.reason if worst else "slurmctld was not there to be asked",
        "exit_code": max((task.exit_code for task in tasks if task.over), default=None),
        "nodes": list(expand(",".join(sorted({task.nodes for task in tasks if task.nodes})))),
        "restarts": max((task.restarts for task in tasks), default=0),
        "queued_seconds": _between(submitted, started),
        "seconds": _between(started, ended),
        "tasks": [_task(task, expand) for task in sorted(tasks, key=lambda t: t.index or 0) if task.index is not None],
    }


def _task(task: Task, expand: Expand) -> dict[str, Any]:
    return {
        "index": task.index or 0,
        "state": task.state,
        "exit_code": task.exit_code,
        "nodes": list(expand(task.nodes)),
        "queued_seconds": _between(task.submitted, task.started),
        "seconds": _between(task.started, task.ended) if task.over else None,
    }


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


def never_ran(tasks: Sequence[Task]) -> bool:
    """What never ran owes nothing: its state says it all."""
    return bool(tasks) and not any(task.nodes for task in tasks)


def logs(folder: str, tasks: Sequence[Task]) -> list[str]:
    """The logs of a job's tasks as paths relative to its folder; without those that a script put elsewhere."""
    return sorted({name for task in tasks for path in (task.stdout, task.stderr) if (name := _inside(path, folder))})


def _inside(path: str, folder: str) -> str | None:
    if not path.startswith(f"{folder}/"):
        return None
    relative = PurePosixPath(path).relative_to(folder)
    return None if ".." in relative.parts else str(relative)


def failed_logs(tasks: Sequence[Task]) -> list[str]:
    """The log files (absolute) of the first task that failed."""
    for task in tasks:
        if task.over and task.state != "COMPLETED":
            return [path for path in dict.fromkeys((task.stdout, task.stderr)) if path]
    return []


def last_lines(block: bytes) -> str:
    """The end of a log for one screen."""
    lines = block.decode(errors="replace").splitlines()[-_TAIL_LINES:]
    return "\n".join(printable(line.encode()) for line in lines)


def printable(line: bytes) -> str:
    """Text that cannot move the cursor or recolour the reader's terminal."""
    text = line.decode(errors="replace").expandtabs()
    # A progress bar overwrites its line; what stands in the end is what counts.
    text = text.rstrip("\r").rpartition("\r")[2]
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def judged(
    job: str, outputs: Sequence[Mapping[str, Any]], promised: Sequence[Mapping[str, Any]], differing: Mapping[str, str]
) -> tuple[list[str], list[dict[str, Any]]]:
    """(required patterns that brought nothing or not what was sent, findings as data).

    `outputs` are {"path", "optional"}, `promised` what manifest.survey says of each; `differing` is path → why it is not
    there as it should be.
    """
    missing: list[str] = []
    found: list[dict[str, Any]] = []
    for output, part in zip(outputs, promised, strict=True):
        wrong = {entry["path"]: entry["why"] for entry in part["refused"]}
        wrong |= {entry["path"]: differing[entry["path"]] for entry in part["files"] if entry["path"] in differing}
        level = "warning" if output["optional"] else "error"
        for path, why in sorted(wrong.items()):
            found.append(finding(level, "output", f"{job}: {path} was not collected: {why}"))
        if wrong and not output["optional"]:
            missing.append(output["path"])
        elif not part["files"] and not output["optional"]:
            missing.append(output["path"])
            fix = "mark it {path: …, optional: true} if that is fine"
            found.append(finding("error", "output", f"{job}: nothing matches the output {output['path']!r}", fix))
    return missing, found


def finding(level: str, code: str, message: str, fix: str = "") -> dict[str, Any]:
    """A finding (findings.py) as data."""
    return {"level": level, "code": code, "message": message, "fix": fix}


def exit_code(jobs: Iterable[Mapping[str, Any]], findings: Iterable[Mapping[str, Any]]) -> int:
    """5 where a job failed, 6 where an output is missing, else 0 (errors.py). The jobs as the receipt has them."""
    every = list(jobs)
    if any(job["state"] != "COMPLETED" for job in every):
        return 5
    lost = any(each["code"] == "output" and each["level"] == "error" for each in findings)
    return 6 if lost or any(job["missing"] for job in every) else 0
