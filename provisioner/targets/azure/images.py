"""Images: whether they are there, in the region, and fit the machines that boot from them.

Sources: "Virtual Machine Images - Get", "Images - Get", "Gallery Images - Get", "Community Gallery Images - Get"; "Support for
Generation 2 VMs on Azure" (a size's HyperVGenerations and an image's hyperVGeneration).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from provisioner.design.model import Node
from provisioner.findings import Finding, error
from provisioner.launch import azure as launcher
from provisioner.targets.azure.asked import Asked, capability
from provisioner.targets.checks import side_by_side

_GALLERIES = "2024-03-03"
_ARCHITECTURES = {"x64": "x86_64", "arm64": "aarch64"}
# stacks/azure/images.py: what machines boot from where a file says nothing; tests/stacks/test_azure.py compares them.
UBUNTU = "Canonical:ubuntu-24_04-lts:server:latest"
UBUNTU_ARM = "Canonical:ubuntu-24_04-lts:server-arm64:latest"
HPC = "microsoft-dsvm:ubuntu-hpc:2404:latest"


def booted(chosen: str | None, node: Node, fabric: bool = False) -> str:
    """The image of a machine, by id or URN (PUBLISHER:OFFER:SKU:VERSION)."""
    return chosen or (HPC if fabric or node.gpus else UBUNTU if node.arch == "x86_64" else UBUNTU_ARM)


def trusted(chosen: str | None, node: Node, fabric: bool = False) -> bool:
    """Whether it is booted with trusted launch: the default image is, the HPC image and a user's own are not."""
    return chosen is None and booted(None, node, fabric) != HPC


@dataclass(frozen=True)
class Image:
    """What Azure says of one: `generation` is V1 or V2, "" where it does not say; `plan` that it can only be bought."""

    arch: str = ""
    generation: str = ""
    plan: bool = False
    wrong: str = ""


def images(asked: Asked) -> Iterator[Finding]:
    """Each image once, and every type that boots from it."""
    users: dict[str, dict[str, Node]] = {}
    for image, node in _machines(asked):
        users.setdefault(image, {})[node.instance] = node
    found = dict(zip(users, side_by_side(lambda image: _found(asked, image), users), strict=True))
    for image, told in found.items():
        if told.wrong:
            yield error("id", f"image {image} {told.wrong}", _fix(asked, image))
            continue
        if told.plan:
            words = f"image {image} is sold with a plan, and machines are made without one"
            yield error("image", words, "an image without a plan, or one of your own made from Ubuntu or Debian")
        yield from _unfit(asked, image, told, list(users[image].values()))


def _machines(asked: Asked) -> Iterator[tuple[str, Node]]:
    design = asked.design
    for node in (design.head, *([design.login.node] if design.login else [])):
        yield booted(design.image, node), node
    for group in design.groups:
        for node in group.alternatives:
            yield booted(group.image or design.image, node, bool(node.fabric and group.fabric == "auto")), node


def _unfit(asked: Asked, image: str, told: Image, nodes: list[Node]) -> Iterator[Finding]:
    for node in nodes:
        if told.arch and told.arch != node.arch:
            words = f"image {image} is for {told.arch}, {node.instance} has {node.arch}"
            yield error("image", words, "an image of that architecture, or another type")
    if not told.generation:
        return
    for node in nodes:
        size = asked.sizes.get(node.instance) or {}
        takes = capability(size, "HyperVGenerations") or ""
        if takes and told.generation not in takes.split(","):
            words = f"image {image} is of generation {told.generation}, {node.instance} takes {takes}"
            yield error("image", words, "an image of that generation, or another type")


def _found(asked: Asked, image: str) -> Image:
    if image.startswith("/CommunityGalleries/"):
        return _community(asked, image)
    if "/galleries/" in image.lower():
        return _gallery(asked, image)
    if image.startswith("/"):
        return _managed(asked, image)
    return _marketplace(asked, image)


def _marketplace(asked: Asked, urn: str) -> Image:
    """By URN; of `latest` the last version that the region has."""
    publisher, offer, sku, version = urn.split(":")
    publishers = f"{asked.caller.root}/providers/Microsoft.Compute/locations/{asked.caller.region}/publishers"
    versions = f"{publishers}/{publisher}/artifacttypes/vmimage/offers/{offer}/skus/{sku}/versions"
    if version == "latest":
        # An array, not an object with one.
        newest = asked.caller.found(f"{versions}?$top=1&$orderby=name%20desc", launcher.COMPUTE)
        if not newest:
            return Image(wrong=f"is not to be had in {asked.caller.region}")
        version = str(newest[0]["name"])
    told = asked.caller.found(f"{versions}/{version}", launcher.COMPUTE)
    return Image(wrong=f"is not to be had in {asked.caller.region}") if told is None else _image(told["properties"])


def _image(properties: dict[str, Any]) -> Image:
    return Image(
        arch=_arch(properties),
        generation=str(properties.get("hyperVGeneration") or ""),
        plan=bool(properties.get("plan") or properties.get("purchasePlan")),
    )


def _arch(properties: dict[str, Any]) -> str:
    said = str(properties.get("architecture") or "")
    return _ARCHITECTURES.get(said.lower(), said)


def _managed(asked: Asked, whole: str) -> Image:
    told = asked.caller.found(whole, launcher.COMPUTE)
    if told is None:
        return Image(wrong="is not there")
    if told["location"] != asked.caller.region:
        return Image(wrong=f"is in {told['location']}, not in {asked.caller.region}")
    return _image(told["properties"])


def _gallery(asked: Asked, whole: str) -> Image:
    """Its definition, and where one is named the version, which has to be copied to the region."""
    definition, _, version = whole.partition("/versions/")
    told = asked.caller.found(definition, _GALLERIES)
    if told is None:
        return Image(wrong="is not there")
    if version and version != "latest":
        one = asked.caller.found(whole, _GALLERIES)
        if one is None:
            return Image(wrong="is not there")
        regions = [each["name"] for each in (one["properties"].get("publishingProfile") or {}).get("targetRegions") or ()]
        if regions and asked.caller.region not in {name.lower().replace(" ", "") for name in regions}:
            return Image(wrong=f"is not in {asked.caller.region}, but in {', '.join(regions)}")
    return _image(told["properties"])


def _community(asked: Asked, whole: str) -> Image:
    """/CommunityGalleries/GALLERY/Images/IMAGE[/Versions/VERSION]."""
    parts = whole.split("/")
    place = f"{asked.caller.root}/providers/Microsoft.Compute/locations/{asked.caller.region}"
    told = asked.caller.found(f"{place}/communityGalleries/{parts[2]}/images/{parts[4]}", _GALLERIES)
    return Image(wrong=f"is not to be had in {asked.caller.region}") if told is None else _image(told["properties"])


def _fix(asked: Asked, image: str) -> str:
    if image.startswith("/CommunityGalleries/"):
        return f"az sig image-definition list-community --location {asked.caller.region} --public-gallery-name NAME"
    if "/galleries/" in image.lower():
        return "az sig image-version list --gallery-name GALLERY --gallery-image-definition IMAGE --resource-group GROUP"
    if image.startswith("/"):
        return "az image list --query [].id"
    publisher, offer, *_ = image.split(":")
    return f"az vm image list --all --location {asked.caller.region} --publisher {publisher} --offer {offer}"
