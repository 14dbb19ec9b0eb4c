"""The bucket of a rehearsal: a folder of this host beside the runs, so that it outlives them. The provider writes to it for
the head, in parts as a bucket takes them, and lets it write below its own run alone, as a role does."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import IO

from provisioner.alone import store
from provisioner.launch.nspawn import Refused
from provisioner.spec import results

_BLOCK = 1 << 20


def folder(said: str) -> Path:
    """What stands for a place of results: a file:// itself, for a bucket one below $BURST_BUCKETS_DIR, which is made."""
    where = results.parse(said)
    if where.kind == "file":
        return Path(where.prefix)
    top = Path(os.environ.get("BURST_BUCKETS_DIR") or "/var/lib/burst/buckets").absolute()
    return top / where.kind / where.account / where.bucket / where.prefix


def keep(root: str, run_id: str, name: str, headers: Mapping[str, str], body: bytes) -> None:
    """A part of an object, by Content-Range; the last one completes it. Raises Refused."""
    path = PurePosixPath(name)
    if not root or path.parts[:1] != (run_id,) or ".." in path.parts or len(path.parts) < 2:
        raise Refused("AUTH", f"AccessDenied: {name} is not this run's")
    ranged = re.fullmatch(r"bytes (\d+)-(-?\d+)/(\d+)", headers.get("Content-Range", ""))
    if ranged is None:
        raise Refused("CONFIG", "Content-Range: bytes FIRST-LAST/ALL is missing")
    first, size = int(ranged[1]), int(ranged[3])
    final = Path(root) / path
    partial = final.with_name(f".{final.name}.part")
    final.parent.mkdir(parents=True, exist_ok=True)
    with open(partial, "r+b" if first else "wb") as stream:
        stream.truncate(first)
        stream.seek(first)
        stream.write(body)
    if first + len(body) == size:
        with open(partial, "rb") as stream:
            if hashlib.file_digest(stream, "sha256").hexdigest() != headers.get("X-Sha256"):
                raise Refused("CONFIG", "BadDigest: what arrived is not what was sent")
        partial.replace(final)


class Folder:
    """A folder as a store (alone/store.py), for whoever is on this host."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def put(self, name: str, stream: IO[bytes], size: int, sha256: str) -> None:
        raise store.Refused("CONFIG", "only the head writes there")

    def get(self, name: str, offset: int = 0) -> Iterator[bytes]:
        try:
            with open(self._root / name, "rb") as stream:
                stream.seek(offset)
                while block := stream.read(_BLOCK):
                    yield block
        except (FileNotFoundError, NotADirectoryError) as problem:
            raise store.Refused("ABSENT", str(problem)) from problem
        except OSError as problem:
            raise store.Refused("AUTH", str(problem)) from problem
