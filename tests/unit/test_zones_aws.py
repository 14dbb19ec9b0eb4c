"""Which zones offer a design on AWS, and in what order they are tried: with EC2's hint, and without."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from aws_account import PLAIN, Account, Service, nowhere, offering, subnet, zones
from aws_world import credentials, denied, pretended
from making import design

from provisioner.errors import Kind, Refused
from provisioner.targets.aws.place import AwsPlace
from provisioner.targets.base import Zone
from tests.stacks.aws_moto import session

SPOT = "version: 1\nname: s\ngroups: {{a: {{instance: {}, nodes: {}, spot: {}}}}}\n"
BOTH = "[hpc7a.96xlarge, c7a.48xlarge]"


def asked(text: str = PLAIN, zone: str | None = None, **instead: Any) -> tuple[tuple[Zone, ...], Service]:
    account = Account(**instead)
    decided = design(text, "aws").model_copy(update={"zone": zone})
    return AwsPlace().zones(account, decided), account.service


def names(text: str = PLAIN, **instead: Any) -> list[str]:
    return [each.name for each in asked(text, **instead)[0]]


def scores(**by_type: dict[str, int]) -> Any:
    """By the first type's family, and a zone's last letter; ids are EC2's. Another account's zone is told of, too."""
    ids = {zone["ZoneName"]: zone["ZoneId"] for zone in zones()["AvailabilityZones"]}

    def answer(InstanceTypes: list[str], **told: Any) -> Any:  # noqa: N803 - the API's names
        found = by_type.get(InstanceTypes[0].partition(".")[0], {})
        told_of = [{"AvailabilityZoneId": ids[f"us-east-2{letter}"], "Score": score} for letter, score in found.items()]
        return {"SpotPlacementScores": [{"AvailabilityZoneId": "use2-az9", "Score": 10}, *told_of]}

    return answer


def test_zones_by_name_where_nothing_is_known() -> None:
    found, service = asked()
    assert found == (Zone("us-east-2a"), Zone("us-east-2b"), Zone("us-east-2c"))
    assert "get_spot_placement_scores" not in service.asked


def test_only_those_that_are_up_and_have_a_type_for_each_group() -> None:
    assert names(describe_availability_zones=zones(a="impaired")) == ["us-east-2b", "us-east-2c"]
    assert names(describe_instance_type_offerings=offering("c7i.48xlarge@us-east-2b")) == ["us-east-2a", "us-east-2c"]
    assert names(describe_instance_type_offerings=nowhere("c7i.48xlarge")) == []
    abroad = zones()
    abroad["AvailabilityZones"][0]["OptInStatus"] = "not-opted-in"
    assert names(describe_availability_zones=abroad) == ["us-east-2b", "us-east-2c"]


def test_what_is_preferred_comes_first() -> None:
    text = SPOT.format(BOTH, 1, "never")
    lacking = offering("hpc7a.96xlarge@us-east-2a", "hpc7a.96xlarge@us-east-2b", "c7a.48xlarge@us-east-2c")
    assert names(text, describe_instance_type_offerings=lacking) == ["us-east-2c", "us-east-2a", "us-east-2b"]
    lacking = offering("c7a.48xlarge@us-east-2a")
    assert names(text, describe_instance_type_offerings=lacking) == ["us-east-2b", "us-east-2c", "us-east-2a"]


def test_the_hint_comes_before_what_is_preferred() -> None:
    found, service = asked(
        SPOT.format(BOTH, "{min: 2, max: 8}", "prefer"),
        get_spot_placement_scores=scores(c7a={"a": 3, "b": 7, "c": 7}),
        describe_instance_type_offerings=offering("hpc7a.96xlarge@us-east-2a", "hpc7a.96xlarge@us-east-2b"),
    )
    assert found == (
        Zone("us-east-2c", 0.7, "spot placement score 7 of 10"),
        Zone("us-east-2b", 0.7, "spot placement score 7 of 10"),
        Zone("us-east-2a", 0.3, "spot placement score 3 of 10"),
    )
    (told,) = service.asked["get_spot_placement_scores"]
    assert told == {
        "InstanceTypes": ["c7a.48xlarge"],
        "TargetCapacity": 2,
        "SingleAvailabilityZone": True,
        "RegionNames": ["us-east-2"],
    }, "hpc types are never sold as spot machines"


def test_an_elastic_group_asks_for_what_it_may_grow_to() -> None:
    _, service = asked(SPOT.format("c7i.large", "{min: 0, max: 8}", "only"), get_spot_placement_scores=scores())
    assert [each["TargetCapacity"] for each in service.asked["get_spot_placement_scores"]] == [8]


def test_of_several_groups_the_least_counts() -> None:
    text = "version: 1\nname: s\ngroups:\n" + "".join(
        f"  {kind}: {{instance: {kind}.48xlarge, nodes: 1, spot: {spot}}}\n"
        for kind, spot in (("c7i", "prefer"), ("c7a", "only"), ("p5", "never"))
    )
    found, service = asked(text, get_spot_placement_scores=scores(c7i={"a": 9, "b": 5, "c": 8}, c7a={"a": 2, "b": 6}))
    assert [(each.name, each.hint) for each in found] == [("us-east-2b", 0.5), ("us-east-2a", 0.2), ("us-east-2c", None)]
    assert len(service.asked["get_spot_placement_scores"]) == 2


@pytest.mark.parametrize(
    "problem",
    [denied("UnauthorizedOperation"), denied("RequestLimitExceeded"), denied("MaxConfigLimitExceeded"), NotImplementedError()],
)
def test_a_hint_that_is_refused_is_none(problem: Exception) -> None:
    found, _ = asked(SPOT.format("c7i.large", 1, "prefer"), get_spot_placement_scores=problem)
    assert found == (Zone("us-east-2a"), Zone("us-east-2b"), Zone("us-east-2c"))


def test_groups_are_asked_of_side_by_side() -> None:
    both = threading.Barrier(2, timeout=60)

    def hold(call: str) -> None:
        if call == "get_spot_placement_scores":
            both.wait()

    text = "version: 1\nname: s\ngroups:\n" + "".join(
        f"  {kind}: {{instance: {kind}.48xlarge, nodes: 1, spot: prefer}}\n" for kind in ("c7i", "c7a")
    )
    answers = scores(c7i={"a": 1, "b": 1, "c": 1}, c7a={"a": 1, "b": 1, "c": 1})
    found = AwsPlace().zones(Account(hold, get_spot_placement_scores=answers), design(text, "aws"))
    assert {each.hint for each in found} == {0.1}, "a barrier that broke would have meant none"


def test_where_there_is_no_choice_that_zone_alone() -> None:
    there = PLAIN + "network: {id: vpc-1, subnet: subnet-1}\n"
    assert names(there) == ["us-east-2b"]
    assert names(there, describe_instance_type_offerings=offering("c7i.48xlarge@us-east-2b")) == []
    assert names(there, describe_subnets={"Subnets": []}) == []
    assert names(zone="us-east-2c") == ["us-east-2c"]
    assert names(there, describe_subnets=subnet(AvailabilityZone="us-east-2-chi-1a")) == []


def test_who_may_not_ask_is_refused() -> None:
    with pytest.raises(Refused) as refused:
        asked(describe_availability_zones=denied("UnauthorizedOperation", "You are not authorized"))
    assert refused.value.kind is Kind.AUTH


def test_in_moto_without_its_scores(monkeypatch: pytest.MonkeyPatch) -> None:
    """hpc7a is in us-east-2b alone; moto knows no score, which is no error."""
    credentials(monkeypatch)
    with pretended(monkeypatch):
        place = AwsPlace()
        assert [z.name for z in place.zones(session(), design(SPOT.format(BOTH, 1, "prefer"), "aws"))] == [
            "us-east-2b",
            "us-east-2a",
            "us-east-2c",
        ]
        assert [z.name for z in place.zones(session(), design(SPOT.format("hpc7a.96xlarge", 1, "never"), "aws"))] == [
            "us-east-2b"
        ]
