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

    `exit_code` is the shell's: 128 + n when signal n ended it. `job_id` is the number sbatch printed, `own_id` the
    one that this task alone has.
    """

    job_id: int
    own_id: int
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


_FIELD = re.compile(r"(\w[\w/:]*)=(\S*)")
# A record has its user's own text in three places: after JobName, after Command, and in the paths at its end. What
# stands around them is Slurm's own; a name may hold anything, a line's end and ` JobState=` included.
_BEGIN = re.compile(r"\n(?=JobId=\d+ )")
_AFTER_NAME = re.compile(r" UserId=[^=]*\(\d+\) GroupId=[^=]*\(\d+\) MCS_label=")
# Comment= comes before these, and after them only keys that differ between 22.05 and 24.11.
_LOGS = re.compile(
    r".* StdErr=(.*) StdIn=.*? StdOut=(.*?)"
    r"(?: Power=\S*)?(?: (?:KillOIn\w+|CpusPerTres|MemPerTres|Tres\w+|NtasksPerTRES\S*|CronJob\w*)=\S*)*(?: MailUser=.*)?\s*",
    re.DOTALL,
)


def parse_jobs(text: str) -> tuple[Task, ...]:
    """All tasks of `scontrol --oneliner show job`. Pending array tasks come as one line with a range of indexes."""
    return tuple(_task(record) for record in _records(text))


def _records(text: str) -> list[str]:
    """One for each job: what begins like one inside of a job's name belongs to that job."""
    records: list[str] = []
    for piece in _BEGIN.split(text.removesuffix("\n")):
        if records and _AFTER_NAME.search(records[-1]) is None:
            records[-1] += f"\n{piece}"
        elif piece.startswith("JobId="):
            records.append(piece)
    return [record for record in records if _AFTER_NAME.search(record)]


def _task(record: str) -> Task:
    before, _, named = record.partition(" JobName=")
    after = _AFTER_NAME.search(named)
    safe, _, tail = named[after.end() if after else 0 :].partition(" Command=")
    fields: dict[str, str] = dict(_FIELD.findall(f"{before} {safe}"))
    logs = _LOGS.fullmatch(tail)
    index = fields.get("ArrayTaskId", "")
    return Task(
        job_id=int(fields.get("ArrayJobId") or fields["JobId"]),
        own_id=int(fields["JobId"]),
        index=int(index) if index.isdigit() else None,
        state=fields["JobState"],
        reason="" if fields.get("Reason") in (None, "None") else fields["Reason"],
        exit_code=exit_code(fields.get("ExitCode", "0:0")),
        restarts=int(fields.get("Restarts", "0")),
        nodes="" if fields.get("NodeList") in (None, "(null)") else fields["NodeList"],
        submitted=_epoch(fields.get("SubmitTime")),
        started=_epoch(fields.get("StartTime")),
        ended=_epoch(fields.get("EndTime")),
        stdout=logs.group(2) if logs else "",
        stderr=logs.group(1) if logs else "",
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
    """A node as sinfo has it: `idle`, `allocated`, `down` …; `responding` is false where sinfo adds a `*`.

    `gone` has no machine: it is powered down (`~`), not on its way up (`#`) or down (`%`, `!`).
    """

    name: str
    state: str
    responding: bool
    powered: bool
    gone: bool = False


def parse_nodes(text: str) -> dict[str, NodeState]:
    """Lines of `sinfo --format='%N|%T'`, by name; marks after the state are in sinfo(1), "NODE STATE CODES"."""
    nodes = {}
    for line in text.splitlines():
        names, _, state = line.partition("|")
        plain = state.rstrip("*~#!%$@^-+")
        marks = state[len(plain) :]
        for name in expand(names):
            nodes[name] = NodeState(name, plain, "*" not in marks, not set("~#!%") & set(marks), "~" in marks)
    return dict(sorted(nodes.items()))


def expand(hostlist: str) -> tuple[str, ...]:
    """cpu-[1-3] → its three names, in order."""
    if "[" not in hostlist:
        return tuple(sorted(set(filter(None, hostlist.split(",")))))
    from ClusterShell.NodeSet import NodeSet

    return tuple(NodeSet(hostlist))
