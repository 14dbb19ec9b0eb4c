"""The machine types: whether one zone has the design, and whether they are what the design takes them for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from provisioner.design import offered
from provisioner.design.attempts import order
from provisioner.design.model import Design
from provisioner.findings import Finding, error, info
from provisioner.targets.aws.listing import pages
from provisioner.targets.aws.zones import offers

_FIX = "name other types or another region (target: aws/REGION)"


def in_a_zone(asked: Any, design: Design) -> Iterator[Finding]:
    """One zone has the head's type, the login nodes' and one of each group: filesystems and placement groups do not reach
    beyond it.
    """
    has = {zone: offer.types for zone, offer in offers(asked["ec2"], design).items()}
    where = str(design.region) if len(has) != 1 else next(iter(has))
    if not has:
        named = design.network.subnet or design.zone or where
        yield error("instance", f"{named} is in no zone that this account may use", "aws ec2 describe-availability-zones")
        return
    anywhere = frozenset().union(*has.values())
    short = [group for group in design.groups if not offered.kinds(design, group, anywhere)]
    needed = {node.instance for node in offered.always(design)}
    needed |= {node.instance for group in short for node in offered.kinds(design, group)}
    for kind in sorted(set(offered.wanted(design)) - anywhere):
        if kind in needed:
            yield error("instance", f"{kind} is not offered in {where}", _FIX)
        else:
            yield info("instance", f"{kind} is not offered in {where}: what is named beside it is tried alone", _FIX)
    fitting = any(not offered.lacking(design, types) for types in has.values())
    if not fitting and not offered.lacking(design, anywhere):
        said = "; ".join(f"{zone} lacks {', '.join(offered.lacking(design, types))}" for zone, types in has.items())
        yield error("instance", f"no zone of {where} has a type for the head and for each group: {said}", _FIX)


def described(ec2: Any, types: frozenset[str]) -> dict[str, dict[str, Any]]:
    """Type → as EC2 describes it; those that the region does not know are left out (by filter: by name they are an error)."""
    names, found = sorted(types), dict[str, dict[str, Any]]()
    # A filter has 200 values at most (API Reference, "DescribeInstanceTypes").
    for start in range(0, len(names), 200):
        filters = [{"Name": "instance-type", "Values": names[start : start + 200]}]
        for each in pages(ec2, "describe_instance_types", "InstanceTypes", Filters=filters):
            found[each["InstanceType"]] = each
    return found


def as_designed(asked: Any, design: Design) -> Iterator[Finding]:
    """Their architecture, and whether they are sold as spot machines where that is asked for: a type that is not is refused
    with another reason than capacity, and nothing else would be tried.
    """
    told = described(asked["ec2"], frozenset(offered.wanted(design)))
    nodes = {node.instance: node for group in design.groups for node in offered.kinds(design, group)}
    for node in {**nodes, **{node.instance: node for node in offered.always(design)}}.values():
        arches = told.get(node.instance, {}).get("ProcessorInfo", {}).get("SupportedArchitectures", [node.arch])
        if node.arch not in arches:
            said = f"{node.instance} is {' or '.join(arches)}, the design takes it for {node.arch}"
            yield error("instance", said, "burst catalog refresh")
    for group in design.groups:
        for market, node in order(group, design.target):
            if market not in told.get(node.instance, {}).get("SupportedUsageClasses", [market]):
                said = f"{group.name}: {node.instance} is not sold as a {market} machine"
                yield error("instance", said, "spot: never, or another type" if market == "spot" else "another type")
