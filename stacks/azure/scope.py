"""Where a run's resources are, and what all of them carry."""

from __future__ import annotations

import hashlib
import re
import uuid
from dataclasses import dataclass

import pulumi

from provisioner.design.model import Design, Filesystem
from provisioner.stack.identity import named, tags


@dataclass(frozen=True)
class Scope:
    """The run's own resource group by name and id, and the subscription.

    `zone` is that of machines, with their disks, and of Managed Lustre; None where none was asked for. InfiniBand's availability
    sets are in none. Networks, NAT gateway, Bastion and public addresses are the region's and reach every zone ("NAT gateway and
    availability zones"), a storage account has none to choose. A type that the zone has not is refused as SkuNotAvailable, at
    once, which is CAPACITY: the next one is tried.
    """

    design: Design
    subscription: pulumi.Output[str]
    group: pulumi.Output[str]
    group_id: pulumi.Output[str]
    zone: str | None

    @property
    def region(self) -> str:
        assert self.design.region is not None, "decided (design/decide.py)"
        return self.design.region

    @property
    def zones(self) -> list[str] | None:
        return [self.zone] if self.zone else None

    @property
    def tags(self) -> dict[str, str]:
        return tags(self.design)

    def named(self, part: str) -> str:
        return named(self.design, part)

    def guid(self, part: str) -> str:
        """What Azure names by GUIDs alone (roles, assignments): always the same one for a run and a part."""
        return str(uuid.uuid5(uuid.NAMESPACE_URL, f"burst:{self.named(part)}"))

    def folder(self, fs: Filesystem) -> str:
        """RUN-folder, as shares and containers take it: letters, digits, single dashes ("Naming and Referencing Containers")."""
        plain = re.sub(r"[^a-z0-9]+", "-", fs.slug.lower()).strip("-")
        if plain != fs.slug or len(plain) > 20:
            # No two folders have the same name, however alike they are.
            plain = f"{plain[:12].rstrip('-')}-{hashlib.sha256(fs.mount.encode()).hexdigest()[:7]}".lstrip("-")
        return self.named(plain)


def group_of(resource_id: str) -> str:
    """The resource group that an id lies in: /subscriptions/S/resourceGroups/G."""
    return "/".join(resource_id.split("/")[:5])


def name_of(resource_id: str) -> str:
    return resource_id.rpartition("/")[2]
