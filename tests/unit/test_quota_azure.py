"""Azure's quotas (targets/azure/quota.py): summed over the design, what is in use counted, alternatives and markets weighed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from azure_api import Azure
from azure_subscription import (
    CACHES,
    COMPUTE,
    FILE,
    NETWORK,
    ROOT,
    SKUS,
    STORAGE,
    agreeing,
    found,
    said,
    size,
    usage,
    usages,
)
from making import design

from provisioner.design.model import Design
from provisioner.findings import Finding

HEAD = "version: 1\nname: a\nhead: {instance: Standard_B2s}\n"


@pytest.fixture
def azure(monkeypatch: pytest.MonkeyPatch) -> Iterator[Azure]:
    with agreeing(monkeypatch) as server:
        yield server


def limit(azure: Azure, path: str = COMPUTE, **left: int) -> None:
    """So much is left of these, seven of each being in use; of the rest plenty."""
    kept = [each for each in azure.pages[path]["value"] if each["name"]["value"] not in left]
    azure.pages[path] = {"value": [*kept, *(usage(name, number + 7, 7) for name, number in left.items())]}


def found_of(azure: Azure, decided: Design) -> list[Finding]:
    return [each for each in found(azure, decided) if each.check == "quota"]


def groups(text: str) -> Design:
    return design(f"{HEAD}groups: {{{text}}}\n", "azure")


ONE = groups("cpu: {instance: Standard_D4s_v5, nodes: {min: 1, max: 4}}")


@pytest.mark.parametrize(
    ("left", "level"),
    [
        # One node of 4 vCPUs beside a head of 2; all four nodes are 16.
        ({"Standard_D4s_v5Family": 3}, "error"),
        ({"Standard_D4s_v5Family": 4}, "warning"),
        ({"Standard_D4s_v5Family": 15}, "warning"),
        ({"Standard_D4s_v5Family": 16}, None),
        ({"cores": 5}, "error"),
        ({"cores": 6}, "warning"),
        ({"cores": 18}, None),
        ({"Standard_B2sFamily": 1}, "error"),
        # A spot quota of nothing is nobody's business here.
        ({"lowPriorityCores": 0}, None),
        ({"virtualMachines": 1}, "error"),
        ({"virtualMachines": 4}, "warning"),
        ({"PremiumDiskCount": 0}, "error"),
        ({"StandardSSDDiskCount": 3}, "warning"),
    ],
)
def test_of_the_whole_design(azure: Azure, left: dict[str, int], level: str | None) -> None:
    limit(azure, **left)
    assert [each.level.value for each in found_of(azure, ONE)] == ([level] if level else [])


def test_families_are_written_in_several_ways(azure: Azure) -> None:
    azure.pages[SKUS]["value"].insert(0, {**size("Standard_D4s_v5"), "family": "standardDSv5Family"})
    azure.pages[SKUS]["value"] = [each for each in azure.pages[SKUS]["value"] if each.get("family") != "Standard_D4s_v5Family"]
    limit(azure, **{"Standard DSv5 Family": 3})
    ((_, message),) = said(azure, ONE, "quota")
    assert "Standard DSv5 Family: 4 vCPUs, 3 left" in message


def test_vcpus_are_the_types_own(azure: Azure) -> None:
    """Not what Slurm schedules: a type that is sold with fewer cores is counted with all of them."""
    constrained = size("Standard_D4s_v5", vCPUs="16", vCPUsAvailable="4")
    azure.pages[SKUS]["value"] = [constrained, size("Standard_B2s")]
    limit(azure, Standard_D4s_v5Family=15)
    assert found_of(azure, ONE)[0].level.value == "error"


def test_the_fix_is_a_command_with_the_new_limit(azure: Azure) -> None:
    limit(azure, Standard_D4s_v5Family=3)
    (finding,) = found_of(azure, ONE)
    assert finding.fix.startswith(
        f"az quota update --resource-name 'Standard_D4s_v5Family' --scope {ROOT}/providers/Microsoft.Compute/locations/eastus"
        " --limit-object value=11 --resource-type dedicated; or https://portal.azure.com/"
    )


def test_groups_are_summed(azure: Azure) -> None:
    """Each alone has room, both together have not."""
    limit(azure, Standard_D4s_v5Family=7)
    decided = groups("a: {instance: Standard_D4s_v5, nodes: 1}, b: {instance: Standard_D4s_v5, nodes: 1}")
    (finding,) = found_of(azure, decided)
    assert (finding.level.value, finding.message.partition(":")[0]) == ("error", "groups.b")
    assert "8 vCPUs, 7 left" in finding.message
    limit(azure, Standard_D4s_v5Family=8)
    assert found_of(azure, decided) == []


SEVERAL = "cpu: {instance: [Standard_D4s_v5, Standard_F8s_v2], nodes: 2"


def test_alternatives_are_an_error_where_none_has_room(azure: Azure) -> None:
    limit(azure, Standard_D4s_v5Family=7)
    (finding,) = found_of(azure, groups(f"{SEVERAL}}}"))
    assert finding.level.value == "warning"
    assert "Standard_F8s_v2 (on-demand) has room" in finding.message
    limit(azure, Standard_F8s_v2Family=15)
    (finding,) = found_of(azure, groups(f"{SEVERAL}}}"))
    assert finding.level.value == "error"
    assert "Standard_D4s_v5" in finding.message
    assert "Standard_F8s_v2" in finding.message


def test_what_is_not_offered_has_no_room(azure: Azure) -> None:
    azure.pages[SKUS]["value"] = [each for each in azure.pages[SKUS]["value"] if each["name"] != "Standard_D4s_v5"]
    limit(azure, Standard_F8s_v2Family=15)
    assert [each.level.value for each in found_of(azure, groups(f"{SEVERAL}}}"))] == ["error"]
    assert found_of(azure, groups("cpu: {instance: Standard_D4s_v5, nodes: 2}")) == []


def test_a_group_takes_the_first_with_room_as_the_launcher_does(azure: Azure) -> None:
    """What it takes is gone for the next one, which has nothing else."""
    limit(azure, Standard_D4s_v5Family=8)
    last = groups(f"{SEVERAL}}}, other: {{instance: Standard_D4s_v5, nodes: 2}}")
    assert [(each.level.value, each.message.partition(":")[0]) for each in found_of(azure, last)] == [("error", "groups.other")]
    first = groups(f"other: {{instance: Standard_D4s_v5, nodes: 2}}, {SEVERAL}}}")
    assert [(each.level.value, each.message.partition(":")[0]) for each in found_of(azure, first)] == [("warning", "groups.cpu")]


def test_spot_has_a_quota_of_its_own(azure: Azure) -> None:
    limit(azure, lowPriorityCores=7, Standard_D4s_v5Family=0, cores=2)
    only = groups("cpu: {instance: Standard_D4s_v5, nodes: 2, spot: only}")
    (finding,) = found_of(azure, only)
    assert (finding.level.value, "lowPriorityCores: 8 vCPUs, 7 left" in finding.message) == ("error", True)
    assert "--resource-type lowPriority" in finding.fix
    limit(azure, lowPriorityCores=8)
    assert found_of(azure, only) == []


@pytest.mark.parametrize(
    ("left", "level", "words"),
    [
        ({"lowPriorityCores": 7}, "warning", "Standard_D4s_v5 (on-demand) has room"),
        ({"lowPriorityCores": 8, "Standard_D4s_v5Family": 0}, None, ""),
        ({"lowPriorityCores": 7, "Standard_D4s_v5Family": 7}, "error", "Standard_D4s_v5Family: 8 vCPUs, 7 left"),
        ({"lowPriorityCores": 7, "cores": 9}, "error", "lowPriorityCores: 8 vCPUs, 7 left"),
    ],
)
def test_prefer_needs_room_on_one_market(azure: Azure, left: dict[str, int], level: str | None, words: str) -> None:
    limit(azure, **left)
    several = found_of(azure, groups("cpu: {instance: Standard_D4s_v5, nodes: 2, spot: prefer}"))
    assert [each.level.value for each in several] == ([level] if level else [])
    assert all(words in each.message for each in several)


def test_addresses_and_networks(azure: Azure) -> None:
    decided = design(f"{FILE}login: {{nodes: 2}}\nnetwork: {{egress: gateway}}\n", "azure")
    limit(azure, NETWORK, PublicIPAddresses=3, NatGateways=0)
    assert [each.message for each in found_of(azure, decided)] == [
        "4 of PublicIPAddresses are needed in eastus, 3 are left",
        "1 of NatGateways are needed in eastus, 0 are left",
    ]
    assert "--resource-type" not in found_of(azure, decided)[0].fix
    limit(azure, NETWORK, PublicIPAddresses=4, NatGateways=1)
    assert found_of(azure, decided) == []


def test_availability_sets_of_infiniband(azure: Azure) -> None:
    limit(azure, availabilitySets=1)
    decided = groups("ib: {instance: [Standard_HB120rs_v3, Standard_HB176rs_v4], nodes: 2}")
    assert [each.message for each in found_of(azure, decided)] == [
        "2 of availabilitySets are needed in eastus, 1 are left",
    ]
    assert found_of(azure, groups("ib: {instance: Standard_HB120rs_v3, nodes: 2}")) == []


def test_accounts_and_lustre_where_they_are_made(azure: Azure) -> None:
    limit(azure, STORAGE, StorageAccounts=1)
    limit(azure, CACHES, AmlFilesystem=0)
    assert found(azure) == []
    assert azure.requests("GET", "Microsoft.Storage") == []
    made = "filesystems: {/a: {type: managed-nfs, size: 100GiB}, /b: {type: bucket}, /c: {type: lustre, size: 4TiB}}\n"
    several = found_of(azure, design(f"{FILE}{made}", "azure"))
    assert [each.message for each in several] == [
        "2 of StorageAccounts are needed in eastus, 1 are left",
        "1 of AmlFilesystem are needed in eastus, 0 are left",
    ]
    assert "ask for more" in several[1].fix


def test_what_has_no_limit_is_not_counted(azure: Azure) -> None:
    azure.pages[COMPUTE] = usages(virtualMachines=-1)
    assert found_of(azure, ONE) == []
