"""Each group's machines to be: an instance template for each of its types and markets, however many nodes it has."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import images
import pulumi
import pulumi_gcp as gcp
from identity import Identity
from network import Network
from zones import Where

from provisioner.design import gcp_disk
from provisioner.design.attempts import order
from provisioner.design.model import Design, Group, Node
from provisioner.stack.identity import described, named, tags

# A machine that switched itself off keeps its disk, and no time limit ends it any more ("Limit the run time of a VM": the
# timestamp is cleared when a VM is stopped). So Google, up to 30 s late, comes before the machine's own timer.
_BEFORE = 60
# Machines' own service account reaches buckets with these and nothing else ("Access scopes").
_FILES_SCOPES = ["https://www.googleapis.com/auth/devstorage.read_write"]


@dataclass(frozen=True)
class GroupsArgs:
    """`compute` and `login` are the user-data of a role (base64, secret)."""

    design: Design
    where: Where
    network: Network
    identity: Identity
    compute: pulumi.Input[str]
    login: pulumi.Input[str]


class Groups(pulumi.ComponentResource):
    """`attempts` are, for each group and for `login`, what is tried in order: [{market, template}]. It holds no secret."""

    def __init__(self, name: str, args: GroupsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("burst:gcp:Groups", name, None, opts)
        self._args, self._design = args, args.design
        self._below = pulumi.ResourceOptions(parent=self)
        self.attempts: dict[str, list[dict[str, Any]]] = {group.name: self._group(group) for group in self._design.groups}
        if self._design.login:
            node = self._design.login.node
            self.attempts["login"] = [self._attempt("login", node, "on-demand", None, None)]
        self.register_outputs({"attempts": self.attempts})

    def _group(self, group: Group) -> list[dict[str, Any]]:
        nodes = [node for node in group.alternatives if self._args.where.has(node.instance)]
        together = self._placement(group) if any(fabric(group, node) for node in nodes) else None
        return [
            self._attempt(
                f"{group.name}-{nodes.index(node)}-{market}", node, market, group, together if fabric(group, node) else None
            )
            for market, node in order(group, "gcp")
            if node in nodes
        ]

    def _placement(self, group: Group) -> pulumi.Output[str]:
        """Compact, as close as there is room: with a distance, or a number of nodes, there may be none."""
        together = gcp.compute.ResourcePolicyGroupPlacementPolicyArgs(collocation="COLLOCATED")
        return gcp.compute.ResourcePolicy(
            f"{group.name}-placement",
            name=named(self._design, group.name),
            description=described(self._design),
            region=self._args.where.region,
            group_placement_policy=together,
            opts=self._below,
        ).self_link

    def _attempt(
        self, part: str, node: Node, market: str, group: Group | None, placement: pulumi.Output[str] | None
    ) -> dict[str, Any]:
        template = self._template(part, node, market, group, placement)
        where = self._args.where
        told = {"instance": node.instance, "run": self._design.run.id, "project": where.project, "zone": where.zone}
        link = template.name.apply(lambda name: f"projects/{where.project}/global/instanceTemplates/{name}")
        return {"market": market, "template": {**told, "template": link}}

    def _template(
        self, part: str, node: Node, market: str, group: Group | None, placement: pulumi.Output[str] | None
    ) -> gcp.compute.InstanceTemplate:
        design = self._design
        role = "login" if group is None else "compute"
        tier1 = gcp.compute.InstanceTemplateNetworkPerformanceConfigArgs(total_egress_bandwidth_tier="TIER_1")
        files = self._args.identity.files
        return gcp.compute.InstanceTemplate(
            part,
            name=named(design, part),
            description=described(design),
            instance_description=described(design),
            labels=tags(design),
            machine_type=node.instance,
            disks=[self._disk(node, group)],
            network_interfaces=self._interfaces(node, group),
            network_performance_config=tier1 if group and fabric(group, node) == "tier1" else None,
            resource_policies=placement,
            scheduling=self._scheduling(node, market, placement is not None),
            shielded_instance_config=gcp.compute.InstanceTemplateShieldedInstanceConfigArgs(
                enable_secure_boot=images.secure_boot(design, group), enable_vtpm=True, enable_integrity_monitoring=True
            ),
            metadata=images.metadata(self._args.login if group is None else self._args.compute),
            service_account=gcp.compute.InstanceTemplateServiceAccountArgs(email=files, scopes=_FILES_SCOPES) if files else None,
            tags=[design.run.id, named(design, role)],
            opts=self._below,
        )

    def _disk(self, node: Node, group: Group | None) -> gcp.compute.InstanceTemplateDiskArgs:
        """Encrypted by Google, as every disk is unless somebody brings a key ("Default encryption at rest")."""
        return gcp.compute.InstanceTemplateDiskArgs(
            boot=True,
            auto_delete=True,
            source_image=images.image(self._design, node, group),
            disk_type=gcp_disk.kind(node),
            disk_size_gb=gcp_disk.size(node, group),
            labels=tags(self._design),
        )

    def _interfaces(self, node: Node, group: Group | None) -> list[gcp.compute.InstanceTemplateNetworkInterfaceArgs]:
        network = self._args.network
        asked = self._design.network
        # A login node is not behind the head: without a gateway it needs an address of its own to reach the world.
        public = group is None and asked.access == "public" and asked.egress == "head"
        first = gcp.compute.InstanceTemplateNetworkInterfaceArgs(
            subnetwork=network.subnet,
            nic_type="GVNIC",
            access_configs=[gcp.compute.InstanceTemplateNetworkInterfaceAccessConfigArgs()] if public else None,
        )
        if group is None or fabric(group, node) != "rdma":
            return [first]
        assert network.rdma is not None
        return [first, gcp.compute.InstanceTemplateNetworkInterfaceArgs(subnetwork=network.rdma, nic_type="IRDMA")]

    def _scheduling(self, node: Node, market: str, placed: bool) -> gcp.compute.InstanceTemplateSchedulingArgs:
        ends = ends_at(self._design)
        if market == "spot":
            return gcp.compute.InstanceTemplateSchedulingArgs(
                provisioning_model="SPOT",
                preemptible=True,
                automatic_restart=False,
                on_host_maintenance="TERMINATE",
                instance_termination_action="DELETE",
                termination_time=ends,
            )
        return gcp.compute.InstanceTemplateSchedulingArgs(
            provisioning_model="STANDARD",
            # A node that fails is made anew by Slurm, under its name.
            automatic_restart=False,
            on_host_maintenance="TERMINATE" if node.gpus or node.fabric or placed else "MIGRATE",
            instance_termination_action="DELETE",
            termination_time=ends,
        )


def fabric(group: Group, node: Node) -> str:
    """tier1, rdma, or nothing where the type has none or the file wants none."""
    return node.fabric if group.fabric == "auto" else ""


def ends_at(design: Design, after: int | None = None) -> str:
    """When Google deletes a machine (RFC 3339): so many seconds after the expiry; by default before it switches itself off."""
    ends = design.run.expires + (-_BEFORE if after is None else after)
    return datetime.fromtimestamp(ends, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
