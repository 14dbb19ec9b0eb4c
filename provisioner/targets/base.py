"""What a target is: the contract that every place keeps, member by member."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from pydantic import BaseModel, ConfigDict

from provisioner.design.model import Design
from provisioner.events import Events
from provisioner.executor.base import Executor
from provisioner.findings import Finding

# What a run is called: names are made of it, and folders. Never a path, never empty.
RUN_ID = re.compile(r"[a-z][-a-z0-9]{1,62}")


class Part(BaseModel):
    """Frozen and closed."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Resource(Part):
    """Something that exists and belongs to a run. `id` is what its provider calls it, `region` where it is.

    `why` is the class and the provider's words, where it could not be deleted: "IN_USE: DependencyViolation: …".
    """

    kind: str
    id: str
    name: str = ""
    billed: bool = False
    region: str = ""
    why: str = ""


# The kind that stands for an answer that was not to be had: then nobody may say that nothing is left.
UNASKED = "unknown"


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
    """A run as its resources tell of it: `expires` in epoch seconds, `state` the folder of its journal.

    `region` is where that which told of it is; "" where there is only one place, or for what is in none (a role).
    """

    run_id: str
    owner: str
    expires: int
    state: str
    region: str = ""


class Intent(NamedTuple):
    """Something that was to be made, as the journal has it: Pulumi's type (aws:iam/role:Role), and the provider's name."""

    type: str
    name: str


class Zone(NamedTuple):
    """A part of a region that can have all of a design. `hint` is how likely there is room now, from 0 to 1, None where the
    cloud gives no such advice; `said` its own words for it.
    """

    name: str
    hint: float | None = None
    said: str = ""


class Target(Protocol):
    """A place where a cluster can exist."""

    name: str

    @property
    def patience(self) -> float:
        """Seconds within which every fixed node is ready, once `create` has returned."""

    @property
    def settles(self) -> float:
        """Seconds in which everything that was asked for before is to be seen by `remains`; 0 where that is at once."""

    def preflight(self, design: Design, folder: Path, skip: Collection[str] = ()) -> tuple[Finding, ...]:
        """Everything that speaks against `create`, at once, each with its fix; creates nothing. `folder` is the file's, `skip`
        names checks that are left out (targets/checks.py).
        """

    def zones(self, design: Design) -> tuple[Zone, ...]:
        """The zones that offer what the design needs: by the likelihood of room, then by how much of what is preferred
        they have, then by name; () where there is no choice.

        A group needs one of its types. Raises Refused where the place may not be asked.
        """

    def create(self, design: Design, events: Events, folder: Path, state: Path) -> Inventory:
        """Make it all, each thing announced by `events.step` before; raises NotCreated. `folder` is the file's."""

    def launch(self, inventory: Inventory, names: Sequence[str], events: Events) -> None:
        """Make these nodes, all of a group or none; those that exist under these names are ended first.

        What their group may be made of is tried in order; no room (`Kind.CAPACITY`) is told and the next one tried.
        """

    def destroy(self, run_id: str, events: Events) -> None:
        """End everything that `create` and `launch` may have made, in whatever state they died; may be repeated."""

    def remains(self, run_id: str, intents: Sequence[Intent] = ()) -> tuple[Resource, ...]:
        """What still exists, billed first: asked of the place itself by tag, in every region that the run touched, never of
        our own records; and each of `intents` by its name, where a listing may lag behind.
        """

    def reap(self, resources: Sequence[Resource]) -> tuple[Resource, ...]:
        """Delete these one by one; answers what could not be deleted."""

    def console(self, inventory: Inventory, node: str) -> str:
        """What a node wrote while it came up."""

    def connect(self, inventory: Inventory) -> Executor:
        """The way to the head."""

    def regions(self, *, everywhere: bool = False) -> tuple[str, ...]:
        """Where runs are looked for: the region of the user's own configuration and those of the runs that this machine
        knows of, or every one that the account may use; ("",) where there is only one place.
        """

    def found_in(self, run_id: str, region: str) -> None:
        """Where a run is, or was, of which the target itself may remember nothing."""

    def runs(self, region: str) -> Iterable[Tagged]:
        """Every run that has anything there, found by tags."""
