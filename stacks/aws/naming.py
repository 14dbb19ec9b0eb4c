"""What everything of a run carries here: the run's tags, and a Name that begins with its id."""

from __future__ import annotations

from provisioner.design.model import Design, Group, Node
from provisioner.stack import identity as run_identity


def carried(design: Design, part: str) -> dict[str, str]:
    """The tags of a resource."""
    return {**run_identity.tags(design), "Name": run_identity.named(design, part)}


def path(design: Design) -> str:
    """Where the run's roles and instance profiles are: IAM lists by path, and not by tag."""
    return f"/burst/{design.run.id}/"


def has_fabric(group: Group, node: Node) -> bool:
    """Whether nodes of this type get EFA."""
    return group.fabric == "auto" and node.fabric == "efa"
