"""What of a run is alive: processes of this user that say so in their environment, or work in its folder."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from provisioner import clock

# The tags. BURST_ROOT is in the daemons and what they start; jobs that scrub it keep what Slurm itself sets.
TAG = "BURST_ROOT"
_DAEMONS = ("munged", "slurmctld", "slurmd", "slurmstepd", "bwrap")


@dataclass(frozen=True)
class Process:
    """A process: its id, its command line as far as it can be read, and the run's folder it belongs to."""

    pid: int
    command: str
    root: Path


def of(root: Path, *, thorough: bool = False) -> tuple[Process, ...]:
    """Those of one run."""
    return tuple(process for process in under(root.parent, thorough=thorough) if process.root == root)


def under(runtime: Path, *, thorough: bool = False) -> Iterator[Process]:
    """Those of every run of that runtime folder; `thorough` also looks at the files that a process has open, which
    finds what a job left behind without an environment and in another folder."""
    me, prefix = os.getpid(), f"{runtime}/"
    for entry in os.listdir("/proc"):
        if not entry.isdigit() or int(entry) == me:
            continue
        run = _run_of(entry, prefix, thorough)
        if run is not None:
            yield Process(int(entry), _command(entry), runtime / run)


def _run_of(pid: str, prefix: str, thorough: bool) -> str | None:
    """The name of the run's folder, when the process has one."""
    try:
        if os.stat(f"/proc/{pid}").st_uid != os.getuid():
            return None
        with open(f"/proc/{pid}/environ", "rb") as stream:
            raw = stream.read().decode(errors="replace")
        if prefix in raw:
            env = dict(item.split("=", 1) for item in raw.split("\0") if "=" in item)
            for name in (TAG, "SLURM_CONF"):
                if env.get(name, "").startswith(prefix):
                    return env[name].removeprefix(prefix).split("/")[0]
        places = [os.readlink(f"/proc/{pid}/cwd")]
        if thorough:
            places += [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]
    except OSError:
        return None
    return next((place.removeprefix(prefix).split("/")[0] for place in places if place.startswith(prefix)), None)


def _command(pid: str) -> str:
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as stream:
            return stream.read().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return ""


def is_daemon(process: Process) -> bool:
    """Whether it is one of the cluster's own programs."""
    return Path(process.command.split(" ")[0].rstrip(":")).name.startswith(_DAEMONS)


def end(root: Path, *, grace: float) -> None:
    """End all of a run's processes: jobs' own programs get SIGTERM and `grace` seconds, then everything SIGKILL."""

    def programs() -> tuple[Process, ...]:
        return tuple(found for found in of(root) if not is_daemon(found))

    if grace and _signal(programs(), signal.SIGTERM):
        _wait(grace, lambda: not programs())
    # What starts others must not be quicker than we are: ask again until nothing is there.
    _wait(10, lambda: not _signal(of(root), signal.SIGKILL))
    _wait(10, lambda: not _signal(of(root, thorough=True), signal.SIGKILL))


def _wait(seconds: float, done: Callable[[], bool]) -> None:
    for _ in clock.patience(seconds, first=0.001, longest=0.05):
        if done():
            return


def _signal(processes: tuple[Process, ...], signum: signal.Signals) -> bool:
    """Send it; whether there was anyone to send it to."""
    for process in processes:
        try:
            os.kill(process.pid, signum)
        except (ProcessLookupError, PermissionError):
            continue
    return bool(processes)
