"""Reading Slurm's answers: jobs from `scontrol --oneliner show job`, nodes from `sinfo`."""

from __future__ import annotations

import calendar
import re
import time
from dataclasses import dataclass

# scontrol(1), "JOB STATE CODES": those a job never leaves by itself.
TERMINAL = frozenset(
    {
        "BOOT_FAIL",
        "CANCELLED",
        "COMPLETED",
        "DEADLINE",
        "FAILED",
        "NODE_FAIL",
        "OUT_OF_MEMORY",
        "PREEMPTED",
        "REVOKED",
        "TIMEOUT",
    }
)


@dataclass(frozen=True)
class Task:
    """A job, or one task of an array. Times are epoch seconds (Slurm keeps whole ones), None where there is none yet.

    `exit_code` is the shell's: 128 + n when signal n ended it. `job_id` is the number sbatch printed.
    """

    job_id: int
    index: int | None
    state: str
    reason: str
    exit_code: int
    restarts: int
    nodes: str
    submitted: float | None
    started: float | None
    ended: float | None
    stdout: str
    stderr: str

    @property
    def over(self) -> bool:
        """Whether it has ended for good."""
        return self.state in TERMINAL


# Up to here a line holds nothing that a user can put text into, but for JobName, which comes before UserId.
_FIELD = re.compile(r"(\w[\w/:]*)=(\S*)")
# What follows is free text; a path ends where the next of Slurm's own keys stands (22.05 to 24.11 differ in those).
_NEXT = r"(?= (?:StdIn|StdOut|Power|TresPer\w+|MailUser|CronJob\w*|MemPerTres|NtasksPerTRES)=|\s*$)"
_STDOUT = re.compile(r" StdOut=(.*?)" + _NEXT)
_STDERR = re.compile(r" StdErr=(.*?)" + _NEXT)


def parse_jobs(text: str) -> tuple[Task, ...]:
    """All tasks of `scontrol --oneliner show job`. Pending array tasks come as one line with a range of indexes."""
    return tuple(_task(line) for line in text.splitlines() if line.startswith("JobId="))


def _task(line: str) -> Task:
    head, _, rest = line.partition(" JobName=")
    _, _, rest = rest.partition(" UserId=")
    safe, _, tail = rest.partition(" Command=")
    fields = dict(_FIELD.findall(f"{head} {safe}"))
    stdout, stderr = _STDOUT.search(tail), _STDERR.search(tail)
    index = fields.get("ArrayTaskId", "")
    return Task(
        job_id=int(fields.get("ArrayJobId", fields["JobId"])),
        index=int(index) if index.isdigit() else None,
        state=fields["JobState"],
        reason=fields.get("Reason", ""),
        exit_code=exit_code(fields.get("ExitCode", "0:0")),
        restarts=int(fields.get("Restarts", "0")),
        nodes="" if fields.get("NodeList") in (None, "(null)") else fields["NodeList"],
        submitted=_epoch(fields.get("SubmitTime")),
        started=_epoch(fields.get("StartTime")),
        ended=_epoch(fields.get("EndTime")),
        stdout=stdout.group(1) if stdout else "",
        stderr=stderr.group(1) if stderr else "",
    )


def exit_code(text: str) -> int:
    """Slurm's `code:signal` as a shell would give it."""
    code, _, signal = text.partition(":")
    return 128 + int(signal) if signal.isdigit() and int(signal) else int(code)


def _epoch(text: str | None) -> float | None:
    """SLURM_TIME_FORMAT=standard in UTC: what `commands.ENVIRONMENT` asks for."""
    if text is None or not text[:1].isdigit():
        return None
    return float(calendar.timegm(time.strptime(text, "%Y-%m-%dT%H:%M:%S")))


@dataclass(frozen=True)
class NodeState:
    """A node as sinfo has it: `idle`, `allocated`, `down` …; `responding` is false where sinfo adds a `*`."""

    name: str
    state: str
    responding: bool
    powered: bool


def parse_nodes(text: str) -> dict[str, NodeState]:
    """Lines of `sinfo -h -N -o '%N|%T'`; marks after the state are in sinfo(1), "NODE STATE CODES"."""
    nodes = {}
    for line in text.splitlines():
        name, _, state = line.partition("|")
        if name:
            plain = state.rstrip("*~#!%$@^-+")
            marks = state[len(plain) :]
            nodes[name] = NodeState(name, plain, "*" not in marks, not set("~#!%") & set(marks))
    return nodes
