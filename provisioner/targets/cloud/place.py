"""What a cloud is to the shared target: everything that is asked of its API directly, and nothing of Pulumi.

A `session` is whatever the cloud's calls are authorised with (boto3's Session, a bearer-token client); it is opened once
for a region and passed to every member.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from types import ModuleType
from typing import Any, Protocol

from provisioner.design.model import Design
from provisioner.findings import Finding
from provisioner.targets.base import Intent, Inventory, Resource, Tagged, Zone


class Place(Protocol):
    """One cloud."""

    name: str
    # provisioner.launch.CLOUD: launch(names, template, market, session) and end(names, template, session).
    launcher: ModuleType

    def configured(self) -> bool:
        """Whether this user seems to have credentials for it. Cheap: looks at files and variables, asks nobody."""

    def region(self) -> str:
        """The region that the user's own configuration names, or the one that a file without a region is run in."""

    def session(self, region: str) -> Any:
        """The caller's own credentials for a region. Raises errors.Refused (Kind.AUTH) with the command that logs in."""

    def preflight(self, session: Any, design: Design, skip: Collection[str] = ()) -> tuple[Finding, ...]:
        """What speaks against this design, asked of the cloud: all checks side by side (targets/checks.py). Creates nothing."""

    def zones(self, session: Any, design: Design) -> tuple[Zone, ...]:
        """The zones of the session's region that offer the design, as targets/base.py has it."""

    def configuration(self, session: Any, design: Design) -> dict[str, str]:
        """The provider's own stack configuration: {"aws:region": …}; no secret."""

    def environment(self, session: Any) -> dict[str, str]:
        """What the provider's plugin needs in its environment to act as the caller."""

    def end_machines(self, session: Any, run_id: str) -> None:
        """End every machine of the run, in parallel; returns when they are gone or going. None left is fine."""

    def remains(self, session: Any, run_id: str, intents: Sequence[Intent] = ()) -> tuple[Resource, ...]:
        """Everything of the run that the cloud still has in this region, one listing for each service, billed first; and
        each of `intents` by its name, where a listing lags behind what is there.
        """

    def reap(self, session: Any, resources: Sequence[Resource]) -> tuple[Resource, ...]:
        """Delete these in the order of their dependencies, again while they are in use; answers what is left."""

    def regions(self, session: Any) -> tuple[str, ...]:
        """The regions that have to be asked one by one to see the whole account: one where `runs` sees all of it."""

    def runs(self, session: Any) -> Iterable[Tagged]:
        """Every run with something in this region, and what is in none, by tags; each with the region it was found in."""

    def console(self, session: Any, inventory: Inventory, machine: str) -> str:
        """What a machine wrote while it came up; "" where there is none (yet)."""

    def allow(self, session: Any, inventory: Inventory, ranges: Sequence[str]) -> None:
        """Let these address ranges, and no others, reach the head's SSH."""

    def tunnel(self, inventory: Inventory) -> tuple[str, ...]:
        """The command whose standard input and output are the head's SSH port, where there is no public address."""

    def classify(self, words: str) -> tuple[str, str] | None:
        """(errors.Kind by name, the provider's code) of an error as the Pulumi provider words it; None where unknown."""
