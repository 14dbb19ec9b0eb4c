"""Executors and a Target of the tests' own, written against the Protocols: a head that is a folder, a place that is a list."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from provisioner import manifest
from provisioner.design.model import Design
from provisioner.errors import Kind, NotCreated
from provisioner.events import Events
from provisioner.executor.base import Copy, Executor, FileDigest
from provisioner.executor.process import CommandFailed, Completed
from provisioner.findings import Finding
from provisioner.slurm.states import Task
from provisioner.targets.base import Intent, Inventory, Resource, Tagged, Zone


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
        admin: bool = False,
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


class SlurmHead(FolderExecutor):
    """A head with a slurmctld that says what it is told to: `jobs` by name, `nodes` with sinfo(1)'s words for their state,
    `told` what machines reported. `ran` has the commands that ask for more, those of an administrator after `sudo`."""

    def __init__(self) -> None:
        super().__init__()
        self.jobs: dict[str, Task] = {}
        self.nodes: dict[str, str] = {}
        self.told = ""
        self.ran: list[str] = []
        # Commands, by their first words, that fail with these words.
        self.fails: dict[str, str] = {}

    def run(self, argv: Sequence[str], *, admin: bool = False, **known: Any) -> Completed:
        line = " ".join(argv)
        self._fail(line)
        if argv[0] == "stat":
            return super().run(argv, **known)
        if argv[0] == "sinfo":
            said = "".join(f"{name}|{state}\n" for name, state in self.nodes.items())
        elif argv[0] == "scontrol" and argv[-2:] == ["show", "job"]:
            said = "".join(_record(name, task) for name, task in self.jobs.items())
        elif argv[:2] == ["sh", "-c"]:
            said = self.told
        else:
            said = ""
            self.ran.append(f"sudo {line}" if admin else line)
        return Completed(tuple(argv), 0, said, "")

    def python(self, script: Path, request: dict[str, Any]) -> Any:
        self._fail("python")
        return super().python(script, request)

    def read(self, path: str, offset: int, limit: int) -> bytes:
        self._fail("read")
        return super().read(path, offset, limit)

    def _fail(self, line: str) -> None:
        for begin, words in self.fails.items():
            if line.startswith(begin):
                raise CommandFailed(line.split(), 1, "", words)


def _record(name: str, task: Task) -> str:
    """As `scontrol --oneliner show job` has it."""
    times = ((key, task.__dict__[key]) for key in ("submitted", "started", "ended"))
    known = {key: "Unknown" if at is None else time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at)) for key, at in times}
    return (
        f"JobId={task.own_id} JobName={name} UserId=ada(1) GroupId=ada(1) MCS_label=N/A JobState={task.state}"
        f" Reason={task.reason} Restarts={task.restarts} ExitCode={task.exit_code}:0 SubmitTime={known['submitted']}"
        f" StartTime={known['started']} EndTime={known['ended']} NodeList={task.nodes or '(null)'} Command=x"
        f" StdErr={task.stderr} StdIn=/dev/null StdOut={task.stdout}\n"
    )


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
        self.consoles: dict[str, str] = {}
        # Why there is no room for any machine; empty where there is.
        self.full = ""
        self.calls: list[tuple[str, str]] = []
        self.settles = 0.0

    @property
    def patience(self) -> float:
        return 120.0

    def preflight(self, design: Design, folder: Path, skip: Collection[str] = ()) -> tuple[Finding, ...]:
        return ()

    def zones(self, design: Design) -> tuple[Zone, ...]:
        return ()

    def create(self, design: Design, events: Events, folder: Path, state: Path) -> Inventory:
        raise NotImplementedError

    def launch(self, inventory: Inventory, names: Sequence[str], events: Events) -> None:
        self.calls.append(("launch", ",".join(names)))
        if self.full:
            raise NotCreated(f"{', '.join(names)} could not be launched", why=self.full, kind=Kind.CAPACITY)

    def destroy(self, run_id: str, events: Events) -> None:
        self.calls.append(("destroy", run_id))
        if run_id not in self.stubborn:
            self.there.discard(run_id)

    def remains(self, run_id: str, intents: Sequence[Intent] = ()) -> tuple[Resource, ...]:
        return (Resource(kind="folder", id=run_id),) if run_id in self.there else ()

    def reap(self, resources: Sequence[Resource]) -> tuple[Resource, ...]:
        self.calls.extend(("reap", resource.id) for resource in resources)
        return tuple(resources)

    def console(self, inventory: Inventory, node: str) -> str:
        return self.consoles.get(node, "")

    def connect(self, inventory: Inventory) -> Executor:
        return FolderExecutor()

    def regions(self, *, everywhere: bool = False) -> tuple[str, ...]:
        return ("",)

    def found_in(self, run_id: str, region: str) -> None:
        return

    def runs(self, region: str) -> Iterable[Tagged]:
        return list(self.tagged)
