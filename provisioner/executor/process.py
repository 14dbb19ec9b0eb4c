"""The one subprocess call, and the one way to start a daemon."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from provisioner.errors import BurstError, ExitCode


@dataclass(frozen=True)
class Completed:
    """A command that ended: its status, and what it printed."""

    argv: tuple[str, ...]
    status: int
    stdout: str
    stderr: str


class CommandFailed(BurstError):
    """A command could not be started, took too long, or ended with a status other than 0."""

    exit_code = ExitCode.BUG

    def __init__(self, argv: Sequence[str], status: int | None, stdout: str, stderr: str) -> None:
        said = (stderr.strip() or stdout.strip()).splitlines()
        ended = "could not be run" if status is None else f"ended with {status}"
        super().__init__(f"{argv[0]} {ended}", why="\n".join(said[-10:]))
        self.argv = tuple(argv)
        self.status = status
        self.stderr = stderr


def call(
    argv: Sequence[str],
    *,
    cwd: Path | str | None = None,
    env: Mapping[str, str] | None = None,
    stdin: bytes | None = None,
    timeout: float | None = None,
    check: bool = True,
) -> Completed:
    """Run a command to its end. `timeout` in seconds. Raises CommandFailed; with `check=False` only if it cannot start."""
    done = call_bytes(argv, cwd=cwd, env=env, stdin=stdin, timeout=timeout)
    return completed(argv, done.returncode, done.stdout, done.stderr, check=check)


def completed(argv: Sequence[str], status: int, stdout: bytes, stderr: bytes, *, check: bool) -> Completed:
    """What a command printed, as text. With `check`, raises CommandFailed for a status other than 0."""
    out, err = stdout.decode(errors="replace"), stderr.decode(errors="replace")
    if check and status != 0:
        raise CommandFailed(argv, status, out, err)
    return Completed(tuple(argv), status, out, err)


def call_bytes(
    argv: Sequence[str],
    *,
    cwd: Path | str | None = None,
    env: Mapping[str, str] | None = None,
    stdin: bytes | None = None,
    timeout: float | None = None,
    shown: Sequence[str] | None = None,
) -> subprocess.CompletedProcess[bytes]:
    """Run a command to its end, and what it printed, to the byte. An error calls the command `shown`.

    It gets a process group of its own, so that a Ctrl-C reaches the program and not what it is waiting for.
    """
    shown = shown or argv
    try:
        return subprocess.run(
            list(argv),
            cwd=cwd,
            env=dict(env) if env is not None else None,
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            timeout=timeout,
            process_group=0,
            check=False,
        )
    except subprocess.TimeoutExpired as problem:
        raise CommandFailed(shown, None, "", f"no answer after {timeout:g} s") from problem
    except OSError as problem:
        raise CommandFailed(shown, None, "", f"{problem.strerror}: {problem.filename}") from problem


def piped(argv: Sequence[str], *, env: Mapping[str, str], stdout: IO[bytes] | int, stderr: IO[bytes]) -> subprocess.Popen[bytes]:
    """Start a command whose standard input, and standard output where that is PIPE, are the caller's to write and read."""
    try:
        return subprocess.Popen(list(argv), env=dict(env), stdin=subprocess.PIPE, stdout=stdout, stderr=stderr, process_group=0)
    except OSError as problem:
        raise CommandFailed(argv, None, "", f"{problem.strerror}: {problem.filename}") from problem


def kept(
    argv: Sequence[str],
    *,
    cwd: Path | str,
    env: Mapping[str, str],
    stdin: IO[bytes],
    output: tuple[IO[bytes], IO[bytes]],
    keep: int,
) -> subprocess.Popen[bytes]:
    """Start a command on files, which outlive us as pipes do not. It and what it starts keep the descriptor `keep` open."""
    try:
        return subprocess.Popen(
            list(argv),
            cwd=cwd,
            env=dict(env),
            stdin=stdin,
            stdout=output[0],
            stderr=output[1],
            pass_fds=(keep,),
            process_group=0,
        )
    except OSError as problem:
        raise CommandFailed(argv, None, "", f"{problem.strerror}: {problem.filename}") from problem


def daemon(argv: Sequence[str], *, cwd: Path | str, env: Mapping[str, str], log: Path) -> subprocess.Popen[bytes]:
    """Start a command that outlives us: a session of its own, nothing of our streams, both of its into `log`."""
    with log.open("ab") as stream:
        return subprocess.Popen(
            list(argv),
            cwd=cwd,
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
            start_new_session=True,
        )


def interactive(argv: Sequence[str], *, cwd: Path | str | None, env: Mapping[str, str]) -> int:
    """Run a command on the user's own terminal and answer its exit status."""
    try:
        return subprocess.call(list(argv), cwd=cwd, env=dict(env))
    except OSError as problem:
        raise CommandFailed(argv, None, "", f"{problem.strerror}: {problem.filename}") from problem
