"""The contract of targets/base.py, kept by machines on this host."""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from provisioner import clock
from provisioner.bootstrap.seam import HOME, USER
from provisioner.design.model import Design
from provisioner.errors import Kind, NotCreated
from provisioner.events import Events
from provisioner.executor.ssh import Ssh, SshExecutor
from provisioner.findings import Finding
from provisioner.launch import nspawn as launcher
from provisioner.launch.resume import Attempts
from provisioner.targets import host, keys
from provisioner.targets.base import RUN_ID, Intent, Inventory, Resource, Tagged, Zone
from provisioner.targets.launching import launched
from provisioner.targets.nspawn import cgroups, checks, images, making, network, plan, rehearsal, removal
from provisioner.targets.nspawn.layout import Layout, runs_folder
from provisioner.units import count

# A folder has its identity milliseconds after it is made; a stranger's younger one is left alone.
_YOUNG = 60.0


class NspawnTarget:
    """Machines on this host."""

    name = "nspawn"
    settles = 0.0

    @property
    def patience(self) -> float:
        return rehearsal.asked().ready

    def preflight(self, design: Design, folder: Path, skip: Collection[str] = ()) -> tuple[Finding, ...]:
        asked = rehearsal.asked()
        setup = making.setup_script(design, folder)
        return checks.preflight(design, setup, plan.site(asked.image), plan.seam(design), asked, skip)

    def zones(self, design: Design) -> tuple[Zone, ...]:
        return tuple(Zone(name, said="as BURST_REHEARSAL has it") for name in rehearsal.asked().zones)

    def create(self, design: Design, events: Events, folder: Path, state: Path) -> Inventory:
        asked, layout = rehearsal.asked().within(design.zone), _layout(design.run.id)
        events.step("create.folder", f"make {layout.root}", folder=str(layout.root))
        making.folder(layout, design, state)
        events.step("create.image", f"take the base image ({asked.image})", image=asked.image)
        base = images.base(asked.image, plain=asked.plain)
        events.step("create.network", "make a network for the machines")
        way_out = host.which("slirp4netns") is not None and Path("/dev/net/tun").exists()
        network.make(layout, way_out=way_out)
        events.step("create.provider", "start the provider of machines")
        making.tell(layout, layout.told.name, plan.provider(layout, design, base, way_out=way_out))
        making.tell(layout, layout.rehearsal.name, asked.model_dump())
        making.tell(layout, layout.attempts.name, {g.name: plan.attempts(g, layout.endpoint) for g in design.groups})
        making.start_provider(layout)
        making.write_user_data(layout, design, making.setup_script(design, folder), asked.image)
        making.await_provider(layout)
        inventory = plan.inventory(layout, design, asked.image)
        return self._boot(layout, design, inventory, events)

    def _boot(self, layout: Layout, design: Design, inventory: Inventory, events: Events) -> Inventory:
        first = ("head", *inventory.logins)
        events.step("create.head", f"boot {', '.join(first)}", machines=list(first))
        plain = {"endpoint": layout.endpoint, "kind": design.head.instance}
        _launched(first, [{"market": "on-demand", "template": plain}], events)
        if design.fixed:
            events.step("create.nodes", f"boot {count(len(design.fixed), 'node')}", nodes=list(design.fixed))
            self._launch(layout, design.fixed, events)
        return inventory

    def launch(self, inventory: Inventory, names: Sequence[str], events: Events) -> None:
        self._launch(_layout(inventory.run_id), names, events)

    def _launch(self, layout: Layout, names: Sequence[str], events: Events) -> None:
        attempts: Mapping[str, Any] = json.loads(layout.attempts.read_text())
        for group, named in itertools.groupby(sorted(names, key=_group), key=_group):
            _launched(tuple(named), attempts[group], events)

    def destroy(self, run_id: str, events: Events) -> None:
        removal.destroy(run_id)

    def remains(self, run_id: str, intents: Sequence[Intent] = ()) -> tuple[Resource, ...]:
        return (
            *(Resource(kind="process", id=str(pid), name=_command(pid)) for pid in _processes(run_id)),
            *(Resource(kind="network namespace", id=space) for space in network.existing(run_id)),
            *(Resource(kind="control group", id=str(group)) for group in cgroups.existing(run_id)),
            *(Resource(kind="mount", id=mount) for mount in _mounts(_layout(run_id).root)),
            *(Resource(kind="folder", id=str(root)) for root in (_layout(run_id).root,) if os.path.lexists(root)),
        )

    def reap(self, resources: Sequence[Resource]) -> tuple[Resource, ...]:
        asked = {(resource.kind, resource.id) for resource in resources}
        left: set[tuple[str, str]] = set()
        for run_id in self._all_runs():
            if asked & _named(self.remains(run_id)):
                removal.destroy(run_id)
                left |= _named(self.remains(run_id))
        return tuple(resource for resource in resources if (resource.kind, resource.id) in left)

    def console(self, inventory: Inventory, node: str) -> str:
        try:
            return _layout(inventory.run_id).console(node).read_text(errors="replace")
        except OSError:
            return ""

    def connect(self, inventory: Inventory) -> SshExecutor:
        layout = _layout(inventory.run_id)
        ssh = Ssh(
            user=USER,
            address=inventory.address,
            identity=layout.keys / "client",
            known_hosts=layout.keys / "known_hosts",
            control=layout.control,
            via=network.inside(layout),
            alias=keys.ALIAS,
        )
        return SshExecutor(ssh, json.loads(inventory.place["environment"]), f"{HOME}/{USER}")

    def regions(self, *, everywhere: bool = False) -> tuple[str, ...]:
        return ("",)

    def found_in(self, run_id: str, region: str) -> None:
        """There is only one place."""

    def runs(self, region: str) -> Iterable[Tagged]:
        return list(_tags(sorted(self._all_runs())))

    def _all_runs(self) -> set[str]:
        if os.geteuid() != 0:
            return set()
        folders = runs_folder()
        named = {path.name for path in folders.iterdir() if path.is_dir()} if folders.is_dir() else set()
        return {run for run in (*named, *network.runs(), *cgroups.runs()) if not run.startswith(".")}


def _layout(run_id: str) -> Layout:
    assert RUN_ID.fullmatch(run_id), "a run is a folder's name, and never a path"
    return Layout(runs_folder() / run_id)


def _group(name: str) -> str:
    return name.rpartition("-")[0]


def _launched(names: Sequence[str], attempts: Attempts, events: Events) -> None:
    """All or none, as the first attempt with room for them has it. Raises NotCreated."""
    try:
        launched(launcher, names, attempts, events, type_key="kind")
    except launcher.Refused as problem:
        room = "ask for fewer nodes, for other types, or for spot: prefer"
        raise NotCreated(
            f"{', '.join(names)} could not be launched",
            why=str(problem),
            fix=room if problem.kind == "CAPACITY" else "burst run again",
            kind=Kind(problem.kind),
        ) from problem


def _named(resources: Iterable[Resource]) -> set[tuple[str, str]]:
    return {(resource.kind, resource.id) for resource in resources}


def _processes(run_id: str) -> list[int]:
    return sorted({*cgroups.processes(run_id), *network.processes(run_id)})


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()[:200]
    except OSError:
        return ""


def _mounts(root: Path) -> list[str]:
    points = (line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines())
    return [point for point in points if point.startswith(f"{root}/")]


def _tags(names: Sequence[str]) -> Iterable[Tagged]:
    for name in names:
        layout = _layout(name)
        try:
            yield Tagged.model_validate_json(layout.identity.read_bytes())
        except (OSError, ValueError):
            if not layout.root.exists() or clock.now() - layout.root.stat().st_mtime > _YOUNG:
                yield Tagged(run_id=name, owner="", expires=0, state="")
