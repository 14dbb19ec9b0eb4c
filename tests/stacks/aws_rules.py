"""The contract's rules over what the AWS program made: each looks at everything, and complains of what it does not know."""

from __future__ import annotations

import ast
import base64
import fnmatch
import inspect
import ipaddress
import json
from collections.abc import Iterator
from functools import cache
from typing import Any

import botocore.session
from botocore import xform_name
from making import design as decide

from provisioner.alone import end_aws
from provisioner.design.model import Design
from provisioner.launch import aws as launcher
from tests.stacks.aws_needs import actions as needed
from tests.stacks.contract import Cloud
from tests.stacks.programs import CALLER, KEYS, Made, Stack

# What has no tags in AWS → what it is a part of, and goes with.
PART_OF = {
    "aws:ec2/route:Route": "a route table",
    "aws:ec2/routeTableAssociation:RouteTableAssociation": "a route table",
    "aws:efs/mountTarget:MountTarget": "an EFS file system",
    "aws:iam/rolePolicy:RolePolicy": "a role",
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": "a bucket",
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": "a bucket",
}
BILLED = ("Instance", "Eip", "NatGateway", "FileSystem", "LustreFileSystem", "Bucket")
# Actions that know no resource (Service Authorization Reference).
ANYWHERE = ("ec2:Describe*", "fsx:DescribeFileSystems", "ssm:UpdateInstanceInformation", "ssmmessages:*")
TEMPLATE, INSTANCE = "ec2/launchTemplate:LaunchTemplate", "ec2/instance:Instance"


def made(stack: Stack) -> list[Made]:
    """Without what was only read: that has no inputs."""
    return [each for each in stack.resources if each.inputs]


def identity(stack: Stack, design: Design) -> list[str]:
    wrong = [
        f"{each.type} {each.name} has not the run's tags"
        for each in made(stack)
        if each.type not in PART_OF and each.inputs.get("tags", {}).get("burst-run") != design.run.id
    ]
    for template in stack.of(TEMPLATE):
        told = {each["resourceType"]: each["tags"].get("burst-run") for each in template.inputs["tagSpecifications"]}
        wrong += [
            f"{template.name}: what it makes of {kind} has not the run's tags"
            for kind in ("instance", "volume", "network-interface")
            if told.get(kind) != design.run.id
        ]
    return wrong


def named(stack: Stack, design: Design) -> list[str]:
    keys = ("name", "bucket", "creationToken")
    chosen = [
        (each, key, each.inputs[key])
        for each in made(stack)
        if each.type not in PART_OF or each.type.endswith("RolePolicy")
        for key in keys
        if key in each.inputs
    ]
    chosen += [(each, "Name", each.inputs["tags"].get("Name", "")) for each in made(stack) if "tags" in each.inputs]
    wrong = [f"{each.type} {each.name}: {key} {name}" for each, key, name in chosen if not name.startswith(f"{design.run.id}-")]
    paths = [each for each in made(stack) if each.type.endswith((":Role", ":InstanceProfile"))]
    return wrong + [
        f"{each.name} is in {each.inputs['path']}" for each in paths if each.inputs["path"] != f"/burst/{design.run.id}/"
    ]


def expiry(stack: Stack, design: Design) -> list[str]:
    expires = str(design.run.expires)
    billed = [each for each in made(stack) if each.type.rpartition(":")[2] in BILLED]
    wrong = [f"{each.name} does not say when" for each in billed if each.inputs["tags"].get("burst-expires") != expires]
    machines = stack.of(TEMPLATE, INSTANCE)
    return wrong + [
        f"{each.name} stops instead of ending"
        for each in machines
        if each.inputs.get("instanceInitiatedShutdownBehavior") != "terminate"
    ]


def compute_private(stack: Stack, design: Design) -> list[str]:
    private = {each.id for each in stack.of("ec2/subnet:Subnet") if each.name == "private"}
    wrong = [
        f"{each.name} gives public addresses" for each in stack.of("ec2/subnet:Subnet") if each.inputs.get("mapPublicIpOnLaunch")
    ]
    for template in stack.of(TEMPLATE):
        cards = template.inputs["networkInterfaces"]
        wrong += [f"{template.name} is not in the private subnet" for each in cards if each["subnetId"] not in private]
        # With several interfaces there is none, and saying so is an error.
        expected = "false" if len(cards) == 1 else None
        wrong += [
            f"{template.name} may have a public address" for each in cards if each.get("associatePublicIpAddress") != expected
        ]
    addresses = [each.name for each in stack.of("ec2/eip:Eip")]
    addresses += [each.name for each in stack.of(INSTANCE) if each.inputs.get("associatePublicIpAddress")]
    return wrong + ([] if addresses == ["head"] else [f"public addresses: {addresses}"])


def head_address(stack: Stack, design: Design) -> list[str]:
    """In a network of the run's own nothing of the head's outlives it, and nobody else can have got its address first."""
    wrong = [
        f"{each.type} {each.name} outlives the head" for each in stack.of(":NetworkInterface", ":Eip") if each.name == "head"
    ]
    if wrong:
        return wrong
    (head,) = stack.of(INSTANCE)
    ranges = {each.id: ipaddress.ip_network(each.inputs["cidrBlock"]) for each in stack.of(":Subnet")}
    address, where = ipaddress.ip_address(head.inputs["privateIp"]), head.inputs["subnetId"]
    if address not in [*ranges[where]][4:-1]:
        wrong.append(f"{address} cannot be had in {ranges[where]}")
    # Whoever else gets an address there has asked for another one.
    others = [
        each for each in made(stack) if each is not head and where in json.dumps(each.inputs) and "Association" not in each.type
    ]
    wrong += [
        f"{each.type} {each.name} may get {address}" for each in others if each.inputs.get("privateIp") in (None, str(address))
    ]
    return wrong


def encrypted(stack: Stack, design: Design) -> list[str]:
    disks = [(t.name, disk["ebs"]) for t in stack.of(TEMPLATE) for disk in t.inputs["blockDeviceMappings"]]
    disks += [(each.name, each.inputs["rootBlockDevice"]) for each in stack.of(INSTANCE)]
    disks += [(each.name, each.inputs) for each in stack.of("efs/fileSystem:FileSystem", "ec2/volume:Volume")]
    wrong = [f"{name} is in the clear" for name, disk in disks if disk.get("encrypted") not in (True, "true")]
    # FSx for Lustre User Guide, "Encrypting data at rest": these kinds always are.
    lustre = [each for each in stack.of("fsx/lustreFileSystem:LustreFileSystem") if each.inputs]
    wrong += [
        f"{each.name} may be in the clear"
        for each in lustre
        if each.inputs["deploymentType"] not in ("SCRATCH_2", "PERSISTENT_2")
    ]
    told = {each.inputs["bucket"] for each in stack.of("BucketServerSideEncryptionConfiguration")}
    return wrong + [f"{each.name} is in the clear" for each in stack.of("s3/bucket:Bucket") if each.id not in told]


def ingress(stack: Stack, design: Design) -> list[str]:
    wrong = [
        f"{each.name} has rules of its own" for each in stack.of("ec2/securityGroup:SecurityGroup") if each.inputs.get("ingress")
    ]
    ssh = {"ipProtocol": "tcp", "fromPort": 22, "toPort": 22, "cidrIpv4": CALLER}
    for rule in stack.of("vpc/securityGroupIngressRule:SecurityGroupIngressRule"):
        told = {key: value for key, value in rule.inputs.items() if key not in ("tags", "securityGroupId")}
        if told not in (ssh, {"ipProtocol": "-1", "referencedSecurityGroupId": rule.inputs["securityGroupId"]}):
            wrong.append(f"{rule.name} lets in {told}")
    return wrong


def metadata(stack: Stack, design: Design) -> list[str]:
    right = {"httpEndpoint": "enabled", "httpTokens": "required", "httpPutResponseHopLimit": 1, "instanceMetadataTags": "enabled"}
    return [
        f"{each.name}: {each.inputs.get('metadataOptions')}"
        for each in stack.of(TEMPLATE, INSTANCE)
        if each.inputs.get("metadataOptions") != right
    ]


def statements(stack: Stack) -> Iterator[dict[str, Any]]:
    for policy in stack.of("iam/rolePolicy:RolePolicy"):
        yield from json.loads(policy.inputs["policy"])["Statement"]


def actions(stack: Stack, design: Design) -> list[str]:
    wrong: list[str] = []
    mine = [each.id for each in made(stack)] + [f":{each.inputs['name']}" for each in made(stack) if "name" in each.inputs]
    for told in statements(stack):
        wrong += [f"wildcard in {action}" for action in told["Action"] if "*" in action]
        conditions = told.get("Condition", {})
        if design.run.id in json.dumps(conditions.get("StringEquals", {})):
            continue
        # In the run's own subnet, and only by a service that is asked for something else.
        place = conditions.get("ArnEquals", {}).get("ec2:Subnet", "none")
        if place.rpartition("/")[2] in mine and conditions.get("Bool") == {"aws:ViaAWSService": "true"}:
            continue
        for resource in told["Resource"]:
            ours = (
                design.run.id in resource
                or any(resource.rstrip("/*").endswith(each) for each in mine)
                or "::image/ami-" in resource
                or resource.endswith("::snapshot/*")
            )
            free = resource == "*" and all(any(fnmatch.fnmatch(a, each) for each in ANYWHERE) for a in told["Action"])
            if not ours and not free:
                wrong.append(f"{told['Action']} on {resource}, which is not the run's alone")
    return wrong


@cache
def called() -> dict[str, tuple[tuple[str, ...], ...]]:
    """Each call in the source of what runs on the head → what it needs, of each service that has it."""
    session = botocore.session.get_session()
    known: dict[str, tuple[tuple[str, ...], ...]] = {}
    for service in ("ec2", "efs", "fsx", "s3"):
        for name in session.get_service_model(service).operation_names:
            known[xform_name(name)] = (*known.get(xform_name(name), ()), needed(service, name))
    nodes = [node for module in (launcher, end_aws) for node in ast.walk(ast.parse(inspect.getsource(module)))]
    words = {n.attr for n in nodes if isinstance(n, ast.Attribute)}
    words |= {n.value for n in nodes if isinstance(n, ast.Constant) and isinstance(n.value, str)}
    return {word: known[word] for word in sorted(words & known.keys())}


def calls(stack: Stack, design: Design) -> list[str]:
    allowed = {action for told in statements(stack) for action in told["Action"]}
    return [word for word, some in called().items() if not any(set(each) <= allowed for each in some)]


def size(stack: Stack, cloud: Cloud, small: str) -> list[str]:
    one = len(cloud.run(decide(small, "aws")).resources)
    return [] if len(stack.resources) == one else [f"{one} resources for a node, {len(stack.resources)} for a thousand"]


def secrets(stack: Stack, design: Design) -> list[str]:
    secret = [KEYS.munge_key.decode(), base64.b64encode(KEYS.munge_key).decode(), KEYS.host_key.strip()]
    places = {f"output {key}": json.dumps(value) for key, value in stack.outputs.items()}
    for each in stack.resources:
        told = {key: value for key, value in each.inputs.items() if key not in ("userData", "userDataBase64")}
        places[f"{each.type} {each.name}"] = json.dumps(told)
    return [f"a key is in {place}" for place, text in places.items() if any(one in text for one in secret)]


def existing(stack: Stack, design: Design) -> list[str]:
    kinds = (
        ":Vpc",
        ":Subnet",
        ":RouteTable",
        ":Route",
        ":InternetGateway",
        ":NatGateway",
        ":VpcEndpoint",
        ":Role",
        ":InstanceProfile",
    )
    kinds = (*kinds, ":FileSystem", ":MountTarget", ":LustreFileSystem", ":Bucket")
    wrong = [f"{each.type} {each.name} is made" for each in made(stack) if each.type.endswith(kinds)]
    for template in stack.of(TEMPLATE):
        wrong += [
            f"{template.name} is elsewhere" for each in template.inputs["networkInterfaces"] if each["subnetId"] != "subnet-0a"
        ]
    wrong += [f"{each.name} is elsewhere" for each in stack.of("SecurityGroup") if each.inputs["vpcId"] != "vpc-0a"]
    head = stack.of(INSTANCE)[0]
    return wrong + ([] if head.inputs.get("iamInstanceProfile") == "burst-head" else ["the head has not the given identity"])


def fabric(stack: Stack, design: Design) -> list[str]:
    wrong: list[str] = []
    groups = {each.inputs["name"]: each.inputs["strategy"] for each in stack.of("ec2/placementGroup:PlacementGroup")}
    templates = {each.inputs["name"]: each.inputs for each in stack.of(TEMPLATE)}
    for group in design.groups:
        for node in group.alternatives:
            told = templates[f"{design.run.id}-{group.name}-{node.instance}"]
            cards = [
                (c.get("networkCardIndex", 0), c["deviceIndex"], c.get("interfaceType", "interface"))
                for c in told["networkInterfaces"]
            ]
            right = [(0, 0, "interface"), *((card, 1, "efa-only") for card in range(node.cards if node.fabric else 0))]
            if cards != right:
                wrong.append(f"{group.name} {node.instance}: {cards}")
            if bool(node.fabric) != (groups.get(told.get("placement", {}).get("groupName")) == "cluster"):
                wrong.append(f"{group.name} {node.instance}: placement {told.get('placement')}")
    for kind in ("Ingress", "Egress"):
        rules = [each.inputs for each in stack.of(f":SecurityGroup{kind}Rule")]
        if not any(
            rule.get("referencedSecurityGroupId") == rule["securityGroupId"] and rule["ipProtocol"] == "-1" for rule in rules
        ):
            wrong.append(f"no {kind} rule of the group to itself, which EFA asks for")
    return wrong
