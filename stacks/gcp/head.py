"""The head: slurmctld, the shared folders, the way in, and the nodes' way out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import images
import pulumi
import pulumi_gcp as gcp
from groups import ends_at
from identity import Identity
from network import Network
from zones import Where

from provisioner.bootstrap.seam import Launcher, Mount, Seam, served
from provisioner.design import gcp_disk
from provisioner.design.model import Design
from provisioner.stack.identity import described, named, tags

# What the head's role allows is what counts; scopes are the older mechanism beside it ("Access scopes").
_SCOPES = ["https://www.googleapis.com/auth/cloud-platform"]
# Seconds after the expiry at which Google deletes a head that could have deleted itself. Its own timer fires at the expiry;
# slurmctld has a minute to stop, and what ends the run 900 s for everything else and then the head (alone/end_gcp.py). This
# is for a head that is dead, or may not; up to 30 s late, and still before end.sh gives up after 1200 s and switches it off,
# which would clear it. A head without an identity only switches itself off: it goes as its nodes do, before that.
BACKSTOP = 1140


@dataclass(frozen=True)
class HeadArgs:
    """`user_data` in base64, secret."""

    design: Design
    where: Where
    network: Network
    identity: Identity
    user_data: pulumi.Input[str]


class Head(pulumi.ComponentResource):
    """`id` is its name; `address` where its SSH is reached."""

    def __init__(self, name: str, args: HeadArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("burst:gcp:Head", name, None, opts)
        self._args = args
        design = args.design
        made = gcp.compute.Instance(
            "head",
            name=named(design, "head"),
            description=described(design),
            labels=tags(design),
            zone=args.where.zone,
            machine_type=design.head.instance,
            boot_disk=self._disk(),
            network_interfaces=[self._interface()],
            can_ip_forward=args.network.behind_head.apply(bool),
            scheduling=self._scheduling(),
            shielded_instance_config=gcp.compute.InstanceShieldedInstanceConfigArgs(
                enable_secure_boot=images.secure_boot(design), enable_vtpm=True, enable_integrity_monitoring=True
            ),
            metadata=images.metadata(args.user_data),
            service_account=self._account(),
            tags=[design.run.id, named(design, "head")],
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.id: pulumi.Output[str] = made.name
        self.address = made.network_interfaces.apply(self._reached)
        self.register_outputs({"id": self.id, "address": self.address})

    def _disk(self) -> gcp.compute.InstanceBootDiskArgs:
        """Encrypted by Google, as every disk is unless somebody brings a key ("Default encryption at rest")."""
        design = self._args.design
        return gcp.compute.InstanceBootDiskArgs(
            auto_delete=True,
            initialize_params=gcp.compute.InstanceBootDiskInitializeParamsArgs(
                image=images.image(design, design.head),
                type=gcp_disk.kind(design.head),
                # Compute Engine's GB are GiB ("Persistent Disk": 1 GB is 2^30 bytes).
                size=-(-design.head_storage // 2**30),
                labels=tags(design),
            ),
        )

    def _interface(self) -> gcp.compute.InstanceNetworkInterfaceArgs:
        public = self._args.design.network.access == "public"
        return gcp.compute.InstanceNetworkInterfaceArgs(
            subnetwork=self._args.network.subnet,
            network_ip=self._args.network.head_address,
            nic_type="GVNIC",
            access_configs=[gcp.compute.InstanceNetworkInterfaceAccessConfigArgs()] if public else None,
        )

    def _scheduling(self) -> gcp.compute.InstanceSchedulingArgs:
        fixed = bool(self._args.design.head.gpus or self._args.design.head.fabric == "rdma")
        return gcp.compute.InstanceSchedulingArgs(
            provisioning_model="STANDARD",
            automatic_restart=True,
            on_host_maintenance="TERMINATE" if fixed else "MIGRATE",
            instance_termination_action="DELETE",
            termination_time=ends_at(self._args.design, None if self._args.identity.head is None else BACKSTOP),
        )

    def _account(self) -> gcp.compute.InstanceServiceAccountArgs | None:
        email = self._args.identity.head
        return gcp.compute.InstanceServiceAccountArgs(email=email, scopes=_SCOPES) if email is not None else None

    def _reached(self, interfaces: Sequence[Any]) -> str:
        """Its public address; through the tunnel it is reached by its name."""
        if self._args.design.network.access == "tunnel":
            return named(self._args.design, "head")
        return str(interfaces[0].access_configs[0].nat_ip)


def nodes_seam(design: Design, mounts: list[Mount], behind_head: str) -> Seam:
    """What compute and login nodes are told."""
    return Seam(shape="gcp", served=served(design), mounts=tuple(mounts), behind_head=behind_head)


def ending(design: Design, where: Where, made: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """What alone/end_gcp.py is told; `made` is storage.py's."""
    nodes = {group.name: group.max for group in design.groups}
    return {
        "project": where.project,
        "zone": where.zone,
        "run": design.run.id,
        "nodes": {**nodes, **({"login": design.login.nodes} if design.login else {})},
        "filestore": list(made["managed-nfs"]),
        "lustre": list(made["lustre"]),
        "buckets": list(made["bucket"]),
    }


def head_seam(
    design: Design,
    mounts: list[Mount],
    behind_head: str,
    attempts: dict[str, Any],
    *,
    ending: dict[str, Any],
    first: bool,
    launches: bool,
) -> Seam:
    """What the head is told: also how nodes are made, where it may make them, and how the run is ended."""
    told = {"launcher": "gcp", "scontrol": ["scontrol"], "groups": attempts}
    return Seam(
        shape="gcp",
        served=served(design),
        mounts=tuple(mounts),
        launcher=Launcher("gcp", told, ending=ending) if launches else None,
        behind_head=behind_head,
        first=first and launches,
    )
