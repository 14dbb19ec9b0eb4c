"""Control groups: every process of a run is in one of its own, whatever it calls itself. That is its tag.

Each machine needs one anyway: without, all that are started from one place share theirs, and a systemd inside finds
the others' processes in it (slurmd then fails at random, 219/CGROUP).
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from provisioner.targets.nspawn.layout import prefix


def hierarchies() -> tuple[Path, ...]:
    """Where groups are made: the unified hierarchy, or systemd's own of cgroup v1 (and the unified beside it)."""
    found = []
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        fields, _, kind = line.partition(" - ")
        # proc(5): …, mount point, …  -  type, source, super options.
        if kind.startswith("cgroup2 ") or (kind.startswith("cgroup ") and "name=systemd" in kind.split(" ")[2].split(",")):
            found.append(Path(_plain(fields.split(" ")[4])))
    return tuple(dict.fromkeys(found))


def _plain(escaped: str) -> str:
    """A path of mountinfo: a space in it is written as `\\040` (proc(5))."""
    return re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), escaped)


def make(run_id: str, name: str) -> tuple[Path, ...]:
    """Groups for one machine, or for what else the run has."""
    groups = tuple(top / f"{prefix()}{run_id}" / name for top in hierarchies())
    for group in groups:
        group.mkdir(parents=True, exist_ok=True)
    return groups


def inside(run_id: str, name: str, argv: Sequence[str]) -> list[str]:
    """The command line that goes into these groups before it becomes `argv`."""
    procs = [str(group / "cgroup.procs") for group in make(run_id, name)]
    join = 'while [ "$1" != -- ]; do echo $$ >"$1"; shift; done; shift; exec "$@"'
    return ["sh", "-c", join, "sh", *procs, "--", *argv]


def processes(run_id: str, name: str = "") -> Iterator[int]:
    """Process ids of one machine; of the whole run when none is named."""
    wanted = f"/{prefix()}{run_id}/{name}/" if name else f"/{prefix()}{run_id}/"
    for entry in os.listdir("/proc"):
        if entry.isdigit() and wanted in _groups(entry):
            yield int(entry)


def _groups(pid: str) -> str:
    """Its groups, a line each; none of one that has ended and whose parent has only not heard of it yet (proc(5))."""
    try:
        with open(f"/proc/{pid}/cgroup", encoding="utf-8") as stream:
            groups = "".join(f"{line.rstrip()}/\n" for line in stream)
        if prefix() not in groups:
            return ""
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as stream:
            state = stream.read().rpartition(")")[2].split()[0]
    except OSError:
        return ""
    return "" if state in "ZX" else groups


def existing(run_id: str, name: str = "") -> Iterator[Path]:
    """Groups that are there, the innermost first."""
    for top in hierarchies():
        group = top / f"{prefix()}{run_id}" / name
        if group.is_dir():
            yield from (Path(folder) for folder, _, _ in os.walk(group, topdown=False))


def remove(run_id: str, name: str = "") -> None:
    """Take away groups without processes; one that still has some stays."""
    for group in existing(run_id, name):
        with contextlib.suppress(OSError):
            group.rmdir()


def leave(run_id: str, name: str) -> None:
    """Go out of it ourselves: a group with a process in it cannot be taken away."""
    for group in make(run_id, name):
        (group.parent.parent / "cgroup.procs").write_text(str(os.getpid()))


def runs() -> set[str]:
    """Ids of runs that have any group."""
    return {path.name.removeprefix(prefix()) for top in hierarchies() for path in top.glob(f"{prefix()}*") if path.is_dir()}
