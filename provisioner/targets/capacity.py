"""How much of this machine whoever calls may use: CPUs, memory, disk. Asked each time, never remembered.

A machine's own figures are an upper bound: a container, a batch job or a session of systemd's has limits of its own, set by
control groups (cgroups(7); the kernel's "Control Group v2", and "Memory Resource Controller" and "CFS Bandwidth Control" for
version 1). Those of all groups above hold, too.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

_PROC, _TOP = Path("/proc"), Path("/")


@dataclass(frozen=True)
class Capacity:
    """`cores` that compute at once (a quota need not be whole); `memory` in all, `available` of it now, and free `swap`, in
    bytes. `limits` says what the machine has more of than its caller.
    """

    cores: float
    memory: int
    available: int
    swap: int = 0
    limits: tuple[str, ...] = ()


@dataclass(frozen=True)
class Room:
    """What a folder's disk can take: bytes, and inodes (None where it makes them as it goes)."""

    size: int
    inodes: int | None


@dataclass(frozen=True)
class _Names:
    """The files of a version's controllers."""

    limit: str
    usage: str
    cache: str


_MEMORY = {
    "cgroup2": _Names("memory.max", "memory.current", "inactive_file"),
    "cgroup": _Names("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
}


def look(proc: Path = _PROC, top: Path = _TOP, *, affinity: int | None = None) -> Capacity:
    """What there is now. `top` is where the paths of mounts begin, `affinity` the CPUs that the process may run on."""
    meminfo = _table(proc / "meminfo", 1024)
    cores = float(affinity if affinity is not None else len(os.sched_getaffinity(0)))
    memory, available = meminfo["MemTotal"], meminfo.get("MemAvailable", meminfo["MemFree"])
    limits: dict[str, str] = {}
    for _, folder in _groups(proc, top, "cpu"):
        quota = _quota(folder)
        if quota is not None and quota < cores:
            cores, limits["cpu"] = quota, f"a control group's quota of {quota:g} CPUs"
    for version, folder in _groups(proc, top, "memory"):
        names = _MEMORY[version]
        limit = _number(folder / names.limit)
        # Version 1 writes a huge number where there is none.
        if limit is None or limit >= meminfo["MemTotal"]:
            continue
        # What is only cached there is given back when memory is asked for.
        used = (_number(folder / names.usage) or 0) - _table(folder / "memory.stat").get(names.cache, 0)
        available = min(available, max(0, limit - used))
        if limit < memory:
            memory, limits["memory"] = limit, "a control group's limit on memory"
    return Capacity(cores, memory, available, meminfo.get("SwapFree", 0), tuple(limits.values()))


def free(folder: Path) -> Room:
    """What an ordinary user may still write below a folder (statvfs(3))."""
    told = os.statvfs(folder)
    return Room(told.f_bavail * told.f_frsize, told.f_favail if told.f_files else None)


def _groups(proc: Path, top: Path, controller: str) -> Iterator[tuple[str, Path]]:
    """(version, folder) of the process's own group and those above, as far as they are to be seen from here."""
    lines = [line.split(":", 2) for line in (proc / "self/cgroup").read_text().splitlines()]
    own = {name: path for _, controllers, path in lines for name in controllers.split(",")}
    for line in (proc / "self/mountinfo").read_text().splitlines():
        fields, _, rest = line.partition(" - ")
        kind, _, options = rest.split(" ")[:3]
        # Of version 2 all controllers are in one hierarchy, which names none.
        name = controller if kind == "cgroup" and controller in options.split(",") else "" if kind == "cgroup2" else None
        if name is None or name not in own:
            continue
        root, mount = fields.split(" ")[3:5]
        # In a container the mount may begin at its own group, below which the path is meant.
        path = PurePosixPath("/" + own[name].removeprefix(root if root != "/" else "").lstrip("/"))
        for each in (path, *path.parents):
            folder = top / mount.lstrip("/") / str(each).lstrip("/")
            if ".." not in each.parts and folder.is_dir():
                yield kind, folder


def _quota(folder: Path) -> float | None:
    """CPUs; None where it is not limited."""
    try:
        quota, period = (folder / "cpu.max").read_text().split()
    except (OSError, ValueError):
        quota, period = (str(_number(folder / f"cpu.cfs_{name}_us")) for name in ("quota", "period"))
    return int(quota) / int(period) if quota.isdigit() and period.isdigit() and int(period) else None


def _number(path: Path) -> int | None:
    """None for `max`, and where there is no such file: a controller may be off, and the topmost group has no limits."""
    try:
        text = path.read_text().strip()
    except OSError:
        return None
    return int(text) if text.lstrip("-").isdigit() else None


def _table(path: Path, unit: int = 1) -> dict[str, int]:
    """Of lines `name value` or `name: value kB`."""
    try:
        lines = [line.replace(":", " ").split() for line in path.read_text().splitlines()]
    except OSError:
        return {}
    return {line[0]: int(line[1]) * unit for line in lines if len(line) > 1 and line[1].isdigit()}
