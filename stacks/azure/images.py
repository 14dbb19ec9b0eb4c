"""What machines boot from."""

from __future__ import annotations

from typing import Any

from provisioner.design.model import Node

# Canonical's Ubuntu 24.04 LTS, generation 2 ("Find Ubuntu images on Azure"); the other architecture has its own SKU.
_UBUNTU = ("Canonical", "ubuntu-24_04-lts", "server")
_UBUNTU_ARM = ("Canonical", "ubuntu-24_04-lts", "server-arm64")
# "Azure HPC VM images": InfiniBand's and NVIDIA's drivers, MPI libraries, the Azure kernel that they were built for.
_HPC = ("microsoft-dsvm", "ubuntu-hpc", "2404")


def reference(chosen: str | None, node: Node, fabric: bool = False) -> dict[str, Any]:
    """An imageReference: the user's own by id or by URN (PUBLISHER:OFFER:SKU:VERSION), else the vendor's."""
    if chosen is not None:
        return _own(chosen)
    publisher, offer, sku = _HPC if fabric or node.gpus else _UBUNTU if node.arch == "x86_64" else _UBUNTU_ARM
    return {"publisher": publisher, "offer": offer, "sku": sku, "version": "latest"}


def _own(chosen: str) -> dict[str, Any]:
    if chosen.startswith("/CommunityGalleries/"):
        return {"communityGalleryImageId": chosen}
    if chosen.startswith("/"):
        return {"id": chosen}
    return dict(zip(("publisher", "offer", "sku", "version"), chosen.split(":"), strict=True))


def security(chosen: str | None, node: Node, fabric: bool = False) -> dict[str, Any]:
    """Trusted launch with Secure Boot where the image is known to take it.

    The drivers of the HPC image are not signed, and InfiniBand's types take no trusted launch ("Trusted Launch for Azure
    virtual machines", Limitations); of a user's own image nobody knows its generation.
    """
    if chosen is not None or fabric or node.gpus:
        return {"securityType": "Standard"}
    return {"securityType": "TrustedLaunch", "uefiSettings": {"secureBootEnabled": True, "vTpmEnabled": True}}


def accelerated(node: Node) -> bool:
    """Accelerated networking: every type of the catalogue but the first B series ("Accelerated Networking overview")."""
    return not (node.instance.startswith("Standard_B") and not node.instance.endswith("_v2"))
