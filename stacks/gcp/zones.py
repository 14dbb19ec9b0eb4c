"""Where a run is: one zone, which machines and filesystems share."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_gcp as gcp

from provisioner.design.model import Design


@dataclass(frozen=True)
class Where:
    """`offered` are the machine types that the zone has; None where nobody asked, because the zone was given."""

    project: str
    region: str
    zone: str
    offered: frozenset[str] | None = None

    def has(self, instance: str) -> bool:
        return self.offered is None or instance in self.offered


def chosen(design: Design, given: str | None) -> Where:
    """The zone that was given; else of the region's that with most of the design's types, by name where several have them."""
    project = gcp.organizations.get_client_config().project
    region = str(design.region)
    if given:
        return Where(project, region, given)
    offers = {zone: _offered(design, zone) for zone in sorted(gcp.compute.get_zones(region=region, status="UP").names)}
    fit = {zone: types for zone, types in offers.items() if _enough(design, types)}
    if not fit:
        raise pulumi.RunError(f"no zone of {region} has a type for the head and for each group: {_told(offers)}")
    zone = min(fit, key=lambda zone: (-len(fit[zone]), zone))
    return Where(project, region, zone, fit[zone])


def wanted(design: Design) -> tuple[str, ...]:
    """Every machine type that the design names."""
    nodes = [design.head, *(node for group in design.groups for node in group.alternatives)]
    return tuple(dict.fromkeys(node.instance for node in [*nodes, *([design.login.node] if design.login else [])]))


def _offered(design: Design, zone: str) -> frozenset[str]:
    asked = " OR ".join(f"(name = {instance})" for instance in wanted(design))
    return frozenset(found.name for found in gcp.compute.get_machine_types(zone=zone, filter=asked).machine_types)


def _enough(design: Design, types: frozenset[str]) -> bool:
    always = {design.head.instance, *([design.login.node.instance] if design.login else [])}
    return always <= types and all(any(n.instance in types for n in group.alternatives) for group in design.groups)


def _told(offers: dict[str, frozenset[str]]) -> str:
    return "; ".join(f"{zone} has {', '.join(sorted(types)) or 'none of them'}" for zone, types in offers.items())
