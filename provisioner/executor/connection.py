"""The one connection to a head, which all commands share. The system's OpenSSH client makes and keeps it.

The first command starts a master in the background (ControlMaster, ssh_config(5)); each later one is a session of
it, which costs a few milliseconds instead of a key exchange. The master ends by itself when nobody used it for a
while, so nothing of ours has to outlive us to end it.
"""

from __future__ import annotations

import contextlib
import secrets
import socket
import subprocess
import tarfile
import tempfile
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import IO

from provisioner.executor import process
from provisioner.executor.process import CommandFailed
from provisioner.executor.shell import FROM_STDIN, Command
from provisioner.executor.ssh_options import Ssh
from provisioner.executor.subprocess import login_environment

# sshd(8) allows ten sessions to a connection (MaxSessions); some are left to a shell.
_SESSIONS = 8
# A connection, a key exchange and a login; ConnectTimeout covers the first two. In seconds.
_OPENING = 30
# How long a head that has fallen silent may take to be noticed, with some time to tell of it. In seconds.
_SILENCE = 20


class Dropped(CommandFailed):
    """The line went down before the command's end was seen."""


@dataclass(frozen=True)
class Ended:
    """A command that ended there."""

    status: int
    stdout: bytes
    stderr: bytes


class Connection:
    """Safe to use by several threads, and beside other processes with the same control path."""

    def __init__(self, ssh: Ssh) -> None:
        self._ssh = ssh
        self._env = login_environment()
        self._opening = threading.Lock()
        self._sessions = threading.BoundedSemaphore(_SESSIONS)

    def run(self, command: Command, stdin: bytes = b"", timeout: float | None = None) -> Ended:
        """Run a command to its end. Raises CommandFailed where its end was not seen; a status is not judged."""
        mark = secrets.token_hex(16)
        with self._sessions:
            self.open(command.argv)
            given = command.line(mark) + stdin
            done = process.call_bytes(self._argv(FROM_STDIN), env=self._env, stdin=given, timeout=timeout, shown=command.argv)
        status, said = _end(command.argv, mark, done.stderr)
        return Ended(status, done.stdout, said)

    @contextlib.contextmanager
    def stream(self, command: Command, into: IO[bytes] | None = None) -> Iterator[tuple[IO[bytes], IO[bytes]]]:
        """A command whose input the body writes and whose output it reads, unless that goes into a file.

        Raises Dropped, or CommandFailed for a status but 0.
        What goes wrong with the streams is told by the command's own end, which knows why.
        """
        mark, problem = secrets.token_hex(16), None
        with self._sessions, tempfile.TemporaryFile() as words:
            self.open(command.argv)
            with _ending(
                process.piped(self._argv(FROM_STDIN), env=self._env, stdout=into or subprocess.PIPE, stderr=words)
            ) as child:
                given, printed = _opened(child.stdin), into or _opened(child.stdout)
                try:
                    given.write(command.line(mark))
                    yield given, printed
                    given.close()
                except (BrokenPipeError, tarfile.TarError) as broken:
                    problem = broken
                _close(child)
                # While all is well ssh itself notices a dead head; how long a full disk takes there is not ours to say.
                _wait(child, None if problem is None else _SILENCE)
            words.seek(0)
            status, said = _end(command.argv, mark, words.read())
        process.completed(command.argv, status, b"", said, check=True)
        if problem is not None:
            raise CommandFailed(command.argv, None, "", str(problem)) from problem

    def terminal(self, command: str, *, tty: bool) -> int:
        """Run a line of shell on the user's terminal."""
        self.open(("ssh",))
        return process.interactive(self._argv(command, "-t" if tty else "-T"), cwd=None, env=self._env)

    def close(self) -> None:
        """End the master."""
        argv = self._ssh.argv("-Oexit", "--", self._ssh.address)
        with contextlib.suppress(CommandFailed):
            process.call(argv, env=self._env, timeout=5, check=False)

    def open(self, shown: Sequence[str]) -> None:
        """Have a master. Raises CommandFailed with ssh's words, of the command `shown` for which it is wanted."""
        with self._opening:
            if not self._answers():
                self._start(shown)

    def _start(self, shown: Sequence[str]) -> None:
        # A session, and not -N: of two processes that open at the same moment, the one that comes too late just ends.
        argv = self._ssh.argv("-T", "-oControlMaster=auto", "-oControlPersist=60", "--", self._ssh.address, "exit 0")
        # Files, not pipes: a master may keep its first caller's streams for as long as it lives, and whoever reads
        # a pipe to its end would wait for that.
        with tempfile.TemporaryFile() as words:
            child = process.piped(argv, env=self._env, stdout=words, stderr=words)
            with _ending(child):
                _wait(child, _OPENING)
            words.seek(0)
            said = words.read().decode(errors="replace")
        if child.returncode != 0:
            raise CommandFailed(shown, None, "", said or f"no connection after {_OPENING} s")

    def _answers(self) -> bool:
        # Asking costs nothing beside a process, and tells a live master from the socket of one that was killed.
        with socket.socket(socket.AF_UNIX) as line:
            line.settimeout(1)
            try:
                line.connect(str(self._ssh.control))
            except OSError:
                return False
            return True

    def _argv(self, remote: str, *flags: str) -> list[str]:
        return self._ssh.argv(*(flags or ("-T",)), "-oControlMaster=no", "--", self._ssh.address, remote)


@contextlib.contextmanager
def _ending(child: subprocess.Popen[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    """When the body is left, however, the child has ended and its pipes are closed."""
    try:
        yield child
    finally:
        child.kill()
        child.wait()
        _close(child)


def _close(child: subprocess.Popen[bytes]) -> None:
    for pipe in (child.stdin, child.stdout):
        if pipe is not None:
            with contextlib.suppress(BrokenPipeError):
                pipe.close()


def _wait(child: subprocess.Popen[bytes], patience: float | None) -> None:
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(patience)


def _opened(pipe: IO[bytes] | None) -> IO[bytes]:
    if pipe is None:
        raise ValueError("a child without a pipe")
    return pipe


def _end(argv: Sequence[str], mark: str, stderr: bytes) -> tuple[int, bytes]:
    """The status that a command told at its end, and what it said before. What ssh says stands outside the marks."""
    words, *rest = stderr.split(mark.encode())
    said = rest[0].removeprefix(b"\n") if rest else b""
    if len(rest) < 2:
        raise Dropped(argv, None, "", (said + words).decode(errors="replace") or "the connection went down")
    told = rest[1].split(b"\n")[0].strip().decode()
    if told == "-":
        raise CommandFailed(argv, None, "", said.decode(errors="replace"))
    return int(told), said
