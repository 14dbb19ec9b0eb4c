"""One file copied on one machine, and hashed on the way."""

from __future__ import annotations

import hashlib
import os

from provisioner.executor.base import FileDigest

_BLOCK = 1 << 20


def copy_hashed(source: str, destination: str) -> FileDigest:
    """Copy bytes, permission bits and times; the digest is of the bytes that were read. Folders are made."""
    reader = os.open(source, os.O_RDONLY)
    try:
        status = os.fstat(reader)
        writer = _create(destination, status.st_mode & 0o777)
        try:
            summed, size = hashlib.sha256(), 0
            while block := os.read(reader, _BLOCK):
                summed.update(block)
                size += _write(writer, block)
            os.utime(writer, ns=(status.st_atime_ns, status.st_mtime_ns))
        finally:
            os.close(writer)
    finally:
        os.close(reader)
    return FileDigest(destination, size, summed.hexdigest(), status.st_mode & 0o777)


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


def _write(descriptor: int, block: bytes) -> int:
    view = memoryview(block)
    while view:
        view = view[os.write(descriptor, view) :]
    return len(block)
