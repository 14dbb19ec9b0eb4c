"""Where a run is: one zone, which machines and filesystems share."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_gcp as gcp

from provisioner.design.model import Design


@dataclass(frozen=True)
class Where:
    """`offered` are the machine types of the design that the zone has."""

    project: str
    region: str
    zone: str
    offered: frozenset[str]

    def has(self, instance: str) -> bool:
        return instance in self.offered


def chosen(design: Design, given: str | None) -> Where:
    """The zone that was given; else of the region's that with most of the design's types, by name where several have them."""
    project = gcp.organizations.get_client_config().project
    region = str(design.region)
    zones = [given] if given else sorted(gcp.compute.get_zones(region=region, status="UP").names)
    offers = {zone: _offered(design, zone) for zone in zones}
    fit = {zone: types for zone, types in offers.items() if not _lacking(design, types)}
    if not fit:
        told = "; ".join(f"{zone} lacks one for {', '.join(_lacking(design, types))}" for zone, types in offers.items())
        where = f"{given} has not" if given else f"no zone of {region} has"
        raise pulumi.RunError(f"{where} a type for the head and for each group: {told}")
    zone = min(fit, key=lambda zone: (-len(fit[zone]), zone))
    return Where(project, region, zone, fit[zone])


def wanted(design: Design) -> tuple[str, ...]:
    """Every machine type that the design names."""
    nodes = [design.head, *(node for group in design.groups for node in group.alternatives)]
    return tuple(dict.fromkeys(node.instance for node in [*nodes, *([design.login.node] if design.login else [])]))


def _offered(design: Design, zone: str) -> frozenset[str]:
    asked = " OR ".join(f"(name = {instance})" for instance in wanted(design))
    return frozenset(found.name for found in gcp.compute.get_machine_types(zone=zone, filter=asked).machine_types)


def _lacking(design: Design, types: frozenset[str]) -> list[str]:
    """The head's and login nodes' types that are not among `types`, and each group with those of its types."""
    always = dict.fromkeys([design.head.instance, *([design.login.node.instance] if design.login else [])])
    groups = {group.name: [node.instance for node in group.alternatives] for group in design.groups}
    none = [f"{name} ({' or '.join(some)})" for name, some in groups.items() if not types & set(some)]
    return [*(name for name in always if name not in types), *none]
