"""Quotas: vCPUs by family and market over the whole design, networks and addresses."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from provisioner.design.model import Design, Node
from provisioner.findings import Finding, error, warning
from provisioner.targets.aws.listing import pages

# Family of an instance type → quota codes, (on-demand, spot): "Amazon EC2 endpoints and quotas". hpc has no spot.
# The longest beginning that fits is taken: hpc before h.
_CODES: dict[str, tuple[str, str | None]] = {
    **dict.fromkeys(("a", "c", "d", "h", "i", "m", "r", "t", "z"), ("L-1216C47A", "L-34B43A08")),
    "hpc": ("L-F7808C92", None),
    **dict.fromkeys(("g", "gr", "vt"), ("L-DB2E81BA", "L-3819A6DF")),
    **dict.fromkeys(("p2", "p3", "p4"), ("L-417A185B", "L-7212CCBC")),
    **dict.fromkeys(("p5", "p6"), ("L-417A185B", "L-C4BD4855")),
    "f": ("L-74FC7D96", "L-88CF9481"),
    "x": ("L-7295265B", "L-E3A00192"),
    "inf": ("L-1945791B", "L-B5D1601B"),
    "trn": ("L-2C3B7624", "L-6B0D517C"),
    "dl": ("L-6E869C2A", "L-85EED4F7"),
    "u": ("L-43DA4232", None),
}
# "Amazon VPC quotas" and "Elastic IP addresses".
_VPCS, _ADDRESSES = "L-F678F1CE", "L-0263D0A3"


def machines(design: Design) -> tuple[Node, ...]:
    """One of each kind that the design has."""
    kinds = [node for group in design.groups for node in (group.alternatives or (group.node,))]
    return (design.head, *([design.login.node] if design.login else []), *kinds)


def code(instance: str, market: str) -> str | None:
    """A type's quota; None where it has none that is known."""
    family = instance.partition(".")[0]
    letters = re.match(r"[a-z]+", family)
    for part in (family[:2], letters[0] if letters else "", family[:1]):
        if part in _CODES:
            return _CODES[part][market == "spot"]
    return None


def vcpus(asked: Any, design: Design) -> Iterator[Finding]:
    """What is always there must fit; with all elastic nodes it should."""
    sizes = {
        each["InstanceType"]: each["VCpuInfo"]["DefaultVCpus"]
        for each in pages(
            asked["ec2"], "describe_instance_types", "InstanceTypes", InstanceTypes=sorted({n.instance for n in machines(design)})
        )
    }
    for quota, (least, most) in sorted(_sums(design, sizes).items()):
        told = asked["service-quotas"].get_service_quota(ServiceCode="ec2", QuotaCode=quota)["Quota"]
        limit = told["Value"]
        fix = f"aws service-quotas request-service-quota-increase --service-code ec2 --quota-code {quota} --desired-value {most}"
        said = f"the quota {told['QuotaName']} is {limit:g} vCPUs in {design.region}"
        if least > limit:
            yield error("quota", f"{said}, the design's fixed machines have {least}", fix)
        elif most > limit:
            yield warning("quota", f"{said}, the design has {most} with all elastic nodes", fix)


def _sums(design: Design, sizes: dict[str, int]) -> dict[str, tuple[int, int]]:
    """Quota → (vCPUs that are always there, vCPUs at most). A group counts as what is tried first."""
    wanted = [(design.head.instance, "on-demand", 1, 1)]
    if design.login is not None:
        wanted.append((design.login.node.instance, "on-demand", design.login.nodes, design.login.nodes))
    for group in design.groups:
        first = (group.alternatives or (group.node,))[0].instance
        market = "on-demand" if group.spot == "never" else "spot"
        wanted.append((first, market, group.min, group.max))
    sums: dict[str, tuple[int, int]] = {}
    for instance, market, least, most in wanted:
        quota = code(instance, market)
        if quota is not None:
            before = sums.get(quota, (0, 0))
            size = sizes.get(instance, 0)
            sums[quota] = (before[0] + least * size, before[1] + most * size)
    return sums


def addresses(asked: Any, design: Design) -> Iterator[Finding]:
    """Networks and Elastic IPs: five of each in a region, where nobody has asked for more. A head in a network of its own
    has an address of EC2's, which does not count.
    """
    ec2, own = asked["ec2"], design.network.id is None
    if own:
        there = len(list(pages(ec2, "describe_vpcs", "Vpcs")))
        yield from _room(asked, design, "vpc", _VPCS, there, 1, "use an existing one: network: {id: vpc-…, subnet: subnet-…}")
    public = design.network.access == "public"
    needed = int(public) if not own else int(design.network.egress == "gateway" or not public)
    if needed:
        there = len(ec2.describe_addresses()["Addresses"])
        yield from _room(asked, design, "ec2", _ADDRESSES, there, needed, "aws ec2 release-address what nobody uses")


def _room(asked: Any, design: Design, service: str, quota: str, there: int, needed: int, fix: str) -> Iterator[Finding]:
    told = asked["service-quotas"].get_service_quota(ServiceCode=service, QuotaCode=quota)["Quota"]
    if there + needed > told["Value"]:
        said = f"{there} of {told['Value']:g} are there in {design.region}, and {needed} more is needed"
        yield error("quota", f"the quota {told['QuotaName']}: {said}", fix)
