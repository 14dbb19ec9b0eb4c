"""What is particular to AWS: each way that a network, an identity and a filesystem can be, and what machines are told."""

from __future__ import annotations

import base64
import gzip
import json
from functools import cache
from pathlib import Path
from typing import Any

import pulumi
import pytest
from making import design
from ruamel.yaml import YAML

from provisioner.bootstrap.user_data import LIMIT
from tests.stacks import aws
from tests.stacks.aws_moto import revealed
from tests.stacks.aws_rules import head_address, made, statements
from tests.stacks.contract import mutated
from tests.stacks.programs import Stack

PLAIN = "version: 1\nname: plain\ngroups: {cpu: {instance: c7i.large, nodes: {min: 1, max: 2}}}\n"


@cache
def stack(text: str = PLAIN, **more: str) -> Stack:
    return aws.CLOUD.run(design(text, "aws"), **more)


def told(user_data: Any) -> dict[str, str]:
    """The files that a machine writes, by path."""
    raw = base64.b64decode(revealed(user_data))
    assert len(raw) <= LIMIT
    parsed = YAML(typ="safe", pure=True).load(gzip.decompress(raw).decode())
    return {each["path"]: each["content"] for each in parsed["write_files"]}


def head(stack: Stack) -> dict[str, str]:
    return told(stack.of(":Instance")[0].inputs["userDataBase64"])


def nodes(stack: Stack, number: int = 0) -> dict[str, str]:
    return told(stack.of(":LaunchTemplate")[number].inputs["userData"])


def types(stack: Stack) -> set[str]:
    return {each.type.rpartition(":")[2] for each in made(stack)}


def test_the_zone_is_one_that_has_a_type_for_each_group() -> None:
    assert stack(aws.TEXT).outputs["zone"] == "us-east-2b"
    assert stack().outputs["zone"] == "us-east-2a"
    assert stack(PLAIN, zone="us-east-2c").outputs["zone"] == "us-east-2c"


def test_a_zone_that_has_nothing_for_a_group_is_refused() -> None:
    with pytest.raises(pulumi.RunError, match=r"us-east-2a lacks gpu \(p5\.48xlarge\)"):
        stack(aws.TEXT, zone="us-east-2a")
    with pytest.raises(pulumi.RunError, match=r"us-east-2z lacks the head"):
        stack(aws.TEXT, zone="us-east-2z")


SEVERAL = "version: 1\nname: a\ngroups: {cpu: {instance: [hpc7a.96xlarge, c7a.48xlarge], nodes: 2, spot: prefer}}\n"


def offering(monkeypatch: pytest.MonkeyPatch, **lacks: set[str]) -> None:
    """Zones (by their last letters) that lack these types."""
    for zone in aws.ZONES:
        monkeypatch.setitem(aws.LACKS, zone, lacks.get(zone.rpartition("-")[2].lstrip("2"), set()))


def launched(one: Stack) -> list[tuple[str, str]]:
    return [(each["market"], each["template"]["instance"]) for each in one.outputs["attempts"]["cpu"]]


def test_what_the_zone_does_not_offer_is_not_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    offering(monkeypatch, a={"hpc7a.96xlarge"}, b={"c7a.48xlarge"}, c={"hpc7a.96xlarge"})
    about = design(SEVERAL, "aws")
    first = aws.CLOUD.run(about)
    assert (first.outputs["zone"], launched(first)) == ("us-east-2b", [("on-demand", "hpc7a.96xlarge")]), "what is preferred"
    other = aws.CLOUD.run(about, zone="us-east-2a")
    assert launched(other) == [("spot", "c7a.48xlarge"), ("on-demand", "c7a.48xlarge")]
    assert [each.inputs["instanceType"] for each in other.of(":LaunchTemplate")] == ["c7a.48xlarge"]


def test_among_equals_the_zone_with_most_types_then_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    offering(monkeypatch, a={"c7a.48xlarge"}, b=set(), c=set())
    assert aws.CLOUD.run(design(SEVERAL, "aws")).outputs["zone"] == "us-east-2b"


def test_a_local_zone_is_taken_only_where_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aws, "ZONES", ("us-east-2-chi-1a", "us-east-2c"))
    assert aws.CLOUD.run(design(PLAIN, "aws")).outputs["zone"] == "us-east-2c"
    assert aws.CLOUD.run(design(PLAIN, "aws"), zone="us-east-2-chi-1a").outputs["zone"] == "us-east-2-chi-1a"


def test_an_existing_subnets_zone_must_have_them_too(monkeypatch: pytest.MonkeyPatch) -> None:
    offering(monkeypatch, b={"c7i.large"})
    with pytest.raises(pulumi.RunError, match=r"us-east-2b lacks cpu \(c7i\.large\)"):
        aws.CLOUD.run(design(aws.EXISTING, "aws"))


def test_the_head_knows_what_to_launch_and_the_output_says_the_same() -> None:
    one = stack(aws.TEXT)
    launch = json.loads(head(one)["/opt/burst/launch.json"])
    assert launch["groups"] == one.outputs["attempts"]
    assert (launch["launcher"], launch["scontrol"]) == ("aws", ["scontrol"])
    assert "/opt/burst/launch/aws.py" in head(one)
    ids = {each.id for each in one.of(":LaunchTemplate")}
    tried = {group: [(a["market"], a["template"]["instance"]) for a in attempts] for group, attempts in launch["groups"].items()}
    assert {a["template"]["launch_template"] for attempts in launch["groups"].values() for a in attempts} == ids
    assert tried["cpu"] == [("on-demand", "c7a.48xlarge"), ("on-demand", "c7i.48xlarge")]
    assert tried["gpu"] == [("spot", "p5.48xlarge"), ("on-demand", "p5.48xlarge")]
    assert tried["plain"] == [("spot", "c7i.large")]
    assert [market for market, _ in tried["login"]] == ["on-demand"]


def test_spot_requests_are_tagged_where_nothing_else_is_asked_for() -> None:
    kinds = {
        each.inputs["instanceType"]: [t["resourceType"] for t in each.inputs["tagSpecifications"]]
        for each in stack(aws.TEXT).of(":LaunchTemplate")
    }
    assert "spot-instances-request" in kinds["c7i.large"]
    assert "spot-instances-request" not in kinds["p5.48xlarge"]


def test_machines_are_told_the_heads_address_and_their_mounts() -> None:
    one = stack(aws.TEXT)
    assert "10.77.0.4 head" in nodes(one)["/etc/hosts"]
    assert one.of(":Instance")[0].inputs["privateIp"] == one.outputs["head_private_address"] == "10.77.0.4"
    lines = [line.split() for line in nodes(one)["/opt/burst/fstab"].splitlines()]
    sources = {folder: (source, kind) for source, folder, kind, *_ in lines}
    (managed,), (scratch,) = one.of("efs/fileSystem:FileSystem"), one.of(":LustreFileSystem")
    assert sources == {
        "/home": ("head:/home", "nfs4"),
        "/shared": ("head:/shared", "nfs4"),
        "/managed": (f"{managed.id}.efs.us-east-2.amazonaws.com:/", "nfs4"),
        "/scratch": (f"{scratch.outputs['dnsName']}@tcp:/abcdefgh", "lustre"),
        "/data": ("s3://test-abc234-bucket-0/", "mount-s3"),
    }
    assert {line.split()[1] for line in head(one)["/opt/burst/fstab"].splitlines()} == {"/managed", "/scratch", "/data"}
    assert {"/opt/burst/client-s3.sh", "/opt/burst/client-lustre-aws.sh"} <= nodes(one).keys()
    assert one.outputs["mounts"] == {folder: source for folder, (source, _) in sources.items()}


def test_the_way_out_is_the_head() -> None:
    one = stack()
    (out,) = [each for each in one.of(":Route") if each.name == "private-out"]
    (machine,) = one.of(":Instance")
    assert out.inputs["networkInterfaceId"] == machine.outputs["primaryNetworkInterfaceId"]
    assert machine.inputs["sourceDestCheck"] is False
    assert "/opt/burst/gateway.sh" in head(one)
    assert "head:3142" in nodes(one)["/etc/apt/apt.conf.d/98burst-cache"]


def test_the_way_out_is_a_gateway() -> None:
    one = stack(PLAIN + "network: {egress: gateway}\n")
    (out,) = [each for each in one.of(":Route") if each.name == "private-out"]
    assert out.inputs["natGatewayId"] == one.of(":NatGateway")[0].id
    assert one.of(":Instance")[0].inputs["sourceDestCheck"] is True
    assert [each.name for each in one.of(":Eip")] == ["nat"]
    assert "/opt/burst/gateway.sh" not in head(one)
    assert "/etc/apt/apt.conf.d/98burst-cache" not in nodes(one)


def test_behind_a_tunnel_nothing_is_public_and_the_head_may_be_reached() -> None:
    one = stack(PLAIN + "network: {access: tunnel}\n")
    assert [each.name for each in one.of(":Eip")] == ["nat"]
    (machine,) = one.of(":Instance")
    assert machine.inputs["associatePublicIpAddress"] is False
    assert machine.inputs["subnetId"] == next(each.id for each in one.of(":Subnet") if each.name == "head")
    tables = {each.name: each.inputs["routeTableId"] for each in one.of(":RouteTableAssociation")}
    assert tables["head"] == tables["private"] != tables["public"]
    assert one.outputs["head_address"] == one.outputs["head_id"] == one.of(":Instance")[0].id
    assert [each for each in one.of(":SecurityGroupIngressRule") if "cidrIpv4" in each.inputs] == []
    assert any("ssmmessages:OpenDataChannel" in each["Action"] for each in statements(one))


def test_an_existing_network_keeps_its_routes_and_packages_come_through_the_head() -> None:
    one = stack(aws.EXISTING)
    assert one.outputs["network"] == "vpc-0a"
    assert one.outputs["zone"] == "us-east-2b"
    assert "/opt/burst/gateway.sh" in head(one)
    assert {"Route", "RouteTable", "Vpc"} & types(one) == set()


def test_in_an_existing_network_the_heads_address_is_there_before_it() -> None:
    one = stack(aws.EXISTING)
    (interface,), (machine,), (outside,) = one.of(":NetworkInterface"), one.of(":Instance"), one.of(":Eip")
    assert machine.inputs["primaryNetworkInterface"] == {"networkInterfaceId": interface.id}
    assert "privateIp" not in machine.inputs
    assert interface.inputs["sourceDestCheck"] is False
    assert outside.inputs["networkInterface"] == interface.id
    assert one.outputs["head_private_address"] == "172.31.16.10"
    assert "172.31.16.10 head" in nodes(one)["/etc/hosts"]
    hidden = stack(aws.EXISTING.replace("subnet: subnet-0a}", "subnet: subnet-0a, access: tunnel}"))
    assert [each.name for each in hidden.of(":NetworkInterface")] == ["head"]
    assert hidden.of(":Eip") == []


@pytest.mark.parametrize("way", ["", "network: {egress: gateway}\n", "network: {access: tunnel}\n"])
def test_the_heads_address_is_free_and_goes_with_it(way: str) -> None:
    assert head_address(stack(PLAIN + way), design(PLAIN)) == []


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        ("address(PUBLIC, 0)", "address(PUBLIC, -1)", "10.77.0.3 cannot be had in 10.77.0.0/24"),
        ("private_ip=address(PUBLIC, 1),", "", "aws:ec2/natGateway:NatGateway nat may get 10.77.0.4"),
        ("hidden.id, address(HIDDEN, 0)", "private.id, address(PRIVATE, 0)", " may get 10.77.128.4"),
        (
            "self.head_subnet, self.head_address = public.id, address(PUBLIC, 0)",
            "self.head_subnet = public.id",
            "Eip head outlives",
        ),
    ],
)
def test_a_head_whose_address_may_be_taken_is_noticed(right: str, wrong: str, said: str, tmp_path: Path) -> None:
    way = "network: {access: tunnel}\n" if "HIDDEN" in right else "network: {egress: gateway}\n"
    about = design(PLAIN + way, "aws")
    one = aws.CLOUD.run(about, mutated(aws.CLOUD.folder, tmp_path, ("network.py", right, wrong)))
    assert any(said in each for each in head_address(one, about))


def test_an_existing_network_needs_a_subnet() -> None:
    with pytest.raises(pulumi.RunError, match=r"network\.subnet"):
        aws.CLOUD.run(design(PLAIN + "network: {id: vpc-0a}\n", "aws", wrong=True))


def test_filesystems_that_exist_are_mounted_and_not_made() -> None:
    one = stack(aws.EXISTING)
    assert one.outputs["mounts"] == {
        "/home": "head:/home",
        "/any": "nas.example.org:/export",
        "/managed": "fs-0a.efs.us-east-2.amazonaws.com:/",
        "/scratch": one.outputs["mounts"]["/scratch"],
        "/data": "s3://their-bucket/",
    }
    assert one.outputs["mounts"]["/scratch"].endswith("@tcp:/abcdefgh")
    assert "/any" in head(one)["/opt/burst/fstab"]


def test_nobody_has_an_identity_where_none_is_wanted() -> None:
    one = stack(PLAIN.replace("{min: 1, max: 2}", "1") + "identity: none\n")
    assert {"Role", "RolePolicy", "InstanceProfile"} & types(one) == set()
    assert "iamInstanceProfile" not in one.of(":Instance")[0].inputs
    assert "/opt/burst/launch.json" not in head(one)


def test_without_an_identity_nobody_but_a_client_can_launch() -> None:
    with pytest.raises(pulumi.RunError, match="nobody would launch"):
        stack(PLAIN.replace("{min: 1, max: 2}", "1") + "identity: none\n", launches="head")


def test_a_bucket_needs_an_identity() -> None:
    with pytest.raises(pulumi.RunError, match="is a bucket"):
        aws.CLOUD.run(design(PLAIN + "identity: none\nfilesystems: {/data: {type: bucket}}\n", "aws", wrong=True))


def test_roles_have_the_boundary() -> None:
    one = stack(PLAIN + "identity: {boundary: 'arn:aws:iam::123456789012:policy/limit'}\nfilesystems: {/data: {type: bucket}}\n")
    roles = one.of(":Role")
    assert {each.name for each in roles} == {"head", "node"}
    assert {each.inputs["permissionsBoundary"] for each in roles} == {"arn:aws:iam::123456789012:policy/limit"}


def test_a_role_is_passed_only_where_nodes_have_one() -> None:
    passing = [each for each in statements(stack(aws.TEXT)) if "iam:PassRole" in each["Action"]]
    assert [each["Resource"] for each in passing] == [["arn:aws:iam::123456789012:role/burst/test-abc234/test-abc234-node"]]
    assert not [each for each in statements(stack()) if "iam:PassRole" in each["Action"]]
    assert "iamInstanceProfile" not in stack().of(":LaunchTemplate")[0].inputs


def test_after_a_plain_up_the_head_launches_the_fixed_nodes() -> None:
    assert "/opt/burst/first" in head(stack(PLAIN, launches="head"))
    assert "/opt/burst/first" not in head(stack())


def test_images() -> None:
    def asked(one: Stack) -> set[str]:
        return {arguments["name"].split("/")[3] for function, arguments in one.calls if "getParameter" in function}

    assert asked(stack()) == {"canonical"}
    # The head is Ubuntu; GPUs and fabric have the Deep Learning AMI.
    assert asked(stack(aws.TEXT)) == {"canonical", "deeplearning"}
    named = stack(PLAIN + "image: ami-0123\n")
    assert asked(named) == set()
    assert {each.inputs.get("imageId") or each.inputs["ami"] for each in named.of(":LaunchTemplate", ":Instance")} == {"ami-0123"}
    own = stack(PLAIN.replace("c7i.large,", "c7i.large, image: ami-0456,"))
    assert own.of(":LaunchTemplate")[0].inputs["imageId"] == "ami-0456"
    assert own.of(":Instance")[0].inputs["ami"] != "ami-0456"


def test_without_fabric_there_is_no_placement() -> None:
    one = stack("version: 1\nname: a\ngroups: {cpu: {instance: c7a.48xlarge, nodes: 2, fabric: never}}\n")
    assert "PlacementGroup" not in types(one)
    assert len(one.of(":LaunchTemplate")[0].inputs["networkInterfaces"]) == 1


def test_another_region_than_the_files_is_refused() -> None:
    with pytest.raises(pulumi.RunError, match="pulumi config set aws:region us-west-2"):
        aws.CLOUD.run(design(PLAIN, "aws/us-west-2"))
