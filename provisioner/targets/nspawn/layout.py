"""Where a run's files are: one folder below /var/lib/burst, that nobody but root can look into."""

from __future__ import annotations

import os
import re
import zlib
from dataclasses import dataclass
from pathlib import Path

# Where compute and login machines find what the head serves; they mount it from there as others would over NFS.
EXPORTS = "/var/lib/burst/exports"


def runs_folder() -> Path:
    """$BURST_MACHINES_DIR, or /var/lib/burst/machines: disks of machines do not belong into a /tmp that may be memory."""
    return Path(os.environ.get("BURST_MACHINES_DIR") or "/var/lib/burst/machines").absolute()


def prefix() -> str:
    """What begins the name of everything that a run has elsewhere in the system: network namespaces, control groups.

    It tells the folder too: whoever keeps their machines in another one has nothing to do with ours.
    """
    return f"burst-{zlib.crc32(str(runs_folder()).encode()):08x}-"


def images_folder() -> Path:
    """$BURST_CACHE_DIR, or /var/cache/burst/images: made once, used by every run."""
    return Path(os.environ.get("BURST_CACHE_DIR") or "/var/cache/burst/images").absolute()


@dataclass(frozen=True)
class Layout:
    """The paths of one run."""

    root: Path

    @property
    def run_id(self) -> str:
        return self.root.name

    @property
    def namespace(self) -> str:
        """The network namespace (ip-netns(8)) with the run's bridge in it."""
        return f"{prefix()}{self.run_id}"

    @property
    def identity(self) -> Path:
        return self.root / "identity.json"

    @property
    def told(self) -> Path:
        """What the provider is told when it starts."""
        return self.root / "provider.json"

    @property
    def rehearsal(self) -> Path:
        return self.root / "rehearsal.json"

    @property
    def attempts(self) -> Path:
        """What is tried for each group's nodes, in order."""
        return self.root / "attempts.json"

    @property
    def socket(self) -> Path:
        return self.root / "provider.sock"

    @property
    def endpoint(self) -> str:
        """The provider as the client reaches it (launch/nspawn.py)."""
        return f"unix:{self.socket}"

    @property
    def log(self) -> Path:
        return self.root / "provider.log"

    @property
    def keys(self) -> Path:
        """`client` (SSH), `client.pub`, `known_hosts`."""
        return self.root / "keys"

    @property
    def control(self) -> Path:
        """The socket of the SSH connection: its path has 108 bytes at most (unix(7))."""
        return self.root / "ssh"

    @property
    def exports(self) -> Path:
        """The head's shared disk: a folder for each that it serves."""
        return self.root / "exports"

    def user_data(self, role: str) -> Path:
        return self.root / "user-data" / f"{role}.gz"

    def machine(self, name: str) -> Path:
        """A machine's disk; it goes with the machine."""
        return self.root / "machines" / name

    def console(self, name: str) -> Path:
        """What a machine's console showed; it stays until the run is destroyed."""
        return self.root / "consoles" / f"{name}.log"

    def namespace_of(self, name: str) -> str:
        """The network namespace of one machine: run ids have no dot."""
        return f"{self.namespace}.{name}"


def role_of(name: str) -> str:
    """head, login or compute; those names are taken (spec/rules.py, group_names_are_free), a group `login-big` is not."""
    return "head" if name == "head" else "login" if re.fullmatch(r"login-\d+", name) else "compute"
