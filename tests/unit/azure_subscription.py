"""A subscription that speaks against nothing, in the shapes that Azure documents; each test takes something away."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest
from azure.mgmt.compute import models as compute_models
from azure.mgmt.network import models as network_models
from azure_api import SUBSCRIPTION, Azure, serving
from azure_models import misshapen
from making import design

from provisioner.catalog.table import bundled
from provisioner.design.model import Design
from provisioner.findings import Finding
from provisioner.targets.azure import checks
from provisioner.targets.azure.session import Caller

ROOT = f"/subscriptions/{SUBSCRIPTION}"
OTHERS = f"{ROOT}/resourceGroups/others/providers"
FILE = "version: 1\nname: a\ngroups: {cpu: {instance: Standard_D4s_v5, nodes: {min: 1, max: 4}}}\n"
DESIGN = design(FILE, "azure")
VNET = f"{OTHERS}/Microsoft.Network/virtualNetworks/theirs"
SUBNET = f"{VNET}/subnets/theirs"
EXISTING = f"{FILE}network: {{id: {VNET}, subnet: theirs}}\n"
SKUS = f"{ROOT}/providers/Microsoft.Compute/skus"
COMPUTE = f"{ROOT}/providers/Microsoft.Compute/locations/eastus/usages"
NETWORK = f"{ROOT}/providers/Microsoft.Network/locations/eastus/usages"
STORAGE = f"{ROOT}/providers/Microsoft.Storage/locations/eastus/usages"
CACHES = f"{ROOT}/providers/Microsoft.StorageCache/locations/eastus/usages"
PERMISSIONS = f"{ROOT}/providers/Microsoft.Authorization/permissions"
SIZES_OF_LUSTRE = f"{ROOT}/providers/Microsoft.StorageCache/getRequiredAmlFSSubnetsSize"
SUBNETS_OF_LUSTRE = f"{ROOT}/providers/Microsoft.StorageCache/checkAmlFSSubnets"
_PUBLISHERS = f"{ROOT}/providers/Microsoft.Compute/locations/eastus/publishers"


def caller_of(azure: Azure) -> Caller:
    return Caller(SUBSCRIPTION, "eastus", lambda: "token", azure.url, sleep=lambda seconds: None)


def size(name: str, zones: tuple[str, ...] = ("1", "2", "3"), **more: Any) -> dict[str, Any]:
    """A type of "Resource Skus - List", as the catalogue knows it; `more` are capabilities, or `restrictions`."""
    known = bundled().named(name)
    assert known is not None
    told = {
        "vCPUs": str(known.vcpus),
        "vCPUsAvailable": str(known.vcpus),
        "GPUs": str(known.gpus),
        "MemoryGB": f"{known.memory_mib / 1024:g}",
        "HyperVGenerations": "V2" if known.fabric else "V1,V2",
        "CpuArchitectureType": "x64",
        "LowPriorityCapable": str(not known.fabric),
        "PremiumIO": "True",
        "RdmaEnabled": str(bool(known.fabric)),
    }
    restrictions = more.pop("restrictions", [])
    return {
        "resourceType": "virtualMachines",
        "name": name,
        "tier": "Standard",
        "family": f"{name}Family",
        "locations": ["eastus"],
        "locationInfo": [{"location": "eastus", "zones": list(zones), "zoneDetails": []}],
        "capabilities": [{"name": key, "value": value} for key, value in (told | more).items()],
        "restrictions": restrictions,
    }


def restricted(kind: str, *zones: str, reason: str = "NotAvailableForSubscription") -> dict[str, Any]:
    """A restriction of type Location or Zone."""
    where = {"locations": ["eastus"], **({"zones": list(zones)} if zones else {})}
    return {"type": kind, "values": ["eastus"], "restrictionInfo": where, "reasonCode": reason}


def usage(name: str, limit: int, used: int = 0) -> dict[str, Any]:
    return {"name": {"value": name, "localizedValue": name}, "limit": limit, "currentValue": used, "unit": "Count"}


def usages(**limits: int) -> dict[str, Any]:
    """Nothing of them is in use."""
    return {"value": [usage(name, limit) for name, limit in limits.items()]}


def image(sku: str, **more: Any) -> dict[str, Any]:
    properties = {"hyperVGeneration": "V2", "architecture": "x64", **more}
    return {"id": f"/Subscriptions/s/{sku}", "name": "24.04.1", "location": "eastus", "properties": properties}


def subnet(**more: Any) -> dict[str, Any]:
    properties = {"addressPrefix": "10.1.0.0/24", "provisioningState": "Succeeded", **more}
    return {"name": "theirs", "id": SUBNET, "properties": properties}


def vnet(*subnets: dict[str, Any], location: str = "eastus") -> dict[str, Any]:
    space = {"addressPrefixes": ["10.1.0.0/16"]}
    return {"id": VNET, "name": "theirs", "location": location, "properties": {"addressSpace": space, "subnets": list(subnets)}}


def taken(many: int) -> list[dict[str, Any]]:
    """A subnet's references to the interfaces in it."""
    nic = f"{OTHERS}/Microsoft.Network/networkInterfaces"
    return [{"id": f"{nic}/n{i}/ipConfigurations/own"} for i in range(many)]


def agree(azure: Azure) -> Azure:
    """Everything is allowed, registered, offered, and plenty."""
    azure.pages[PERMISSIONS] = {"value": [{"actions": ["*"], "notActions": [], "dataActions": [], "notDataActions": []}]}
    for name in ("Compute", "Network", "ManagedIdentity", "Logic", "Storage", "StorageCache"):
        azure.pages[f"{ROOT}/providers/Microsoft.{name}"] = {
            "namespace": f"Microsoft.{name}",
            "registrationState": "Registered",
        }
    sizes = [size(name) for name in dict.fromkeys(each.name for each in bundled().types if each.cloud == "azure")]
    azure.pages[SKUS] = {"value": [*sizes, {"resourceType": "disks", "name": "Premium_LRS"}]}
    families = {each["family"]: 1000 for each in sizes}
    azure.pages[COMPUTE] = usages(cores=5000, lowPriorityCores=1000, virtualMachines=25000, PremiumDiskCount=50000, **families)
    azure.pages[NETWORK] = usages(PublicIPAddresses=1000, StaticPublicIPAddresses=1000, VirtualNetworks=1000, NatGateways=1000)
    azure.pages[STORAGE] = usages(StorageAccounts=250)
    azure.pages[CACHES] = usages(Cache=4, AmlFilesystem=4)
    for publisher, offer, sku in (("Canonical", "ubuntu-24_04-lts", "server"), ("microsoft-dsvm", "ubuntu-hpc", "2404")):
        versions = f"{_PUBLISHERS}/{publisher}/artifacttypes/vmimage/offers/{offer}/skus/{sku}/versions"
        azure.pages[versions] = [{"name": "24.04.1", "location": "eastus", "id": "/Subscriptions/s/v"}]
        azure.pages[f"{versions}/24.04.1"] = image(sku)
    azure.pages[SIZES_OF_LUSTRE] = {"filesystemSubnetSize": 24}
    return azure


# Path → the vendor's model of what is there, where its client is among ours.
_MODELS: dict[str, tuple[Any, str]] = {
    SKUS: (compute_models, "ResourceSku"),
    COMPUTE: (compute_models, "Usage"),
    NETWORK: (network_models, "Usage"),
    VNET: (network_models, "VirtualNetwork"),
    "/networkSecurityGroups/": (network_models, "NetworkSecurityGroup"),
    "/versions/24.04.1": (compute_models, "VirtualMachineImage"),
    "/Microsoft.Compute/images/": (compute_models, "Image"),
    "/communityGalleries/": (compute_models, "CommunityGalleryImage"),
}


def out_of_shape(azure: Azure) -> list[str]:
    """What of the answers is not as the vendor's models have it."""
    found = []
    for path, told in azure.pages.items():
        for pattern, (models, name) in _MODELS.items():
            if pattern in path and told and "/Microsoft.Authorization/" not in path:
                answers = told.get("value", [told])
                found += [wrong for each in answers for wrong in misshapen(each, models, name)]
    return found


@contextlib.contextmanager
def agreeing(monkeypatch: pytest.MonkeyPatch) -> Iterator[Azure]:
    """It, for a test; at the end every request and every answer was as the vendor has it."""
    with serving(monkeypatch) as azure:
        yield agree(azure)
        assert azure.wrong == []
        assert out_of_shape(azure) == []


def found(azure: Azure, decided: Design = DESIGN, skip: tuple[str, ...] = ()) -> list[Finding]:
    return list(checks.preflight(caller_of(azure), decided, skip))


def said(azure: Azure, decided: Design = DESIGN, check: str = "") -> list[tuple[str, str]]:
    """(level, message) of what one check found."""
    return [(each.level.value, each.message) for each in found(azure, decided) if each.check == check]
