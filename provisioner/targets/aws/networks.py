"""The network: what of it stays billed, and of an existing one its subnet, its room, its way in and out, its names."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from provisioner.catalog.prices import price
from provisioner.design.model import Design
from provisioner.findings import Finding, error, info, warning

_SUBNETS = "aws ec2 describe-subnets --region {} --filters Name=vpc-id,Values={}"


def costs(asked: Any, design: Design) -> Iterator[Finding]:
    """Public addresses that stay; everything else is in the bill. No question to AWS."""
    given = design.network
    if given.id is None and given.access == "tunnel":
        yield _stays(design, "the NAT gateway's", "the head reaches AWS through it")
    if given.id is not None and given.access == "public":
        yield _stays(design, "the head's", f"in a network that is there already ({given.id}) it is an Elastic IP")


def _stays(design: Design, whose: str, why: str) -> Finding:
    cost = price("aws", design.region, "address")
    about = "~" if cost.basis == "estimate" else ""
    said = f"stays after an expiry, billed {about}{cost.hourly():g} USD an hour until burst sweep"
    return info("address", f"{whose} public address {said}: {why}, and no machine can release its own way out")


def the_subnet(ec2: Any, design: Design) -> dict[str, Any] | None:
    """An existing network's, as EC2 describes it; None where it is not there, or not in that network."""
    found = ec2.describe_subnets(Filters=[{"Name": "subnet-id", "Values": [design.network.subnet]}])["Subnets"]
    return found[0] if found and found[0]["VpcId"] == design.network.id else None


def room(asked: Any, design: Design) -> Iterator[Finding]:
    """The subnet is there, and has an address for each machine and for the interface of each EFS that is made. (An EFA-only
    interface has none: EC2 User Guide, "Elastic Fabric Adapter", "EFA-only interfaces".)
    """
    given = design.network
    if given.id is None:
        return
    subnet = the_subnet(asked["ec2"], design)
    if subnet is None:
        said = f"{given.subnet} is not a subnet of {given.id} in {design.region}"
        yield error("network", said, _SUBNETS.format(design.region, given.id))
        return
    if design.zone not in (None, subnet["AvailabilityZone"]):
        said = f"{given.subnet} is in {subnet['AvailabilityZone']}, the design in {design.zone}"
        yield error("network", said, f"a subnet in {design.zone}: {_SUBNETS.format(design.region, given.id)}")
    free = subnet["AvailableIpAddressCount"]
    others = 1 + (design.login.nodes if design.login else 0)
    others += sum(fs.type == "managed-nfs" and fs.id is None for fs in design.filesystems)
    least, most = (others + sum(getattr(group, end) for group in design.groups) for end in ("min", "max"))
    fix = f"another subnet: {_SUBNETS.format(design.region, given.id)}"
    said = f"{given.subnet} has {free} free addresses"
    if least > free:
        yield error("network", f"{said}, the design's fixed machines need {least}", fix)
    elif most > free:
        yield warning("network", f"{said}, the design needs {most} with all elastic nodes", fix)


def ways(asked: Any, design: Design) -> Iterator[Finding]:
    """In from the internet where the head has a public address; out behind a tunnel, to Session Manager."""
    given = design.network
    if given.id is None:
        return
    routes = _routes(asked["ec2"], given.id, str(given.subnet))
    if given.access == "public" and not any(route.get("GatewayId", "").startswith("igw-") for route in routes):
        said = f"{given.subnet} has no route to an internet gateway: its machines have no public address"
        yield error("network", said, f"network: {{id: {given.id}, subnet: {given.subnet}, access: tunnel}}, or another subnet")
    elif given.access == "tunnel" and not any(route.get("DestinationCidrBlock") == "0.0.0.0/0" for route in routes):
        # Systems Manager User Guide, "Improve the security of EC2 instances by using VPC endpoints for Systems Manager".
        said = f"{given.subnet} has no way out: Session Manager is reached only by VPC endpoints for ssm and ssmmessages"
        yield warning("network", said, f"aws ec2 describe-vpc-endpoints --filters Name=vpc-id,Values={given.id}")


def _routes(ec2: Any, vpc: str, subnet: str) -> list[dict[str, Any]]:
    """By the subnet's own route table, else by the network's main one."""
    own = [{"Name": "association.subnet-id", "Values": [subnet]}]
    main = [{"Name": "vpc-id", "Values": [vpc]}, {"Name": "association.main", "Values": ["true"]}]
    tables = ec2.describe_route_tables(Filters=own)["RouteTables"] or ec2.describe_route_tables(Filters=main)["RouteTables"]
    return [route for table in tables for route in table["Routes"]]


def names(asked: Any, design: Design) -> Iterator[Finding]:
    """EFS and FSx are mounted by name (EFS User Guide, "Mounting EFS file systems using DNS name": both attributes)."""
    vpc, kinds = design.network.id, {fs.type for fs in design.filesystems}
    if vpc is None or not kinds & {"managed-nfs", "lustre"}:
        return
    for attribute in ("enableDnsSupport", *(("enableDnsHostnames",) if "managed-nfs" in kinds else ())):
        told = asked["ec2"].describe_vpc_attribute(VpcId=vpc, Attribute=attribute)
        if not told[attribute[0].upper() + attribute[1:]]["Value"]:
            flag = "--enable-dns-support" if attribute == "enableDnsSupport" else "--enable-dns-hostnames"
            fix = f"aws ec2 modify-vpc-attribute --region {design.region} --vpc-id {vpc} {flag} Value=true"
            yield error("network", f"{vpc} has {attribute} off: filesystems are mounted by their names", fix)
