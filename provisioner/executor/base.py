"""What an Executor is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from provisioner.executor.process import Completed


@dataclass(frozen=True)
class FileDigest:
    """A file as it is somewhere: its path, size in bytes, SHA-256 in hex, permission bits."""

    path: str
    bytes: int
    sha256: str
    mode: int = 0o644


@dataclass(frozen=True)
class Copy:
    """One file's way: `here` on this machine, `there` on the head (absolute)."""

    here: Path
    there: str


class Executor(Protocol):
    """Commands and bytes to and from the head, as the user whose jobs they are."""

    def run(
        self,
        argv: Sequence[str],
        *,
        cwd: str | None = None,
        env: Mapping[str, str] | None = None,
        stdin: bytes | None = None,
        timeout: float | None = 60,
        check: bool = True,
        admin: bool = False,
    ) -> Completed:
        """Run a command in the cluster's environment plus `env`; raises CommandFailed.

        With `admin` as whoever may change the cluster itself.
        """

    def python(self, script: Path, request: dict[str, Any]) -> Any:
        """Run one of our standard-library scripts there: JSON in, JSON out."""

    def send(self, copies: Sequence[Copy]) -> list[FileDigest]:
        """Bring files there, making folders; digests are of what was read here, in the same order."""

    def fetch(self, copies: Sequence[Copy]) -> list[FileDigest]:
        """Bring files here, making folders; digests are of what was written here, in the same order.

        A file that cannot be read any more has an empty sha256.
        """

    def read(self, path: str, offset: int, limit: int) -> bytes:
        """At most `limit` bytes of a file from `offset`; nothing where there is no such file yet."""

    def shell(self, argv: Sequence[str]) -> int:
        """The user's terminal there: a shell, or one command. Answers its exit status."""
