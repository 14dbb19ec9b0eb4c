"""Machine types: whether the subscription may have them here, and whether they are what the design takes them for.

"Resource Skus - List": restrictions say what is not to be had, capabilities what a type is.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from provisioner.catalog.markets import has_spot
from provisioner.design.model import Group, Node
from provisioner.findings import Finding, error, warning
from provisioner.targets.azure.asked import Asked, capability
from provisioner.targets.azure.images import trusted

_ARCHITECTURES = {"x86_64": "x64", "aarch64": "Arm64"}


def number(size: dict[str, Any], name: str) -> float | None:
    """A capability that is a number."""
    said = capability(size, name)
    return float(said) if said is not None else None


def fabric_of(group: Group, node: Node) -> str:
    """The fabric that a group's machines of this type have, as stacks/azure/groups.py makes them."""
    return node.fabric if group.fabric == "auto" else ""


def offered(size: dict[str, Any]) -> frozenset[str]:
    """The zones that have it for this subscription: those that the region names, without those that are restricted."""
    places = {zone for place in size.get("locationInfo") or () for zone in place.get("zones") or ()}
    return frozenset(places - {zone for each in _restrictions(size, "Zone") for zone in _zones(each)})


def _restrictions(size: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return [each for each in size.get("restrictions") or () if each.get("type") == kind]


def _zones(restriction: dict[str, Any]) -> list[str]:
    return list((restriction.get("restrictionInfo") or {}).get("zones") or ())


def denied(size: dict[str, Any] | None, zone: str | None = None) -> str:
    """Why it is not to be had in the region, or in one zone of it; "" where it is."""
    if size is None:
        return "is not offered"
    for each in _restrictions(size, "Location"):
        return f"is restricted ({each.get('reasonCode', 'no reason given')})"
    if zone is None or zone in offered(size):
        return ""
    reasons = [each.get("reasonCode", "no reason given") for each in _restrictions(size, "Zone") if zone in _zones(each)]
    return f"is restricted in zone {zone} ({reasons[0]})" if reasons else f"is not offered in zone {zone}"


def types(asked: Asked) -> Iterator[Finding]:
    """Of each group at least one type has to be there and be what it is taken for; the head's and the login nodes' as well."""
    zone, design = asked.design.zone, asked.design
    region = f"zone {zone} of {asked.caller.region}" if zone else asked.caller.region
    yield from _said("head", region, {design.head.instance: _head(asked, zone)})
    if design.login:
        yield from _said("login", region, {design.login.node.instance: _single(asked, design.login.node, zone)})
    for group in design.groups:
        yield from _said(f"groups.{group.name}", region, {n.instance: _of(asked, group, n, zone) for n in group.alternatives})
        yield from _without_spot(asked, group)


def _said(who: str, region: str, why: dict[str, str]) -> Iterator[Finding]:
    wrong = {instance: words for instance, words in why.items() if words}
    if wrong:
        say = error if len(wrong) == len(why) else warning
        words = "; ".join(f"{instance} {words}" for instance, words in wrong.items())
        fix = f"another type or region: az vm list-skus --resource-type virtualMachines --all --location {region.split()[-1]}"
        yield say("instance", f"{who}: in {region} {words}", fix)


def _head(asked: Asked, zone: str | None) -> str:
    """Its disk is Premium SSD (stacks/azure/head.py)."""
    size = asked.sizes.get(asked.design.head.instance)
    return _single(asked, asked.design.head, zone) or _lacks(size or {}, {"PremiumIO": "has no Premium SSD for the head's disk"})


def _single(asked: Asked, node: Node, zone: str | None) -> str:
    size = asked.sizes.get(node.instance)
    return denied(size, zone) or _unlike(size or {}, node, trusted(asked.design.image, node))


def _of(asked: Asked, group: Group, node: Node, zone: str | None) -> str:
    """InfiniBand's machines are in an availability set, which is in no zone."""
    fabric, size = fabric_of(group, node), asked.sizes.get(node.instance)
    wanted = {"RdmaEnabled": "has no InfiniBand"} if fabric == "infiniband" else {}
    if group.spot == "only":
        wanted["LowPriorityCapable"] = "cannot be a spot machine"
    image = group.image or asked.design.image
    why = denied(size, None if fabric == "infiniband" else zone)
    return why or _unlike(size or {}, node, trusted(image, node, bool(fabric))) or _lacks(size or {}, wanted)


def _unlike(size: dict[str, Any], node: Node, trusted_launch: bool) -> str:
    """Where the catalogue is wrong, Slurm would not take the machine: it has less than it is declared with."""
    for name, declared in (("vCPUsAvailable", node.cpus), ("vCPUs", node.cpus), ("GPUs", node.gpus)):
        has = number(size, name)
        if has is not None and has < declared:
            return f"has {has:.0f} {name.removesuffix('Available')}, not {declared}"
    memory = number(size, "MemoryGB")
    if memory is not None and memory * 1024 < node.memory_mib:
        return f"has {memory:g} GiB of memory, less than the {node.memory_mib} MiB that Slurm is told of"
    arch = capability(size, "CpuArchitectureType")
    if arch is not None and arch.lower() != _ARCHITECTURES.get(node.arch, node.arch).lower():
        return f"is of architecture {arch}, not {node.arch}"
    if trusted_launch and capability(size, "TrustedLaunchDisabled") == "True":
        return "takes no trusted launch, with which the default image is booted"
    return ""


def _lacks(size: dict[str, Any], wanted: dict[str, str]) -> str:
    return next((words for name, words in wanted.items() if capability(size, name) == "False"), "")


def _without_spot(asked: Asked, group: Group) -> Iterator[Finding]:
    """With `prefer` it is a machine on demand then."""
    if group.spot != "prefer":
        return
    for node in group.alternatives:
        size = asked.sizes.get(node.instance)
        if size is not None and has_spot("azure", node.instance) and capability(size, "LowPriorityCapable") == "False":
            words = f"groups.{group.name}: {node.instance} cannot be a spot machine"
            yield warning("instance", words, "spot: never for this group, or another type")
