"""What a target is: the contract that every place keeps, member by member."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol

from pydantic import BaseModel, ConfigDict

from provisioner.design.model import Design
from provisioner.events import Events
from provisioner.executor.base import Executor
from provisioner.findings import Finding


class Part(BaseModel):
    """Frozen and closed."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Resource(Part):
    """Something that exists and belongs to a run. `id` is what its provider calls it, `region` where it is."""

    kind: str
    id: str
    name: str = ""
    billed: bool = False
    region: str = ""


class Inventory(Part):
    """What exists: the same keys on every target. Paths as the head sees them.

    `mounts` are mount point → the path at which jobs find it (the same, where it can be mounted); `place` is what
    only the target itself reads. `reports` is whether machines tell the head how far they have come
    (bootstrap/phases.py).
    """

    run_id: str
    target: str
    head: str
    address: str
    nodes: dict[str, str]
    logins: dict[str, str] = {}
    workdir: str
    mounts: dict[str, str]
    reports: bool = False
    slurm_version: str
    place: dict[str, str]


class Tagged(Part):
    """A run as its resources tell of it: `expires` in epoch seconds, `state` the folder of its journal."""

    run_id: str
    owner: str
    expires: int
    state: str


class Target(Protocol):
    """A place where a cluster can exist."""

    name: str

    @property
    def patience(self) -> float:
        """Seconds within which every fixed node is ready, once `create` has returned."""

    def preflight(self, design: Design, folder: Path) -> tuple[Finding, ...]:
        """Everything that speaks against `create`, at once, each with its fix; creates nothing. `folder` is the file's."""

    def create(self, design: Design, events: Events, folder: Path, state: Path) -> Inventory:
        """Make it all, each thing announced by `events.step` before; raises NotCreated. `folder` is the file's."""

    def launch(self, inventory: Inventory, names: Sequence[str], events: Events) -> None:
        """Make these nodes, all of a group or none; those that exist under these names are ended first.

        What their group may be made of is tried in order; no room (`Kind.CAPACITY`) is told and the next one tried.
        """

    def destroy(self, run_id: str, events: Events) -> None:
        """End everything that `create` and `launch` may have made, in whatever state they died; may be repeated."""

    def remains(self, run_id: str) -> tuple[Resource, ...]:
        """What still exists, asked of the place itself by tag, never of our own records."""

    def reap(self, resources: Sequence[Resource]) -> tuple[Resource, ...]:
        """Delete these one by one; answers what could not be deleted."""

    def console(self, inventory: Inventory, node: str) -> str:
        """What a node wrote while it came up."""

    def connect(self, inventory: Inventory) -> Executor:
        """The way to the head."""

    def runs(self) -> Iterable[Tagged]:
        """Every run that has anything here, found by tags."""
