"""The network: a VNet of the run's own, or subnets of an existing one, which is used as it is.

Own: head and login nodes in one subnet, compute in another that has no way in from outside; its way out is the head (a
route to its interface) or a NAT gateway. A head without a public address is reached through Azure Bastion and reaches the
world through a NAT gateway.
"""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
from pulumi_azure_native import network
from scope import Scope, group_of, name_of

SPACE = "10.0.0.0/16"
HEAD, BASTION, LUSTRE, COMPUTE = "10.0.0.0/24", "10.0.1.0/26", "10.0.2.0/23", "10.0.128.0/17"
# The first that Azure does not keep for itself ("Azure Virtual Network FAQ").
HEAD_ADDRESS = "10.0.0.4"
# "About Azure Bastion configuration settings": the subnet's name, and the SKU that has native tunnels.
BASTION_SUBNET = "AzureBastionSubnet"
_STORED = ("managed-nfs", "bucket")


@dataclass(frozen=True)
class NetworkArgs:
    scope: Scope
    ssh_from: tuple[str, ...]


class Network(pulumi.ComponentResource):
    """`id` of the VNet; subnets and network security groups by id; `range` of the compute nodes.

    `head_address` is known beforehand in a network of the run's own alone.
    """

    def __init__(self, name: str, args: NetworkArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("burst:azure:Network", name, None, opts)
        self._scope = args.scope
        self._own = pulumi.ResourceOptions(parent=self)
        asked = args.scope.design.network
        self.head_address: str | None = None
        self.id: pulumi.Output[str]
        self.head: pulumi.Output[str]
        self.compute: pulumi.Output[str]
        self.lustre: pulumi.Output[str]
        self.range: pulumi.Output[str]
        if asked.id is not None:
            self._existing(asked.id, asked.subnet)
            inside = self.range
        else:
            self._new()
            inside = pulumi.Output.from_input(SPACE)
        self.head_security = self._security("head", [*self._way_in(args.ssh_from), _allow("cluster", 200, inside), _DENY])
        self.compute_security = self._security("compute", [_allow("cluster", 200, inside), _DENY])
        self.register_outputs({"id": self.id})

    def _existing(self, vnet: str, subnet: str | None) -> None:
        if subnet is None:
            raise pulumi.RunError("network.id is set, but not network.subnet. Name the subnet of that VNet in the file")
        whole = subnet if subnet.startswith("/") else f"{vnet}/subnets/{subnet}"
        found = network.get_subnet_output(
            resource_group_name=name_of(group_of(vnet)), virtual_network_name=name_of(vnet), subnet_name=name_of(whole)
        )
        self.id = pulumi.Output.from_input(vnet)
        self.head = self.compute = self.lustre = pulumi.Output.from_input(whole)
        self.range = found.apply(lambda told: str(told.address_prefix or (told.address_prefixes or [""])[0]))

    def _new(self) -> None:
        scope, asked = self._scope, self._scope.design.network
        self.head_address = HEAD_ADDRESS
        gateway = self._gateway() if asked.access == "tunnel" or asked.egress == "gateway" else None
        behind = asked.egress == "head"
        subnets = [
            self._subnet("head", HEAD, gateway if asked.access == "tunnel" else None),
            self._subnet("compute", COMPUTE, None if behind else gateway, self._route() if behind else None),
        ]
        if any(fs.type == "lustre" and fs.id is None for fs in scope.design.filesystems):
            subnets.append(self._subnet("lustre", LUSTRE))
        if asked.access == "tunnel":
            subnets.append(network.SubnetArgs(name=BASTION_SUBNET, address_prefix=BASTION))
        vnet = network.VirtualNetwork(
            "vnet",
            virtual_network_name=scope.named("network"),
            resource_group_name=scope.group,
            location=scope.region,
            address_space=network.AddressSpaceArgs(address_prefixes=[SPACE]),
            # In one call with it: each change of a subnet locks the whole network.
            subnets=subnets,
            tags=scope.tags,
            opts=self._own,
        )
        self.id = vnet.id
        self.head, self.compute, self.lustre = (
            pulumi.Output.concat(vnet.id, f"/subnets/{part}") for part in ("head", "compute", "lustre")
        )
        self.range = pulumi.Output.from_input(COMPUTE)
        if asked.access == "tunnel":
            self._bastion()

    def _subnet(
        self,
        name: str,
        prefix: str,
        gateway: network.NatGateway | None = None,
        routes: network.RouteTable | None = None,
    ) -> network.SubnetArgs:
        stored = name != "lustre" and any(fs.type in _STORED for fs in self._scope.design.filesystems)
        return network.SubnetArgs(
            name=name,
            address_prefix=prefix,
            # Lustre's servers are Microsoft's own, and reach its services that way.
            default_outbound_access=name == "lustre",
            nat_gateway=network.SubResourceArgs(id=gateway.id) if gateway else None,
            route_table=network.RouteTableArgs(id=routes.id) if routes else None,
            # The way to storage accounts that let in nobody else.
            service_endpoints=[network.ServiceEndpointPropertiesFormatArgs(service="Microsoft.Storage")] if stored else None,
        )

    def _route(self) -> network.RouteTable:
        scope = self._scope
        return network.RouteTable(
            "routes",
            route_table_name=scope.named("routes"),
            resource_group_name=scope.group,
            location=scope.region,
            disable_bgp_route_propagation=True,
            routes=[
                network.RouteArgs(
                    name="out",
                    address_prefix="0.0.0.0/0",
                    next_hop_type=network.RouteNextHopType.VIRTUAL_APPLIANCE,
                    next_hop_ip_address=HEAD_ADDRESS,
                )
            ],
            tags=scope.tags,
            opts=self._own,
        )

    def _gateway(self) -> network.NatGateway:
        scope = self._scope
        return network.NatGateway(
            "gateway",
            nat_gateway_name=scope.named("gateway"),
            resource_group_name=scope.group,
            location=scope.region,
            sku=network.NatGatewaySkuArgs(name=network.NatGatewaySkuName.STANDARD),
            public_ip_addresses=[network.SubResourceArgs(id=public_address(scope, "gateway", self).id)],
            tags=scope.tags,
            opts=self._own,
        )

    def _bastion(self) -> None:
        scope = self._scope
        network.BastionHost(
            "bastion",
            bastion_host_name=scope.named("bastion"),
            resource_group_name=scope.group,
            location=scope.region,
            sku=network.SkuArgs(name=network.BastionHostSkuName.STANDARD),
            enable_tunneling=True,
            ip_configurations=[
                network.BastionHostIPConfigurationArgs(
                    name="bastion",
                    subnet=network.SubResourceArgs(id=pulumi.Output.concat(self.id, f"/subnets/{BASTION_SUBNET}")),
                    public_ip_address=network.SubResourceArgs(id=public_address(scope, "bastion", self).id),
                )
            ],
            tags=scope.tags,
            opts=self._own,
        )

    def _way_in(self, ssh_from: tuple[str, ...]) -> list[network.SecurityRuleArgs]:
        """From the given ranges; where there is a Bastion, from the network that it is in and its peers."""
        if self._scope.design.network.access == "public":
            return [_rule("ssh", 100, "Tcp", "22", list(ssh_from))]
        return [_rule("ssh", 100, "Tcp", "22", ["VirtualNetwork"])]

    def _security(self, part: str, rules: list[network.SecurityRuleArgs]) -> pulumi.Output[str]:
        """A network security group; it goes with the interfaces, because an existing subnet is left as it is."""
        scope = self._scope
        return network.NetworkSecurityGroup(
            f"{part}-security",
            network_security_group_name=scope.named(f"{part}-security"),
            resource_group_name=scope.group,
            location=scope.region,
            security_rules=rules,
            tags=scope.tags,
            opts=self._own,
        ).id


def public_address(scope: Scope, part: str, parent: pulumi.Resource) -> network.PublicIPAddress:
    """A static public address of SKU Standard."""
    return network.PublicIPAddress(
        f"{part}-address",
        public_ip_address_name=scope.named(f"{part}-address"),
        resource_group_name=scope.group,
        location=scope.region,
        sku=network.PublicIPAddressSkuArgs(name=network.PublicIPAddressSkuName.STANDARD),
        public_ip_allocation_method=network.IPAllocationMethod.STATIC,
        tags=scope.tags,
        opts=pulumi.ResourceOptions(parent=parent),
    )


def _rule(
    name: str, priority: int, protocol: str, port: str, sources: list[pulumi.Input[str]] | list[str], access: str = "Allow"
) -> network.SecurityRuleArgs:
    alone = len(sources) == 1
    return network.SecurityRuleArgs(
        name=name,
        priority=priority,
        direction="Inbound",
        access=access,
        protocol=protocol,
        # A service tag or * stands alone, ranges may be several: the API has a field for each.
        source_address_prefix=sources[0] if alone else None,
        source_address_prefixes=None if alone else sources,
        source_port_range="*",
        destination_address_prefix="*",
        destination_port_range=port,
    )


def _allow(name: str, priority: int, source: pulumi.Input[str]) -> network.SecurityRuleArgs:
    """Everything from the cluster's own range: also what it sends through the head to the world."""
    return _rule(name, priority, "*", "*", [source])


# Before Azure's own AllowVnetInBound: a route for 0.0.0.0/0 makes the whole world part of `VirtualNetwork` ("Virtual network
# service tags").
_DENY = _rule("outside", 4000, "*", "*", ["*"], "Deny")
