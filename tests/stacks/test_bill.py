"""What a program makes is what the bill has: each of its resources is an item, or is known to be free of charge."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from provisioner.design.bill import bill
from provisioner.design.model import Design
from tests.stacks.contract import mutated
from tests.stacks.programs import Made, Stack
from tests.stacks.test_contract import NAMES, cloud_of
from tests.stacks.test_timeline import CASES, decided

# How a resource's type ends → the bill's item. What is mounted has its own name there; what has several items is below.
ITEMS: dict[str, dict[str, str]] = {
    "aws": {
        "ec2/instance:Instance": "head",
        "ec2/natGateway:NatGateway": "NAT gateway",
        "efs/fileSystem:FileSystem": "filesystem",
        "fsx/lustreFileSystem:LustreFileSystem": "filesystem",
        "s3/bucket:Bucket": "filesystem",
    },
    "gcp": {
        "compute/instance:Instance": "head",
        "filestore/instance:Instance": "filesystem",
        "lustre/instance:Instance": "filesystem",
        "storage/bucket:Bucket": "filesystem",
        # Its hours are billed by the machine that uses it.
        "compute/routerNat:RouterNat": "gateway address",
    },
    "azure": {
        "compute:VirtualMachine": "head",
        "network:NatGateway": "NAT gateway",
        "network:BastionHost": "Bastion",
        "storage:BlobContainer": "filesystem",
        "storage:FileShare": "filesystem",
        "storagecache:AmlFilesystem": "filesystem",
    },
}
ADDRESSES = {
    ("aws", "head"): "public address",
    ("aws", "nat"): "gateway address",
    ("azure", "head-address"): "public address",
    ("azure", "gateway-address"): "gateway address",
    ("azure", "bastion-address"): "Bastion address",
}
# By the end of their type's name: nothing is asked for these, as long as nobody uses them, or at all.
FREE = [
    "InternetGateway",
    "LaunchTemplate",
    "NetworkInterface",
    "PlacementGroup",
    "Route",
    "RouteTable",
    "RouteTableAssociation",
    "SecurityGroup",
    "Subnet",
    "Vpc",
    "VpcEndpoint",
    "MountTarget",
    "InstanceProfile",
    "Role",
    "RolePolicy",
    "BucketPublicAccessBlock",
    "BucketServerSideEncryptionConfiguration",
    "SecurityGroupEgressRule",
    "SecurityGroupIngressRule",
    "Address",
    "Firewall",
    "GlobalAddress",
    "InstanceTemplate",
    "Network",
    "ResourcePolicy",
    "Router",
    "Subnetwork",
    "SubnetworkIAMMember",
    "IAMCustomRole",
    "IAMMember",
    "Account",
    "Connection",
    "BucketIAMMember",
    "RoleAssignment",
    "RoleDefinition",
    "AvailabilitySet",
    "Workflow",
    "UserAssignedIdentity",
    "NetworkSecurityGroup",
    "VirtualNetwork",
    "ResourceGroup",
    "StorageAccount",
    "ProximityPlacementGroup",
]


def billed(cloud: str, stack: Stack) -> Counter[str]:
    """What it made, by the bill's items. What is there already is only read: nothing is said of it."""
    found: Counter[str] = Counter()
    for made in (made for made in stack.resources if made.inputs):
        items = [item for end, item in ITEMS[cloud].items() if made.type.endswith(end)]
        if made.type.endswith(("eip:Eip", ":PublicIPAddress")):
            items = [ADDRESSES[cloud, made.name]]
        assert items or made.type.rpartition(":")[2] in FREE, f"{made.type} is neither in the bill nor known to be free"
        found.update(items)
        if items == ["head"]:
            found.update(_own_address(cloud, made))
    return found


def _own_address(cloud: str, head: Made) -> list[str]:
    """That comes and goes with the machine."""
    if cloud == "aws" and head.inputs.get("associatePublicIpAddress"):
        return ["public address"]
    if cloud == "gcp" and head.inputs["networkInterfaces"][0].get("accessConfigs"):
        return ["public address"]
    return []


def expected(about: Design) -> Counter[str]:
    """The bill's items of what a program makes; machines that are launched later, and disks, are not among them."""
    mounts = {fs.mount for fs in about.filesystems}
    found: Counter[str] = Counter()
    for item in bill(about).fixed:
        launched = item.name.startswith("login") or (about.target == "gcp" and item.name == "NAT gateway")
        if not launched and item.name != "head disk":
            found["filesystem" if item.name in mounts else item.name] += item.count
    return found


def disk(cloud: str, head: dict[str, Any]) -> int:
    """GiB of a head's."""
    if cloud == "aws":
        return int(head["rootBlockDevice"]["volumeSize"])
    if cloud == "gcp":
        return int(head["bootDisk"]["initializeParams"]["size"])
    return int(head["storageProfile"]["osDisk"]["diskSizeGB"])


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("name", NAMES)
def test_what_a_program_makes_is_billed_or_free(name: str, case: str) -> None:
    about = decided(name, case)
    stack = cloud_of(name).run(about)
    assert billed(name, stack) == expected(about)
    (head,) = stack.of(*[end for end, item in ITEMS[name].items() if item == "head"])
    (item,) = [item for item in bill(about).fixed if item.name == "head disk"]
    size = int(item.what.split()[-2])
    # Azure bills the next larger size that it has.
    assert disk(name, head.inputs) <= size if name == "azure" else disk(name, head.inputs) == size


def test_a_program_that_makes_more_is_noticed(tmp_path: Path) -> None:
    """Bastion for everybody, of which the bill would know nothing."""
    more = ("network.py", 'if asked.access == "tunnel":\n            self._bastion()', "self._bastion()")
    about = decided("azure", "plain")
    stack = cloud_of("azure").run(about, mutated(cloud_of("azure").folder, tmp_path, more))
    assert billed("azure", stack) - expected(about) == {"Bastion": 1, "Bastion address": 1}
