"""One file copied on one machine, and hashed on the way."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import threading

from provisioner.executor.base import FileDigest

_BLOCK = 1 << 20
# Each thread has its own block: a new one for each file costs more in page faults than a small file's copy.
_own = threading.local()


def copy_hashed(source: str, destination: str) -> FileDigest:
    """Copy bytes, permission bits and times; the digest is of the bytes that were read. Folders are made."""
    reader = os.open(source, os.O_RDONLY | os.O_NONBLOCK)
    try:
        status = os.fstat(reader)
        if not stat.S_ISREG(status.st_mode):
            raise PermissionError(errno.EINVAL, "it is not a file", source)
        writer = _create(destination, status.st_mode & 0o777)
        try:
            block = _block()
            summed, size = hashlib.sha256(), 0
            while count := os.readv(reader, [block]):
                summed.update(block[:count])
                _write(writer, block[:count])
                size += count
            os.utime(writer, ns=(status.st_atime_ns, status.st_mtime_ns))
        finally:
            os.close(writer)
    finally:
        os.close(reader)
    return FileDigest(destination, size, summed.hexdigest(), status.st_mode & 0o777)


def _block() -> memoryview:
    if not hasattr(_own, "block"):
        _own.block = memoryview(bytearray(_BLOCK))
    block: memoryview = _own.block
    return block


def _create(path: str, mode: int) -> int:
    # The owner must be able to write it while it is copied, whatever its own bits are.
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    try:
        descriptor = os.open(path, flags, mode | 0o200)
    except FileNotFoundError:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        descriptor = os.open(path, flags, mode | 0o200)
    os.fchmod(descriptor, mode)
    return descriptor


def _write(descriptor: int, left: memoryview) -> None:
    while left:
        left = left[os.write(descriptor, left) :]
