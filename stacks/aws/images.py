"""Machines' images: looked up in the vendors' public parameters, unless the file names one."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi_aws as aws
from naming import has_fabric

from provisioner.design.model import Design, Group, Node

# Canonical, "Find Ubuntu images with the SSM Parameter Store".
_UBUNTU = "/aws/service/canonical/ubuntu/server/24.04/stable/current/{}/hvm/ebs-gp3/ami-id"
# AWS Deep Learning AMIs release notes, "AWS Deep Learning Base OSS Nvidia Driver GPU AMI (Ubuntu 24.04)": has EFA's driver
# and libfabric, Open MPI and NVIDIA's driver.
_HPC = "/aws/service/deeplearning/ami/{}/base-oss-nvidia-driver-gpu-ubuntu-24.04/latest/ami-id"


@dataclass(frozen=True)
class Image:
    """`device` is what its root disk is called, `gib` how large that is at least."""

    id: str
    device: str
    gib: int


class Images:
    """Each is asked for once."""

    def __init__(self, design: Design) -> None:
        self._design = design
        self._parameters: dict[str, str] = {}
        self._images: dict[str, Image] = {}

    def plain(self, node: Node) -> Image:
        """For the head and login nodes."""
        return self._image(self._design.image or self._current(_UBUNTU, "arm64" if node.arch == "arm64" else "amd64"))

    def compute(self, group: Group, node: Node) -> Image:
        """For a group's nodes of one type."""
        own = group.image or self._design.image
        if own is None and (node.gpus or has_fabric(group, node)):
            own = self._current(_HPC, node.arch)
        return self._image(own) if own is not None else self.plain(node)

    def _current(self, parameter: str, arch: str) -> str:
        name = parameter.format(arch)
        if name not in self._parameters:
            self._parameters[name] = aws.ssm.get_parameter(name=name).value
        return self._parameters[name]

    def _image(self, identity: str) -> Image:
        if identity not in self._images:
            # The owner does not matter: the id says which one is meant.
            found = aws.ec2.get_ami(
                filters=[aws.ec2.GetAmiFilterArgs(name="image-id", values=[identity])], most_recent=True, allow_unsafe_filter=True
            )
            root = [each for each in found.block_device_mappings if each.device_name == found.root_device_name]
            size = max((int(each.ebs.get("volume_size", 0)) for each in root), default=0)
            self._images[identity] = Image(found.id, found.root_device_name, size)
        return self._images[identity]
