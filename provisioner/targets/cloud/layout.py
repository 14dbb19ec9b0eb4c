"""What this machine keeps of a run on a cloud: one folder in the user's data folder, which nobody else can look into."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from platformdirs import user_data_path

from provisioner.errors import Refused


def runs_folder() -> Path:
    """$XDG_DATA_HOME/burst/clouds, by default ~/.local/share/burst/clouds."""
    return user_data_path("burst") / "clouds"


def backend_folder() -> Path:
    """Where Pulumi's state is unless PULUMI_BACKEND_URL says otherwise: beside the runs, one backend for all."""
    return user_data_path("burst") / "pulumi"


@dataclass(frozen=True)
class Layout:
    """The paths of one run."""

    root: Path

    @property
    def run_id(self) -> str:
        return self.root.name

    @property
    def identity(self) -> Path:
        """Who and where: `Kept` of target.py."""
        return self.root / "identity.json"

    @property
    def program(self) -> Path:
        """The Pulumi project, copied from stacks/CLOUD: what made a run is what ends it."""
        return self.root / "program"

    @property
    def passphrase(self) -> Path:
        """What the secrets in Pulumi's state are encrypted with (0600)."""
        return self.root / "passphrase"

    @property
    def backend(self) -> Path:
        """The address of the backend that has the state (0600: it may have a password in it)."""
        return self.root / "backend"

    @property
    def settled(self) -> Path:
        """Is there while Pulumi's state is known to be the whole truth: `up` came to its end, and nothing was begun since."""
        return self.root / "settled"

    @property
    def lock(self) -> Path:
        """Held by every process of the engine that works on the run, and by nobody else."""
        return self.root / "engine.lock"

    @property
    def keys(self) -> Path:
        """`client` (SSH), `client.pub`, `known_hosts`."""
        return self.root / "keys"

    def user_data(self, role: str) -> Path:
        """A compute or login node's user-data (0600), where no template in the cloud keeps it."""
        return self.root / f"{role}.gz"

    @property
    def control(self) -> Path:
        """The socket of the SSH connection: its path has 90 bytes at most, so it is not below a home folder."""
        return _sockets() / self.run_id


def remembered() -> list[Layout]:
    """Every run on a cloud that this machine knows of."""
    folder = runs_folder()
    return [Layout(path) for path in sorted(folder.iterdir()) if path.is_dir()] if folder.is_dir() else []


def _sockets() -> Path:
    """/tmp/burst-ssh-UID. Raises Refused where somebody else made it: whoever owns a socket has the connection."""
    folder = Path("/tmp") / f"burst-ssh-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise Refused(
            f"{folder} is not safe to use",
            why="it is not a folder of yours that nobody else can look into",
            fix=f"ls -ld {folder}; then remove it",
        )
    return folder
