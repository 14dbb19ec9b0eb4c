"""What a cluster on this machine watches by itself, its client alive or not: python -m provisioner.targets.local.keeper ROOT

It is a process of the run, tagged as the others are, so that whoever ends the run ends it. At the end that nobody else
brought, it has another `burst` save the outputs and end the run: one that is no process of the run's, and does with a
locked state folder what any `burst` does. Killed itself, it leaves the run to the next `burst`, as if it had never been.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from provisioner.alone.keeper import Keeper, Time, say, watch
from provisioner.executor import process
from provisioner.targets.local import processes
from provisioner.targets.local.layout import Layout

# A client that lives has a deadline of its own, which comes before; one that is still there so long after is told.
_GRACE = 300.0


class LocalKeeper(Keeper):
    """The keeper of one run here."""

    def __init__(self, root: Path, told: dict[str, Any], clocks: Time | None = None) -> None:
        super().__init__(told, clocks)
        self._root = root
        self._folder = Path(told["folder"])
        self._helper: subprocess.Popen[bytes] | None = None
        self._told_client = False

    def somebody(self) -> bool:
        """Whether a client works on it, or anybody has a shell or a command in it."""
        return self._locked() or any(_is_somebodys(found) for found in processes.of(self._root))

    def _locked(self) -> bool:
        return any(holders(self._folder))

    def end(self, reason: str) -> None:
        """Have it ended, unless a client or a helper of ours is at it. Called again until we have ended with it."""
        if self._helper is not None and self._helper.poll() is None:
            return
        if self._locked():
            self._tell_client()
            return
        say(f"the end: {reason}")
        # A kept cluster that nobody uses has not expired: `sweep` leaves that alone, and `down` what is not kept.
        run_id = self._root.name
        sweep = ("sweep", "--target", "local", run_id)
        verbs = [sweep] if reason == "limits.ttl" else [("down", run_id), sweep]
        self._helper = _detached([[*self.told["end"], *verb] for verb in verbs], self._folder)

    def _tell_client(self) -> None:
        """Ask a client that should have ended long ago for a clean end, once; one that is stopped goes on for it."""
        late = self._clocks.wall() - self.told["expires"]
        if late < _GRACE or self._told_client:
            return
        self._told_client = True
        for pid in holders(self._folder):
            say(f"process {pid} works on it {late:.0f} s after its expiry: SIGTERM")
            for signum in (signal.SIGTERM, signal.SIGCONT):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(pid), signum)


def _is_somebodys(found: processes.Process) -> bool:
    """Neither a daemon's nor a job's: what was started in the cluster's environment by hand."""
    try:
        environment = Path(f"/proc/{found.pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return False
    names = {item.partition(b"=")[0].decode(errors="replace") for item in environment}
    return processes.TAG in names and not names & {"BURST_NODE", "SLURM_JOB_ID"} and not processes.is_daemon(found)


def _detached(commands: list[list[str]], folder: Path) -> subprocess.Popen[bytes]:
    """The commands one after the other until one succeeds, as nobody's: not the run's, of whose end it is the cause."""
    env = {name: value for name, value in os.environ.items() if name != processes.TAG}
    script = " || ".join(map(shlex.join, commands))
    return process.daemon(["/bin/sh", "-c", script], cwd="/", env=env, log=folder / "keeper.log")


def holders(folder: Path) -> Iterator[str]:
    """Processes, by their ids, that have the folder locked (proc(5), /proc/locks). Looking locks nobody out, as trying would."""
    with contextlib.suppress(OSError):
        inode = str(folder.stat().st_ino)
        for line in Path("/proc/locks").read_text().splitlines():
            # 1: FLOCK ADVISORY WRITE PID MAJOR:MINOR:INODE START END; after the number -> where it waits
            words = line.split()
            if words[1] == "FLOCK" and words[5].rpartition(":")[2] == inode and _has_open(words[4], folder):
                yield words[4]


def _has_open(pid: str, folder: Path) -> bool:
    """Inodes are a filesystem's own: another one's folder may have the same."""
    try:
        return str(folder) in (os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd"))
    except OSError:
        return False


def main(root: str) -> None:
    """Until somebody ends the run."""
    layout = Layout(Path(root))
    watch(LocalKeeper(layout.root, json.loads(layout.keeper.read_text(encoding="utf-8"))))


if __name__ == "__main__":
    main(*sys.argv[1:])
