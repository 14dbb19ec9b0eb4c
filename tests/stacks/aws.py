"""AWS as the mocks answer it, and what the contract's rules mean there (aws_rules.py)."""

from __future__ import annotations

import os
from collections import Counter
from typing import Any

from tests.stacks import aws_rules as rules
from tests.stacks.contract import Cloud, Rule

# One of everything: several types, markets, fabrics, a login node, and each kind of filesystem.
TEXT = """
version: 1
name: whole
target: aws/us-east-2
groups:
  cpu: {instance: [c7a.48xlarge, c7i.48xlarge], nodes: {min: 2, max: 8}}
  gpu: {instance: p5.48xlarge, nodes: {min: 0, max: 2}, spot: prefer}
  plain: {instance: c7i.large, nodes: 1, spot: only}
login: {nodes: 1}
filesystems:
  /shared: {type: nfs, size: 20GiB}
  /managed: {type: managed-nfs}
  /scratch: {type: lustre, size: 1200GiB}
  /data: {type: bucket}
"""
# Everything that can exist already.
EXISTING = """
version: 1
name: taken
target: aws/us-east-2
groups: {cpu: {instance: c7i.large, nodes: {min: 1, max: 2}}}
network: {id: vpc-0a, subnet: subnet-0a}
identity: arn:aws:iam::123456789012:instance-profile/theirs/burst-head
filesystems:
  /any: {type: nfs, id: "nas.example.org:/export"}
  /managed: {type: managed-nfs, id: fs-0a}
  /scratch: {type: lustre, size: 1200GiB, id: fs-0b}
  /data: {type: bucket, id: their-bucket}
"""
SIZES = """
version: 1
name: size
target: aws/us-east-2
groups: {{cpu: {{instance: [c7a.48xlarge, c7i.48xlarge], nodes: {{min: 1, max: {}}}}}}}
"""
# A provider in a process of its own may be in another one (tests/engine/test_fallback.py).
REGION = os.environ.get("BURST_TEST_REGION", "us-east-2")
ACCOUNT, ZONES = "123456789012", tuple(f"{REGION}{letter}" for letter in "abc")
# Which types a zone lacks: the first is left for the second.
LACKS = {"us-east-2a": {"p5.48xlarge"}}
IMAGE = "ami-0f"
_PREFIX = {
    "vpc": "vpc",
    "subnet": "subnet",
    "securityGroup": "sg",
    "networkInterface": "eni",
    "launchTemplate": "lt",
    "instance": "i",
}


class Answers:
    """`create` gives every resource an id, and the few outputs that others need."""

    def __init__(self) -> None:
        self._numbers = Counter[str]()

    def create(self, type_: str, name: str, inputs: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        kind = type_.rpartition("/")[2].partition(":")[0]
        self._numbers[kind] += 1
        number = f"{self._numbers[kind]:04x}"
        identity = f"{_PREFIX.get(kind, kind)}-{number}"
        known: dict[str, dict[str, Any]] = {
            "networkInterface": {"privateIp": "172.31.16.10"},
            "instance": {"publicIp": "198.51.100.7", "primaryNetworkInterfaceId": f"eni-of-{identity}"},
            "eip": {"publicIp": "198.51.100.7", "allocationId": identity},
            "role": {"arn": f"arn:aws:iam::{ACCOUNT}:role{inputs.get('path')}{inputs.get('name')}"},
            "fileSystem": {"dnsName": f"fs-{number}.efs.us-east-2.amazonaws.com"},
            "lustreFileSystem": {"dnsName": f"fs-{number}.fsx.us-east-2.amazonaws.com", "mountName": "abcdefgh"},
        }
        if kind == "bucket":
            identity = inputs["bucket"]
        return identity, known.get(kind, {})


def call(function: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """The data sources that the program reads."""
    name = function.rpartition("/")[2].partition(":")[0]
    if name == "getRegion":
        return {"id": REGION, "name": REGION, "region": REGION, "endpoint": "", "description": ""}
    if name == "getCallerIdentity":
        return {"accountId": ACCOUNT, "arn": "", "userId": "", "id": ACCOUNT}
    if name == "getInstanceTypeOfferings":
        pairs = [(t, z) for z in reversed(ZONES) for t in arguments["filters"][0]["values"] if t not in LACKS.get(z, ())]
        return {"instanceTypes": [t for t, _ in pairs], "locations": [z for _, z in pairs], "id": "", "locationTypes": []}
    if name == "getParameter":
        return {"name": arguments["name"], "value": f"{IMAGE}{len(arguments['name'])}", "id": "", "arn": "", "type": "String"}
    if name == "getAmi":
        identity = arguments["filters"][0]["values"][0]
        disk = {"deviceName": "/dev/sda1", "ebs": {"volume_size": "8"}, "noDevice": "", "virtualName": ""}
        return {"id": identity, "rootDeviceName": "/dev/sda1", "blockDeviceMappings": [disk]}
    if name == "getSubnet":
        found = {"availabilityZone": "us-east-2b", "cidrBlock": "172.31.16.0/20"}
        return {"id": arguments["id"], "vpcId": arguments["vpcId"], **found}
    raise AssertionError(f"the program asks for {function}, which no test answers")


CLOUD = Cloud(
    name="aws",
    text=TEXT,
    rules={
        "identity": Rule(rules.identity, ("naming.py", "**run_identity.tags(design), ", "")),
        "named": Rule(rules.named, ("groups.py", "name=run_identity.named(self._design, part)", "name=part")),
        "expiry": Rule(rules.expiry, ("groups.py", 'instance_initiated_shutdown_behavior="terminate"', "ebs_optimized=None")),
        "compute-private": Rule(
            rules.compute_private, ("groups.py", 'associate_public_ip_address="false"', 'associate_public_ip_address="true"')
        ),
        "encrypted": Rule(rules.encrypted, ("groups.py", 'encrypted="true"', 'encrypted="false"')),
        "ingress": Rule(rules.ingress, ("network.py", "cidr_ipv4=cidr", "cidr_ipv4=WORLD")),
        "metadata": Rule(rules.metadata, ("head.py", 'http_tokens="required"', 'http_tokens="optional"')),
        "actions": Rule(rules.actions, ("identity.py", '[f"{places}:instance/*"], ours)', '["*"])')),
        "calls": Rule(rules.calls, ("identity.py", '"ec2:TerminateInstances"', '"ec2:StopInstances"')),
        "size": Rule(
            lambda stack, design: rules.size(stack, CLOUD, SIZES.format(1)),
            (
                "groups.py",
                "            found[group.name] = ",
                "            [self._placement(group) for _ in range(group.max)]\n            found[group.name] = ",
            ),
            SIZES.format(1000),
        ),
        "secrets": Rule(rules.secrets, ("__main__.py", '"account": account', '"account": told.keys')),
        "existing": Rule(rules.existing, ("network.py", "if args.design.network.id is None:", "if True:"), EXISTING),
        "fabric": Rule(rules.fabric, ("groups.py", "for card in range(cards)", "for card in range(1)")),
    },
    create=Answers().create,
    call=call,
)
