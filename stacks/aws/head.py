"""The head: first its address, which everybody is told, and last the machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

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
    """`private`, which is known before the head is there.

    In a network of the run's own that is a number, and the head brings its interface and its public address with it and
    takes them away. In an existing one nobody knows what is free there: `interface` and `public` (None behind a tunnel)
    are made before it, and outlive it. `own`: the Elastic IPs that it is reached by, by id.
    """

    private: pulumi.Output[str]
    interface: aws.ec2.NetworkInterface | None = None
    public: aws.ec2.Eip | None = None

    def __init__(self, name: str, args: HeadAddressArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("burst:aws:HeadAddress", name, None, opts)
        self.own: list[pulumi.Input[str]] = []
        if args.network.head_address is not None:
            self.private = pulumi.Output.from_input(args.network.head_address)
        else:
            self._make(args)
        self.register_outputs({"private": self.private})

    def _make(self, args: HeadAddressArgs) -> None:
        of, tags = pulumi.ResourceOptions(parent=self), carried(args.design, "head")
        self.interface = aws.ec2.NetworkInterface(
            "head",
            subnet_id=args.network.head_subnet,
            security_groups=groups(args.network),
            source_dest_check=not args.network.behind_head,
            tags=tags,
            opts=of,
        )
        self.private = self.interface.private_ip
        if args.design.network.access == "public":
            # An instance with an interface that exists already gets no public address by itself.
            self.public = aws.ec2.Eip("head", domain="vpc", network_interface=self.interface.id, tags=tags, opts=of)
            self.own.append(self.public.id)


def groups(network: Network) -> list[pulumi.Input[str]]:
    """The head's security groups."""
    return [network.inside.id, *([network.ssh.id] if network.ssh is not None else [])]


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
    """`id`, the instance's; `reached`, where its SSH is; `interface`, by which it forwards for the nodes behind it."""

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
            **_place(design, args.network, address),
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
            # A newer image of tomorrow is no reason to make the head, and all that is on it, anew. And two cannot have one
            # address.
            opts=pulumi.ResourceOptions(parent=self, depends_on=ready, ignore_changes=["ami"], delete_before_replace=True),
        )
        self.id, self.interface = self.instance.id, self.instance.primary_network_interface_id
        self.reached: pulumi.Output[str] = self.instance.id
        if design.network.access == "public":
            self.reached = address.public.public_ip if address.public is not None else self.instance.public_ip
        self.register_outputs({"id": self.id, "reached": self.reached})


def _place(design: Design, network: Network, address: HeadAddress) -> dict[str, Any]:
    """Where the instance is: on the interface that waits for it, or on one that comes and goes with it."""
    if address.interface is not None:
        on = aws.ec2.InstancePrimaryNetworkInterfaceArgs(network_interface_id=address.interface.id)
        return {"primary_network_interface": on}
    return {
        "subnet_id": network.head_subnet,
        "private_ip": address.private,
        # EC2's own, which goes with the machine: an Elastic IP would be billed on, and only another machine can release it.
        "associate_public_ip_address": design.network.access == "public",
        "vpc_security_group_ids": groups(network),
        # It forwards what is not its own for the nodes behind it.
        "source_dest_check": not network.behind_head,
    }
