"""Which files a pattern names, and what is in them. Runs here, and as it is on the machine that has the files.

Standard library only, and nothing else of ours: an executor sends this file's text to a head's Python (3.11 or
later) with a request as JSON on its standard input, and reads the answer as JSON from its standard output.

Patterns: `*`, `?`, `[…]` within a name, `**` over folders, and a folder's name for all of it. A name that stands
there to the letter wins over its reading as a pattern, so a file called `a[1].txt` can be named.
Hidden files are matched like any other.
"""

from __future__ import annotations

import errno
import fnmatch
import hashlib
import json
import os
import re
import stat
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

# hashlib and read(2) let other threads run; more than a few only wait for the same disk.
_THREADS = min(4, os.cpu_count() or 1)
_BLOCK = 1 << 20
# A task for each file would cost about as much as reading a small one.
_BATCH = 64


def matches(root: Path, pattern: str, *, follow: bool = False) -> Iterator[str]:
    """Files under `root` that `pattern` names, as paths relative to it, each once, in sorted order within a folder.

    `follow` walks into linked folders too (inputs, which are the user's own); outputs never do: there a link is
    told as the link that it is.
    """
    seen: set[str] = set()
    for found in _tops(root, os.path.normpath(pattern), follow):
        for path in _tree(root, found, follow) if _is_folder(root / found, follow) else [found]:
            if path not in seen:
                seen.add(path)
                yield path


def _tops(root: Path, wanted: str, follow: bool) -> Iterator[str]:
    """The files and folders that the pattern itself leads to."""
    if os.path.lexists(root / wanted):
        yield wanted
    else:
        parts = wanted.split("/")
        # `**/**` means what `**` means, and would look at every folder again.
        yield from _walk(root, "", [p for i, p in enumerate(parts) if p != "**" or parts[i - 1 : i] != ["**"]], follow)


def _is_folder(path: Path, follow: bool) -> bool:
    return path.is_dir() and (follow or not path.is_symlink())


def _names(folder: Path) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except (NotADirectoryError, FileNotFoundError, PermissionError):
        return []


def _walk(root: Path, prefix: str, parts: list[str], follow: bool) -> Iterator[str]:
    """Everything, file or folder, that the parts lead to."""
    head, rest = parts[0], parts[1:]
    if head == "**":
        if not rest:
            yield from (_join(prefix, name) for name in _names(root / prefix))
            return
        yield from _walk(root, prefix, rest, follow)
        for name in _names(root / prefix):
            # Links are left out under `**`, so that a circle of them ends.
            if _is_folder(root / prefix / name, follow=False):
                yield from _walk(root, _join(prefix, name), parts, follow)
        return
    fits = re.compile(fnmatch.translate(head)).match
    for name in _names(root / prefix):
        if name != head and not fits(name):
            continue
        path = _join(prefix, name)
        if not rest:
            yield path
        elif _is_folder(root / path, follow):
            yield from _walk(root, path, rest, follow)


def _tree(root: Path, top: str, follow: bool) -> Iterator[str]:
    """All files below a folder; a folder reached twice through links is entered once."""
    entered: set[str] = set()
    for folder, names, files in os.walk(root / top, followlinks=follow):
        real = os.path.realpath(folder)
        if real in entered:
            names.clear()
            continue
        entered.add(real)
        names.sort()
        relative = os.path.relpath(folder, root)
        links = [] if follow else [name for name in names if os.path.islink(os.path.join(folder, name))]
        for name in sorted([*files, *links]):
            yield _join(relative, name)


def _join(prefix: str, name: str) -> str:
    return f"{prefix}/{name}" if prefix else name


def digest(path: Path) -> tuple[int, str]:
    """Size in bytes and SHA-256 in hex of one file."""
    # What was a file a moment ago may be a pipe by now, and opening one would wait for ever.
    with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb", buffering=0) as stream:
        if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
            raise OSError(errno.EINVAL, "it is not a file")
        size = os.fstat(stream.fileno()).st_size
        if size <= _BLOCK:
            data = stream.read(_BLOCK + 1)
            return len(data), hashlib.sha256(data).hexdigest()
        # Not hashlib.file_digest: its 256 KiB buffer is read twice as slowly as this.
        total, summed, block = 0, hashlib.sha256(), bytearray(_BLOCK)
        view = memoryview(block)
        while count := stream.readinto(block):
            summed.update(view[:count])
            total += count
        return total, summed.hexdigest()


def survey(root: Path, patterns: list[str]) -> list[dict[str, object]]:
    """Per pattern the files it names: {"pattern", "files": [{path, bytes, sha256, mode}], "refused": [{path, why}]}.

    A link is read as what it points to, as long as that lies inside `root`; what lies outside is refused.
    """
    told: list[dict[str, object]] = []
    with ThreadPoolExecutor(_THREADS) as pool:
        for pattern in patterns:
            looked = [entry for entry in _look_at(pool, root, list(matches(root, pattern))) if entry is not None]
            told.append(
                {
                    "pattern": pattern,
                    "files": [entry for entry in looked if "why" not in entry],
                    "refused": [entry for entry in looked if "why" in entry],
                }
            )
    return told


def _look_at(pool: ThreadPoolExecutor, root: Path, paths: list[str]) -> list[dict[str, object] | None]:
    """One entry for each path, in order; None for a folder."""
    real = os.path.realpath(root)
    batches = [paths[i : i + _BATCH] for i in range(0, len(paths), _BATCH)]
    looked = pool.map(lambda batch: [_look(root, real, path) for path in batch], batches)
    return [entry for batch in looked for entry in batch]


def _look(root: Path, real: str, path: str) -> dict[str, object] | None:
    try:
        path.encode()
    except UnicodeEncodeError:
        return {"path": os.fsencode(path).decode(errors="backslashreplace"), "why": "its name is not UTF-8"}
    full = root / path
    resolved = os.path.realpath(full)
    if resolved != real and not resolved.startswith(real + os.sep):
        return {"path": path, "why": "it leads out of the job's folder"}
    if os.path.isdir(resolved):
        return None
    if not os.path.isfile(resolved):
        return {"path": path, "why": "it is not a file" if os.path.lexists(resolved) else "it points to nothing"}
    try:
        size, summed = digest(full)
    except OSError as problem:
        return {"path": path, "why": problem.strerror or str(problem)}
    return {"path": path, "bytes": size, "sha256": summed, "mode": os.stat(full).st_mode & 0o777}


def answer(request: dict[str, Any]) -> list[Any]:
    """{"root", "patterns"} → the survey; {"root", "paths"} → a digest for each path, null where it cannot be read."""
    root = Path(request["root"])
    if "patterns" in request:
        return survey(root, request["patterns"])
    with ThreadPoolExecutor(_THREADS) as pool:
        return _look_at(pool, root, request["paths"])


def main() -> None:
    """A request on standard input, its answer on standard output."""
    json.dump(answer(json.load(sys.stdin)), sys.stdout)


if __name__ == "__main__":
    main()
