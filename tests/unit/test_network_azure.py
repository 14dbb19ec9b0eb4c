"""Networks and filesystems that are there already (targets/azure/network.py, filesystems.py)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import azure_api
import pytest
from azure_api import Azure, Said, always
from azure_subscription import (
    EXISTING,
    FILE,
    OTHERS,
    SIZES_OF_LUSTRE,
    SUBNET,
    SUBNETS_OF_LUSTRE,
    VNET,
    agreeing,
    caller_of,
    found,
    said,
    subnet,
    taken,
    vnet,
)
from making import design

from provisioner.targets.azure import checks


@pytest.fixture
def azure(monkeypatch: pytest.MonkeyPatch) -> Iterator[Azure]:
    with agreeing(monkeypatch) as server:
        server.pages[VNET] = vnet(subnet())
        yield server


def network(azure: Azure, more: str = "") -> list[tuple[str, str]]:
    return said(azure, design(f"{EXISTING}{more}", "azure"), "network")


# --- network ----------------------------------------------------------------------------------------------------------


def test_a_network_that_is_there(azure: Azure) -> None:
    assert network(azure) == []
    azure.pages[VNET] = vnet(subnet(), location="westus")
    assert network(azure) == [("error", f"network.id: {VNET} is in westus, not in eastus")]
    azure.pages[VNET] = vnet()
    assert network(azure) == [("error", "network.subnet: the VNet has no subnet theirs")]
    del azure.pages[VNET]
    assert network(azure) == [("error", f"network.id: {VNET} is not there")]


def test_a_new_network_asks_nothing(azure: Azure) -> None:
    assert found(azure) == []
    assert azure.requests("GET", "/virtualNetworks/") == []


@pytest.mark.parametrize(
    ("prefix", "in_use", "level", "words"),
    [
        # /28 has 16 addresses, five of them Azure's own: head and four nodes take five of eleven.
        ("10.1.0.0/28", 6, None, ""),
        ("10.1.0.0/28", 7, "warning", "has 4 addresses left, 5 are needed"),
        ("10.1.0.0/28", 9, "warning", "has 2 addresses left, 5 are needed"),
        ("10.1.0.0/28", 10, "error", "has 1 addresses left, 2 are needed"),
        ("10.1.0.0/29", 0, "warning", "has 3 addresses left, 5 are needed"),
    ],
)
def test_room(azure: Azure, prefix: str, in_use: int, level: str | None, words: str) -> None:
    azure.pages[VNET] = vnet(subnet(addressPrefix=prefix, ipConfigurations=taken(in_use)))
    told = network(azure)
    assert [each for each, _ in told] == ([level] if level else [])
    assert all(words in message for _, message in told)


def test_room_of_several_ranges(azure: Azure) -> None:
    azure.pages[VNET] = vnet(
        {"name": "theirs", "id": SUBNET, "properties": {"addressPrefixes": ["10.1.0.0/29", "10.2.0.0/29", "fd00::/64"]}}
    )
    assert network(azure) == []


LUSTRE = "filesystems: {/scratch: {type: lustre, size: 16TiB}}\n"


def test_lustre_takes_addresses_of_the_same_subnet(azure: Azure) -> None:
    azure.pages[SUBNETS_OF_LUSTRE] = None
    azure.pages[VNET] = vnet(subnet(addressPrefix="10.1.0.0/27"))
    assert network(azure, LUSTRE) == [("warning", "subnet theirs has 27 addresses left, 29 are needed")]
    sized = {"sku": {"name": "AMLFS-Durable-Premium-125"}, "storageCapacityTiB": 16.0}
    bodies = {path: body for _, path, body in azure.asked if "StorageCache/" in path and body}
    assert bodies == {
        SIZES_OF_LUSTRE: sized,
        SUBNETS_OF_LUSTRE: {**sized, "filesystemSubnet": SUBNET, "location": "eastus"},
    }


def test_a_subnet_that_lustre_does_not_take(azure: Azure) -> None:
    wrong = {"filesystemSubnet": {"status": "Invalid", "message": "A subnet with a minimum size of /24 is required."}}
    azure.troubles.append(always(Said(400, wrong), "POST", "/checkAmlFSSubnets"))
    ((level, message),) = network(azure, LUSTRE)
    assert level == "error"
    assert message.endswith("A subnet with a minimum size of /24 is required.")
    azure.troubles[0] = always(azure_api.refusal(403, "AuthorizationFailed", "no"), "POST", "/checkAmlFSSubnets")
    assert network(azure, LUSTRE) == [("warning", "network could not be checked: AuthorizationFailed: no")]


def test_storage_is_reached_by_an_endpoint(azure: Azure) -> None:
    stored = "filesystems: {/data: {type: bucket}}\n"
    decided = design(f"{EXISTING}{stored}", "azure")
    (finding,) = [each for each in found(azure, decided) if each.check == "network"]
    assert finding.fix == f"az network vnet subnet update --ids {SUBNET} --service-endpoints Microsoft.Storage"
    azure.pages[VNET] = vnet(subnet(serviceEndpoints=[{"service": "Microsoft.Storage", "locations": ["eastus"]}]))
    assert network(azure, stored) == []


def test_a_delegated_subnet_takes_no_machine(azure: Azure) -> None:
    service = {"name": "d", "properties": {"serviceName": "Microsoft.Netapp/volumes"}}
    azure.pages[VNET] = vnet(subnet(delegations=[service]))
    assert network(azure) == [("error", "subnet theirs is delegated to Microsoft.Netapp/volumes: no machine can be in it")]


GROUP = f"{OTHERS}/Microsoft.Network/networkSecurityGroups/theirs"


def rule(priority: int, access: str, sources: str | list[str], port: str = "22", **more: Any) -> dict[str, Any]:
    several = isinstance(sources, list)
    told = {
        "priority": priority,
        "direction": "Inbound",
        "access": access,
        "protocol": "Tcp",
        "sourcePortRange": "*",
        "destinationAddressPrefix": "*",
        "destinationPortRange": port,
        "sourceAddressPrefixes" if several else "sourceAddressPrefix": sources,
        **more,
    }
    return {"name": f"r{priority}", "properties": told}


DENY_ALL = rule(65500, "Deny", "*", "*", protocol="*")


@pytest.mark.parametrize(
    ("rules", "open_to"),
    [
        ([], False),
        ([rule(100, "Allow", "203.0.113.0/24")], True),
        ([rule(100, "Allow", ["198.51.100.0/24", "203.0.113.0/24"], "20-25")], True),
        ([rule(100, "Allow", "Internet")], True),
        ([rule(100, "Allow", "VirtualNetwork")], False),
        ([rule(100, "Allow", "203.0.113.0/24", "443")], False),
        ([rule(100, "Allow", "203.0.113.7/32")], False),
        ([rule(200, "Allow", "*"), rule(100, "Deny", "*")], False),
        ([rule(200, "Deny", "*"), rule(100, "Allow", "*")], True),
        ([rule(100, "Allow", "*", direction="Outbound")], False),
        ([rule(100, "Allow", "*", protocol="Udp")], False),
    ],
)
def test_a_security_group_of_the_subnet(azure: Azure, rules: list[dict[str, Any]], open_to: bool) -> None:
    azure.pages[VNET] = vnet(subnet(networkSecurityGroup={"id": GROUP}))
    azure.pages[GROUP] = {"id": GROUP, "properties": {"securityRules": rules, "defaultSecurityRules": [DENY_ALL]}}
    text = EXISTING.replace("subnet: theirs", "subnet: theirs, ssh_from: [203.0.113.0/24]")
    told = [each for each in found(azure, design(text, "azure")) if each.check == "network"]
    assert [each.level.value for each in told] == ([] if open_to else ["error"])
    assert all("--nsg-name theirs" in each.fix and "203.0.113.0/24" in each.fix for each in told)
    tunnel = EXISTING.replace("subnet: theirs", "subnet: theirs, access: tunnel")
    assert said(azure, design(tunnel, "azure"), "network") == []


def test_whose_address_is_not_known_yet_is_warned(azure: Azure) -> None:
    azure.pages[VNET] = vnet(subnet(networkSecurityGroup={"id": GROUP}))
    azure.pages[GROUP] = {"id": GROUP, "properties": {"securityRules": [], "defaultSecurityRules": [DENY_ALL]}}
    assert [level for level, _ in network(azure)] == ["warning"]


# --- filesystems ------------------------------------------------------------------------------------------------------

ACCOUNT = f"{OTHERS}/Microsoft.Storage/storageAccounts/theirs"
SHARE, CONTAINER = f"{ACCOUNT}/fileServices/default/shares/s", f"{ACCOUNT}/blobServices/default/containers/c"
AML = f"{OTHERS}/Microsoft.StorageCache/amlFilesystems/theirs"
OPEN = {"defaultAction": "Allow", "bypass": "AzureServices", "virtualNetworkRules": [], "ipRules": []}
CLOSED = {**OPEN, "defaultAction": "Deny"}
LET_IN = {**CLOSED, "virtualNetworkRules": [{"id": SUBNET.upper(), "action": "Allow", "state": "Succeeded"}]}


def account(azure: Azure, location: str = "eastus", **properties: Any) -> None:
    told = {"networkAcls": LET_IN, "supportsHttpsTrafficOnly": False, "provisioningState": "Succeeded", **properties}
    azure.pages[ACCOUNT] = {"id": ACCOUNT, "name": "theirs", "location": location, "kind": "FileStorage", "properties": told}
    azure.pages[SHARE] = {"id": SHARE, "properties": {"enabledProtocols": "NFS", "shareQuota": 100}}
    azure.pages[CONTAINER] = {"id": CONTAINER, "properties": {"publicAccess": "None"}}


def lustre(azure: Azure, location: str = "eastus", health: str = "Available", **properties: Any) -> None:
    told = {
        "filesystemSubnet": f"{VNET}/subnets/lustre",
        "provisioningState": "Succeeded",
        "health": {"state": health, "statusDescription": "amlFilesystem is ok."},
        **properties,
    }
    azure.pages[AML] = {"id": AML, "name": "theirs", "location": location, "zones": ["1"], "properties": told}


def mounted(azure: Azure, kind: str, whole: str, file: str = EXISTING) -> list[tuple[str, str]]:
    return said(azure, design(f"{file}filesystems: {{/there: {{type: {kind}, id: '{whole}'}}}}\n", "azure"), "filesystems")


@pytest.mark.parametrize(("kind", "whole"), [("managed-nfs", SHARE), ("bucket", CONTAINER), ("lustre", AML)])
def test_what_is_there_and_let_in(azure: Azure, kind: str, whole: str) -> None:
    assert mounted(azure, kind, whole) == [("error", f"filesystems./there: {whole} is not there")]
    account(azure)
    lustre(azure)
    assert mounted(azure, kind, whole) == []
    del azure.pages[whole]
    assert mounted(azure, kind, whole) == [("error", f"filesystems./there: {whole} is not there")]
    account(azure, "westus")
    lustre(azure, "westus")
    ((level, message),) = mounted(azure, kind, whole)
    assert (level, "it is in westus" in message) == ("warning", True)


def test_an_nfs_server_cannot_be_seen(azure: Azure) -> None:
    assert [level for level, _ in mounted(azure, "nfs", "10.1.0.9:/export")] == ["info"]


def test_a_share_that_is_no_nfs(azure: Azure) -> None:
    account(azure, supportsHttpsTrafficOnly=True)
    azure.pages[SHARE]["properties"]["enabledProtocols"] = "SMB"
    smb, https = mounted(azure, "managed-nfs", SHARE)
    assert "speaks SMB, not NFS" in smb[1]
    assert "wants encryption" in https[1]
    assert mounted(azure, "bucket", CONTAINER) == []


@pytest.mark.parametrize(
    ("properties", "new", "existing"),
    [
        ({"networkAcls": OPEN}, None, None),
        ({"networkAcls": LET_IN}, "error", None),
        ({"networkAcls": CLOSED}, "error", "error"),
        ({"networkAcls": CLOSED, "privateEndpointConnections": [{"id": "p"}]}, "warning", "warning"),
        ({"networkAcls": LET_IN, "publicNetworkAccess": "Disabled"}, "error", "error"),
    ],
)
def test_an_accounts_network_rules(azure: Azure, properties: dict[str, Any], new: str | None, existing: str | None) -> None:
    account(azure, **properties)
    assert [level for level, _ in mounted(azure, "bucket", CONTAINER, FILE)] == ([new] if new else [])
    assert [level for level, _ in mounted(azure, "bucket", CONTAINER)] == ([existing] if existing else [])


def test_the_fix_lets_the_subnet_in(azure: Azure) -> None:
    account(azure, networkAcls=CLOSED)
    decided = design(f"{EXISTING}filesystems: {{/there: {{type: bucket, id: {CONTAINER}}}}}\n", "azure")
    (finding,) = [each for each in checks.preflight(caller_of(azure), decided) if each.check == "filesystems"]
    command = "az storage account network-rule add --resource-group others --account-name theirs --subnet"
    assert finding.fix == f"{command} {SUBNET}"


@pytest.mark.parametrize(
    ("health", "state", "level"),
    [
        ("Degraded", "Succeeded", "warning"),
        ("Unavailable", "Succeeded", "error"),
        ("Available", "Failed", "error"),
        ("Available", "Deleting", "error"),
        ("Available", "Updating", None),
    ],
)
def test_a_lustre_that_is_not_well(azure: Azure, health: str, state: str, level: str | None) -> None:
    lustre(azure, health=health, provisioningState=state)
    assert [each for each, _ in mounted(azure, "lustre", AML)] == ([level] if level else [])


def test_a_lustre_in_another_network(azure: Azure) -> None:
    lustre(azure, filesystemSubnet=f"{OTHERS}/Microsoft.Network/virtualNetworks/third/subnets/s")
    assert [level for level, _ in mounted(azure, "lustre", AML)] == ["warning"]
    assert [level for level, _ in mounted(azure, "lustre", AML, FILE)] == ["error"]
