"""How soon a cluster of real machines is ready, against the same machines with nothing to do: one head and two nodes."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from measure import Figure, Place, alternate, burst, call

_SPEC = """\
version: 1
name: ready
target: nspawn
groups: {cpu: {nodes: 2, needs: {cores: 1, memory: 256MiB}}}
filesystems: {/shared: {size: 1GiB}}
"""
# cloud-init makes RSA keys where nobody says otherwise, which takes it longer than all the rest.
_FLOORS = {"an empty user-data": "#cloud-config\n", "one without RSA keys": "#cloud-config\nssh_genkeytypes: [ed25519]\n"}
_PATIENCE = 60.0


class Machines:
    """The ways to be measured, and the phases of ours."""

    def __init__(self, place: Place) -> None:
        self._place = place
        # Where a disk can be: the place itself may be memory.
        self._machines = Path(f"/var/tmp/{place.root.name}")
        self._env = {"BURST_MACHINES_DIR": str(self._machines)}
        self._file = place.root / "ready.yaml"
        self._file.write_text(_SPEC)
        self.phases: list[dict[str, float]] = []

    def ours(self) -> float:
        """From the first thing made to the proof, as the receipt has it."""
        results = self._place.root / "ready"
        shutil.rmtree(results, ignore_errors=True)
        call([burst(), "up", str(self._file), "--results", str(results)], self._place, cwd=self._place.root, env=self._env)
        receipt = json.loads((results / "receipt.json").read_text())
        told = [json.loads(line) for line in (results / "events.jsonl").read_text().splitlines()]
        (said,) = [event["message"] for event in told if event["kind"] == "machines.phases"]
        parts = (part.split() for part in said.partition(": ")[2].split(", "))
        self.phases.append({name: float(seconds.removesuffix("s")) for name, seconds, _ in parts})
        call([burst(), "down", "--discard"], self._place, cwd=self._place.root, env=self._env)
        return sum(phase["seconds"] for phase in receipt["phases"] if phase["name"] in ("create", "ready"))

    def floor(self, text: str) -> Callable[[], float]:
        """The same machines, until cloud-init has finished on each."""
        return lambda: self._floor(text)

    def _floor(self, text: str) -> float:
        from provisioner.catalog.table import bundled
        from provisioner.design.decide import decide
        from provisioner.design.model import Run
        from provisioner.launch import nspawn
        from provisioner.spec.load import load
        from provisioner.spec.model import parse_target
        from provisioner.targets.nspawn import images, making, network, plan, removal
        from provisioner.targets.nspawn.layout import Layout
        from provisioner.targets.nspawn.rehearsal import Rehearsal

        os.environ.update(self._env)
        run = Run(id="floor-abc234", owner="bench", expires=int(time.time()) + 600)
        design = decide(load(self._file).spec, bundled(), run, parse_target("nspawn"))[0]
        layout, asked, names = Layout(self._machines / run.id), Rehearsal(), ("head", "cpu-1", "cpu-2")
        # Without Slurm: an slurmd that nobody configures keeps a boot from ending for a minute and a half.
        base = images.base(asked.image, plain=True)
        started = time.perf_counter()
        try:
            making.folder(layout, design, self._place.root)
            network.make(layout, way_out=True)
            making.tell(layout, layout.told.name, plan.provider(layout, design, base, way_out=True))
            making.tell(layout, layout.rehearsal.name, asked.model_dump())
            making.start_provider(layout)
            for role in ("head", "compute"):
                layout.user_data(role).parent.mkdir(exist_ok=True)
                layout.user_data(role).write_bytes(gzip.compress(text.encode()))
            making.await_provider(layout)
            nspawn.launch(names, {"endpoint": layout.endpoint, "kind": "floor"})
            self._finished(layout.root, names, started)
            return time.perf_counter() - started
        finally:
            removal.destroy(run.id)

    def _finished(self, root: Path, names: tuple[str, ...], started: float) -> None:
        left = set(names)
        while left:
            if time.perf_counter() - started > _PATIENCE:
                raise TimeoutError(f"cloud-init has not finished on {', '.join(sorted(left))}")
            done = {
                path.relative_to(root).parts[1] for path in root.glob("machines/*/upper/var/lib/cloud/instances/*/boot-finished")
            }
            left -= done
            time.sleep(0.02)


def figures(place: Place) -> list[Figure]:
    """Two ratios, then where the time of ours goes: the slowest machine of each phase."""
    if os.geteuid() != 0:
        raise PermissionError("machines need root")
    machines = Machines(place)
    try:
        floors = [machines.floor(text) for text in _FLOORS.values()]
        ours, *peers = alternate(place.rounds(7), machines.ours, *floors)
    finally:
        shutil.rmtree(machines._machines, ignore_errors=True)
    phases = machines.phases[1:]
    return [
        Figure(f"1 head + 2 nodes ready / {name}", ours, peer, bound=1.3 if i == 0 else None)
        for i, (name, peer) in enumerate(zip(_FLOORS, peers, strict=True))
    ] + [Figure(f"  phase {name}", [taken.get(name, 0.0) for taken in phases]) for name in phases[0]]
