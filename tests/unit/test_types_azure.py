"""Azure's machine types and images (targets/azure/sizes.py, images.py): offered, and what the design takes them for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from azure_api import Azure
from azure_subscription import OTHERS, ROOT, SKUS, agreeing, found, image, restricted, said, size
from making import design

HEAD = "version: 1\nname: a\nhead: {instance: Standard_B2s}\n"
SEVERAL = f"{HEAD}groups: {{cpu: {{instance: [Standard_D4s_v5, Standard_F8s_v2], nodes: 2}}}}\n"
ONE = f"{HEAD}groups: {{cpu: {{instance: Standard_D4s_v5, nodes: 2}}}}\n"
IB = f"{HEAD}groups: {{ib: {{instance: Standard_HB120rs_v3, nodes: 2}}}}\n"


@pytest.fixture
def azure(monkeypatch: pytest.MonkeyPatch) -> Iterator[Azure]:
    with agreeing(monkeypatch) as server:
        yield server


def offer(azure: Azure, *sizes: dict[str, Any]) -> None:
    """These instead of those of the same names."""
    names = {each["name"] for each in sizes}
    azure.pages[SKUS] = {"value": [*(each for each in azure.pages[SKUS]["value"] if each["name"] not in names), *sizes]}


def without(azure: Azure, *names: str) -> None:
    azure.pages[SKUS] = {"value": [each for each in azure.pages[SKUS]["value"] if each["name"] not in names]}


# --- types ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("text", "level"), [(ONE, "error"), (SEVERAL, "warning")])
def test_a_type_that_is_not_to_be_had(azure: Azure, text: str, level: str) -> None:
    offer(azure, size("Standard_D4s_v5", restrictions=[restricted("Location")]))
    assert said(azure, design(text, "azure"), "types") == [
        (level, "groups.cpu: in eastus Standard_D4s_v5 is restricted (NotAvailableForSubscription)")
    ]
    without(azure, "Standard_D4s_v5")
    assert said(azure, design(text, "azure"), "types") == [(level, "groups.cpu: in eastus Standard_D4s_v5 is not offered")]


def test_none_of_several_is_an_error(azure: Azure) -> None:
    without(azure, "Standard_D4s_v5")
    offer(azure, size("Standard_F8s_v2", restrictions=[restricted("Location", reason="QuotaId")]))
    ((level, message),) = said(azure, design(SEVERAL, "azure"), "types")
    assert level == "error"
    assert "Standard_D4s_v5 is not offered; Standard_F8s_v2 is restricted (QuotaId)" in message


def test_in_the_zone_that_was_chosen(azure: Azure) -> None:
    decided = design(SEVERAL, "azure").model_copy(update={"zone": "2"})
    assert said(azure, decided, "types") == []
    offer(azure, size("Standard_D4s_v5", ("1", "3")))
    offer(azure, size("Standard_F8s_v2", restrictions=[restricted("Zone", "2")]))
    ((level, message),) = said(azure, decided, "types")
    assert level == "error"
    assert "in zone 2 of eastus Standard_D4s_v5 is not offered in zone 2" in message
    assert "Standard_F8s_v2 is restricted in zone 2 (NotAvailableForSubscription)" in message
    # Without a zone Azure chooses one, where it has them.
    assert said(azure, design(SEVERAL, "azure"), "types") == []


def test_infiniband_is_in_no_zone(azure: Azure) -> None:
    offer(azure, size("Standard_HB120rs_v3", ()))
    assert said(azure, design(IB, "azure").model_copy(update={"zone": "2"}), "types") == []


@pytest.mark.parametrize(
    ("capability", "value", "words"),
    [
        ("vCPUs", "2", "has 2 vCPUs, not 4"),
        ("vCPUsAvailable", "2", "has 2 vCPUs, not 4"),
        ("MemoryGB", "8", "has 8 GiB of memory"),
        ("CpuArchitectureType", "Arm64", "is of architecture Arm64, not x86_64"),
        ("TrustedLaunchDisabled", "True", "takes no trusted launch"),
        ("vCPUs", "8", None),
        ("MemoryGB", "32", None),
        ("RdmaEnabled", "False", None),
    ],
)
def test_a_type_is_what_the_design_takes_it_for(azure: Azure, capability: str, value: str, words: str | None) -> None:
    offer(azure, size("Standard_D4s_v5", **{capability: value}))
    told = said(azure, design(ONE, "azure"), "types")
    assert [level for level, _ in told] == ([] if words is None else ["error"])
    assert words is None or words in told[0][1]


def test_infiniband_needs_rdma(azure: Azure) -> None:
    offer(azure, size("Standard_HB120rs_v3", RdmaEnabled="False"))
    assert "has no InfiniBand" in said(azure, design(IB, "azure"), "types")[0][1]
    assert said(azure, design(IB.replace("nodes: 2", "nodes: 2, fabric: never"), "azure"), "types") == []


def test_gpus(azure: Azure) -> None:
    offer(azure, size("Standard_NC96ads_A100_v4", GPUs="2"))
    text = f"{HEAD}groups: {{gpu: {{instance: Standard_NC96ads_A100_v4, nodes: 1}}}}\n"
    assert "has 2 GPUs, not 4" in said(azure, design(text, "azure"), "types")[0][1]


@pytest.mark.parametrize(("spot", "level"), [("only", "error"), ("prefer", "warning"), ("never", None)])
def test_a_type_that_cannot_be_spot(azure: Azure, spot: str, level: str | None) -> None:
    offer(azure, size("Standard_D4s_v5", LowPriorityCapable="False"))
    told = said(azure, design(ONE.replace("nodes: 2", f"nodes: 2, spot: {spot}"), "azure"), "types")
    assert [each for each, _ in told] == ([level] if level else [])


def test_the_heads_disk_is_premium(azure: Azure) -> None:
    offer(azure, size("Standard_B2s", PremiumIO="False"))
    assert "has no Premium SSD" in said(azure, design(ONE, "azure"), "types")[0][1]


def test_login_nodes_have_one_type(azure: Azure) -> None:
    without(azure, "Standard_D4s_v5")
    text = f"{HEAD}login: {{nodes: 1, instance: Standard_D4s_v5}}\ngroups: {{cpu: {{instance: Standard_F8s_v2, nodes: 1}}}}\n"
    assert said(azure, design(text, "azure"), "types")[0][1].startswith("login: ")


# --- images -----------------------------------------------------------------------------------------------------------

VERSIONS = (
    f"{ROOT}/providers/Microsoft.Compute/locations/eastus/publishers/Canonical/artifacttypes/vmimage/offers/ubuntu-24_04-lts"
    "/skus/server/versions"
)


def imaged(text: str, chosen: str) -> Any:
    return design(f"{text}image: {chosen}\n", "azure")


def test_each_image_is_asked_for_once(azure: Azure) -> None:
    assert found(azure, design(SEVERAL, "azure")) == []
    assert azure.requests("GET").count(f"{VERSIONS}/24.04.1") == 1


def test_an_image_that_the_region_has_not(azure: Azure) -> None:
    azure.pages[VERSIONS] = []
    told = said(azure, design(ONE, "azure"), "images")
    assert told == [("error", "image Canonical:ubuntu-24_04-lts:server:latest is not to be had in eastus")]
    del azure.pages[VERSIONS]
    assert said(azure, design(ONE, "azure"), "images") == told
    (finding,) = found(azure, imaged(ONE, "'p:o:s:1.2.3'"))
    assert (finding.message, finding.code) == ("image p:o:s:1.2.3 is not to be had in eastus", "id")
    assert finding.fix == "az vm image list --all --location eastus --publisher p --offer o"


def test_architecture_and_generation(azure: Azure) -> None:
    azure.pages[f"{VERSIONS}/24.04.1"] = image("server", architecture="Arm64")
    assert {message for _, message in said(azure, design(ONE, "azure"), "images")} == {
        f"image Canonical:ubuntu-24_04-lts:server:latest is for aarch64, {name} has x86_64"
        for name in ("Standard_B2s", "Standard_D4s_v5")
    }
    azure.pages[f"{VERSIONS}/24.04.1"] = image("server", hyperVGeneration="V2")
    offer(azure, size("Standard_D4s_v5", HyperVGenerations="V1"))
    ((level, message),) = said(azure, design(ONE, "azure"), "images")
    assert level == "error"
    assert "is of generation V2, Standard_D4s_v5 takes V1" in message


def test_an_image_that_is_sold(azure: Azure) -> None:
    plan = {"publisher": "Canonical", "name": "server", "product": "ubuntu"}
    azure.pages[f"{VERSIONS}/24.04.1"] = image("server", plan=plan)
    assert "is sold with a plan" in said(azure, design(ONE, "azure"), "images")[0][1]


def test_an_image_of_the_users_own(azure: Azure) -> None:
    own = f"{OTHERS}/Microsoft.Compute/images/mine"
    assert said(azure, imaged(ONE, own), "images") == [("error", f"image {own} is not there")]
    azure.pages[own] = {"id": own, "name": "mine", "location": "westus", "properties": {"hyperVGeneration": "V1"}}
    assert said(azure, imaged(ONE, own), "images") == [("error", f"image {own} is in westus, not in eastus")]
    azure.pages[own] |= {"location": "eastus"}
    assert said(azure, imaged(ONE, own), "images") == []
    assert "takes V2" in said(azure, imaged(IB, own), "images")[0][1]


def test_an_image_of_a_gallery(azure: Azure) -> None:
    definition = f"{OTHERS}/Microsoft.Compute/galleries/g/images/i"
    version = f"{definition}/versions/1.0.0"
    assert said(azure, imaged(ONE, version), "images") == [("error", f"image {version} is not there")]
    azure.pages[definition] = {"properties": {"architecture": "x64", "hyperVGeneration": "V2"}}
    assert said(azure, imaged(ONE, version), "images") == [("error", f"image {version} is not there")]
    azure.pages[version] = {"properties": {"publishingProfile": {"targetRegions": [{"name": "West US"}]}}}
    assert said(azure, imaged(ONE, version), "images") == [("error", f"image {version} is not in eastus, but in West US")]
    azure.pages[version]["properties"]["publishingProfile"]["targetRegions"].append({"name": "East US"})
    assert said(azure, imaged(ONE, version), "images") == []
    assert said(azure, imaged(ONE, definition), "images") == []
    azure.pages[definition]["properties"]["purchasePlan"] = {"name": "p"}
    assert "is sold with a plan" in said(azure, imaged(ONE, definition), "images")[0][1]


def test_an_image_of_a_community(azure: Azure) -> None:
    own = "/CommunityGalleries/g-1/Images/i/Versions/latest"
    assert said(azure, imaged(ONE, own), "images") == [("error", f"image {own} is not to be had in eastus")]
    azure.pages[f"{ROOT}/providers/Microsoft.Compute/locations/eastus/communityGalleries/g-1/images/i"] = {
        "name": "i",
        "location": "eastus",
        "properties": {
            "osType": "Linux",
            "osState": "Generalized",
            "identifier": {"publisher": "p", "offer": "o", "sku": "s"},
            "architecture": "Arm64",
            "hyperVGeneration": "V2",
        },
    }
    assert "is for aarch64" in said(azure, imaged(ONE, own), "images")[0][1]
