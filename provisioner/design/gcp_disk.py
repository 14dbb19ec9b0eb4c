"""The disk that a machine of Google's boots from: its kind and size. The stack makes it, the bill counts it, the quota has it."""

from __future__ import annotations

from provisioner.design.model import Group, Node

# These take Hyperdisk alone; everything else takes a balanced persistent disk ("Choose a disk type", by machine series).
_HYPERDISK = ("c4", "n4", "h4d", "a4", "a3-ultragpu", "x4", "m4", "g4")
# In GiB. CUDA's files alone take 20 GB of the accelerator image.
PLAIN, DRIVERS = 30, 100


def kind(node: Node) -> str:
    """Compute Engine's name for it."""
    return "hyperdisk-balanced" if node.instance.startswith(_HYPERDISK) else "pd-balanced"


def accelerated(node: Node, group: Group | None) -> bool:
    """Whether its devices need drivers that plain Ubuntu has not."""
    return bool(node.gpus) or (node.fabric == "rdma" and group is not None and group.fabric == "auto")


def size(node: Node, group: Group | None) -> int:
    """In GiB, of a node's own disk; images may be larger than that."""
    own = group is not None and group.image is not None
    return DRIVERS if own or accelerated(node, group) else PLAIN
