"""One file copied on one machine, and hashed on the way."""

from __future__ import annotations

import hashlib
import os
import threading

from provisioner.executor.base import FileDigest
from provisioner.tarstream import create, open_file, write

_BLOCK = 1 << 20
# Each thread has its own block: a new one for each file costs more in page faults than a small file's copy.
_own = threading.local()


def copy_hashed(source: str, destination: str) -> FileDigest:
    """Copy bytes, permission bits and times; the digest is of the bytes that were read. Folders are made."""
    reader = open_file(source)
    try:
        status = os.fstat(reader)
        writer = create(destination, status.st_mode & 0o777)
        try:
            block = _block()
            summed, size = hashlib.sha256(), 0
            while count := os.readv(reader, [block]):
                summed.update(block[:count])
                write(writer, block[:count])
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
