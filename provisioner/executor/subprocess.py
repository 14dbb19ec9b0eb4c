"""The Executor that stays on this machine: the head is here."""

from __future__ import annotations

import os
import pwd
import runpy
import shutil
import stat
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from provisioner.executor import process
from provisioner.executor.base import Copy, FileDigest
from provisioner.executor.process import Completed
from provisioner.executor.transfer import copy_hashed

# What a login on a Debian or Ubuntu machine has. The caller's own PATH and secrets are not handed to jobs:
# a job finds here what it would find on a cloud's machine.
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def login_environment() -> dict[str, str]:
    """The environment of a fresh login of the user who calls."""
    user = pwd.getpwuid(os.getuid())
    return {
        "PATH": PATH,
        "HOME": os.environ.get("HOME", user.pw_dir),
        "USER": user.pw_name,
        "LOGNAME": user.pw_name,
        "SHELL": user.pw_shell if os.access(user.pw_shell, os.X_OK) and "nologin" not in user.pw_shell else "/bin/sh",
        "LANG": os.environ.get("LANG", "C.UTF-8"),
        "TERM": os.environ.get("TERM", "dumb"),
    }


_BATCH = 64


class SubprocessExecutor:
    """`environment` is what every command there has beside a login's; `home` is the folder a shell starts in."""

    def __init__(self, environment: Mapping[str, str], home: str, prefix: Sequence[str] = ()) -> None:
        self._environment = {**login_environment(), **environment}
        self._home = home
        self._prefix = tuple(prefix)

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
        # Whoever runs the daemons is their administrator: that is us.
        environment = {**self._environment, **(env or {})}
        # The program is found on a login's PATH, whatever `env` makes of that for what the program starts.
        argv = [shutil.which(argv[0], path=PATH) or argv[0], *argv[1:]]
        return process.call(argv, cwd=cwd or self._home, env=environment, stdin=stdin, timeout=timeout, check=check)

    def python(self, script: Path, request: dict[str, Any]) -> Any:
        # There is here: an interpreter of its own takes longer to start than most answers take.
        return runpy.run_path(str(script))["answer"](request)

    def send(self, copies: Sequence[Copy]) -> list[FileDigest]:
        return _all(lambda copy: copy_hashed(str(copy.here), copy.there), copies)

    def fetch(self, copies: Sequence[Copy]) -> list[FileDigest]:
        return _all(_fetched, copies)

    def read(self, path: str, offset: int, limit: int) -> bytes:
        try:
            # A job may have put a pipe or a device where its log was: neither ever ends.
            descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
        except OSError:
            return b""
        try:
            regular = stat.S_ISREG(os.fstat(descriptor).st_mode)
            return os.pread(descriptor, limit, offset) if regular else b""
        finally:
            os.close(descriptor)

    def shell(self, argv: Sequence[str]) -> int:
        command = list(argv) or [self._environment["SHELL"]]
        return process.interactive([*self._prefix, *command], cwd=self._home, env=self._environment)


def _fetched(copy: Copy) -> FileDigest:
    try:
        return copy_hashed(copy.there, str(copy.here))
    except (FileNotFoundError, PermissionError, IsADirectoryError):
        # It was there when the outputs were looked for: one that has gone since must not cost the others.
        return FileDigest(copy.there, 0, "")


def _all(one: Callable[[Copy], FileDigest], copies: Sequence[Copy]) -> list[FileDigest]:
    # A task for each file would cost about as much as a small file's copy.
    batches = [copies[i : i + _BATCH] for i in range(0, len(copies), _BATCH)]
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        return [digest for batch in pool.map(lambda batch: [one(copy) for copy in batch], batches) for digest in batch]
