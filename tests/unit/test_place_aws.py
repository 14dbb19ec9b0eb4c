"""AWS's place on what the stack made in moto: nothing of a run is unseen, all of it can be deleted, and nothing else is."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aws_world import Saying, Sessions, World, denied, made, pretended
from making import Still, inventory

from provisioner import clock
from provisioner.errors import Kind, Refused
from provisioner.launch import aws as launcher
from provisioner.targets.aws import listing, reaping
from provisioner.targets.aws.place import AwsPlace
from provisioner.targets.aws.target import AwsTarget
from provisioner.targets.base import Inventory, Resource
from tests.stacks import aws
from tests.stacks.aws_rules import PART_OF

SMALL = "version: 1\nname: small\ngroups: {cpu: {instance: c7i.large, nodes: 2}}\n"
GATEWAY = SMALL + "network: {egress: gateway}\n"
# Pulumi's type → what remains calls it. What is in neither is in PART_OF, with its parent.
SEEN = {
    "Vpc": "vpc",
    "Subnet": "subnet",
    "RouteTable": "route-table",
    "InternetGateway": "internet-gateway",
    "NatGateway": "nat-gateway",
    "VpcEndpoint": "vpc-endpoint",
    "Eip": "address",
    "SecurityGroup": "security-group",
    "NetworkInterface": "network-interface",
    "PlacementGroup": "placement-group",
    "LaunchTemplate": "launch-template",
    "Instance": "instance",
    "FileSystem": "efs",
    "LustreFileSystem": "fsx",
    "Bucket": "bucket",
    "Role": "role",
    "InstanceProfile": "instance-profile",
}
# A rule of a security group has tags, and goes with its group.
RULES = ("SecurityGroupIngressRule", "SecurityGroupEgressRule")


@pytest.fixture
def empty(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with pretended(monkeypatch), clock.use(Still()):
        yield


@pytest.fixture
def world(empty: None) -> World:
    return made(SMALL)


@pytest.fixture
def place() -> AwsPlace:
    return AwsPlace()


def placed(world: World, **more: str) -> Inventory:
    told = {key: value for key, value in world.stack.outputs.items() if isinstance(value, str)}
    return inventory(world.design, Path("/home/burst")).model_copy(
        update={"run_id": world.design.run.id, "place": {**told, **more}}
    )


def ids(resources: Any) -> set[tuple[str, str]]:
    return {(each.kind, each.id) for each in resources}


@pytest.mark.timeout(200)
def test_everything_of_a_run_is_seen_and_reaped_and_another_run_stays(empty: None, place: AwsPlace) -> None:
    other = made(SMALL, "other-abc234")
    theirs = ids(place.remains(other.session, "other-abc234"))
    whole = made(aws.TEXT)
    for group, market in (("cpu", "on-demand"), ("plain", "spot"), ("login", "on-demand")):
        launcher.launch([f"{group}-1", f"{group}-2"], whole.template(group), market, whole.session)
    found = place.remains(whole.session, "test-abc234")
    assert unseen(whole, found) == []
    assert {each.name for each in found if each.kind == "instance"} >= {
        "test-abc234-head",
        "test-abc234-cpu-1",
        "test-abc234-plain-2",
    }
    billed = [each.billed for each in found]
    assert billed == sorted(billed, reverse=True)
    assert {each.kind for each in found if each.billed} == {"instance", "volume", "address", "efs", "fsx", "bucket"}

    whole.session.client("s3").put_object(Bucket="test-abc234-bucket-0", Key="a/b", Body=b"x")
    assert place.reap(whole.session, found) == ()
    assert place.remains(whole.session, "test-abc234") == ()
    assert ids(place.remains(other.session, "other-abc234")) == theirs
    assert [each.run_id for each in place.runs(other.session)] == ["other-abc234"]


def unseen(world: World, found: Any) -> list[str]:
    seen = ids(found)
    wrong: list[str] = []
    for each in world.stack.resources:
        kind = each.type.rpartition(":")[2]
        if kind in SEEN and (SEEN[kind], each.id) not in seen:
            wrong.append(f"{each.type} {each.name} {each.id} is not seen")
        if kind not in SEEN and kind not in RULES and each.type not in PART_OF:
            wrong.append(f"{each.type} has no place in remains")
    return wrong


def test_a_gateway_and_its_address_are_seen_and_reaped(empty: None, place: AwsPlace) -> None:
    world = made(GATEWAY)
    found = place.remains(world.session, "test-abc234")
    assert unseen(world, found) == []
    assert [each.billed for each in found if each.kind == "nat-gateway"] == [True]
    assert place.reap(world.session, found) == ()
    assert place.remains(world.session, "test-abc234") == ()


def test_machines_end_with_the_head_first(world: World, place: AwsPlace) -> None:
    launcher.launch(["cpu-1", "cpu-2"], world.template("cpu"), "on-demand", world.session)
    ec2 = Saying(world.ec2, "terminate_instances")
    place.end_machines(Sessions(world.session, ec2=ec2), "test-abc234")
    assert world.machines() == {}
    assert [len(asked["InstanceIds"]) for asked in ec2.asked] == [1, 2]
    place.end_machines(world.session, "test-abc234")


def test_another_runs_machines_go_on(world: World, place: AwsPlace) -> None:
    place.end_machines(world.session, "test-abc")
    assert set(world.machines()) == {"test-abc234-head"}


def test_what_is_in_use_is_asked_for_again(world: World, place: AwsPlace) -> None:
    (group,) = [each for each in place.remains(world.session, "test-abc234") if each.name == "test-abc234-ssh"]
    busy = denied("DependencyViolation", "has a dependent object", "DeleteSecurityGroup")
    gone = denied("InvalidGroup.NotFound", operation="DeleteSecurityGroup")
    ec2 = Saying(world.ec2, "delete_security_group", busy, denied("RequestLimitExceeded"), gone)
    assert place.reap(Sessions(world.session, ec2=ec2), [group]) == ()
    assert len(ec2.asked) == 3


def test_what_stays_in_use_is_left(world: World, place: AwsPlace) -> None:
    vpc = next(each for each in place.remains(world.session, "test-abc234") if each.kind == "vpc")
    assert place.reap(world.session, [vpc]) == (vpc,)


def test_what_may_not_be_deleted_is_left_at_once(world: World, place: AwsPlace) -> None:
    vpc = Resource(kind="vpc", id="vpc-1", region="us-east-2")
    ec2 = Saying(world.ec2, "delete_vpc", denied("UnauthorizedOperation"))
    strange = Resource(kind="moon", id="1")
    assert place.reap(Sessions(world.session, ec2=ec2), [vpc, strange]) == (vpc, strange)
    assert len(ec2.asked) == 1


def test_what_has_gone_meanwhile_is_gone(world: World, place: AwsPlace) -> None:
    absent = [
        Resource(kind="vpc", id="vpc-00000000000000000"),
        Resource(kind="role", id="nobody"),
        Resource(kind="bucket", id="test-none"),
        Resource(kind="placement-group", id="none"),
        Resource(kind="efs", id="fs-00000000"),
    ]
    assert place.reap(world.session, absent) == ()


def test_every_kind_that_is_listed_can_be_reaped() -> None:
    staged = [kind for stage in reaping.STAGES for kind in stage]
    assert sorted(staged) == sorted(reaping._DELETE)
    assert set(listing._EC2) | set(SEEN.values()) <= set(staged)


def test_a_bucket_without_tags_is_the_runs_and_one_with_others_is_not(world: World, place: AwsPlace) -> None:
    s3, where = world.session.client("s3"), {"LocationConstraint": "us-east-2"}
    for name in ("test-abc234-bucket-0", "test-abc234-b-xyz789-bucket-0", "test-abc2345-bucket-0"):
        s3.create_bucket(Bucket=name, CreateBucketConfiguration=where)
    tag = {"Key": "burst-run", "Value": "test-abc234-b-xyz789"}
    s3.put_bucket_tagging(Bucket="test-abc234-b-xyz789-bucket-0", Tagging={"TagSet": [tag]})
    assert [each.id for each in place.remains(world.session, "test-abc234") if each.kind == "bucket"] == ["test-abc234-bucket-0"]


def test_a_run_is_known_by_the_last_of_its_roles(world: World, place: AwsPlace) -> None:
    found = place.remains(world.session, "test-abc234")
    assert place.reap(world.session, [each for each in found if each.kind != "role"]) == ()
    (run,) = place.runs(world.session)
    assert (run.run_id, run.owner, run.expires) == ("test-abc234", "ada", 1_800_000_000)


def test_the_console_is_the_machines(world: World, place: AwsPlace) -> None:
    said = place.console(world.session, placed(world), "head")
    assert said
    assert place.console(world.session, placed(world), "cpu-9") == ""
    old = Saying(world.ec2, "get_console_output", denied("UnsupportedOperation"), {"Output": "an old machine's"})
    assert place.console(Sessions(world.session, ec2=old), placed(world), "head") == "an old machine's"


def test_ssh_is_let_in_from_a_new_address_alone(world: World, place: AwsPlace) -> None:
    def open_to() -> list[str]:
        group = world.stack.outputs["firewall"]
        told = world.ec2.describe_security_group_rules(Filters=[{"Name": "group-id", "Values": [group]}])["SecurityGroupRules"]
        return [each["CidrIpv4"] for each in told if not each["IsEgress"]]

    assert open_to() == ["203.0.113.7/32"]
    place.allow(world.session, placed(world), ["198.51.100.9/32"])
    assert open_to() == ["198.51.100.9/32"]
    place.allow(world.session, placed(world), ["198.51.100.9/32"])
    assert open_to() == ["198.51.100.9/32"]


def test_the_tunnel_is_session_managers(world: World, place: AwsPlace) -> None:
    command = place.tunnel(placed(world))
    assert command[:3] == ("aws", "ssm", "start-session")
    assert {"AWS-StartSSHSession", world.stack.outputs["head_id"], "us-east-2", "portNumber=22"} <= set(command)


def test_a_session_is_one_that_aws_knows(world: World, place: AwsPlace, monkeypatch: pytest.MonkeyPatch) -> None:
    session = place.session("us-east-2")
    assert session.region_name == "us-east-2"
    assert place.configuration(session, world.design) == {"aws:region": "us-east-2"}
    told = place.environment(session)
    assert told["AWS_ACCESS_KEY_ID"]
    assert told["AWS_REGION"] == "us-east-2"


def test_without_credentials_it_says_how_to_log_in(empty: None, place: AwsPlace, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    assert not place.configured()
    with pytest.raises(Refused) as refused:
        place.session("us-east-2")
    assert refused.value.kind is Kind.AUTH
    assert "aws sso login" in refused.value.fix


def test_it_is_configured_by_a_variable_or_a_file(place: AwsPlace, monkeypatch: pytest.MonkeyPatch, folder: Any) -> None:
    monkeypatch.setenv("AWS_PROFILE", "mine")
    assert place.configured()
    monkeypatch.delenv("AWS_PROFILE")
    assert not place.configured()
    monkeypatch.setenv("AWS_CONFIG_FILE", str(folder / "config"))
    (folder / "config").write_text("[default]\nregion = eu-west-1\n")
    assert place.configured()
    assert place.region() == "eu-west-1"
    monkeypatch.setenv("AWS_REGION", "us-west-2")
    assert place.region() == "us-west-2"


def test_what_aws_denies_is_refused_with_its_words(world: World, place: AwsPlace) -> None:
    ec2 = Saying(world.ec2, "terminate_instances", denied("UnauthorizedOperation", "You are not authorized"))
    with pytest.raises(Refused) as refused:
        place.end_machines(Sessions(world.session, ec2=ec2), "test-abc234")
    assert refused.value.kind is Kind.AUTH
    assert "You are not authorized" in refused.value.why


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (
            "creating EC2 Instance: operation error EC2: RunInstances, https response error StatusCode: 500, RequestID: a-b, "
            "api error InsufficientInstanceCapacity: We currently do not have sufficient t3.medium capacity",
            ("CAPACITY", "InsufficientInstanceCapacity"),
        ),
        (
            "creating EC2 VPC: operation error EC2: CreateVpc, https response error StatusCode: 400, RequestID: a, "
            "api error VpcLimitExceeded: The maximum number of VPCs has been reached.",
            ("QUOTA", "VpcLimitExceeded"),
        ),
        (
            "creating IAM Role (x): operation error IAM: CreateRole, https response error StatusCode: 403, RequestID: a, "
            "api error AccessDenied: User: arn:aws:iam::1:user/x is not authorized to perform: iam:CreateRole",
            ("AUTH", "AccessDenied"),
        ),
        (
            "creating FSx for Lustre File System: operation error FSx: CreateFileSystem, https response error StatusCode: 400, "
            "RequestID: a-b-c, ServiceLimitExceeded: You have reached the limit",
            ("QUOTA", "ServiceLimitExceeded"),
        ),
        (
            "operation error EC2: X, exceeded maximum number of attempts, 25, api error RequestLimitExceeded: slow",
            ("THROTTLE", "RequestLimitExceeded"),
        ),
        ("No valid credential sources found. Please see https://…", ("AUTH", "NoCredentials")),
        ("dial tcp 1.2.3.4:443: connect: connection refused", ("TRANSIENT", "Connection")),
        ("api error InvalidParameterValue: no", ("CONFIG", "InvalidParameterValue")),
        ("the program has a mistake", None),
    ],
)
def test_errors_in_the_words_of_pulumis_provider(place: AwsPlace, words: str, found: tuple[str, str] | None) -> None:
    assert place.classify(words) == found


def test_the_target_is_the_shared_one() -> None:
    target = AwsTarget()
    assert target.name == "aws"
    assert target.patience > 0


def test_looking_at_the_target_loads_no_sdk(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [
        each
        for each in sys.modules
        if each.startswith(("boto3", "botocore", "provisioner.targets.aws", "provisioner.launch.aws"))
    ]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "boto3", None)
    monkeypatch.setitem(sys.modules, "botocore", None)
    import importlib

    module = importlib.import_module("provisioner.targets.aws.target")
    with pytest.raises(Exception, match="needs boto3") as refused:
        module.AwsTarget()._session("us-east-2")
    assert "burst-hpc[aws]" in refused.value.fix
