"""How Azure would answer its program, and where what it made is found."""

from __future__ import annotations

import base64
import gzip
from collections.abc import Iterator
from typing import Any

from ruamel.yaml import YAML

from tests.stacks.programs import Made, Stack

SUBSCRIPTION = "11111111-2222-3333-4444-555555555555"
OTHERS = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/others/providers"
VNET = f"{OTHERS}/Microsoft.Network/virtualNetworks/theirs"
IDENTITY = f"{OTHERS}/Microsoft.ManagedIdentity/userAssignedIdentities/theirs"
ACCOUNT = f"{OTHERS}/Microsoft.Storage/storageAccounts/theirs"
SHARE, CONTAINER = f"{ACCOUNT}/fileServices/default/shares/s", f"{ACCOUNT}/blobServices/default/containers/c"
LUSTRE = f"{OTHERS}/Microsoft.StorageCache/amlFilesystems/theirs"
# Type in Pulumi → (type in Azure, the input that is its name). What has no tags: `UNTAGGED`.
TYPES = {
    "resources:ResourceGroup": ("", "resourceGroupName"),
    "network:VirtualNetwork": ("Microsoft.Network/virtualNetworks", "virtualNetworkName"),
    "network:NetworkSecurityGroup": ("Microsoft.Network/networkSecurityGroups", "networkSecurityGroupName"),
    "network:RouteTable": ("Microsoft.Network/routeTables", "routeTableName"),
    "network:NatGateway": ("Microsoft.Network/natGateways", "natGatewayName"),
    "network:PublicIPAddress": ("Microsoft.Network/publicIPAddresses", "publicIpAddressName"),
    "network:BastionHost": ("Microsoft.Network/bastionHosts", "bastionHostName"),
    "network:NetworkInterface": ("Microsoft.Network/networkInterfaces", "networkInterfaceName"),
    "compute:VirtualMachine": ("Microsoft.Compute/virtualMachines", "vmName"),
    "compute:AvailabilitySet": ("Microsoft.Compute/availabilitySets", "availabilitySetName"),
    "compute:ProximityPlacementGroup": ("Microsoft.Compute/proximityPlacementGroups", "proximityPlacementGroupName"),
    "managedidentity:UserAssignedIdentity": ("Microsoft.ManagedIdentity/userAssignedIdentities", "resourceName"),
    "logic:Workflow": ("Microsoft.Logic/workflows", "workflowName"),
    "storage:StorageAccount": ("Microsoft.Storage/storageAccounts", "accountName"),
    "storage:FileShare": ("Microsoft.Storage/storageAccounts/fileServices/shares", "shareName"),
    "storage:BlobContainer": ("Microsoft.Storage/storageAccounts/blobServices/containers", "containerName"),
    "storagecache:AmlFilesystem": ("Microsoft.StorageCache/amlFilesystems", "amlFilesystemName"),
    "authorization:RoleDefinition": ("Microsoft.Authorization/roleDefinitions", "roleName"),
    "authorization:RoleAssignment": ("Microsoft.Authorization/roleAssignments", "roleAssignmentName"),
}
UNTAGGED = ("RoleDefinition", "RoleAssignment", "FileShare", "BlobContainer")
# The key by which Pulumi tells a secret from an object (pulumi.runtime.rpc).
SECRET = "4dabf18193072939515e22adb298388d"
WORLD = ("*", "Internet", "0.0.0.0/0", "::/0")


def create(kind: str, name: str, inputs: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """As Azure would: an id of its own, and what only Azure knows."""
    azure, key = TYPES.get(kind.removeprefix("azure-native:"), ("Unknown/unknown", ""))
    own = str(inputs.get(key) or name)
    group = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{inputs.get('resourceGroupName', own)}"
    if kind.endswith(":RoleDefinition"):
        where = f"/subscriptions/{SUBSCRIPTION}/providers/{azure}/{inputs['roleDefinitionId']}"
        return where, {"name": inputs["roleDefinitionId"]}
    if kind.endswith(":RoleAssignment"):
        return f"{inputs['scope']}/providers/{azure}/{own}", {"name": own}
    if kind.endswith((":FileShare", ":BlobContainer")):
        inside = azure.removeprefix("Microsoft.Storage/storageAccounts/").replace("/", "/default/")
        return f"{group}/providers/Microsoft.Storage/storageAccounts/{inputs['accountName']}/{inside}/{own}", {"name": own}
    more: dict[str, dict[str, Any]] = {
        "UserAssignedIdentity": {"clientId": f"client-of-{own}", "principalId": f"principal-of-{own}"},
        "PublicIPAddress": {"ipAddress": "198.51.100.7"},
        "Workflow": {"identity": {**_identities(inputs), "principalId": f"principal-of-{own}", "tenantId": "t"}},
        "VirtualMachine": {"identity": _identities(inputs)} if "identity" in inputs else {},
        "AmlFilesystem": {"clientInfo": _LUSTRE_CLIENT},
        "NetworkInterface": {
            "ipConfigurations": [{"privateIPAddress": "10.1.0.5", **c} for c in inputs.get("ipConfigurations", [])]
        },
    }
    return f"{group}/providers/{azure}/{own}" if azure else group, {"name": own, **more.get(kind.rpartition(":")[2], {})}


def _identities(inputs: dict[str, Any]) -> dict[str, Any]:
    """What Azure answers as a mapping is asked for as a list."""
    asked = inputs.get("identity") or {"type": "SystemAssigned"}
    return {"type": asked["type"], "userAssignedIdentities": {each: {} for each in asked.get("userAssignedIdentities", [])}}


_LUSTRE_CLIENT = {"mgsAddress": "10.0.2.4", "mountCommand": "", "lustreVersion": "", "containerStorageInterface": {}}


def call(function: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """The functions that a program asks."""
    answers: dict[str, dict[str, Any]] = {
        "getClientConfig": {"subscriptionId": SUBSCRIPTION, "clientId": "", "objectId": "", "tenantId": "t"},
        "getSubnet": {"addressPrefix": "10.1.0.0/24", "name": arguments.get("subnetName")},
        "getUserAssignedIdentity": {"clientId": "their-client", "principalId": "their-principal"},
        "getAmlFilesystem": {"clientInfo": {**_LUSTRE_CLIENT, "mgsAddress": "10.1.2.4"}},
    }
    return answers[function.rpartition(":")[2]]


def name_of(made: Made) -> str:
    return str(made.inputs[TYPES[made.type.removeprefix("azure-native:")][1]])


def templates(stack: Stack, *, login: bool = True) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """(group, market, template) of everything that may be launched."""
    for group, attempts in stack.outputs["attempts"].items():
        for attempt in attempts:
            if login or group != "login":
                yield group, attempt["market"], attempt["template"]


def interface(template: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = template["body"]["properties"]["networkProfile"]["networkInterfaceConfigurations"][0]
    return found


def os_profile(made: Made) -> dict[str, Any]:
    """The head's osProfile, which is a secret with all that is in it."""
    told: dict[str, Any] = made.inputs["osProfile"]
    found: dict[str, Any] = told["value"] if SECRET in told else told
    return found


def unpacked(user_data: str | bytes) -> dict[str, Any]:
    """A machine's user-data as cloud-init reads it; `files` by path."""
    content = base64.b64decode(user_data) if isinstance(user_data, str) else user_data
    told = YAML(typ="safe", pure=True).load(gzip.decompress(content).decode())
    files = {each["path"]: each for each in told["write_files"]}
    return {**told, "files": files}
