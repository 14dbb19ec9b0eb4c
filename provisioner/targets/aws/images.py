"""Images that the file names: there, finished, for the machines' architecture, with a root disk that can be an EBS volume."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from provisioner.design.model import Design
from provisioner.findings import Finding, error


def findings(asked: Any, design: Design) -> Iterator[Finding]:
    """An image's id is its region's."""
    named = {
        (group.image or design.image, node.arch) for group in design.groups for node in (group.alternatives or (group.node,))
    }
    named |= {(design.image, design.head.arch)} | ({(design.image, design.login.node.arch)} if design.login else set())
    wanted = sorted({identity for identity, _ in named if identity is not None})
    if not wanted:
        return
    told = asked["ec2"].describe_images(Filters=[{"Name": "image-id", "Values": wanted}])["Images"]
    there = {each["ImageId"]: each for each in told}
    for identity, arch in sorted((i, a) for i, a in named if i is not None):
        yield from _image(identity, arch, there.get(identity), design)


def _image(identity: str, arch: str, told: dict[str, Any] | None, design: Design) -> Iterator[Finding]:
    see = f"aws ec2 describe-images --region {design.region} --image-ids {identity}"
    if told is None:
        yield error(
            "image", f"{identity} is not in {design.region}, or not for this account", f"an image's id is its region's: {see}"
        )
        return
    if told.get("State", "available") != "available":
        yield error("image", f"{identity} is {told['State']}, not available", f"{see}; or name another image")
    if told.get("RootDeviceType", "ebs") != "ebs":
        yield error("image", f"{identity}'s root disk is {told['RootDeviceType']}, and no EBS volume", "name another image")
    if told["Architecture"] != arch:
        yield error("image", f"{identity} is for {told['Architecture']}, its machines are {arch}", "name another image")
