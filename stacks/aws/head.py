"""The head: first its address, which everybody is told, and last the machine."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws
from images import Images
from naming import carried
from network import Network

from provisioner.bootstrap.seam import Seam
from provisioner.design.model import Design
from provisioner.stack import machines
from provisioner.stack.given import Given


@dataclass(frozen=True)
class HeadAddressArgs:
    """Where the head will be."""

    design: Design
    network: Network


class HeadAddress(pulumi.ComponentResource):
    """`interface`, `private` and `public` (None behind a tunnel): they are there before the head, and outlive it."""

    public: aws.ec2.Eip | None = None

    def __init__(self, name: str, args: HeadAddressArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("burst:aws:HeadAddress", name, None, opts)
        network, of = args.network, pulumi.ResourceOptions(parent=self)
        self.interface = aws.ec2.NetworkInterface(
            "head",
            subnet_id=network.head_subnet,
            security_groups=[network.inside.id, *([network.ssh.id] if network.ssh is not None else [])],
            # It forwards what is not its own for the nodes behind it.
            source_dest_check=not network.behind_head,
            tags=carried(args.design, "head"),
            opts=of,
        )
        self.private = self.interface.private_ip
        if args.design.network.access == "public":
            # Not by itself: an instance with an interface that exists already gets no public address.
            after = pulumi.ResourceOptions(parent=self, depends_on=network.ready)
            self.public = aws.ec2.Eip(
                "head", domain="vpc", network_interface=self.interface.id, tags=carried(args.design, "head"), opts=after
            )
        self.register_outputs({"private": self.private})


@dataclass(frozen=True)
class HeadArgs:
    """`profile` is its instance profile; `seam` has launch.json."""

    given: Given
    network: Network
    images: Images
    address: HeadAddress
    seam: pulumi.Output[Seam]
    profile: pulumi.Input[str] | None


class Head(pulumi.ComponentResource):
    """`id`, the instance's; `reached`, where its SSH is."""

    def __init__(self, name: str, args: HeadArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("burst:aws:Head", name, None, opts)
        design, address = args.given.design, args.address
        tags = carried(design, "head")
        image = args.images.plain(design.head)
        ready = [*args.network.ready, *([address.public] if address.public is not None else [])]
        self.instance = aws.ec2.Instance(
            "head",
            ami=image.id,
            instance_type=design.head.instance,
            primary_network_interface=aws.ec2.InstancePrimaryNetworkInterfaceArgs(network_interface_id=address.interface.id),
            iam_instance_profile=args.profile,
            user_data_base64=machines.text(args.given, "head", seam=args.seam, address=address.private),
            instance_initiated_shutdown_behavior="terminate",
            metadata_options=aws.ec2.InstanceMetadataOptionsArgs(
                http_endpoint="enabled", http_tokens="required", http_put_response_hop_limit=1, instance_metadata_tags="enabled"
            ),
            root_block_device=aws.ec2.InstanceRootBlockDeviceArgs(
                volume_type="gp3",
                volume_size=max(-(-design.head_storage // 2**30), image.gib),
                encrypted=True,
                delete_on_termination=True,
                tags=tags,
            ),
            tags=tags,
            # A newer image of tomorrow is no reason to make the head, and all that is on it, anew.
            opts=pulumi.ResourceOptions(parent=self, depends_on=ready, ignore_changes=["ami"]),
        )
        self.id = self.instance.id
        self.reached: pulumi.Output[str] = address.public.public_ip if address.public is not None else self.instance.id
        self.register_outputs({"id": self.id, "reached": self.reached})
