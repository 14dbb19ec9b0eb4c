"""Everything of a run in moto: seen, ended, deleted; and nothing of another run is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from aws_world import SEEN, Saying, Sessions, World, made, pretended
from making import Still

from provisioner import clock
from provisioner.launch import aws as launcher
from provisioner.targets.aws import listing, reaping
from provisioner.targets.aws.place import AwsPlace
from tests.stacks import aws
from tests.stacks.aws_rules import PART_OF

SMALL = "version: 1\nname: small\ngroups: {cpu: {instance: c7i.large, nodes: 2}}\n"
GATEWAY = SMALL + "network: {egress: gateway}\n"
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
    assert {each.kind for each in found if each.billed} == {"instance", "volume", "efs", "fsx", "bucket"}

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


def test_a_run_is_known_by_the_last_of_its_roles(world: World, place: AwsPlace) -> None:
    found = place.remains(world.session, "test-abc234")
    assert place.reap(world.session, [each for each in found if each.kind != "role"]) == ()
    (run,) = place.runs(world.session)
    assert (run.run_id, run.owner, run.expires) == ("test-abc234", "ada", 1_800_000_000)


def test_every_kind_that_is_listed_can_be_reaped() -> None:
    staged = [kind for stage in reaping.STAGES for kind in stage]
    assert sorted(staged) == sorted(reaping._DELETE)
    assert set(listing._EC2) | set(SEEN.values()) <= set(staged)
