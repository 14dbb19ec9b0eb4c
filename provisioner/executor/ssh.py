"""The Executor of a cluster that is elsewhere: its head is reached by ssh."""

from __future__ import annotations

import contextlib
import json
import secrets
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from provisioner import tarstream
from provisioner.executor import process
from provisioner.executor.base import Copy, FileDigest
from provisioner.executor.connection import Connection, Dropped
from provisioner.executor.process import CommandFailed, Completed
from provisioner.executor.shell import Command, from_file
from provisioner.executor.ssh_options import Ssh
from provisioner.tarstream import Sum

__all__ = ["Ssh", "SshExecutor"]

# How much longer than here a command may take there, in seconds: we are the ones to tell of it.
_GRACE = 2
# A script is read by its length, so that what follows it is left to it. UTF-8, whatever the head's locale is.
_PYTHON = ("python3", "-I", "-Xutf8", "-c", "import sys; exec(sys.stdin.buffer.read(int(sys.argv[1])))")

Done = dict[int, FileDigest]


class SshExecutor:
    """`environment` is what every command there has beside a login's; `home` is the folder a shell starts in.

    A command that is ended by a signal has the status 128 + its number, as a shell tells it.
    """

    def __init__(self, ssh: Ssh, environment: Mapping[str, str], home: str) -> None:
        self._connection = Connection(ssh)
        self._environment = dict(environment)
        self._home = home

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
        argv = ("sudo", "--non-interactive", "--", *argv) if admin else argv
        environment = {**self._environment, **(env or {})}
        limit = timeout + _GRACE if timeout is not None else 0
        command = Command(tuple(argv), cwd or self._home, environment, limit, fed=stdin is not None)
        done = self._connection.run(command, stdin or b"", timeout)
        return process.completed(argv, done.status, done.stdout, done.stderr, check=check)

    def python(self, script: Path, request: dict[str, Any]) -> Any:
        command, text = _script(script)
        done = self._connection.run(command, text + json.dumps(request).encode())
        process.completed((script.name,), done.status, b"", done.stderr, check=True)
        return json.loads(done.stdout)

    def send(self, copies: Sequence[Copy]) -> list[FileDigest]:
        done = _twice(copies, self._send)
        return [done[index] for index in range(len(copies))]

    def fetch(self, copies: Sequence[Copy]) -> list[FileDigest]:
        done = _twice(copies, self._fetch)
        return [done.get(index, FileDigest(copy.there, 0, "")) for index, copy in enumerate(copies)]

    def read(self, path: str, offset: int, limit: int) -> bytes:
        # A job may have put a pipe or a device where its log was: neither ever ends.
        flags = "skip_bytes,count_bytes,fullblock,nonblock,noctty"
        look = f'[ -f "$1" ] && exec dd if="$1" iflag={flags} bs=64K skip={offset} count={limit} 2>/dev/null'
        return self._connection.run(Command(("/bin/sh", "-c", look, "sh", path), limit=62), timeout=60).stdout

    def shell(self, argv: Sequence[str]) -> int:
        # Standard input is the user's, so the environment goes before: to memory, in a file that only they can read.
        path = f"/dev/shm/burst-{secrets.token_hex(16)}"
        line = Command(tuple(argv), self._home, self._environment).interactive()
        keep = Command(("/bin/sh", "-c", f"umask 077; set -C; cat >{path}"), fed=True)
        kept = self._connection.run(keep, line, timeout=60)
        process.completed(argv or ("ssh",), kept.status, b"", kept.stderr, check=True)
        try:
            return self._connection.terminal(from_file(path), tty=sys.stdin.isatty())
        finally:
            # The shell takes it away as its first act; but the line may have dropped before.
            with contextlib.suppress(CommandFailed):
                self._connection.run(Command(("/bin/rm", "-f", path)), timeout=5)

    def close(self) -> None:
        """End the connection. Never raises."""
        self._connection.close()

    def _send(self, copies: Sequence[Copy], left: Sequence[int], done: Done) -> None:
        command, text = _script(Path(tarstream.__file__))
        read: dict[int, Sum] = {}
        # What is whole there is told as it goes, into a file: nobody would read a pipe while the stream is written.
        with tempfile.TemporaryFile() as told:
            try:
                with self._connection.stream(command, told) as (given, _):
                    _ask(given, text, {"unpack": [copies[index].there for index in left]})
                    read.update(tarstream.pack([str(copies[index].here) for index in left], given, strict=True))
            finally:
                told.seek(0)
                whole = [int(line) for line in told if line.endswith(b"\n")]
                done.update({left[i]: FileDigest(copies[left[i]].there, *read[i]) for i in whole if i in read})

    def _fetch(self, copies: Sequence[Copy], left: Sequence[int], done: Done) -> None:
        command, text = _script(Path(tarstream.__file__))
        with self._connection.stream(command) as (given, printed):
            _ask(given, text, {"pack": [copies[index].there for index in left]})
            given.close()
            for i, got in tarstream.unpack(printed, [str(copies[index].here) for index in left], strict=False):
                copy = copies[left[i]]
                done[left[i]] = FileDigest(str(copy.here), *got) if got.sha256 else FileDigest(copy.there, 0, "")


def _script(script: Path) -> tuple[Command, bytes]:
    text = script.read_bytes()
    return Command((*_PYTHON, str(len(text))), fed=True), text


def _ask(given: IO[bytes], text: bytes, request: dict[str, list[str]]) -> None:
    given.write(text + json.dumps(request).encode() + b"\n")
    given.flush()


def _twice(copies: Sequence[Copy], once: Callable[[Sequence[Copy], Sequence[int], Done], None]) -> Done:
    """All of the copies; where the line drops, what is left of them once more."""
    done: Done = {}
    try:
        once(copies, range(len(copies)), done)
    except Dropped:
        once(copies, [index for index in range(len(copies)) if index not in done], done)
    return done
