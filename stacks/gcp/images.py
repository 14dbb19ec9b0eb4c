"""What a machine boots from: its image, and how it and the disk are protected."""

from __future__ import annotations

import pulumi
import pulumi_gcp as gcp

from provisioner.design import gcp_disk
from provisioner.design.model import Design, Group, Node

_UBUNTU = ("ubuntu-os-cloud", {"x86_64": "ubuntu-2404-lts-amd64", "arm64": "ubuntu-2404-lts-arm64"})
# Ubuntu 24.04 with NVIDIA's driver and the modules for RDMA, signed ("Operating system details": accelerator images).
_ACCELERATOR = (
    "ubuntu-os-accelerator-images",
    {"x86_64": "ubuntu-accelerator-2404-amd64-with-nvidia-580", "arm64": "ubuntu-accelerator-2404-arm64-with-nvidia-580"},
)


def image(design: Design, node: Node, group: Group | None = None) -> str:
    """The user's own by id, else the newest of its family. Tier_1 needs nothing that plain Ubuntu has not (gVNIC)."""
    own = (group.image if group else None) or design.image
    if own:
        return own
    project, families = _ACCELERATOR if gcp_disk.accelerated(node, group) else _UBUNTU
    family = families["x86_64" if node.arch == "x86_64" else "arm64"]
    return gcp.compute.get_image(project=project, family=family).self_link


def secure_boot(design: Design, group: Group | None = None) -> bool:
    """With it the kernel takes signed modules alone: Lustre's are not, and nobody knows what a user's own image has."""
    own = design.image or (group.image if group else None)
    return not own and all(fs.type != "lustre" for fs in design.filesystems)


def metadata(user_data: pulumi.Input[str]) -> dict[str, pulumi.Input[str]]:
    """What a machine is told: user-data, and that the project's SSH keys open nothing here."""
    return {
        "user-data": user_data,
        "user-data-encoding": "base64",
        "block-project-ssh-keys": "TRUE",
        # What is still there when the machine has gone.
        "serial-port-logging-enable": "TRUE",
    }
