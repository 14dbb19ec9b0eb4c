"""The zones that offer a design, likeliest room first.

What a type's zone offers says nothing about room now. For spot machines EC2 gives a hint: EC2 User Guide, "Spot placement
score", 1 to 10, for each zone by its id, which is the same in all accounts, while names are each account's own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from provisioner.catalog.markets import has_spot
from provisioner.design import offered
from provisioner.design.model import Design, Group
from provisioner.targets.aws.listing import pages
from provisioner.targets.base import Zone
from provisioner.targets.checks import side_by_side


class Offer(NamedTuple):
    """`id` is the zone's in all accounts; `types` those of the design's that it has."""

    id: str
    types: frozenset[str]


def offers(ec2: Any, design: Design) -> dict[str, Offer]:
    """Zone → what it has, of the zones that are up and that the account may use. Where the design says which one, that alone:
    by the zone itself, or by an existing subnet.
    """
    only = _only(ec2, design)
    ids = {
        each["ZoneName"]: each["ZoneId"]
        for each in ec2.describe_availability_zones()["AvailabilityZones"]
        if _usable(each) and (only is None or each["ZoneName"] == only)
    }
    types: dict[str, set[str]] = {zone: set() for zone in ids}
    filters = [{"Name": "instance-type", "Values": list(offered.wanted(design))}]
    for each in pages(
        ec2,
        "describe_instance_type_offerings",
        "InstanceTypeOfferings",
        LocationType="availability-zone",
        Filters=filters,
    ):
        if each["Location"] in types:
            types[each["Location"]].add(each["InstanceType"])
    return {zone: Offer(ids[zone], frozenset(has)) for zone, has in sorted(types.items())}


def _usable(zone: Mapping[str, Any]) -> bool:
    """Local and wavelength zones have neither FSx nor most types (API Reference, "AvailabilityZone")."""
    right = {"State": "available", "ZoneType": "availability-zone"}
    return zone.get("OptInStatus") != "not-opted-in" and all(zone.get(key, value) == value for key, value in right.items())


def _only(ec2: Any, design: Design) -> str | None:
    if design.network.id is None or design.network.subnet is None:
        return design.zone
    subnets = ec2.describe_subnets(Filters=[{"Name": "subnet-id", "Values": [design.network.subnet]}])["Subnets"]
    # A subnet that is not there is in no zone; the check of the network says so.
    return str(subnets[0]["AvailabilityZone"]) if subnets else ""


def zones(ec2: Any, design: Design) -> tuple[Zone, ...]:
    """Those that have it all, in the order of design/offered.py."""
    fitting = {zone: offer for zone, offer in offers(ec2, design).items() if not offered.lacking(design, offer.types)}
    scores = _scores(ec2, design, {offer.id: zone for zone, offer in fitting.items()})
    found = [_zone(zone, scores.get(zone)) for zone in fitting]
    return tuple(sorted(found, key=lambda zone: offered.before(design, zone.name, zone.hint, fitting[zone.name].types)))


def _zone(name: str, score: int | None) -> Zone:
    return Zone(name) if score is None else Zone(name, score / 10, f"spot placement score {score} of 10")


def _scores(ec2: Any, design: Design, names: Mapping[str, str]) -> dict[str, int]:
    """Zone → the least of its groups' scores; nothing where there is no spot group, or where EC2 does not say. `names` are
    the zones' by id.
    """
    groups = [group for group in design.groups if group.spot != "never" and _spot_types(design, group)]
    if not groups or not names:
        return {}
    try:
        told = list(side_by_side(lambda group: _group_scores(ec2, design, group, names), groups))
    except Exception:
        # Advice, and nothing else: who may not ask, or has asked too often, chooses by name.
        return {}
    return {zone: min(each[zone] for each in told) for zone in names.values() if all(zone in each for each in told)}


def _group_scores(ec2: Any, design: Design, group: Group, names: Mapping[str, str]) -> dict[str, int]:
    told = pages(
        ec2,
        "get_spot_placement_scores",
        "SpotPlacementScores",
        InstanceTypes=_spot_types(design, group),
        TargetCapacity=group.min or max(1, group.max),
        SingleAvailabilityZone=True,
        RegionNames=[str(design.region)],
    )
    return {names[each["AvailabilityZoneId"]]: each["Score"] for each in told if each["AvailabilityZoneId"] in names}


def _spot_types(design: Design, group: Group) -> list[str]:
    return [node.instance for node in offered.kinds(design, group) if has_spot(design.target, node.instance)]
