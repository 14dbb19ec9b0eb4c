"""Azure's availability zones (targets/azure/zones.py): those that have everything, by what Azure says of spot machines."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from azure_api import Azure, Said, always, refusal
from azure_subscription import ROOT, SKUS, agreeing, caller_of, restricted, size
from making import design

from provisioner.errors import Kind, Refused
from provisioner.targets.azure.target import AzurePlace
from provisioner.targets.base import Zone

HEAD = "version: 1\nname: a\nhead: {instance: Standard_B2s}\n"


@pytest.fixture
def azure(monkeypatch: pytest.MonkeyPatch) -> Iterator[Azure]:
    with agreeing(monkeypatch) as server:
        yield server


def offer(azure: Azure, **zones: tuple[str, ...] | dict[str, Any]) -> None:
    """Types with these zones, or whole."""
    azure.pages[SKUS] = {"value": [size(name, told) if isinstance(told, tuple) else told for name, told in zones.items()]}


def zones(azure: Azure, groups: str, more: str = "") -> tuple[Zone, ...]:
    return AzurePlace().zones(caller_of(azure), design(f"{HEAD}{more}groups: {{{groups}}}\n", "azure"))


ONE = "cpu: {instance: Standard_D4s_v5, nodes: 2}"
SEVERAL = "cpu: {instance: [Standard_D4s_v5, Standard_F8s_v2], nodes: 2"


def names(told: tuple[Zone, ...]) -> list[str]:
    return [zone.name for zone in told]


def test_by_name_where_nothing_else_is_known(azure: Azure) -> None:
    assert zones(azure, ONE) == (Zone("1"), Zone("2"), Zone("3"))
    # Nobody is asked of spot machines' chances where there are none.
    assert azure.requests("POST") == []


def test_head_and_one_type_of_each_group(azure: Azure) -> None:
    offer(azure, Standard_B2s=("1", "2", "3"), Standard_D4s_v5=("1",), Standard_F8s_v2=("2",))
    assert names(zones(azure, ONE)) == ["1"]
    assert names(zones(azure, f"{SEVERAL}}}")) == ["1", "2"]
    assert names(zones(azure, f"{ONE}, other: {{instance: Standard_F8s_v2, nodes: 1}}")) == []
    offer(azure, Standard_B2s=("2",), Standard_D4s_v5=("1", "2"), Standard_F8s_v2=("3",))
    assert names(zones(azure, ONE)) == ["2"]
    assert names(zones(azure, ONE, "login: {nodes: 1, instance: Standard_F8s_v2}\n")) == []


def test_what_is_preferred_comes_first(azure: Azure) -> None:
    offer(azure, Standard_B2s=("1", "2", "3"), Standard_D4s_v5=("2", "3"), Standard_F8s_v2=("1", "3"))
    assert names(zones(azure, f"{SEVERAL}}}")) == ["3", "2", "1"]


def test_restrictions_of_a_zone_and_of_the_region(azure: Azure) -> None:
    offer(
        azure, Standard_B2s=("1", "2", "3"), Standard_D4s_v5=size("Standard_D4s_v5", restrictions=[restricted("Zone", "1", "3")])
    )
    assert names(zones(azure, ONE)) == ["2"]
    offer(azure, Standard_B2s=("1", "2"), Standard_D4s_v5=size("Standard_D4s_v5", restrictions=[restricted("Location")]))
    assert names(zones(azure, ONE)) == []


def test_a_region_without_zones(azure: Azure) -> None:
    offer(azure, Standard_B2s=(), Standard_D4s_v5=())
    assert zones(azure, ONE) == ()


def test_infiniband_is_in_no_zone(azure: Azure) -> None:
    assert zones(azure, "ib: {instance: Standard_HB120rs_v3, nodes: 2}") == ()
    assert azure.asked == []
    assert names(zones(azure, "ib: {instance: Standard_HB120rs_v3, nodes: 2, fabric: never}")) == ["1", "2", "3"]


# --- hints ------------------------------------------------------------------------------------------------------------


def test_the_likeliest_first(azure: Azure) -> None:
    azure.scores = {("Standard_D4s_v5", "1"): "Low", ("Standard_D4s_v5", "2"): "Medium", ("Standard_D4s_v5", "3"): "High"}
    told = zones(azure, ONE.replace("nodes: 2", "nodes: 2, spot: prefer"))
    assert told == (
        Zone("3", 0.9, "High (cpu: Standard_D4s_v5)"),
        Zone("2", 0.5, "Medium (cpu: Standard_D4s_v5)"),
        Zone("1", 0.1, "Low (cpu: Standard_D4s_v5)"),
    )
    ((_, path, body),) = [each for each in azure.asked if each[0] == "POST"]
    assert path == f"{ROOT}/providers/Microsoft.Compute/locations/eastus/placementScores/spot/generate"
    assert body == {
        "desiredLocations": ["eastus"],
        "desiredSizes": [{"sku": "Standard_D4s_v5"}],
        "desiredCount": 2,
        "availabilityZones": True,
    }


def test_the_worst_of_the_groups_and_the_best_of_their_types(azure: Azure) -> None:
    azure.scores = {
        ("Standard_D4s_v5", "1"): "Low",
        ("Standard_F8s_v2", "1"): "High",
        ("Standard_D4s_v5", "2"): "High",
        ("Standard_F8s_v2", "2"): "High",
    }
    several, other = f"{SEVERAL}, spot: only}}", "other: {instance: Standard_D4s_v5, nodes: {min: 0, max: 4}, spot: prefer}"
    assert [(zone.name, zone.hint) for zone in zones(azure, several)][:2] == [("1", 0.9), ("2", 0.9)]
    told = zones(azure, f"{several}, {other}")
    assert [(zone.name, zone.hint) for zone in told] == [("2", 0.9), ("1", 0.1), ("3", None)]
    assert told[1].said == "High (cpu: Standard_F8s_v2), Low (other: Standard_D4s_v5)"


def test_a_type_that_the_zone_has_not_says_nothing_of_it(azure: Azure) -> None:
    azure.scores = {("Standard_D4s_v5", "1"): "High", ("Standard_F8s_v2", "1"): "Low"}
    offer(azure, Standard_B2s=("1",), Standard_D4s_v5=("2",), Standard_F8s_v2=("1",))
    assert [(zone.name, zone.hint) for zone in zones(azure, f"{SEVERAL}, spot: only}}")] == [("1", 0.1)]


def test_only_types_that_the_region_has_are_asked_for(azure: Azure) -> None:
    azure.scores = {}
    offer(azure, Standard_B2s=("1",), Standard_F8s_v2=("1",))
    assert names(zones(azure, f"{SEVERAL}, spot: only}}")) == ["1"]
    ((_, _, body),) = [each for each in azure.asked if each[0] == "POST"]
    assert body["desiredSizes"] == [{"sku": "Standard_F8s_v2"}]


@pytest.mark.parametrize("score", ["DataNotFoundOrStale", "RestrictedSkuNotAvailable", "Wonderful"])
def test_a_word_without_a_figure_is_no_hint(azure: Azure, score: str) -> None:
    azure.scores = {("Standard_D4s_v5", "1"): score, ("Standard_D4s_v5", "3"): "Low"}
    told = zones(azure, ONE.replace("nodes: 2", "nodes: 2, spot: only"))
    assert [(zone.name, zone.hint, zone.said) for zone in told] == [
        ("3", 0.1, "Low (cpu: Standard_D4s_v5)"),
        ("1", None, ""),
        ("2", None, ""),
    ]


@pytest.mark.parametrize(
    "refused", [refusal(403, "AuthorizationFailed"), refusal(429, "TooManyRequests", retry_after="3600"), Said(200, drop=True)]
)
def test_a_refusal_means_no_hint_and_is_not_repeated(azure: Azure, refused: Said) -> None:
    azure.troubles.append(always(refused, "POST", "/placementScores/"))
    told = zones(azure, ONE.replace("nodes: 2", "nodes: 2, spot: prefer"))
    assert told == (Zone("1"), Zone("2"), Zone("3"))
    assert len(azure.requests("POST")) == 1


def test_no_more_types_than_a_request_takes(azure: Azure) -> None:
    azure.scores = {}
    many = "[Standard_D4s_v5, Standard_D4s_v6, Standard_D64s_v6, Standard_D96s_v5, Standard_F8s_v2, Standard_F72s_v2]"
    zones(azure, f"cpu: {{instance: {many}, nodes: 1, spot: only}}")
    ((_, _, body),) = [each for each in azure.asked if each[0] == "POST"]
    assert len(body["desiredSizes"]) == 5


def test_a_place_that_may_not_be_asked(azure: Azure) -> None:
    azure.troubles.append(always(refusal(403, "AuthorizationFailed", "not yours"), "GET", "/skus"))
    with pytest.raises(Refused, match="list the zones") as raised:
        zones(azure, ONE)
    assert raised.value.kind is Kind.AUTH
