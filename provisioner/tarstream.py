"""Files as one tar stream, hashed on the way. Runs here, and as it is on a head's Python (3.11 or later).

Standard library only, and nothing else of ours. One end packs and the other unpacks; both know the same list of
paths, and a member's name is a place in that list with the file's times, so no name in a stream ever leads anywhere.
A file that cannot be read is left out; one that shrank while it was read is taken back by a second member that is
no file. Neither end keeps more of a file in memory than a block.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import json
import os
import stat
import sys
import tarfile
from collections.abc import Iterator, Sequence
from typing import IO, Any, NamedTuple

_BLOCK = 1 << 18
# tarfile's own streams copy every byte three or four times: of the module, only headers are used.
_END = bytes(tarfile.BLOCKSIZE)
_RECORD = tarfile.RECORDSIZE


class Sum(NamedTuple):
    """Of one file: size in bytes, SHA-256 in hex (empty where there is none), permission bits."""

    bytes: int
    sha256: str
    mode: int


def open_file(path: str) -> int:
    """A descriptor of what must be a file: a pipe would never end. Links are followed, as the survey of outputs does."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise PermissionError(errno.EINVAL, "it is not a file", path)
    return descriptor


def create(path: str, mode: int) -> int:
    """A descriptor of a new, empty file with those permission bits. Folders are made; what was there goes."""
    # The owner must be able to write it while it is copied, whatever its own bits are.
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    try:
        descriptor = os.open(path, flags, mode | 0o200)
    except FileNotFoundError:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        descriptor = os.open(path, flags, mode | 0o200)
    except PermissionError:
        # A read-only file of the last attempt cannot be opened again by its own owner.
        os.unlink(path)
        descriptor = os.open(path, flags, mode | 0o200)
    os.fchmod(descriptor, mode)
    return descriptor


def write(descriptor: int, left: memoryview) -> None:
    """Write all of it."""
    while left:
        left = left[os.write(descriptor, left) :]


def pack(paths: Sequence[str], out: IO[bytes], *, strict: bool, hashed: bool = True) -> Iterator[tuple[int, Sum]]:
    """Write files into `out`; each one's place in the list and what was read of it.

    `strict` raises the OSError of a file that cannot be opened; without it such a file is left out.
    """
    block = memoryview(bytearray(_BLOCK))
    for index, path in enumerate(paths):
        try:
            reader = open_file(path)
        except OSError:
            if strict:
                raise
            continue
        with open(reader, "rb", buffering=0) as stream:
            yield index, _give(out, index, stream, block, hashed)
    out.write(bytes(_RECORD))
    out.flush()


def _give(out: IO[bytes], index: int, stream: io.FileIO, block: memoryview, hashed: bool) -> Sum:
    """A member of exactly the size that its header has, however the file grows or shrinks meanwhile."""
    status = os.fstat(stream.fileno())
    member = tarfile.TarInfo(f"{index}.{status.st_atime_ns}.{status.st_mtime_ns}")
    member.size, member.mode = status.st_size, status.st_mode & 0o777
    out.write(member.tobuf(tarfile.GNU_FORMAT))
    summed, left = hashlib.sha256(), member.size
    while left and (count := _read(stream, block[:left])):
        if hashed:
            summed.update(block[:count])
        out.write(block[:count])
        left -= count
    read, short = member.size - left, left > 0
    while left:
        left -= out.write(bytes(min(left, _BLOCK)))
    out.write(bytes(-member.size % tarfile.BLOCKSIZE))
    if short:
        member.size, member.type = 0, tarfile.FIFOTYPE
        out.write(member.tobuf(tarfile.GNU_FORMAT))
    return Sum(read, summed.hexdigest() if hashed else "", member.mode)


def _read(stream: io.FileIO, into: memoryview) -> int:
    # What cannot be read ends here, as far as the stream is concerned.
    try:
        return stream.readinto(into) or 0
    except OSError:
        return 0


def unpack(source: IO[bytes], paths: Sequence[str], *, strict: bool, hashed: bool = True) -> Iterator[tuple[int, Sum]]:
    """Write what comes to where it belongs; each one's place in the list and what was written.

    A file that was taken back has an empty sha256, and without `strict` one that cannot be made where it belongs.
    Raises tarfile.ReadError where the stream ends early, OSError where no file can be written any more.
    """
    while (header := _exactly(source, tarfile.BLOCKSIZE)) != _END:
        member = tarfile.TarInfo.frombuf(header, "utf-8", "strict")
        index, atime, mtime = _name(member.name, len(paths))
        if member.type == tarfile.REGTYPE:
            yield index, _take(source, member, paths[index], (atime, mtime), strict, hashed)
        else:
            with contextlib.suppress(FileNotFoundError, PermissionError, IsADirectoryError):
                os.unlink(paths[index])
            yield index, Sum(0, "", 0)
    # What fills up the last record is read too: the other end must not find its pipe closed.
    while source.read(_BLOCK):
        pass


def _exactly(source: IO[bytes], count: int) -> bytes:
    # Half a block after a lost line is not written either: the file may be another attempt's by now.
    block = source.read(count)
    if len(block) < count:
        raise tarfile.ReadError("the stream ended early")
    return block


def _name(name: str, count: int) -> tuple[int, int, int]:
    try:
        index, atime, mtime = (int(part) for part in name.split("."))
    except ValueError:
        raise tarfile.ReadError(f"a member that nobody sent: {name!r}") from None
    if not 0 <= index < count:
        raise tarfile.ReadError(f"a member that nobody asked for: {name!r}")
    return index, atime, mtime


def _take(source: IO[bytes], member: tarfile.TarInfo, path: str, times: tuple[int, int], strict: bool, hashed: bool) -> Sum:
    mode = member.mode & 0o777
    try:
        writer = create(path, mode)
    except (FileNotFoundError, PermissionError, IsADirectoryError):
        if strict:
            raise
        for _ in _blocks(source, member.size):
            pass
        return Sum(0, "", 0)
    summed = hashlib.sha256()
    try:
        for block in _blocks(source, member.size):
            if hashed:
                summed.update(block)
            write(writer, memoryview(block))
        os.utime(writer, ns=times)
    finally:
        os.close(writer)
    return Sum(member.size, summed.hexdigest() if hashed else "", mode)


def _blocks(source: IO[bytes], size: int) -> Iterator[bytes]:
    """A member's content."""
    for left in range(size, 0, -_BLOCK):
        yield _exactly(source, min(_BLOCK, left))
    _exactly(source, -size % tarfile.BLOCKSIZE)


def _receive(paths: Sequence[str]) -> None:
    """Unpack standard input, and print the place of each file that is done, one a line."""
    for index, _ in unpack(sys.stdin.buffer, paths, strict=True, hashed=False):
        # At once: what was said before the line drops is not sent again.
        print(index, flush=True)


def main() -> None:
    """A line of JSON on standard input: {"pack": [path…]} writes a stream out, {"unpack": [path…]} reads one."""
    request: dict[str, Any] = json.loads(sys.stdin.buffer.readline())
    try:
        if "unpack" in request:
            _receive(request["unpack"])
        else:
            for _ in pack(request["pack"], sys.stdout.buffer, strict=False, hashed=False):
                pass
    except (OSError, tarfile.TarError) as problem:
        sys.exit(str(problem))


if __name__ == "__main__":
    main()
