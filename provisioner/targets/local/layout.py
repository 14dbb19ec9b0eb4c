"""Where a run's files are: one folder, short enough for a socket's path (108 bytes, unix(7))."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from provisioner.errors import Refused

IDENTITY = "identity.json"


def runtime_folder() -> Path:
    """The folder of all local runs of this user: $BURST_RUNTIME_DIR, or /tmp/burst-UID.

    Not below $HOME or $XDG_RUNTIME_DIR: munged wants every folder above its socket to be executable by
    others (munged(8)), and those are 0700. Raises Refused when somebody else made it.
    """
    given = os.environ.get("BURST_RUNTIME_DIR")
    folder = Path(given).absolute() if given else _default()
    folder.mkdir(mode=0o711, parents=True, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o022:
        raise Refused(
            f"{folder} is not safe to use",
            why="it is not a folder of yours that only you can write to",
            fix=f"ls -ld {folder}; then remove it, or name another: export BURST_RUNTIME_DIR=/tmp/my-burst",
        )
    return folder


def is_default(folder: Path) -> bool:
    """Whether the folder is one that `runtime_folder` names by itself: only such a one is ours to remove."""
    return folder == _default()


def _default() -> Path:
    return Path(f"/tmp/burst-{os.getuid()}")


@dataclass(frozen=True)
class Layout:
    """The paths of one run."""

    root: Path

    @property
    def identity(self) -> Path:
        return self.root / IDENTITY

    @property
    def conf(self) -> Path:
        return self.root / "slurm.conf"

    @property
    def munge_key(self) -> Path:
        return self.root / "munge.key"

    @property
    def munge_socket(self) -> Path:
        return self.root / "run" / "munge.sock"

    @property
    def logs(self) -> Path:
        return self.root / "log"

    @property
    def work(self) -> Path:
        """The folder that has a folder for each job."""
        return self.root / "work"

    @property
    def programs(self) -> Path:
        """What Slurm's power saving runs."""
        return self.root / "launch"

    @property
    def told(self) -> Path:
        """How nodes are made (launch/resume.py)."""
        return self.root / "launch.json"

    @property
    def keeper(self) -> Path:
        """What `keeper` is told."""
        return self.root / "keeper.json"

    def folders(self) -> tuple[Path, ...]:
        """All that must be there before anything starts."""
        names = ("run", "log", "state", "spool", "tmp", "gres", "fs")
        return (*(self.root / name for name in names), self.work)
