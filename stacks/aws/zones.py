"""Where a run is: one zone, which machines and filesystems share."""

from __future__ import annotations

import re
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from provisioner.design import offered
from provisioner.design.model import Design, Group, Node


@dataclass(frozen=True)
class Where:
    """`types` are those of the design's that the zone has: EC2 is asked for no other."""

    design: Design
    zone: str
    types: frozenset[str]

    def kinds(self, group: Group) -> tuple[Node, ...]:
        """The types that a group is tried with here, in order."""
        return offered.kinds(self.design, group, self.types)


def chosen(design: Design, given: str | None) -> Where:
    """The zone that was given; else of the region's the one with most of what is preferred, by name where several have it.

    Raises pulumi.RunError where a zone has no type for the head, login nodes, or one of the groups.
    """
    offers = _offers(design)
    if given is None:
        # "us-east-2a": a local zone or a wavelength zone has more in its name (EC2 User Guide, "Regions and Zones").
        plain = re.compile(re.escape(str(design.region)) + "[a-z]")
        offers = {zone: types for zone, types in offers.items() if plain.fullmatch(zone)}
    else:
        offers = {given: offers.get(given, frozenset())}
    fitting = {zone: types for zone, types in offers.items() if not offered.lacking(design, types)}
    if not fitting:
        said = "; ".join(f"{zone} lacks {', '.join(offered.lacking(design, types))}" for zone, types in sorted(offers.items()))
        raise pulumi.RunError(
            f"no zone of {design.region} has a type for the head and for each group ({given or 'any zone'}): "
            f"{said or 'none offers any of them'}. Name other types, or another zone or region"
        )
    zone = min(fitting, key=lambda zone: offered.before(design, zone, None, fitting[zone]))
    return Where(design, zone, fitting[zone])


def _offers(design: Design) -> dict[str, frozenset[str]]:
    told = aws.ec2.get_instance_type_offerings(
        location_type="availability-zone",
        filters=[aws.ec2.GetInstanceTypeOfferingsFilterArgs(name="instance-type", values=list(offered.wanted(design)))],
    )
    zones: dict[str, set[str]] = {}
    for kind, zone in zip(told.instance_types, told.locations, strict=True):
        zones.setdefault(zone, set()).add(kind)
    return {zone: frozenset(types) for zone, types in zones.items()}
