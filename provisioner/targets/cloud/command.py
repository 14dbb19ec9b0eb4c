"""The `pulumi` program, run so that it ends in order whatever happens to us.

The Automation API starts it in the terminal's own process group and lets it be when we are interrupted: a Ctrl-C then
reaches it and us at once, and a SIGTERM to us leaves it working. Here it has a group of its own and is asked to end when
we are interrupted. When we are killed it goes on, and whoever works on the run next asks it to end, first of all.
Imported where Pulumi is used, and only there: it needs its SDK.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any

from pulumi.automation import CommandResult, PulumiCommand
from pulumi.automation.errors import create_command_error
from semver import VersionInfo

from provisioner import clock
from provisioner.errors import Refused
from provisioner.executor import process
from provisioner.targets.cloud.installation import Installed

# A first SIGINT lets the engine wait for what is in flight and write its state; a second one makes it forget both
# (pulumi's pkg/backend/cancellation_scope.go). Providers answer within seconds once they are told to cancel.
_PATIENCE, _AFTER = 60.0, 10.0
_ASKED = ((signal.SIGINT, _PATIENCE), (signal.SIGINT, _AFTER), (signal.SIGKILL, _AFTER))
# Every process that the engine starts inherits it.
_MARK = b"PULUMI_AUTOMATION_API=true"

_Told = Callable[[str], Any]


class Orderly(PulumiCommand):
    """`held` is the descriptor of the run's lock (`alone`), which the engine and all that it starts keep."""

    def __init__(self, engine: Installed, held: int) -> None:
        # Not PulumiCommand's own, which asks the program for its version again.
        self.command = str(engine.path)
        self.version = VersionInfo.parse(engine.version)
        self._held = held

    def run(
        self,
        args: list[str],
        cwd: str,
        additional_env: Mapping[str, str],
        on_output: _Told | None = None,
        on_error: _Told | None = None,
    ) -> CommandResult:
        return self.feed("", args, cwd, additional_env, on_output, on_error)

    def feed(
        self,
        text: str,
        args: list[str],
        cwd: str,
        additional_env: Mapping[str, str],
        on_output: _Told | None = None,
        on_error: _Told | None = None,
    ) -> CommandResult:
        """Run it with `text` on its standard input. Raises CommandError; of what interrupts us, when it has ended."""
        env = {**os.environ, **additional_env, "PULUMI_AUTOMATION_API": "true"}
        # The run's own is in a file; this one would come before it.
        env.pop("PULUMI_CONFIG_PASSPHRASE", None)
        env["PATH"] = os.pathsep.join([str(Path(self.command).parent), env.get("PATH", os.defpath)])
        argv = [self.command, "--non-interactive", *args]
        with TemporaryFile() as stdin, TemporaryFile() as stdout, TemporaryFile() as stderr:
            stdin.write(text.encode())
            stdin.seek(0)
            # Into a pipe it could write only as long as we live, and the first line after that would be its end.
            started = process.kept(argv, cwd=cwd, env=env, stdin=stdin, output=(stdout, stderr), keep=self._held)
            try:
                started.wait()
            except BaseException:
                _end(started, self._held)
                raise
            result = CommandResult(_read(stdout, on_output), _read(stderr, on_error), started.returncode)
        if result.code != 0:
            raise create_command_error(result)
        return result


def _read(stream: IO[bytes], told: _Told | None) -> str:
    stream.seek(0)
    lines = [line.rstrip() for line in stream.read().decode(errors="replace").splitlines()]
    if told is not None:
        for line in lines:
            told(line)
    return "\n".join(lines)


def _end(started: subprocess.Popen[bytes], held: int) -> None:
    """Ask it to end, then tell it, then end it. That it was asked stands in the lock, for whoever comes after us."""
    os.pwrite(held, f"{started.pid}\n".encode(), 0)
    for signum, seconds in _ASKED:
        started.send_signal(signum)
        with contextlib.suppress(subprocess.TimeoutExpired):
            started.wait(seconds)
            return


@contextmanager
def alone(lock: Path) -> Iterator[int]:
    """Hold a run's lock; the descriptor is to be passed on to the engine.

    An engine that a process before us started, and that still works on the run, is ended first, as one of our own would
    be. Plugins that have outlived their engine are ended at once: of what they were making nobody will write anything down,
    and the provider has to be asked. Raises Refused where one does not end.
    """
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        _end_earlier(descriptor, lock)
        yield descriptor
    finally:
        os.close(descriptor)


def _end_earlier(descriptor: int, lock: Path) -> None:
    asked, until = list(_ASKED), clock.monotonic()
    last = until + sum(seconds for _, seconds in _ASKED)
    while not _locked(descriptor):
        at_work, now = _at_work(descriptor), clock.monotonic()
        engines = [pid for pid, name in at_work.items() if name == "pulumi"]
        if now > last:
            raise Refused(
                "an earlier engine still works on this run",
                why=f"{lock} is held by process {', '.join(map(str, at_work)) or 'unknown'}",
                fix="end it, then: burst sweep",
            )
        if not engines:
            _send(at_work, signal.SIGKILL)
        elif now >= until and asked:
            # What was asked once must not be asked again at once: to the engine that is the second time.
            first, (signum, seconds) = len(asked) == len(_ASKED), asked.pop(0)
            _send([pid for pid in engines if not first or pid != _already(descriptor)], signum)
            until = now + seconds
        clock.sleep(0.1)


def _already(descriptor: int) -> int | None:
    """The engine that was asked to end by somebody who did not see it happen."""
    told = os.pread(descriptor, 32, 0).partition(b"\n")[0]
    return int(told) if told.isdigit() else None


def _send(processes: Iterable[int], signum: signal.Signals) -> None:
    for pid in processes:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signum)


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _at_work(descriptor: int) -> dict[int, str]:
    """The engine's processes that have the lock open, by number, and what each is called. Empty where there is no /proc."""
    wanted, found = os.fstat(descriptor), dict[int, str]()
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if int(folder.name) == os.getpid() or _MARK not in (folder / "environ").read_bytes().split(b"\0"):
                continue
            if any(os.path.samestat(wanted, each.stat()) for each in (folder / "fd").iterdir()):
                found[int(folder.name)] = (folder / "comm").read_text().strip()
    return found
