"""Azure's preflight (targets/azure/checks.py), against an Azure of the tests' own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import azure_api
import pytest
from azure_api import SUBSCRIPTION, Azure, always, refusal
from making import design

from provisioner.design.model import Design
from provisioner.findings import Finding, Level
from provisioner.targets.azure import checks
from provisioner.targets.azure.session import Caller
from provisioner.targets.azure.target import AzurePlace

ROOT = f"/subscriptions/{SUBSCRIPTION}"
FILE = "version: 1\nname: a\ngroups: {cpu: {instance: Standard_D4s_v5, nodes: {min: 1, max: 4}}}\n"
DESIGN = design(FILE, "azure")
VNET = f"{ROOT}/resourceGroups/others/providers/Microsoft.Network/virtualNetworks/theirs"


@pytest.fixture
def azure(monkeypatch: pytest.MonkeyPatch) -> Iterator[Azure]:
    with azure_api.serving(monkeypatch) as server:
        yield server
        assert server.wrong == []


@pytest.fixture
def caller(azure: Azure) -> Caller:
    return Caller(SUBSCRIPTION, "eastus", lambda: "token", azure.url, sleep=lambda seconds: None)


def size(name: str, cores: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "resourceType": "virtualMachines", "family": f"{name}Family", "restrictions": [], **more}


@pytest.fixture
def willing(azure: Azure) -> Azure:
    """An Azure that speaks against nothing."""
    azure.pages[f"{ROOT}/providers/Microsoft.Authorization/permissions"] = {"value": [{"actions": ["*"], "notActions": []}]}
    for name in ("Compute", "Network", "ManagedIdentity", "Logic", "Storage", "StorageCache"):
        azure.pages[f"{ROOT}/providers/Microsoft.{name}"] = {"registrationState": "Registered"}
    sizes = [size(name, "4") for name in ("Standard_D4s_v5", "Standard_B2s", "Standard_HB120rs_v3")]
    azure.pages[f"{ROOT}/providers/Microsoft.Compute/skus"] = {"value": sizes}
    usages = [usage("cores", 500), usage("lowPriorityCores", 100), usage("Standard_D4s_v5Family", 100)]
    azure.pages[f"{ROOT}/providers/Microsoft.Compute/locations/eastus/usages"] = {"value": usages}
    return azure


def usage(name: str, limit: int, used: int = 0) -> dict[str, Any]:
    return {"name": {"value": name}, "limit": limit, "currentValue": used}


def found(caller: Caller, decided: Design = DESIGN) -> dict[str, Finding]:
    return {finding.code: finding for finding in checks.preflight(caller, decided)}


def test_nothing_speaks_against_it(willing: Azure, caller: Caller) -> None:
    assert found(caller) == {}


def test_who_may_not_make_roles(willing: Azure, caller: Caller) -> None:
    contributor = {"actions": ["*"], "notActions": ["Microsoft.Authorization/*/Write", "Microsoft.Authorization/*/Delete"]}
    willing.pages[f"{ROOT}/providers/Microsoft.Authorization/permissions"] = {"value": [contributor]}
    assert found(caller)["identity"].level is Level.ERROR
    assert "identity" not in found(caller, design(f"{FILE}identity: none\n".replace("{min: 1, max: 4}", "2"), "azure"))
    contributor["notActions"] = []
    assert found(caller) == {}


def test_a_service_that_is_not_registered(willing: Azure, caller: Caller) -> None:
    willing.pages[f"{ROOT}/providers/Microsoft.Logic"] = {"registrationState": "NotRegistered"}
    del willing.pages[f"{ROOT}/providers/Microsoft.ManagedIdentity"]
    said = [f for f in checks.preflight(caller, DESIGN) if f.code == "provider"]
    assert [f.fix for f in said] == [
        f"az provider register --namespace Microsoft.{name} --wait" for name in ("ManagedIdentity", "Logic")
    ]


def test_a_type_that_is_not_to_be_had(willing: Azure, caller: Caller) -> None:
    restricted = [{"type": "Location", "reasonCode": "NotAvailableForSubscription"}]
    sizes = [size("Standard_D4s_v5", "4", restrictions=restricted), size("Standard_B2s", "2"), size("Standard_F8s_v2", "8")]
    willing.pages[f"{ROOT}/providers/Microsoft.Compute/skus"] = {"value": sizes}
    assert "NotAvailableForSubscription" in found(caller)["instance"].message
    assert found(caller)["instance"].level is Level.ERROR
    head = "head: {instance: Standard_B2s}\ngroups"
    several = design(FILE.replace("Standard_D4s_v5", "[Standard_D4s_v5, Standard_F8s_v2]").replace("groups", head), "azure")
    assert found(caller, several)["instance"].level is Level.WARNING


@pytest.mark.parametrize(
    ("limits", "level"),
    [({"Standard_D4s_v5Family": 3}, Level.ERROR), ({"Standard_D4s_v5Family": 15}, Level.WARNING), ({"cores": 5}, Level.ERROR)],
)
def test_quota_of_the_whole_design(willing: Azure, caller: Caller, limits: dict[str, int], level: Level) -> None:
    usages = [usage(name, limit + 7, 7) for name, limit in limits.items()]
    willing.pages[f"{ROOT}/providers/Microsoft.Compute/locations/eastus/usages"] = {"value": usages}
    assert found(caller)["quota"].level is level


def test_spot_has_a_quota_of_its_own(willing: Azure, caller: Caller) -> None:
    usages = [usage("lowPriorityCores", 3), usage("Standard_D4s_v5Family", 0), usage("cores", 10)]
    willing.pages[f"{ROOT}/providers/Microsoft.Compute/locations/eastus/usages"] = {"value": usages}
    text = FILE.replace("v5,", "v5, spot: only,").replace("groups", "head: {instance: Standard_B2s}\ngroups")
    assert "lowPriorityCores" in found(caller, design(text, "azure"))["quota"].message


def test_an_azure_that_does_not_say(willing: Azure, caller: Caller) -> None:
    willing.troubles.append(always(refusal(403, "AuthorizationFailed", "not yours"), "GET", "/usages"))
    assert (found(caller)["unchecked"].level, found(caller)["unchecked"].check) == (Level.ERROR, "quota")
    willing.troubles[0] = always(refusal(400, "InvalidParameter", "?"), "GET", "/usages")
    assert found(caller)["unchecked"].level is Level.WARNING


EXISTING = f"{FILE}network: {{id: {VNET}, subnet: theirs}}\n"


def vnet(**more: Any) -> dict[str, Any]:
    subnet = {"name": "theirs", "id": f"{VNET}/subnets/theirs", "properties": {"addressPrefix": "10.1.0.0/24", **more}}
    return {"location": "eastus", "properties": {"subnets": [subnet]}}


def test_an_existing_network(willing: Azure, caller: Caller) -> None:
    assert "is not there" in found(caller, design(EXISTING, "azure"))["network"].message
    willing.pages[VNET] = vnet()
    assert [f.level for f in found(caller, design(EXISTING, "azure")).values()] == [Level.INFO]
    willing.pages[VNET] = {**vnet(), "location": "westus"}
    assert "is in westus" in found(caller, design(EXISTING, "azure"))["network"].message
    willing.pages[VNET] = {**vnet(), "properties": {"subnets": []}}
    assert "no subnet theirs" in found(caller, design(EXISTING, "azure"))["network"].message
    stored = design(f"{EXISTING}filesystems: {{/data: {{type: bucket}}}}\n", "azure")
    willing.pages[VNET] = vnet()
    assert "--service-endpoints Microsoft.Storage" in found(caller, stored)["network"].fix
    willing.pages[VNET] = vnet(serviceEndpoints=[{"service": "Microsoft.Storage"}])
    assert found(caller, stored)["network"].level is Level.INFO


def test_an_identity_and_an_image_that_are_not_there(willing: Azure, caller: Caller) -> None:
    own = f"{ROOT}/resourceGroups/o/providers/Microsoft.ManagedIdentity/userAssignedIdentities/i"
    image = f"{ROOT}/resourceGroups/o/providers/Microsoft.Compute/images/i"
    decided = design(f"{FILE}identity: {own}\nimage: {image}\n", "azure")
    assert [f.code for f in checks.preflight(caller, decided)] == ["id", "id"]
    willing.pages |= {own: {}, image: {}}
    assert found(caller, decided) == {}


def test_what_needs_no_answer(willing: Azure, caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    fixed = FILE.replace("{min: 1, max: 4}", "2")
    nobody = design(f"{fixed}identity: none\n", "azure")
    assert found(caller, nobody)["expiry"].level is Level.WARNING
    bounded = DESIGN.model_copy(update={"identity": DESIGN.identity.model_copy(update={"boundary": "arn:x"})})
    assert found(caller, bounded)["identity"].level is Level.WARNING
    big = design(f"{FILE}filesystems: {{/big: {{size: 5TiB}}}}\n", "azure")
    assert found(caller, big)["head-disk"].level is Level.ERROR
    long = DESIGN.model_copy(update={"run": DESIGN.run.model_copy(update={"id": "r" * 60})})
    assert found(caller, long)["name"].level is Level.ERROR
    assert found(caller, design(f"{FILE}network: {{egress: gateway}}\n", "azure"))["gateway"].level is Level.INFO
    tunnel = design(f"{FILE}network: {{access: tunnel}}\n", "azure")
    monkeypatch.setattr("shutil.which", lambda name: None)
    assert [f.level for f in checks.preflight(caller, tunnel)] == [Level.ERROR, Level.INFO]
    monkeypatch.setattr("shutil.which", lambda name: "/usr/bin/az")
    assert found(caller, tunnel)["tunnel"].level is Level.INFO


def test_a_detached_run_s_container(willing: Azure, caller: Caller) -> None:
    decided = DESIGN.model_copy(update={"results": "https://theirs.blob.core.windows.net/results/x"})
    accounts = f"{ROOT}/providers/Microsoft.Storage/storageAccounts"
    account = f"{ROOT}/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/theirs"
    willing.pages[accounts] = {"value": []}
    assert "has no storage account theirs" in found(caller, decided)["results"].message
    willing.pages[accounts] = {"value": [{"id": account, "name": "Theirs"}]}
    assert "there is no container results" in found(caller, decided)["results"].message
    willing.pages[f"{account}/blobServices/default/containers/results"] = {}
    assert "results" not in found(caller, decided)
    told = AzurePlace().configuration(caller, decided)
    assert told["burst:results"] == f"{account}/blobServices/default/containers/results"
    assert "burst:results" not in AzurePlace().configuration(caller, DESIGN)
