"""Filesystems that are taken by id: whether they are there, and can be reached from where the machines will be.

Sizes are in catalog/filesystems.py. What lies behind a firewall of somebody else's cannot be seen from here, and is said so.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Sequence
from typing import Any

from provisioner.design.model import Design, Filesystem
from provisioner.findings import Finding, error, info, warning
from provisioner.targets.aws.listing import pages
from provisioner.targets.aws.networks import the_subnet
from provisioner.targets.checks import side_by_side

# EFS User Guide, "Using VPC security groups"; FSx for Lustre User Guide, "File system access control with Amazon VPC".
_EFS, _LUSTRE = 2049, 988
_MISSING = ("FileSystemNotFound", "404", "NoSuchBucket")


def findings(asked: Any, design: Design) -> Iterator[Finding]:
    """Of all of a design, side by side."""
    existing = [fs for fs in design.filesystems if fs.id is not None]
    for found in side_by_side(lambda fs: list(_existing(asked, design, fs)), existing):
        yield from found


def _existing(asked: Any, design: Design, fs: Filesystem) -> Iterator[Finding]:
    from botocore.exceptions import ClientError

    look = {"managed-nfs": _efs, "lustre": _fsx, "bucket": _bucket}.get(fs.type, _other)
    try:
        yield from look(asked, design, fs)
    except ClientError as problem:
        if problem.response["Error"]["Code"] not in _MISSING:
            raise
        see = {"managed-nfs": "efs describe-file-systems", "lustre": "fsx describe-file-systems"}.get(fs.type, "s3 ls")
        said = f"{fs.mount}: there is no {fs.id} in {design.region}"
        yield error("filesystem", said, f"an id is its region's: aws {see} --region {design.region}")


def _other(asked: Any, design: Design, fs: Filesystem) -> Iterator[Finding]:
    host, colon, export = (fs.id or "").partition(":")
    if not (host and colon and export.startswith("/")):
        yield error("filesystem", f"{fs.mount}: {fs.id} is not HOST:/EXPORT", "id: nas.example.org:/export")
    else:
        yield info("filesystem", f"{fs.mount}: whether {host} exports {export} is seen only from the machines: not checked")


def _bucket(asked: Any, design: Design, fs: Filesystem) -> Iterator[Finding]:
    told = asked["s3"].head_bucket(Bucket=fs.id)
    where = told.get("BucketRegion", design.region)
    if where != design.region:
        said = f"{fs.mount}: the bucket {fs.id} is in {where}, the machines in {design.region}: bytes between them are billed"
        yield warning("filesystem", said, f"target: aws/{where}, or a bucket in {design.region}")


def _efs(asked: Any, design: Design, fs: Filesystem) -> Iterator[Finding]:
    """Its name leads to the mount target in the machine's own zone (EFS User Guide, "Mounting EFS file systems using DNS
    name")."""
    told = asked["efs"].describe_file_systems(FileSystemId=fs.id)["FileSystems"][0]
    yield from _state(fs, told["LifeCycleState"], "available")
    targets = list(pages(asked["efs"], "describe_mount_targets", "MountTargets", FileSystemId=fs.id))
    if design.network.id is None:
        yield _elsewhere(fs, targets[0]["VpcId"] if targets else "", targets[0]["SubnetId"] if targets else "")
        return
    subnet = the_subnet(asked["ec2"], design)
    if subnet is None:
        return
    near = [
        each for each in targets if (each["VpcId"], each["AvailabilityZoneName"]) == (subnet["VpcId"], subnet["AvailabilityZone"])
    ]
    if not near:
        said = f"{fs.mount}: {fs.id} has no mount target in {subnet['AvailabilityZone']} of {subnet['VpcId']}"
        make = f"aws efs create-mount-target --region {design.region} --file-system-id {fs.id} --subnet-id {subnet['SubnetId']}"
        yield error("filesystem", said, make)
        return
    yield from _state(fs, near[0]["LifeCycleState"], "available")
    groups = asked["efs"].describe_mount_target_security_groups(MountTargetId=near[0]["MountTargetId"])["SecurityGroups"]
    yield from _port(asked["ec2"], fs, groups, _EFS, subnet["CidrBlock"])


def _fsx(asked: Any, design: Design, fs: Filesystem) -> Iterator[Finding]:
    told = asked["fsx"].describe_file_systems(FileSystemIds=[fs.id])["FileSystems"][0]
    if told["FileSystemType"] != "LUSTRE":
        yield error("filesystem", f"{fs.mount}: {fs.id} is {told['FileSystemType']}, not Lustre", "name another one")
        return
    yield from _state(fs, told["Lifecycle"], "AVAILABLE")
    if told["VpcId"] != design.network.id:
        yield _elsewhere(fs, told["VpcId"], told["SubnetIds"][0])
        return
    subnet = the_subnet(asked["ec2"], design)
    if subnet is None:
        return
    filters = [{"Name": "network-interface-id", "Values": told["NetworkInterfaceIds"]}]
    cards = pages(asked["ec2"], "describe_network_interfaces", "NetworkInterfaces", Filters=filters)
    groups = sorted({group["GroupId"] for card in cards for group in card["Groups"]})
    yield from _port(asked["ec2"], fs, groups, _LUSTRE, subnet["CidrBlock"])


def _state(fs: Filesystem, state: str, right: str) -> Iterator[Finding]:
    if state != right:
        service = "efs" if fs.type == "managed-nfs" else "fsx"
        said = f"{fs.mount}: {fs.id} is {state}, not {right}"
        yield error("filesystem", said, f"again when it is: aws {service} describe-file-systems")


def _elsewhere(fs: Filesystem, vpc: str, subnet: str) -> Finding:
    if not vpc:
        return error(
            "filesystem",
            f"{fs.mount}: {fs.id} has no mount target at all",
            f"aws efs create-mount-target --file-system-id {fs.id}",
        )
    said = f"{fs.mount}: {fs.id} is in {vpc}, which the run's machines are not in"
    return error("filesystem", said, f"network: {{id: {vpc}, subnet: {subnet}}}")


def _port(ec2: Any, fs: Filesystem, groups: Sequence[str], port: int, cidr: str) -> Iterator[Finding]:
    """Whether one of the groups lets the subnet in. A rule that names another group never means the run's, which is new."""
    rules = [
        rule
        for group in pages(
            ec2, "describe_security_groups", "SecurityGroups", Filters=[{"Name": "group-id", "Values": list(groups)}]
        )
        for rule in group["IpPermissions"]
    ]
    if any(_lets_in(rule, port, cidr) for rule in rules):
        return
    said = f"{fs.mount}: no rule of {', '.join(groups) or 'any group'} lets {cidr} in to port {port} of {fs.id}"
    group = groups[0] if groups else "GROUP"
    fix = f"aws ec2 authorize-security-group-ingress --group-id {group} --protocol tcp --port {port} --cidr {cidr}"
    if any(rule.get("PrefixListIds") for rule in rules):
        yield warning("filesystem", f"{said}, unless one of its prefix lists has it", fix)
    else:
        yield error("filesystem", said, fix)


def _lets_in(rule: dict[str, Any], port: int, cidr: str) -> bool:
    through = rule["IpProtocol"] == "-1" or (
        rule["IpProtocol"] in ("tcp", "6") and rule.get("FromPort", 0) <= port <= rule.get("ToPort", 65535)
    )
    inner = ipaddress.ip_network(cidr)
    ranges = (ipaddress.ip_network(each["CidrIp"]) for each in rule.get("IpRanges", ()))
    return through and any(isinstance(each, type(inner)) and inner.subnet_of(each) for each in ranges)  # type: ignore[arg-type]
