"""Ten thousand files, a gibibyte: staged and collected with checksums, against `cp -a` and `sha256sum`."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from measure import Figure, Place, call, spent

from provisioner.design.model import Design
from provisioner.events import Events
from provisioner.executor.subprocess import SubprocessExecutor
from provisioner.jobs.collect import collect
from provisioner.jobs.stage import stage_in
from provisioner.lifecycle.prepare import decided

_FILES, _BYTES, _FOLDERS = 10_000, 2**30, 100
_SPEC = """\
version: 1
name: files
groups: {cpu: {nodes: 1}}
jobs: {keep: {command: "true", inputs: [tree], outputs: [tree]}}
"""
# What a careful person types; one process each, as they would.
_COPY = 'cp -a "$1" "$2" && find "$2" -type f -print0 | xargs -0 sha256sum >"$2.sums"'


def make(folder: Path, files: int) -> None:
    """Random content, made once; as many bytes a file as make a gibibyte of 10,000."""
    for i in range(files):
        inside = folder / f"{i % _FOLDERS:02d}"
        inside.mkdir(parents=True, exist_ok=True)
        (inside / f"{i:05d}.bin").write_bytes(os.urandom(_BYTES // _FILES))


class Files:
    """Our way and the careful person's, on the same filesystem, each time into folders that are new."""

    def __init__(self, place: Place, files: int) -> None:
        self._place = place
        self._folder = place.root / "files"
        self._files = files
        self._round = 0
        make(self._folder / "tree", files)
        self._design = self._decide()

    def _decide(self) -> Design:
        file = self._folder / "burst.yaml"
        file.write_text(_SPEC)
        return decided(file)[1]

    def stage(self) -> tuple[float, float]:
        """Seconds: ours, theirs."""
        self._round += 1
        work, there = self._new("work"), self._new("there")
        executor, events = SubprocessExecutor({}, str(self._folder)), Events("files", [])
        ours = _rested(lambda: stage_in(executor, self._design, self._folder, str(work), events))
        return ours, _rested(lambda: self._copy(self._folder / "tree", there))

    def collect(self) -> tuple[float, float]:
        """Seconds: ours, theirs, of what `stage` brought there."""
        job = self._design.jobs[0]
        executor = SubprocessExecutor({}, str(self._folder))
        work, results = self._new("work"), self._new("results")
        ours = _rested(lambda: self._right(len(collect(executor, job, str(work / "keep"), (), results).outputs)))
        return ours, _rested(lambda: self._copy(self._new("there"), self._new("back")))

    def empty(self) -> None:
        """Give back the round's bytes but not its files: ext4 searches for long where many were just deleted."""
        for name in ("work", "there", "results", "back"):
            for folder, _, files in os.walk(self._new(name)):
                for file in files:
                    os.truncate(os.path.join(folder, file), 0)

    def _new(self, name: str) -> Path:
        return self._folder / f"{name}{self._round}"

    def _copy(self, source: Path, destination: Path) -> None:
        call(["bash", "-ec", _COPY, "-", str(source), str(destination)], self._place)

    def _right(self, count: int) -> None:
        if count != self._files:
            raise RuntimeError(f"{count} files were collected")


def _rested(work: Callable[[], None]) -> float:
    """Seconds, begun when what was written before is on the disk: else it is waited for here."""
    os.sync()
    return spent(work)


def figures(place: Place) -> list[Figure]:
    """Two lines of the table."""
    count = _FILES // 10 if place.quick else _FILES
    ways = Files(place, count)
    staged, collected = [], []
    for _ in range(place.rounds(5) + 1):
        staged.append(ways.stage())
        collected.append(ways.collect())
        ways.empty()
    pairs = {"stage": staged[1:], "collect": collected[1:]}
    return [
        Figure(f"{name} {count:,} files / cp -a, sha256sum", [ours for ours, _ in taken], [peer for _, peer in taken], bound=1.3)
        for name, taken in pairs.items()
    ]
