"""Compute groups and login nodes: one launch template for each type, from which nodes are launched by name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws
from images import Image, Images
from naming import carried, has_fabric
from network import Network

from provisioner.bootstrap.seam import Seam
from provisioner.design.attempts import order
from provisioner.design.model import Group, Node
from provisioner.stack import identity as run_identity
from provisioner.stack import machines
from provisioner.stack.given import Given

# Below this a node with its software and /tmp runs full; the images' own disks have 8 GiB and more.
_DISK_GIB = 32


@dataclass(frozen=True)
class GroupsArgs:
    """`seam` is what compute and login nodes are told, `address` the head's, `profile` the nodes' instance profile."""

    given: Given
    network: Network
    images: Images
    seam: pulumi.Output[Seam]
    address: pulumi.Input[str]
    profile: pulumi.Input[str] | None


class Groups(pulumi.ComponentResource):
    """`attempts`: for each group, and `login`, what is tried in order: [{market, template}]."""

    def __init__(self, name: str, args: GroupsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("burst:aws:Groups", name, None, opts)
        self._args, self._design, self._kinds = args, args.given.design, args.network.where.kinds
        found: dict[str, list[dict[str, Any]]] = {}
        text = machines.text(args.given, "compute", seam=args.seam, address=args.address)
        for group in self._design.groups:
            placement = self._placement(group)
            templates = {node.instance: self._compute(group, node, text, placement) for node in self._kinds(group)}
            found[group.name] = [
                {"market": each, "template": templates[node.instance]}
                for each, node in order(group, "aws")
                if node.instance in templates
            ]
        if self._design.login is not None:
            found["login"] = [{"market": "on-demand", "template": self._login(self._design.login.node)}]
        self.attempts: pulumi.Output[dict[str, Any]] = pulumi.Output.from_input(found)
        self.register_outputs({})

    def _placement(self, group: Group) -> aws.ec2.PlacementGroup | None:
        """Close together, where the fabric is."""
        if not any(has_fabric(group, node) for node in self._kinds(group)):
            return None
        return aws.ec2.PlacementGroup(
            group.name,
            name=run_identity.named(self._design, group.name),
            strategy="cluster",
            tags=carried(self._design, group.name),
            opts=pulumi.ResourceOptions(parent=self),
        )

    def _compute(
        self, group: Group, node: Node, text: pulumi.Output[str], placement: aws.ec2.PlacementGroup | None
    ) -> dict[str, pulumi.Input[Any]]:
        fabric = has_fabric(group, node)
        return self._template(
            f"{group.name}-{node.instance}",
            node,
            self._args.images.compute(group, node),
            text,
            interfaces(self._args.network, [self._args.network.inside.id], node.cards if fabric else 0),
            placement.name if placement is not None and fabric else None,
            spot=group.spot == "only",
        )

    def _login(self, node: Node) -> dict[str, pulumi.Input[Any]]:
        text = machines.text(self._args.given, "login", seam=self._args.seam, address=self._args.address)
        plain = interfaces(self._args.network, [self._args.network.inside.id], 0)
        return self._template(f"login-{node.instance}", node, self._args.images.plain(node), text, plain, None, spot=False)

    def _template(
        self,
        part: str,
        node: Node,
        image: Image,
        text: pulumi.Output[str],
        network_interfaces: Sequence[aws.ec2.LaunchTemplateNetworkInterfaceArgs],
        placement: pulumi.Input[str] | None,
        *,
        spot: bool,
    ) -> dict[str, pulumi.Input[Any]]:
        tags = run_identity.tags(self._design)
        # A request for spot machines is no part of an on-demand one, and EC2 refuses its tags there.
        tagged = ("instance", "volume", "network-interface", *(("spot-instances-request",) if spot else ()))
        made = aws.ec2.LaunchTemplate(
            part,
            name=run_identity.named(self._design, part),
            description=run_identity.described(self._design),
            update_default_version=True,
            image_id=image.id,
            instance_type=node.instance,
            user_data=text,
            instance_initiated_shutdown_behavior="terminate",
            metadata_options=aws.ec2.LaunchTemplateMetadataOptionsArgs(
                http_endpoint="enabled", http_tokens="required", http_put_response_hop_limit=1, instance_metadata_tags="enabled"
            ),
            block_device_mappings=[disk(image)],
            network_interfaces=network_interfaces,
            iam_instance_profile=(
                aws.ec2.LaunchTemplateIamInstanceProfileArgs(name=self._args.profile) if self._args.profile is not None else None
            ),
            placement=aws.ec2.LaunchTemplatePlacementArgs(group_name=placement) if placement is not None else None,
            tag_specifications=[aws.ec2.LaunchTemplateTagSpecificationArgs(resource_type=each, tags=tags) for each in tagged],
            tags=carried(self._design, part),
            opts=pulumi.ResourceOptions(parent=self),
        )
        return {
            "run": self._design.run.id,
            "instance": node.instance,
            "region": self._design.region,
            "launch_template": made.id,
            "tags": tags,
        }


def disk(image: Image) -> aws.ec2.LaunchTemplateBlockDeviceMappingArgs:
    """The root disk: encrypted, gone with its machine."""
    ebs = aws.ec2.LaunchTemplateBlockDeviceMappingEbsArgs(
        volume_type="gp3", volume_size=max(_DISK_GIB, image.gib), encrypted="true", delete_on_termination="true"
    )
    return aws.ec2.LaunchTemplateBlockDeviceMappingArgs(device_name=image.device, ebs=ebs)


def interfaces(
    network: Network, groups: Sequence[pulumi.Input[str]], cards: int
) -> list[aws.ec2.LaunchTemplateNetworkInterfaceArgs]:
    """An ordinary interface; with EFA an EFA-only one beside it on card 0, and one on each further card.

    EC2 User Guide, "Maximize network bandwidth on Amazon EC2 instances with multiple network cards": the first is device 0
    of card 0, every other one is device 1 of its card. EFA-only interfaces have no address.
    """
    common: dict[str, Any] = {"subnet_id": network.subnet, "security_groups": list(groups), "delete_on_termination": "true"}
    if not cards:
        return [aws.ec2.LaunchTemplateNetworkInterfaceArgs(device_index=0, associate_public_ip_address="false", **common)]
    # With several interfaces EC2 gives no public address, and refuses to be told so.
    first = aws.ec2.LaunchTemplateNetworkInterfaceArgs(device_index=0, network_card_index=0, interface_type="interface", **common)
    efa = [
        aws.ec2.LaunchTemplateNetworkInterfaceArgs(device_index=1, network_card_index=card, interface_type="efa-only", **common)
        for card in range(cards)
    ]
    return [first, *efa]
