"""Where a run is: one zone, which machines and filesystems share."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_gcp as gcp

from provisioner.design import offered
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
    """The zone that was given; else of the region's the one with most of what is preferred, by name where several have that."""
    project = gcp.organizations.get_client_config().project
    region = str(design.region)
    zones = [given] if given else sorted(gcp.compute.get_zones(region=region, status="UP").names)
    offers = {zone: _offered(design, zone) for zone in zones}
    fit = {zone: types for zone, types in offers.items() if not offered.lacking(design, types)}
    if not fit:
        told = "; ".join(f"{zone} lacks one for {', '.join(offered.lacking(design, types))}" for zone, types in offers.items())
        where = f"{given} has not" if given else f"no zone of {region} has"
        raise pulumi.RunError(f"{where} a type for the head and for each group: {told}")
    zone = min(fit, key=lambda zone: offered.before(design, zone, None, fit[zone]))
    return Where(project, region, zone, fit[zone])


def _offered(design: Design, zone: str) -> frozenset[str]:
    asked = " OR ".join(f"(name = {instance})" for instance in offered.wanted(design))
    return frozenset(found.name for found in gcp.compute.get_machine_types(zone=zone, filter=asked).machine_types)
