"""The one place that writes a file: atomically, or by an fsynced append."""

from __future__ import annotations

import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def write(path: Path, content: str | bytes, *, mode: int = 0o644, durable: bool = True) -> Path:
    """Write all of `content` or nothing: a temporary file beside `path`, fsynced, then renamed over it.

    `durable=False` leaves out the fsync: for what is of no use after the machine itself has gone down.
    """
    data = content.encode() if isinstance(content, str) else content
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
            stream.flush()
            if durable:
                os.fsync(stream.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return path


def append(path: Path, line: str) -> None:
    """Append one line and return only when it is on the disk. After a line that was cut short it begins a new one."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        size = os.fstat(descriptor).st_size
        cut = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
        os.write(descriptor, (b"\n" if cut else b"") + line.encode() + b"\n")
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class Busy(Exception):
    """Somebody else holds the lock."""


@contextmanager
def locked(folder: Path, *, wait: bool = True) -> Iterator[None]:
    """Hold a folder's own lock (flock(2)): the kernel lets go of it when we die, and no lock file is left.

    Raises Busy with `wait=False` when somebody holds it, and FileNotFoundError when there is no such folder.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError as problem:
            raise Busy(str(folder)) from problem
        yield
    finally:
        os.close(descriptor)


def packaged(folder: str) -> Path:
    """A folder of files that come with the program (`cloud-init`, `examples`): in the checkout, or in the wheel."""
    here = Path(__file__).resolve().parent
    checkout = here.parent / folder
    return checkout if checkout.is_dir() else here / folder
