"""Quotas of things that are counted or weighed: networks, addresses, disks, file systems; with what is there already."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from provisioner.design.model import Design
from provisioner.findings import Finding, error, warning
from provisioner.targets.aws.listing import pages

# "Amazon VPC quotas", "Elastic IP addresses", "Amazon EBS endpoints and quotas" (gp3, in TiB), "Amazon EFS endpoints and
# quotas", "Amazon FSx endpoints and quotas" (Lustre Scratch: file systems, and GiB).
VPCS, ADDRESSES, GP3, EFS, SCRATCH, SCRATCH_GIB = (
    *("L-F678F1CE", "L-0263D0A3", "L-7A658B76", "L-848C634D", "L-C48231E5", "L-AD2FC696"),
)
# A node's disk at least (stacks/aws/groups.py): images with drivers have larger ones.
_NODE_GIB = 32
_OWN = "use an existing one: network: {id: vpc-…, subnet: subnet-…}"


def applied(asked: Any, service: str, code: str) -> dict[str, Any]:
    """The account's own value; where AWS has none ("only the default values are available"), the default."""
    from botocore.exceptions import ClientError

    quotas = asked["service-quotas"]
    try:
        found: dict[str, Any] = quotas.get_service_quota(ServiceCode=service, QuotaCode=code)["Quota"]
    except ClientError as problem:
        if problem.response["Error"]["Code"] != "NoSuchResourceException":
            raise
        found = quotas.get_aws_default_service_quota(ServiceCode=service, QuotaCode=code)["Quota"]
    return found


def increase(design: Design, service: str, code: str, wanted: float) -> str:
    """The command that asks for it."""
    ask = "aws service-quotas request-service-quota-increase"
    return f"{ask} --region {design.region} --service-code {service} --quota-code {code} --desired-value {math.ceil(wanted)}"


def networks(asked: Any, design: Design) -> Iterator[Finding]:
    """Five in a region, where nobody has asked for more."""
    if design.network.id is None:
        there = len(list(pages(asked["ec2"], "describe_vpcs", "Vpcs")))
        yield from _room(asked, design, "vpc", VPCS, there, 1, _OWN)


def addresses(asked: Any, design: Design) -> Iterator[Finding]:
    """Elastic IPs, of which there are five, too. A head in a network of its own has an address of EC2's, which does not count."""
    own, public = design.network.id is None, design.network.access == "public"
    if (design.network.egress == "gateway" or not public) if own else public:
        there = len(asked["ec2"].describe_addresses()["Addresses"])
        yield from _room(asked, design, "ec2", ADDRESSES, there, 1, "aws ec2 release-address what nobody uses")


def disks(asked: Any, design: Design) -> Iterator[Finding]:
    """gp3 volumes of the whole region: the head's, with what it serves, and one of each machine."""
    volumes = pages(asked["ec2"], "describe_volumes", "Volumes", Filters=[{"Name": "volume-type", "Values": ["gp3"]}])
    there = sum(each["Size"] for each in volumes)
    least = design.head_storage / 2**30 + _NODE_GIB * ((design.login.nodes if design.login else 0) + len(design.fixed))
    most = least + _NODE_GIB * sum(group.max - group.min for group in design.groups)
    told = applied(asked, "ebs", GP3)
    limit, said = (
        told["Value"],
        f"the quota {told['QuotaName']} is {told['Value']:g} in {design.region}, {there / 1024:.1f} are in use",
    )
    if there + least > limit * 1024:
        fix = increase(design, "ebs", GP3, (there + least) / 1024)
        yield error("quota", f"{said}, the design's fixed machines need {least / 1024:.1f} at least", fix)
    elif there + most > limit * 1024:
        fix = increase(design, "ebs", GP3, (there + most) / 1024)
        yield warning("quota", f"{said}, the design needs {most / 1024:.1f} at least with all elastic nodes", fix)


def efs(asked: Any, design: Design) -> Iterator[Finding]:
    """EFS file systems, of which an account has a thousand."""
    new = sum(fs.type == "managed-nfs" and fs.id is None for fs in design.filesystems)
    if new:
        there = len(list(pages(asked["efs"], "describe_file_systems", "FileSystems")))
        yield from _room(asked, design, "elasticfilesystem", EFS, there, new, "an existing one, by its id")


def lustre(asked: Any, design: Design) -> Iterator[Finding]:
    """FSx for Lustre of the kind that is made (Scratch): how many, and how much in all."""
    new = [fs.size // 2**30 for fs in design.filesystems if fs.type == "lustre" and fs.id is None]
    if not new:
        return
    there = [
        each["StorageCapacity"]
        for each in pages(asked["fsx"], "describe_file_systems", "FileSystems")
        if each.get("LustreConfiguration", {}).get("DeploymentType", "").startswith("SCRATCH")
    ]
    yield from _room(asked, design, "fsx", SCRATCH, len(there), len(new), "an existing one, by its id")
    yield from _room(asked, design, "fsx", SCRATCH_GIB, sum(there), sum(new), "a smaller one, or an existing one by its id")


def _room(asked: Any, design: Design, service: str, quota: str, there: int, needed: int, instead: str) -> Iterator[Finding]:
    told = applied(asked, service, quota)
    if there + needed > told["Value"]:
        are = "is" if needed == 1 else "are"
        said = f"{there} of {told['Value']:g} are there in {design.region}, and {needed} more {are} needed"
        fix = f"{increase(design, service, quota, there + needed)}; or {instead}"
        yield error("quota", f"the quota {told['QuotaName']}: {said}", fix)
