"""Images that the file names: whether they are there, can be booted from, and are for the machines that boot from them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from provisioner.catalog.filesystems import gib
from provisioner.design import gcp_disk
from provisioner.design.model import Design, Group, Node
from provisioner.findings import Finding, error, warning
from provisioner.launch.gcp import COMPUTE, Refused, Session
from provisioner.targets.checks import side_by_side

_NAMES = "projects/PROJECT/global/images/NAME, or …/images/family/NAME"
_ARCHITECTURES = {"X86_64": "x86_64", "ARM64": "arm64"}
# Of an image ("DeprecationStatus"): to make a disk of one of these is refused.
_GONE = ("OBSOLETE", "DELETED")


def check(session: Session, design: Design) -> Iterator[Finding]:
    """All that the file names, side by side. Raises launch.gcp's Refused."""
    users = _users(design)
    answers = side_by_side(lambda name: _asked(session, name), users)
    for (name, machines), image in zip(users.items(), answers, strict=True):
        if image is None:
            yield _unknown(name)
        else:
            yield from _state(name, image)
            yield from _fits(design, name, image, machines)


def _users(design: Design) -> dict[str, list[tuple[Node, Group | None]]]:
    """Image → the machines that boot from it, each with its group."""
    found: dict[str, list[tuple[Node, Group | None]]] = {}
    others: list[tuple[Node, Group | None]] = [(design.head, None), *([(design.login.node, None)] if design.login else [])]
    for group in design.groups:
        machines: list[tuple[Node, Group | None]] = [(node, group) for node in group.alternatives]
        if group.image:
            found.setdefault(group.image, []).extend(machines)
        else:
            others += machines
    if design.image:
        found.setdefault(design.image, []).extend(others)
    return found


def _asked(session: Session, name: str) -> dict[str, Any] | None:
    """None where there is no such image; a family's newest that is not deprecated ("images.getFromFamily")."""
    if not name.startswith("projects/"):
        return None
    try:
        image: dict[str, Any] = session.call("GET", f"{COMPUTE}/{name}")
    except Refused as problem:
        if problem.status != 404:
            raise
        return None
    return image


def _unknown(name: str) -> Finding:
    if not name.startswith("projects/"):
        return error("image", f"{name} is no image's name here", _NAMES)
    return error("image", f"there is no {name}", f"gcloud compute images list --project {name.split('/')[1]}")


def _state(name: str, image: dict[str, Any]) -> Iterator[Finding]:
    status = image.get("status", "READY")
    listed = f"gcloud compute images list --project {name.split('/')[1]}"
    if status != "READY":
        yield error("image", f"{name} is {status}: nothing can boot from it", f"wait until it is READY: {listed}")
    deprecated = image.get("deprecated", {})
    state, instead = deprecated.get("state", "ACTIVE"), deprecated.get("replacement", "").partition("/compute/v1/")[2]
    fix = f"image: {instead}" if instead else f"another one: {listed}"
    if state in _GONE:
        yield error("image", f"{name} is {state}: no machine can be made of it", fix)
    elif state == "DEPRECATED":
        yield warning("image", f"{name} is deprecated", fix)


def _fits(design: Design, name: str, image: dict[str, Any], machines: list[tuple[Node, Group | None]]) -> Iterator[Finding]:
    arch = _ARCHITECTURES.get(image.get("architecture", ""))
    other = list(dict.fromkeys(node.instance for node, _ in machines if arch and node.arch != arch))
    if other:
        fix = "an image for them (groups.NAME.image), or types of one architecture"
        yield error("image", f"{name} is for {arch}, and {', '.join(other)} {'is' if len(other) == 1 else 'are'} not", fix)
    # A disk cannot be smaller than what it is made of ("Create a custom image").
    needed = int(image.get("diskSizeGb", 0))
    disks = {_whose(design, node, group): _disk(design, node, group) for node, group in machines}
    for whose, size in disks.items():
        if size < needed:
            yield error("image", f"{name} needs {needed} GiB, and the disk of {whose} has {size}", _larger(whose, needed))


def _disk(design: Design, node: Node, group: Group | None) -> int:
    return gib(design.head_storage) if node is design.head and group is None else gcp_disk.size(node, group)


def _whose(design: Design, node: Node, group: Group | None) -> str:
    if group is not None:
        return f"group {group.name}"
    return "the head" if node is design.head else "login nodes"


def _larger(whose: str, needed: int) -> str:
    if whose == "the head":
        return f"head: {{disk: {needed}GiB}}"
    if whose.startswith("group ") and needed <= gcp_disk.DRIVERS:
        return f"name it at the group, whose disks are then of {gcp_disk.DRIVERS} GiB: groups: {{{whose[6:]}: {{image: …}}}}"
    return "a smaller image"
