"""The head: its interface first, because everybody's user-data has its address, and the machine last."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import images
import pulumi
from groups import ADMIN
from identity import Identity
from network import Network, public_address
from pulumi_azure_native import compute, network
from scope import Scope

from provisioner.bootstrap.needs import Role
from provisioner.bootstrap.seam import Launcher, Mount, Seam, served
from provisioner.stack import machines
from provisioner.stack.given import Given

_GIB = 2**30


@dataclass(frozen=True)
class InterfaceArgs:
    scope: Scope
    network: Network


class Interface(pulumi.ComponentResource):
    """`private` and `public` address; `public` is the private one where there is no other."""

    def __init__(self, name: str, args: InterfaceArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("burst:azure:Interface", name, None, opts)
        scope, net, design = args.scope, args.network, args.scope.design
        public = public_address(scope, "head", self) if design.network.access == "public" else None
        fixed = net.head_address
        made = network.NetworkInterface(
            "head-interface",
            network_interface_name=scope.named("head"),
            resource_group_name=scope.group,
            location=scope.region,
            network_security_group=network.NetworkSecurityGroupArgs(id=net.head_security),
            enable_ip_forwarding=design.network.egress == "head",
            enable_accelerated_networking=images.accelerated(design.head),
            ip_configurations=[
                network.NetworkInterfaceIPConfigurationArgs(
                    name="own",
                    primary=True,
                    subnet=network.SubnetArgs(id=net.head),
                    # Of an existing subnet nobody knows which address is free: the first one is kept.
                    private_ip_allocation_method="Static" if fixed else "Dynamic",
                    private_ip_address=fixed,
                    public_ip_address=network.PublicIPAddressArgs(id=public.id) if public else None,
                )
            ],
            tags=scope.tags,
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.id = made.id
        self.private: pulumi.Output[str] = (
            pulumi.Output.from_input(fixed)
            if fixed
            else made.ip_configurations.apply(lambda told: str(told[0].private_ip_address) if told else "")
        )
        self.public: pulumi.Output[str] = public.ip_address.apply(str) if public else self.private
        self.register_outputs({"private": self.private})


@dataclass(frozen=True)
class HeadArgs:
    given: Given
    scope: Scope
    network: Network
    interface: Interface
    identity: Identity
    mounts: pulumi.Output[Sequence[Mount]]
    attempts: pulumi.Output[dict[str, Any]]
    public_key: pulumi.Output[str]


class Head(pulumi.ComponentResource):
    """`id` of the machine; `seam` is what a compute node is told of the place."""

    def __init__(self, name: str, args: HeadArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("burst:azure:Head", name, None, opts)
        scope, design, data = args.scope, args.scope.design, args.identity.data
        own = [each.id for each in dict.fromkeys((args.identity.head, data)) if each is not None]
        self.seam = pulumi.Output.all(args.mounts, args.network.range).apply(lambda told: _seam(args.given, *told))
        machine = compute.VirtualMachine(
            "head",
            vm_name=scope.named("head"),
            resource_group_name=scope.group,
            location=scope.region,
            zones=scope.zones,
            hardware_profile=compute.HardwareProfileArgs(vm_size=design.head.instance),
            network_profile=compute.NetworkProfileArgs(
                network_interfaces=[compute.NetworkInterfaceReferenceArgs(id=args.interface.id, primary=True)]
            ),
            storage_profile=compute.StorageProfileArgs(image_reference=_image(args), os_disk=_disk(design.head_storage)),
            os_profile=compute.OSProfileArgs(
                computer_name="head",
                admin_username=ADMIN,
                # Not userData: what is in it can be read by everybody on the machine who can reach its metadata.
                custom_data=self._user_data(args),
                linux_configuration=compute.LinuxConfigurationArgs(
                    disable_password_authentication=True,
                    ssh=compute.SshConfigurationArgs(
                        public_keys=[
                            compute.SshPublicKeyArgs(path=f"/home/{ADMIN}/.ssh/authorized_keys", key_data=args.public_key)
                        ]
                    ),
                ),
            ),
            security_profile=_security(args),
            diagnostics_profile=compute.DiagnosticsProfileArgs(boot_diagnostics=compute.BootDiagnosticsArgs(enabled=True)),
            identity=compute.VirtualMachineIdentityArgs(
                type=compute.ResourceIdentityType.USER_ASSIGNED, user_assigned_identities=own
            )
            if own
            else None,
            tags=scope.tags,
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.id: pulumi.Output[str] = machine.id
        self.register_outputs({"id": self.id})

    def _user_data(self, args: HeadArgs) -> pulumi.Output[str]:
        private = args.interface.private
        # Login nodes are launched by the head alone where no client of ours will ("first").
        roles: tuple[Role, ...] = ("compute", "login") if args.given.first and args.scope.design.login else ("compute",)
        nodes = {f"/opt/burst/{role}": machines.text(args.given, role, seam=self.seam, address=private) for role in roles}
        files: pulumi.Output[dict[str, str]] = pulumi.Output.all(**nodes)
        head = args.identity.head
        ending = {
            "run": args.scope.design.run.id,
            "subscription": args.scope.subscription,
            "group": args.scope.group,
            "identity": head.client if head else "",
        }
        seam = pulumi.Output.all(self.seam, args.attempts, files, ending, head is not None).apply(_with_launcher)
        return machines.text(args.given, "head", seam=seam, address=private)


def _seam(given: Given, mounts: Sequence[Mount], compute_range: str) -> Seam:
    return Seam(
        shape="azure",
        served=served(given.design),
        mounts=tuple(mounts),
        behind_head=compute_range if given.design.network.egress == "head" else "",
        first=given.first,
    )


def _with_launcher(told: Sequence[Any]) -> Seam:
    """What the head is told beyond: nothing of launching, or of ending the run, where it may not."""
    seam, attempts, files, ending, allowed = told
    if not allowed:
        return Seam(**{**vars(seam), "first": False})
    launch: Mapping[str, Any] = {"launcher": "azure", "scontrol": ["scontrol"], "groups": attempts}
    return Seam(**{**vars(seam), "launcher": Launcher("azure", launch, files, ending)})


def _image(args: HeadArgs) -> compute.ImageReferenceArgs:
    told = images.reference(args.scope.design.image, args.scope.design.head)
    return compute.ImageReferenceArgs(
        id=told.get("id"),
        community_gallery_image_id=told.get("communityGalleryImageId"),
        **{key: value for key, value in told.items() if key in ("publisher", "offer", "sku", "version")},
    )


def _disk(size: int) -> compute.OSDiskArgs:
    """With room for everything that it serves."""
    return compute.OSDiskArgs(
        create_option=compute.DiskCreateOptionTypes.FROM_IMAGE,
        delete_option=compute.DiskDeleteOptionTypes.DELETE,
        caching=compute.CachingTypes.READ_WRITE,
        disk_size_gb=-(-size // _GIB),
        managed_disk=compute.ManagedDiskParametersArgs(storage_account_type=compute.StorageAccountTypes.PREMIUM_LRS),
    )


def _security(args: HeadArgs) -> compute.SecurityProfileArgs:
    told = images.security(args.scope.design.image, args.scope.design.head)
    if told["securityType"] == "Standard":
        return compute.SecurityProfileArgs()
    return compute.SecurityProfileArgs(
        security_type=compute.SecurityTypes.TRUSTED_LAUNCH,
        uefi_settings=compute.UefiSettingsArgs(secure_boot_enabled=True, v_tpm_enabled=True),
    )
