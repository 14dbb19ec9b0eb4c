"""The steps of stacks/aws, in an order in which each comes after what it waits for."""

from __future__ import annotations

from collections.abc import Iterator

from provisioner.design.model import Design, Filesystem
from provisioner.design.timeline.step import Step

VPC, SUBNETS, TABLES, OUT, JOINED = "VPC", "subnets", "route tables", "route to the world", "route table associations"
GROUPS, INTERFACE, ADDRESS, TEMPLATES = "security groups", "head's interface", "head's address", "launch templates"
NAT_OUT, HEAD = "route to the NAT gateway", "head"
PLACEMENT, NODE_PROFILE, HEAD_PROFILE = "placement groups", "nodes' instance profile", "head's instance profile"


def gateway(design: Design) -> bool:
    return design.network.egress == "gateway" or design.network.access == "tunnel"


def steps(design: Design) -> Iterator[Step]:
    own = design.network.id is None
    if own:
        yield from _network(design)
    yield Step(GROUPS, "security-group", (VPC,), ("ec2/securityGroup:*",))
    yield Step("security group rules", "security-group-rule", (GROUPS,), ("vpc/securityGroup*Rule:*",))
    if own and gateway(design):
        yield Step("NAT gateway's address", "nat-address", (OUT, JOINED), ("ec2/eip:nat",))
        nat = (SUBNETS, OUT, JOINED, "NAT gateway's address")
        yield Step("NAT gateway", "nat-gateway", nat, ("ec2/natGateway:nat",))
        yield Step(NAT_OUT, "route", (TABLES, "NAT gateway"), ("ec2/route:private-out",))
    if not own:
        yield Step(INTERFACE, "network-interface", (GROUPS,), ("ec2/networkInterface:head",))
        if design.network.access == "public":
            yield Step(ADDRESS, "address", (INTERFACE,), ("ec2/eip:head",))
    mounted = tuple(step for fs in design.filesystems for step in _filesystem(fs))
    yield from mounted
    made = tuple(step.name for step in mounted if step.kind not in ("efs", "bucket-settings"))
    buckets = tuple(step.name for step in mounted if step.kind == "bucket")
    yield from _identity(design, buckets)
    if any(group.fabric == "auto" and node.fabric == "efa" for group in design.groups for node in group.alternatives):
        yield Step(PLACEMENT, "placement-group", (), ("ec2/placementGroup:*",))
    templates = (INTERFACE, SUBNETS, GROUPS, PLACEMENT, NODE_PROFILE, *made)
    yield Step(TEMPLATES, "launch-template", templates, ("ec2/launchTemplate:*",))
    ready = (SUBNETS, GROUPS, OUT, JOINED, NAT_OUT, ADDRESS, INTERFACE, TEMPLATES, HEAD_PROFILE, *made)
    yield Step(HEAD, "instance", ready, ("ec2/instance:head",))
    if own and not gateway(design):
        yield Step("route to the head", "route", (TABLES, HEAD), ("ec2/route:private-out",))


def _network(design: Design) -> Iterator[Step]:
    yield Step(VPC, "vpc", (), ("ec2/vpc:*",))
    yield Step(SUBNETS, "subnet", (VPC,), ("ec2/subnet:*",))
    yield Step("internet gateway", "internet-gateway", (VPC,), ("ec2/internetGateway:*",))
    yield Step(TABLES, "route-table", (VPC,), ("ec2/routeTable:*",))
    yield Step(OUT, "route", ("internet gateway", TABLES), ("ec2/route:public-out",))
    yield Step(JOINED, "route-table-association", (SUBNETS, TABLES), ("ec2/routeTableAssociation:*",))
    if any(fs.type == "bucket" for fs in design.filesystems):
        yield Step("S3 endpoint", "vpc-endpoint", (VPC, TABLES), ("ec2/vpcEndpoint:s3",))


def _filesystem(fs: Filesystem) -> Iterator[Step]:
    name, slug = fs.mount, fs.slug
    if fs.type == "lustre":
        kind, made = ("lustre", True) if fs.id is None else ("lustre-read", False)
        yield Step(f"{name}: FSx for Lustre", kind, (SUBNETS, GROUPS) if made else (), (f"fsx/lustreFileSystem:{slug}",))
    elif fs.type == "managed-nfs" and fs.id is None:
        yield Step(f"{name}: EFS", "efs", (), (f"efs/fileSystem:{slug}",))
        target = (f"{name}: EFS", SUBNETS, GROUPS)
        yield Step(f"{name}: EFS mount target", "efs-mount-target", target, (f"efs/mountTarget:{slug}",))
    elif fs.type == "bucket" and fs.id is None:
        yield Step(f"{name}: bucket", "bucket", (), (f"s3/bucket:{slug}",))
        yield Step(f"{name}: bucket's settings", "bucket-settings", (f"{name}: bucket",), (f"s3/bucket[PS]*:{slug}",))


def _identity(design: Design, buckets: tuple[str, ...]) -> Iterator[Step]:
    if not design.identity.create or design.identity.id is not None:
        return
    node = any(fs.type == "bucket" for fs in design.filesystems)
    if node:
        yield from _role("node", "nodes'", NODE_PROFILE, buckets)
    yield from _role("head", "head's", HEAD_PROFILE, ("nodes' role", SUBNETS, GROUPS, *buckets))


def _role(part: str, whose: str, profile: str, waits: tuple[str, ...]) -> Iterator[Step]:
    yield Step(f"{whose} role", "role", (), (f"iam/role:{part}",))
    yield Step(f"{whose} policy", "role-policy", (f"{whose} role", *waits), (f"iam/rolePolicy:{part}",))
    yield Step(profile, "instance-profile", (f"{whose} role", f"{whose} policy"), (f"iam/instanceProfile:{part}",))


def needs(design: Design) -> tuple[str, ...]:
    """What a node's launch needs there: its template, and a role that is told."""
    return (TEMPLATES, NODE_PROFILE)
