"""provisioner/launch/aws.py on the templates that the stack made: all or none, EC2's errors by class, pauses, roll-backs."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from typing import Any

import pytest
from aws_world import Saying, Sessions, World, denied, made, pretended
from botocore.exceptions import EndpointConnectionError, NoCredentialsError, ReadTimeoutError

from provisioner.launch import aws as launcher

SMALL = """
version: 1
name: small
groups:
  cpu: {instance: [c7a.48xlarge, c7i.48xlarge], nodes: {min: 2, max: 8}}
  cheap: {instance: c7i.large, nodes: {min: 0, max: 2}, spot: prefer}
"""
FULL = {"ErrorCode": "InsufficientInstanceCapacity", "ErrorMessage": "We currently do not have sufficient capacity"}


@pytest.fixture(scope="module")
def one_stack() -> Iterator[World]:
    """Made once: it is the templates' that matter."""
    with pytest.MonkeyPatch.context() as patch, pretended(patch):
        yield made(SMALL)


@pytest.fixture
def world(one_stack: World) -> Iterator[World]:
    """With its head alone, before each test and after."""
    yield one_stack
    nodes = [each["InstanceId"] for name, each in one_stack.machines().items() if name != "test-abc234-head"]
    if nodes:
        one_stack.ec2.terminate_instances(InstanceIds=nodes)


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    slept: list[float] = []
    monkeypatch.setattr(launcher.time, "sleep", slept.append)
    return slept


def saying(world: World, call: str, *answers: Any) -> tuple[Sessions, Saying]:
    ec2 = Saying(world.ec2, call, *answers)
    return Sessions(world.session, ec2=ec2), ec2


def test_nodes_are_launched_by_name(world: World) -> None:
    addresses = launcher.launch(["cpu-1", "cpu-2"], world.template("cpu"), "on-demand", world.session)
    there = world.machines()
    assert {name: there[f"test-abc234-{name}"]["PrivateIpAddress"] for name in ("cpu-1", "cpu-2")} == addresses
    told = {each["Key"]: each["Value"] for each in there["test-abc234-cpu-1"]["Tags"]}
    assert told | {"burst-run": "test-abc234", "burst-owner": "ada", "burst-expires": "1800000000"} == told
    assert there["test-abc234-cpu-1"]["InstanceType"] == "c7a.48xlarge"


def test_the_fleet_is_all_or_none_in_one_zone(world: World) -> None:
    session, ec2 = saying(world, "create_fleet")
    launcher.launch(["cpu-1", "cpu-2"], world.template("cpu"), "on-demand", session)
    (asked,) = ec2.asked
    assert asked["Type"] == "instant"
    assert asked["OnDemandOptions"] == {"MinTargetCapacity": 2, "SingleAvailabilityZone": True, "SingleInstanceType": True}
    assert asked["TargetCapacitySpecification"] == {"TotalTargetCapacity": 2, "DefaultTargetCapacityType": "on-demand"}
    assert {each["ResourceType"] for each in asked["TagSpecifications"]} == {"fleet", "instance"}


def test_spot_is_asked_for_as_spot(world: World) -> None:
    session, ec2 = saying(world, "create_fleet")
    launcher.launch(["cheap-1"], world.template("cheap"), "spot", session)
    assert ec2.asked[0]["SpotOptions"]["MinTargetCapacity"] == 1
    assert "OnDemandOptions" not in ec2.asked[0]


def test_machines_of_the_same_names_are_ended_first(world: World) -> None:
    launcher.launch(["cpu-1", "cpu-2"], world.template("cpu"), "on-demand", world.session)
    before = world.machines()
    launcher.launch(["cpu-1"], world.template("cpu"), "on-demand", world.session)
    after = world.machines()
    assert after["test-abc234-cpu-2"]["InstanceId"] == before["test-abc234-cpu-2"]["InstanceId"]
    assert after["test-abc234-cpu-1"]["InstanceId"] != before["test-abc234-cpu-1"]["InstanceId"]
    assert len(after) == len(before)


def test_ending_ends_these_alone(world: World) -> None:
    launcher.launch(["cpu-1", "cpu-2"], world.template("cpu"), "on-demand", world.session)
    launcher.end(["cpu-1", "cpu-7"], world.template("cpu"), world.session)
    assert set(world.machines()) == {"test-abc234-head", "test-abc234-cpu-2"}


def test_another_runs_machine_of_that_name_stays(world: World) -> None:
    launcher.launch(["cpu-1"], world.template("cpu"), "on-demand", world.session)
    launcher.end(["cpu-1"], {**world.template("cpu"), "run": "other"}, world.session)
    assert "test-abc234-cpu-1" in world.machines()


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("InsufficientInstanceCapacity", "CAPACITY"),
        ("UnfulfillableCapacity", "CAPACITY"),
        ("Unsupported", "CAPACITY"),
        ("MaxSpotInstanceCountExceeded", "QUOTA"),
        ("VcpuLimitExceeded", "QUOTA"),
        ("Client.VolumeLimitExceeded", "QUOTA"),
        ("SomethingNewLimitExceeded", "QUOTA"),
        ("RequestLimitExceeded", "THROTTLE"),
        ("UnauthorizedOperation", "AUTH"),
        ("AuthFailure.ServiceLinkedRoleCreationNotPermitted", "AUTH"),
        ("InvalidParameterValue", "CONFIG"),
        ("Client.InvalidLaunchTemplateId.NotFound", "CONFIG"),
        ("Server.InternalError", "TRANSIENT"),
        ("Server.Whatever", "TRANSIENT"),
    ],
)
def test_errors_have_their_class(world: World, pauses: list[float], code: str, kind: str) -> None:
    told = {"ErrorCode": code, "ErrorMessage": "words of EC2"}
    session, _ = saying(world, "create_fleet", *[{"FleetId": "fleet-1", "Errors": [told], "Instances": []}] * 9)
    with pytest.raises(launcher.Refused, match="words of EC2") as refused:
        launcher.launch(["cpu-1"], world.template("cpu"), "on-demand", session)
    assert refused.value.kind == kind
    assert code in str(refused.value)
    assert bool(pauses) == (kind in ("THROTTLE", "TRANSIENT"))


def test_of_several_errors_the_real_reason_is_told(world: World) -> None:
    quota = {"ErrorCode": "VcpuLimitExceeded", "ErrorMessage": "you have requested more"}
    session, _ = saying(world, "create_fleet", {"FleetId": "f", "Errors": [FULL, quota], "Instances": []})
    with pytest.raises(launcher.Refused, match="VcpuLimitExceeded"):
        launcher.launch(["cpu-1"], world.template("cpu"), "on-demand", session)


def test_a_part_of_a_fleet_is_ended(world: World) -> None:
    def half(**asked: Any) -> Any:
        one = {**asked, "OnDemandOptions": {"MinTargetCapacity": 1}}
        one["TargetCapacitySpecification"] = {"TotalTargetCapacity": 1, "DefaultTargetCapacityType": "on-demand"}
        return {**world.ec2.create_fleet(**one), "Errors": [FULL]}

    session, _ = saying(world, "create_fleet", half)
    with pytest.raises(launcher.Refused, match="sufficient capacity") as refused:
        launcher.launch(["cpu-1", "cpu-2"], world.template("cpu"), "on-demand", session)
    assert refused.value.kind == "CAPACITY"
    assert set(world.machines()) == {"test-abc234-head"}


def test_nodes_that_cannot_be_named_are_ended(world: World) -> None:
    session, _ = saying(world, "create_tags", denied("UnauthorizedOperation"))
    with pytest.raises(launcher.Refused) as refused:
        launcher.launch(["cpu-1", "cpu-2"], world.template("cpu"), "on-demand", session)
    assert refused.value.kind == "AUTH"
    assert set(world.machines()) == {"test-abc234-head"}


def test_throttling_waits_and_goes_on(world: World, pauses: list[float]) -> None:
    slow = denied("RequestLimitExceeded", status=503)
    session, ec2 = saying(world, "create_fleet", slow, slow)
    assert len(launcher.launch(["cpu-1"], world.template("cpu"), "on-demand", session)) == 1
    assert pauses == [1.0, 2.0]
    assert len({asked["ClientToken"] for asked in ec2.asked}) == 1


def test_a_lost_answer_is_asked_for_with_the_same_token(world: World, pauses: list[float]) -> None:
    lost = ReadTimeoutError(endpoint_url="https://ec2", error="timed out")
    session, ec2 = saying(world, "create_fleet", lost, EndpointConnectionError(endpoint_url="https://ec2"))
    launcher.launch(["cpu-1"], world.template("cpu"), "on-demand", session)
    assert len({asked["ClientToken"] for asked in ec2.asked}) == 1
    assert len(ec2.asked) == 3


def test_a_fleet_that_answered_nothing_is_another_request(world: World, pauses: list[float]) -> None:
    busy = {"FleetId": "f", "Errors": [{"ErrorCode": "RequestLimitExceeded", "ErrorMessage": "slow"}], "Instances": []}
    session, ec2 = saying(world, "create_fleet", busy)
    launcher.launch(["cpu-1"], world.template("cpu"), "on-demand", session)
    assert len({asked["ClientToken"] for asked in ec2.asked}) == 2


def test_what_never_answers_is_transient(world: World, pauses: list[float]) -> None:
    down = EndpointConnectionError(endpoint_url="https://ec2")
    session, _ = saying(world, "create_fleet", *[down] * 20)
    with pytest.raises(launcher.Refused, match="does not answer") as refused:
        launcher.launch(["cpu-1"], world.template("cpu"), "on-demand", session)
    assert refused.value.kind == "TRANSIENT"
    assert sum(pauses) == 62.0


def test_a_gateways_page_is_transient(world: World, pauses: list[float]) -> None:
    session, _ = saying(world, "create_fleet", denied("502", "Bad Gateway", status=502))
    assert launcher.launch(["cpu-1"], world.template("cpu"), "on-demand", session)


def test_a_caller_who_is_denied_hears_so_at_once(world: World, pauses: list[float]) -> None:
    session, ec2 = saying(world, "create_fleet", denied("UnauthorizedOperation", status=403))
    with pytest.raises(launcher.Refused) as refused:
        launcher.launch(["cpu-1"], world.template("cpu"), "on-demand", session)
    assert refused.value.kind == "AUTH"
    assert (len(ec2.asked), pauses) == (1, [])


def test_a_heads_fresh_role_is_waited_for(world: World, pauses: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    new = (NoCredentialsError(), denied("UnauthorizedOperation", status=403))
    session, ec2 = saying(world, "create_fleet", *new)
    monkeypatch.setattr("boto3.session.Session", lambda: session)
    assert launcher.launch(["cpu-1"], world.template("cpu"))
    assert (len(ec2.asked), pauses) == (3, [1.0, 2.0])


def test_a_new_instance_is_known_only_after_a_while(world: World, pauses: list[float]) -> None:
    late = denied("InvalidInstanceID.NotFound", operation="CreateTags")
    session, _ = saying(world, "create_tags", late)
    assert launcher.launch(["cpu-1"], world.template("cpu"), "on-demand", session)
    assert "test-abc234-cpu-1" in world.machines()
    assert pauses == [1.0]


def test_more_nodes_than_one_fleet_may_have(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launcher, "_FLEET", 2)
    monkeypatch.setattr(launcher, "_FILTER", 2)
    names = [f"cpu-{i}" for i in range(1, 6)]
    session, ec2 = saying(world, "create_fleet")
    assert list(launcher.launch(names, world.template("cpu"), "on-demand", session)) == names
    assert [asked["OnDemandOptions"]["MinTargetCapacity"] for asked in ec2.asked] == [2, 2, 1]


def test_of_several_fleets_all_or_none(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launcher, "_FLEET", 1)
    session, _ = saying(world, "create_fleet", world.ec2.create_fleet, {"FleetId": "f", "Errors": [FULL], "Instances": []})
    with pytest.raises(launcher.Refused):
        launcher.launch(["cpu-1", "cpu-2"], world.template("cpu"), "on-demand", session)
    assert set(world.machines()) == {"test-abc234-head"}


def test_it_imports_the_standard_library_alone_until_it_is_called() -> None:
    tree = ast.parse(inspect.getsource(launcher))
    top = {
        n.module if isinstance(n, ast.ImportFrom) else n.names[0].name
        for n in tree.body
        if isinstance(n, ast.Import | ast.ImportFrom)
    }
    assert top <= {"__future__", "time", "uuid", "collections.abc", "concurrent.futures", "typing"}
