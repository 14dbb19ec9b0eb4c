"""AWS's place on what the stack made in moto: sessions, consoles, the way in, refusals. test_reap_aws.py has what is left."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from aws_world import Saying, Sessions, World, credentials, denied, made, pretended
from making import Still, inventory

from provisioner import clock
from provisioner.errors import Kind, Refused
from provisioner.targets.aws.named import ASKED, named
from provisioner.targets.aws.place import AwsPlace
from provisioner.targets.aws.session import clients
from provisioner.targets.aws.target import AwsTarget
from provisioner.targets.base import Intent, Inventory, Resource

SMALL = "version: 1\nname: small\ngroups: {cpu: {instance: c7i.large, nodes: 2}}\n"


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """Made once: these tests leave it as it is, or nearly so."""
    with pytest.MonkeyPatch.context() as patch, pretended(patch):
        yield made(SMALL)


@pytest.fixture(autouse=True)
def _credentials(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    credentials(monkeypatch)
    with clock.use(Still()):
        yield


@pytest.fixture
def place() -> AwsPlace:
    return AwsPlace()


def placed(world: World, **more: str) -> Inventory:
    told = {key: value for key, value in world.stack.outputs.items() if isinstance(value, str)}
    return inventory(world.design, Path("/home/burst")).model_copy(
        update={"run_id": world.design.run.id, "place": {**told, **more}}
    )


def test_what_is_in_use_is_asked_for_again(world: World, place: AwsPlace) -> None:
    (group,) = [each for each in place.remains(world.session, "test-abc234") if each.name == "test-abc234-inside"]
    busy = denied("DependencyViolation", "has a dependent object", "DeleteSecurityGroup")
    gone = denied("InvalidGroup.NotFound", operation="DeleteSecurityGroup")
    ec2 = Saying(world.ec2, "delete_security_group", busy, denied("RequestLimitExceeded"), gone)
    assert place.reap(Sessions(world.session, ec2=ec2), [group]) == ()
    assert len(ec2.asked) == 3


def test_what_stays_in_use_is_left(world: World, place: AwsPlace) -> None:
    vpc = next(each for each in place.remains(world.session, "test-abc234") if each.kind == "vpc")
    (left,) = place.reap(world.session, [vpc])
    assert (left.id, left.why.partition(": The")[0]) == (vpc.id, "IN_USE: DependencyViolation")


def test_what_may_not_be_deleted_is_left_at_once(world: World, place: AwsPlace) -> None:
    vpc = Resource(kind="vpc", id="vpc-1", region="us-east-2")
    ec2 = Saying(world.ec2, "delete_vpc", denied("UnauthorizedOperation"))
    strange = Resource(kind="moon", id="1")
    left = place.reap(Sessions(world.session, ec2=ec2), [vpc, strange])
    assert [(each.id, each.why) for each in left] == [
        ("vpc-1", "AUTH: UnauthorizedOperation: no"),
        ("1", "CONFIG: nobody here knows how to delete it"),
    ]
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


def test_a_bucket_without_tags_is_the_runs_and_one_with_others_is_not(world: World, place: AwsPlace) -> None:
    s3, where = world.session.client("s3"), {"LocationConstraint": "us-east-2"}
    for name in ("test-abc234-bucket-0", "test-abc234-b-xyz789-bucket-0", "test-abc2345-bucket-0"):
        s3.create_bucket(Bucket=name, CreateBucketConfiguration=where)
    tag = {"Key": "burst-run", "Value": "test-abc234-b-xyz789"}
    s3.put_bucket_tagging(Bucket="test-abc234-b-xyz789-bucket-0", Tagging={"TagSet": [tag]})
    mine = Intent("aws:s3/bucket:Bucket", "test-abc234-bucket-0")
    found = place.remains(world.session, "test-abc234", [mine])
    assert [each.id for each in found if each.kind == "bucket"] == ["test-abc234-bucket-0"]
    found = place.remains(world.session, "test-abc234")
    assert [each.id for each in found if each.kind == "bucket"] == [], "nobody says whose it is"


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


def test_without_credentials_it_says_how_to_log_in(place: AwsPlace, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    assert not place.configured()
    with pytest.raises(Refused) as refused:
        place.session("us-east-2")
    assert refused.value.kind is Kind.AUTH
    assert "aws sso login" in refused.value.fix


def test_it_is_configured_by_a_variable_or_a_file(place: AwsPlace, monkeypatch: pytest.MonkeyPatch, folder: Any) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
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


def test_what_has_a_name_of_its_own_is_asked_for_by_it(world: World, place: AwsPlace) -> None:
    """Of everything that the program makes: exactly what a listing finds, and nothing of another's name."""
    intents = [Intent(each.type, str(each.inputs.get("name", each.name))) for each in world.stack.resources]
    absent = [Intent(kind, "test-abc234-never") for kind in ASKED]
    others = [Intent(intent.type, f"x{intent.name}") for intent in intents]
    found = list(named(clients(world.session), "test-abc234", [*intents, *absent, *others]))
    kinds = {kind for kind, _, _ in ASKED.values()} - {"placement-group"}
    listed = [each for each in place.remains(world.session, "test-abc234") if each.kind in kinds]
    assert {(each.kind, each.id) for each in found} == {(each.kind, each.id) for each in listed}
    assert {each.kind for each in found} == kinds
    assert place.remains(world.session, "test-abc234", intents) == place.remains(world.session, "test-abc234")


class Lagging:
    """A client whose listings have nothing yet."""

    def __init__(self, real: Any) -> None:
        self.real = real

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)

    def get_paginator(self, _: str) -> Any:
        return self

    def paginate(self, **_: Any) -> list[dict[str, Any]]:
        return []


def test_what_a_listing_does_not_have_yet_is_found_by_its_name(world: World, place: AwsPlace) -> None:
    lagging = Sessions(world.session, iam=Lagging(world.session.client("iam")))
    role = Intent("aws:iam/role:Role", "test-abc234-head")
    assert [each.id for each in place.remains(lagging, "test-abc234") if each.kind == "role"] == []
    assert [each.id for each in place.remains(lagging, "test-abc234", [role]) if each.kind == "role"] == ["test-abc234-head"]


def test_every_region_is_the_accounts_own(world: World, place: AwsPlace) -> None:
    regions = place.regions(world.session)
    assert "us-east-2" in regions
    assert len(regions) > 10


def test_a_run_is_in_the_region_that_tells_of_it(world: World, place: AwsPlace) -> None:
    here = {each.run_id: each.region for each in place.runs(world.session)}
    assert here["test-abc234"] == "us-east-2"
    far = {each.run_id: each.region for each in place.runs(boto3.session.Session("testing", "testing", region_name="eu-west-1"))}
    assert far["test-abc234"] == "", "its role is in no region"
