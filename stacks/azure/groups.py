"""Compute groups and login nodes: a model for each type, from which launch/azure.py makes machines. No machine is made here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import images
import pulumi
from identity import Identity
from network import Network
from pulumi_azure_native import compute
from scope import Scope

from provisioner.design.attempts import order
from provisioner.design.model import Group, Node

ADMIN = "burst-admin"


@dataclass(frozen=True)
class GroupsArgs:
    """`public_key` is the one that Azure asks of every machine; no user of it is made (the user-data has its own)."""

    scope: Scope
    network: Network
    identity: Identity
    public_key: pulumi.Output[str]


class Groups(pulumi.ComponentResource):
    """`attempts`: group (and `login`) → [{market, template}]. The number of resources does not grow with nodes."""

    def __init__(self, name: str, args: GroupsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("burst:azure:Groups", name, None, opts)
        self._args, design = args, args.scope.design
        told: dict[str, list[dict[str, Any]]] = {group.name: self._attempts(group) for group in design.groups}
        if design.login is not None:
            told["login"] = [{"market": "on-demand", "template": self._template("login", design.login.node, self._login())}]
        self.attempts: pulumi.Output[dict[str, Any]] = pulumi.Output.from_input(told)
        self.register_outputs({})

    def _attempts(self, group: Group) -> list[dict[str, Any]]:
        templates = {node.instance: self._template("compute", node, self._compute(group, node)) for node in group.alternatives}
        return [{"market": market, "template": templates[node.instance]} for market, node in order(group, "azure")]

    def _template(self, role: str, node: Node, body: dict[str, Any]) -> dict[str, Any]:
        scope, head = self._args.scope, self._args.identity.head
        return {
            "instance": node.instance,
            "run": scope.design.run.id,
            "subscription": scope.subscription,
            "group": scope.group,
            "identity": head.client if head else "",
            "custom_data": f"/opt/burst/{role}",
            "body": body,
        }

    def _compute(self, group: Group, node: Node) -> dict[str, Any]:
        args = self._args
        fabric = node.fabric if group.fabric == "auto" else ""
        body = self._body(node, group.image or args.scope.design.image, bool(fabric), args.network.compute)
        body["properties"].update(self._placement(group, node, fabric))
        if fabric != "infiniband" and args.scope.zones:
            # An availability set is in no zone.
            body["zones"] = args.scope.zones
        return body

    def _placement(self, group: Group, node: Node, fabric: str) -> dict[str, Any]:
        scope, part = self._args.scope, f"{group.name}-{node.instance}".replace("_", "-").lower()
        own = pulumi.ResourceOptions(parent=self)
        if fabric == "infiniband":
            # One set is one InfiniBand ("Set up InfiniBand on HPC VMs"): one fault domain and one update domain.
            made = compute.AvailabilitySet(
                part,
                availability_set_name=scope.named(part),
                resource_group_name=scope.group,
                location=scope.region,
                sku=compute.SkuArgs(name="Aligned"),
                platform_fault_domain_count=1,
                platform_update_domain_count=1,
                tags=scope.tags,
                opts=own,
            )
            return {"availabilitySet": {"id": made.id}}
        if fabric:
            near = compute.ProximityPlacementGroup(
                part,
                proximity_placement_group_name=scope.named(part),
                resource_group_name=scope.group,
                location=scope.region,
                tags=scope.tags,
                opts=own,
            )
            return {"proximityPlacementGroup": {"id": near.id}}
        return {}

    def _login(self) -> dict[str, Any]:
        """In the head's subnet and as open as the head."""
        design, network = self._args.scope.design, self._args.network
        assert design.login is not None
        body = self._body(design.login.node, design.image, False, network.head, network.head_security)
        if self._args.scope.zones:
            body["zones"] = self._args.scope.zones
        if design.network.access == "public":
            interface = body["properties"]["networkProfile"]["networkInterfaceConfigurations"][0]
            interface["properties"]["ipConfigurations"][0]["properties"]["publicIPAddressConfiguration"] = {
                "name": "public",
                "sku": {"name": "Standard"},
                "properties": {"publicIPAllocationMethod": "Static", "deleteOption": "Delete"},
                "tags": self._args.scope.tags,
            }
        return body

    def _body(
        self,
        node: Node,
        image: str | None,
        fabric: bool,
        subnet: pulumi.Output[str],
        security: pulumi.Output[str] | None = None,
    ) -> dict[str, Any]:
        """The request of "Virtual Machines - Create Or Update", without what launch/azure.py puts into it."""
        scope, data = self._args.scope, self._args.identity.data
        body: dict[str, Any] = {
            "location": scope.region,
            "tags": scope.tags,
            "properties": {
                "hardwareProfile": {"vmSize": node.instance},
                "storageProfile": {"imageReference": images.reference(image, node, fabric), "osDisk": _DISK},
                "osProfile": {"adminUsername": ADMIN, "linuxConfiguration": linux(self._args.public_key)},
                "networkProfile": {
                    "networkApiVersion": "2022-11-01",
                    "networkInterfaceConfigurations": [
                        {
                            "properties": {
                                "primary": True,
                                "deleteOption": "Delete",
                                "enableAcceleratedNetworking": images.accelerated(node),
                                "networkSecurityGroup": {"id": security or self._args.network.compute_security},
                                "ipConfigurations": [{"name": "own", "properties": {"subnet": {"id": subnet}, "primary": True}}],
                            },
                            "tags": scope.tags,
                        }
                    ],
                },
                "securityProfile": images.security(image, node, fabric),
                "diagnosticsProfile": {"bootDiagnostics": {"enabled": True}},
            },
        }
        if data is not None:
            body["identity"] = {"type": "UserAssigned", "userAssignedIdentities": data.id.apply(lambda whole: {whole: {}})}
        return body


# Encrypted with Azure's own keys, as every managed disk is ("Server-side encryption of Azure Disk Storage").
_DISK = {
    "createOption": "FromImage",
    "deleteOption": "Delete",
    "caching": "ReadWrite",
    "managedDisk": {"storageAccountType": "StandardSSD_LRS"},
}


def linux(public_key: pulumi.Input[str]) -> dict[str, Any]:
    """No password, one key."""
    path = f"/home/{ADMIN}/.ssh/authorized_keys"
    return {"disablePasswordAuthentication": True, "ssh": {"publicKeys": [{"path": path, "keyData": public_key}]}}
