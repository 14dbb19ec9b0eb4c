"""The contract of targets/base.py, kept on this machine."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path

from provisioner import clock, files
from provisioner.design.model import Design
from provisioner.errors import Kind, NotCreated
from provisioner.events import Events
from provisioner.executor import process
from provisioner.executor.subprocess import SubprocessExecutor
from provisioner.findings import Finding
from provisioner.launch import local as launcher
from provisioner.targets import host
from provisioner.targets.base import RUN_ID, Intent, Inventory, Resource, Tagged, Zone
from provisioner.targets.local import checks, daemons, mounts, ports, processes
from provisioner.targets.local.layout import Layout, is_default, runtime_folder
from provisioner.units import count

# Jobs' own programs have this long between SIGTERM and SIGKILL, as with Slurm's KillWait there.
_GRACE = 2.0
# A run's folder has its identity milliseconds after it is made; a stranger's younger one is left alone.
_YOUNG = 60.0


class LocalTarget:
    """This machine."""

    name = "local"

    # A slurmd is there in milliseconds; a loaded machine may take its time.
    patience = 120.0
    settles = 0.0

    def preflight(self, design: Design, folder: Path, skip: Collection[str] = ()) -> tuple[Finding, ...]:
        return checks.preflight(design, skip)

    def zones(self, design: Design) -> tuple[Zone, ...]:
        return ()

    def create(self, design: Design, events: Events, folder: Path, state: Path) -> Inventory:
        layout = _layout(design.run.id)
        events.step("create.folder", f"make {layout.root}", folder=str(layout.root))
        _make(layout, design, state)
        daemons.start_keeper(layout, design, state)
        needed = 1 + sum(group.max for group in design.groups)
        first = ports.reserve(layout.root.parent, layout.root, needed)
        events.step("create.configuration", "write slurm.conf and its companions")
        daemons.configure(layout, design, first)
        if design.software.setup is not None:
            events.step("create.setup", f"run {design.software.setup}")
            daemons.run_setup(layout, design, folder)
        events.step("create.munged", "start munged")
        daemons.start_munged(layout, design)
        events.step("create.slurmctld", f"start slurmctld on port {first}", port=first)
        daemons.start_slurmctld(layout, design, first)
        inventory = self._inventory(layout, design)
        if design.fixed:
            events.step("create.nodes", f"start {count(len(design.fixed), 'node')}", nodes=list(design.fixed))
            self.launch(inventory, design.fixed, events)
        return inventory

    def launch(self, inventory: Inventory, names: Sequence[str], events: Events) -> None:
        told = json.loads(_layout(inventory.run_id).told.read_text(encoding="utf-8"))
        try:
            template = next(iter(told["groups"].values()))[0]["template"]
            # Those that are always there slurmctld has not asked for.
            launcher.launch(names, {**template, "asked": False})
        except OSError as problem:
            why = problem.strerror or str(problem)
            raise NotCreated(f"nodes could not be started: {', '.join(names)}", why=why, kind=Kind.CAPACITY) from problem

    def destroy(self, run_id: str, events: Events) -> None:
        root = _layout(run_id).root
        processes.end(root, grace=_GRACE)
        _remove(root)

    def remains(self, run_id: str, intents: Sequence[Intent] = ()) -> tuple[Resource, ...]:
        root = _layout(run_id).root
        alive = [Resource(kind="process", id=str(p.pid), name=p.command[:200]) for p in processes.of(root, thorough=True)]
        there = [Resource(kind="folder", id=str(root), name=root.name)] if os.path.lexists(root) else []
        return (*alive, *there)

    def reap(self, resources: Sequence[Resource]) -> tuple[Resource, ...]:
        runtime = runtime_folder()
        for resource in resources:
            if resource.kind == "folder" and Path(resource.id).parent == runtime:
                processes.end(Path(resource.id), grace=0)
                _remove(Path(resource.id))
        for root in {p.root for p in processes.under(runtime) if str(p.pid) in {r.id for r in resources}}:
            processes.end(root, grace=0)
        left = {r.id for run in {Path(r.id).name for r in resources if r.kind == "folder"} for r in self.remains(run)}
        alive = {str(p.pid) for p in processes.under(runtime)}
        return tuple(r for r in resources if r.id in left or r.id in alive)

    def console(self, inventory: Inventory, node: str) -> str:
        logs = _layout(inventory.run_id).logs
        return daemons.tail(logs / f"{node}.console", 40) + "\n" + daemons.tail(logs / f"slurmd-{node}.log", 40)

    def connect(self, inventory: Inventory) -> SubprocessExecutor:
        environment = json.loads(inventory.place["environment"])
        folders = json.loads(inventory.place["folders"])
        prefix = mounts.prefix(folders) if folders and mounts.usable() else []
        return SubprocessExecutor(environment, inventory.workdir, prefix)

    def regions(self, *, everywhere: bool = False) -> tuple[str, ...]:
        return ("",)

    def found_in(self, run_id: str, region: str) -> None:
        """There is only one place."""

    def runs(self, region: str) -> Iterable[Tagged]:
        runtime = runtime_folder()
        folders = {path.name for path in runtime.iterdir() if path.is_dir() and not path.is_symlink()}
        alive = {found.root.name for found in processes.under(runtime)}
        return list(_tags(runtime, sorted(folders | alive)))

    def _inventory(self, layout: Layout, design: Design) -> Inventory:
        major, minor = host.slurm_version()
        folders = daemons.mounted(layout, design)
        return Inventory(
            run_id=design.run.id,
            target=self.name,
            head="localhost",
            address="127.0.0.1",
            nodes=dict.fromkeys(design.fixed, "127.0.0.1"),
            workdir=str(layout.work),
            mounts={mount: mount if mounts.usable() else folder for mount, folder in folders.items()},
            slurm_version=f"{major}.{minor:02d}",
            place={
                "root": str(layout.root),
                "environment": json.dumps(daemons.environment(layout, design)),
                "folders": json.dumps(folders),
            },
        )


def _layout(run_id: str) -> Layout:
    assert RUN_ID.fullmatch(run_id), "a run is a folder's name, and never a path"
    return Layout(runtime_folder() / run_id)


def _make(layout: Layout, design: Design, state: Path) -> None:
    layout.root.mkdir(mode=0o711)
    tagged = Tagged(run_id=design.run.id, owner=design.run.owner, expires=design.run.expires, state=str(state))
    files.write(layout.identity, tagged.model_dump_json(), durable=False)
    for folder in layout.folders():
        folder.mkdir(mode=0o711)


def _tags(runtime: Path, names: Sequence[str]) -> Iterator[Tagged]:
    for name in names:
        layout = Layout(runtime / name)
        try:
            yield Tagged.model_validate_json(layout.identity.read_bytes())
        except (OSError, ValueError):
            young = layout.root.exists() and clock.now() - layout.root.stat().st_mtime < _YOUNG
            if not young:
                yield Tagged(run_id=name, owner="", expires=0, state="")


def _remove(root: Path) -> None:
    """Delete the folder, whatever a job made of it; then the one above, when it was the last."""
    with contextlib.suppress(OSError, RecursionError):
        shutil.rmtree(root)
    if os.path.lexists(root):
        # Deeper than Python's own recursion goes, or its rights were taken away.
        process.call(["chmod", "-R", "u+rwX", "--", str(root)], check=False)
        process.call(["rm", "-rf", "--", str(root)], check=False)
    if is_default(root.parent):
        with contextlib.suppress(OSError):
            root.parent.rmdir()
