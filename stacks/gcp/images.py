"""What a machine boots from: its image, its disk, and how the two are protected."""

from __future__ import annotations

import pulumi
import pulumi_gcp as gcp

from provisioner.design.model import Design, Group, Node

_UBUNTU = ("ubuntu-os-cloud", {"x86_64": "ubuntu-2404-lts-amd64", "arm64": "ubuntu-2404-lts-arm64"})
# Ubuntu 24.04 with NVIDIA's driver and the modules for RDMA, signed ("Operating system details": accelerator images).
_ACCELERATOR = (
    "ubuntu-os-accelerator-images",
    {"x86_64": "ubuntu-accelerator-2404-amd64-with-nvidia-580", "arm64": "ubuntu-accelerator-2404-arm64-with-nvidia-580"},
)
# These take Hyperdisk alone; everything else takes a balanced persistent disk ("Choose a disk type", by machine series).
_HYPERDISK = ("c4", "n4", "h4d", "a4", "a3-ultragpu", "x4", "m4", "g4")
# CUDA's files alone take 20 GB of the accelerator image.
_PLAIN_GB, _ACCELERATOR_GB = 30, 100


def image(design: Design, node: Node, group: Group | None = None) -> str:
    """The user's own by id, else the newest of its family. Tier_1 needs nothing that plain Ubuntu has not (gVNIC)."""
    own = (group.image if group else None) or design.image
    if own:
        return own
    project, families = _ACCELERATOR if accelerated(node, group) else _UBUNTU
    family = families["x86_64" if node.arch == "x86_64" else "arm64"]
    return gcp.compute.get_image(project=project, family=family).self_link


def accelerated(node: Node, group: Group | None) -> bool:
    """Whether its devices need drivers that plain Ubuntu has not."""
    return bool(node.gpus) or (node.fabric == "rdma" and group is not None and group.fabric == "auto")


def disk_type(node: Node) -> str:
    return "hyperdisk-balanced" if node.instance.startswith(_HYPERDISK) else "pd-balanced"


def disk_gb(node: Node, group: Group | None) -> int:
    """Of a node's own disk; images may be larger than that."""
    own = group is not None and group.image is not None
    return _ACCELERATOR_GB if own or accelerated(node, group) else _PLAIN_GB


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
