"""What a cloud would refuse in a Design, said before any account is asked.

Each rule takes the Design and the cloud whose habits it meets, and answers what is wrong: (message, fix). A message begins
with the file's key that it is about (lifecycle/prepare.py finds the line by it). Where the Design is for the cloud itself,
what would be refused is an error; in a rehearsal on this machine the same is a warning, since it will be one there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from provisioner.catalog import filesystems
from provisioner.catalog.markets import has_spot
from provisioner.design.model import Design, Group
from provisioner.findings import Finding, error, warning
from provisioner.units import GIB

Said = tuple[str, str]
Rule = Callable[[Design, str], Iterable[Said]]
Say = Callable[[str, str, str], Finding]
# Code → the rule, and how its findings are said on the cloud itself.
RULES: dict[str, tuple[Rule, Say]] = {}

# "Availability sets overview": VMs in one availability set.
_AVAILABILITY_SET = 200


def _rule(code: str, say: Say = error) -> Callable[[Rule], Rule]:
    def register(rule: Rule) -> Rule:
        RULES[code] = (rule, say)
        return rule

    return register


def check(design: Design) -> tuple[Finding, ...]:
    """What every rule says of it."""
    cloud = design.cloud
    if cloud is None:
        return ()
    there = design.target == cloud
    found = [(say if there else warning)(code, *said) for code, (rule, say) in RULES.items() for said in rule(design, cloud)]
    return tuple(finding.model_copy(update={"check": finding.code}) for finding in found)


@_rule("filesystem-size")
def sizes_that_there_are(design: Design, cloud: str) -> Iterator[Said]:
    """A managed filesystem has a size in which its service comes; nothing is rounded, since each step costs."""
    for fs in design.filesystems:
        service = filesystems.SERVICES.get((cloud, fs.type))
        if service is None or fs.id is not None:
            continue
        asked = filesystems.gib(fs.size)
        near = service.nearest(asked)
        if near != (asked,) or fs.size % GIB:
            size = filesystems.shown(asked) if fs.size % GIB == 0 else f"{fs.size / GIB:g}GiB"
            message = f"filesystems.{fs.mount}: {size}, but {service.name} comes in {service.said}"
            yield message, f"size: {' or '.join(_priced(cloud, service, size) for size in near)}; it is billed by its size"


def _priced(cloud: str, service: filesystems.Service, size: int) -> str:
    return f"{filesystems.shown(size)} (about {filesystems.hourly(cloud, service, size):.2f} USD an hour)"


@_rule("no-spot")
def types_that_are_on_the_spot_market(design: Design, cloud: str) -> Iterator[Said]:
    """A group that is spot alone has no type that is never sold so."""
    for group, types in _never_spot(design, cloud, "only"):
        yield f"groups.{group}: {cloud} has no spot market for {types}", "spot: never, or another type"


@_rule("on-demand-only", warning)
def types_that_spot_says_nothing_of(design: Design, cloud: str) -> Iterator[Said]:
    """Where spot is preferred, what is never sold so costs its full price."""
    for group, types in _never_spot(design, cloud, "prefer"):
        yield f"groups.{group}: {cloud} has no spot market for {types}: on demand alone", "leave out spot: prefer, or the type"


def _never_spot(design: Design, cloud: str, spot: str) -> Iterator[tuple[str, str]]:
    for group in design.groups:
        types = [node.instance for node in group.alternatives if not has_spot(cloud, node.instance)]
        if group.spot == spot and types:
            yield group.name, ", ".join(types)


@_rule("no-identity")
def somebody_may(design: Design, cloud: str) -> Iterator[Said]:
    """There is an identity where nodes come or go by themselves, and where there are buckets."""
    if design.identity.create or design.identity.id is not None:
        return
    for group in design.groups:
        what = "elastic" if group.max > group.min else "spot" if group.spot != "never" else ""
        if what:
            message = f"groups.{group.name} is {what}, but with identity: none the head may launch no machine"
            yield message, "nodes: a number and spot: never; or identity: the id of one that may"
    for fs in design.filesystems:
        if fs.type == "bucket":
            message = f"filesystems.{fs.mount}: it is a bucket, which nobody may open with identity: none"
            yield message, "type: nfs; or identity: the id of one that may"


@_rule("network")
def a_network_with_its_subnet(design: Design, cloud: str) -> Iterator[Said]:
    """An existing network has subnets for many things: which one is the run's is not guessed."""
    if design.network.id is not None and design.network.subnet is None:
        yield "network.id names a network, but network.subnet none of its subnets", "add subnet: one in the target's region"


@_rule("infiniband")
def infiniband_in_an_availability_set(design: Design, cloud: str) -> Iterator[Said]:
    """Azure puts machines on one InfiniBand by an availability set, which has no spot machines and at most 200.

    "Set up InfiniBand"; "Error messages for Azure Spot Virtual Machines": AzureSpotVMNotSupportedInAvailabilitySet.
    """
    for group in filter(_infiniband, design.groups if cloud == "azure" else ()):
        if group.spot != "never":
            message = f"groups.{group.name}: InfiniBand needs an availability set, and Azure has no spot machines in one"
            yield message, "spot: never, or fabric: never"
        if group.max > _AVAILABILITY_SET:
            message = f"groups.{group.name}: {group.max} nodes, but an availability set holds {_AVAILABILITY_SET}"
            yield message, f"nodes: {_AVAILABILITY_SET} at most, several groups, or fabric: never"


def _infiniband(group: Group) -> bool:
    return group.fabric == "auto" and any(node.fabric == "infiniband" for node in group.alternatives)
