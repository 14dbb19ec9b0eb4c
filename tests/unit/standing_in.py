"""An Executor and a Target of the tests' own, written against the Protocols: a head that is a folder, a place that is a list."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from provisioner import manifest
from provisioner.design.model import Design
from provisioner.events import Events
from provisioner.executor.base import Copy, Executor, FileDigest
from provisioner.executor.process import Completed
from provisioner.findings import Finding
from provisioner.targets.base import Inventory, Resource, Tagged


class FolderExecutor:
    """The head's files are this machine's. `spoil` may change what arrives: it is given the path and the attempt."""

    def __init__(self, spoil: Callable[[Path, int], None] | None = None) -> None:
        self.fetches: list[list[str]] = []
        self._spoil = spoil

    def run(
        self,
        argv: Sequence[str],
        *,
        cwd: str | None = None,
        env: Mapping[str, str] | None = None,
        stdin: bytes | None = None,
        timeout: float | None = 60,
        check: bool = True,
    ) -> Completed:
        assert argv[0] == "stat", argv
        path = Path(argv[-1])
        return Completed(tuple(argv), 0, f"{path.stat().st_size}\n" if path.exists() else "", "")

    def python(self, script: Path, request: dict[str, Any]) -> Any:
        assert script.name == "manifest.py"
        if "patterns" in request:
            return manifest.survey(Path(request["root"]), request["patterns"])
        looked = []
        for path in request["paths"]:
            (answer,) = manifest.survey(Path(request["root"]), [path])
            files: Any = answer["files"]
            looked.append(files[0] if files else None)
        return looked

    def send(self, copies: Sequence[Copy]) -> list[FileDigest]:
        return [_copied(copy.here, Path(copy.there)) for copy in copies]

    def fetch(self, copies: Sequence[Copy]) -> list[FileDigest]:
        self.fetches.append([copy.there for copy in copies])
        return [self._arrived(copy) for copy in copies]

    def _arrived(self, copy: Copy) -> FileDigest:
        digest = _copied(Path(copy.there), copy.here)
        if self._spoil is None:
            return digest
        self._spoil(copy.here, len(self.fetches))
        size, summed = manifest.digest(copy.here)
        return FileDigest(str(copy.here), size, summed)

    def read(self, path: str, offset: int, limit: int) -> bytes:
        try:
            return Path(path).read_bytes()[offset : offset + limit]
        except FileNotFoundError:
            return b""

    def shell(self, argv: Sequence[str]) -> int:
        raise NotImplementedError


def _copied(source: Path, destination: Path) -> FileDigest:
    destination.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(source, destination)
    size, summed = manifest.digest(destination)
    return FileDigest(str(destination), size, summed, destination.stat().st_mode & 0o777)


class ListedTarget:
    """A place that is a list of what is there; `calls` has what was asked of it, `stubborn` runs cannot be ended."""

    def __init__(self, name: str = "local", *, there: Iterable[str] = (), stubborn: Iterable[str] = ()) -> None:
        self.name = name
        self.there = set(there)
        self.stubborn = set(stubborn)
        self.tagged: list[Tagged] = []
        self.calls: list[tuple[str, str]] = []

    def preflight(self, design: Design) -> tuple[Finding, ...]:
        return ()

    def create(self, design: Design, events: Events, folder: Path, state: Path) -> Inventory:
        raise NotImplementedError

    def launch(self, inventory: Inventory, names: Sequence[str], market: str = "on-demand") -> None:
        raise NotImplementedError

    def destroy(self, run_id: str) -> None:
        self.calls.append(("destroy", run_id))
        if run_id not in self.stubborn:
            self.there.discard(run_id)

    def remains(self, run_id: str) -> tuple[Resource, ...]:
        return (Resource(kind="folder", id=run_id),) if run_id in self.there else ()

    def reap(self, resources: Sequence[Resource]) -> tuple[Resource, ...]:
        self.calls.extend(("reap", resource.id) for resource in resources)
        return tuple(resources)

    def console(self, inventory: Inventory, node: str) -> str:
        return ""

    def connect(self, inventory: Inventory) -> Executor:
        return FolderExecutor()

    def runs(self) -> Iterable[Tagged]:
        return list(self.tagged)
