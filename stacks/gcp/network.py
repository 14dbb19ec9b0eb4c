"""The run's network, or a place in one that exists; who reaches the head, and how the others reach the world."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_gcp as gcp
from zones import Where

from provisioner.stack.given import Given
from provisioner.stack.identity import described, named
from provisioner.stack.identity import tags as labels

_RANGE, _RDMA_RANGE = "10.0.0.0/16", "10.1.0.0/16"
# From where Identity-Aware Proxy comes ("Using IAP for TCP forwarding").
IAP = "35.235.240.0/20"
# "Jumbo frames": RDMA networks have it by default, and Managed Lustre is up to a tenth faster with it.
_MTU = 8896
# Before the network's own default route, which has 1000.
_PRIORITY = 900


@dataclass(frozen=True)
class NetworkArgs:
    given: Given
    where: Where


class Network(pulumi.ComponentResource):
    """`id` and `subnet` are names that begin with projects/; `project` is where they are: a shared VPC has its own.

    `behind_head` is the range whose machines reach the world through the head ("" where they need not); `head_address`
    is the head's, reserved before the head exists because everybody's user-data has it.
    """

    def __init__(self, name: str, args: NetworkArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("burst:gcp:Network", name, None, opts)
        self._given, self._where = args.given, args.where
        self._design = args.given.design
        self._below = pulumi.ResourceOptions(parent=self)
        asked = self._design.network
        self.own = asked.id is None
        self.project = args.where.project if asked.id is None else _project(asked.id, args.where.project)
        self.id, self.subnet, self.range = self._made() if asked.id is None else self._existing(asked.id)
        # Without a public address the head itself needs a way out.
        gateway = asked.egress == "gateway" or asked.access == "tunnel"
        self.behind_head: pulumi.Output[str] = pulumi.Output.from_input("") if gateway else self.range
        self.head_address = self._address()
        self.firewall = self._open()
        if gateway:
            self._gateway()
        else:
            self._through_head()
        self.rdma = self._rdma() if self._needs_rdma() else None
        self.register_outputs({"id": self.id, "subnet": self.subnet})

    def _made(self) -> tuple[pulumi.Output[str], pulumi.Output[str], pulumi.Output[str]]:
        network = gcp.compute.Network(
            "network",
            name=named(self._design, "net"),
            description=described(self._design),
            auto_create_subnetworks=False,
            mtu=_MTU,
            opts=self._below,
        )
        subnet = gcp.compute.Subnetwork(
            "subnet",
            name=named(self._design, "net"),
            description=described(self._design),
            network=network.id,
            region=self._where.region,
            ip_cidr_range=_RANGE,
            # Buckets are reached without an address in the world.
            private_ip_google_access=True,
            opts=self._below,
        )
        return network.id, subnet.id, subnet.ip_cidr_range

    def _existing(self, identity: str) -> tuple[pulumi.Output[str], pulumi.Output[str], pulumi.Output[str]]:
        subnet = self._design.network.subnet
        if subnet is None:
            raise pulumi.RunError("network.id needs network.subnet: a subnet of that network in the run's region")
        found = gcp.compute.get_subnetwork(name=subnet.rpartition("/")[2], project=self.project, region=self._where.region)
        network = f"projects/{self.project}/global/networks/{identity.rpartition('/')[2]}"
        link = f"projects/{self.project}/regions/{self._where.region}/subnetworks/{found.name}"
        return pulumi.Output.from_input(network), pulumi.Output.from_input(link), pulumi.Output.from_input(found.ip_cidr_range)

    def _address(self) -> pulumi.Output[str]:
        return gcp.compute.Address(
            "head-address",
            name=named(self._design, "head"),
            description=described(self._design),
            labels=labels(self._design),
            region=self._where.region,
            address_type="INTERNAL",
            subnetwork=self.subnet,
            opts=self._below,
        ).address

    def _open(self) -> pulumi.Output[str]:
        """The run's machines to each other, and SSH; answers the rule that lets SSH in."""
        design = self._design
        everything = gcp.compute.FirewallAllowArgs(protocol="all")
        self._rule("internal", [design.run.id], everything, tags=[design.run.id])
        tunnel = design.network.access == "tunnel"
        reached = [named(design, "head"), *([named(design, "login")] if design.login and not tunnel else [])]
        ranges = [IAP] if tunnel else list(self._given.ssh_from)
        ssh = gcp.compute.FirewallAllowArgs(protocol="tcp", ports=["22"])
        return self._rule("ssh", reached, ssh, ranges=ranges).id

    def _rule(
        self,
        part: str,
        to: list[str],
        allowed: gcp.compute.FirewallAllowArgs,
        *,
        tags: list[str] | None = None,
        ranges: list[str] | None = None,
    ) -> gcp.compute.Firewall:
        return gcp.compute.Firewall(
            part,
            name=named(self._design, part),
            description=described(self._design),
            project=self.project,
            network=self.id,
            direction="INGRESS",
            target_tags=to,
            allows=[allowed],
            source_tags=tags,
            source_ranges=ranges,
            opts=self._below,
        )

    def _through_head(self) -> None:
        gcp.compute.Route(
            "way-out",
            name=named(self._design, "out"),
            description=described(self._design),
            project=self.project,
            network=self.id,
            dest_range="0.0.0.0/0",
            next_hop_ip=self.head_address,
            priority=_PRIORITY,
            tags=[named(self._design, "compute")],
            opts=self._below,
        )

    def _gateway(self) -> None:
        router = gcp.compute.Router(
            "router",
            name=named(self._design, "nat"),
            description=described(self._design),
            project=self.project,
            network=self.id,
            region=self._where.region,
            opts=self._below,
        )
        subnet = gcp.compute.RouterNatSubnetworkArgs(name=self.subnet, source_ip_ranges_to_nats=["ALL_IP_RANGES"])
        gcp.compute.RouterNat(
            "nat",
            name=named(self._design, "nat"),
            project=self.project,
            router=router.name,
            region=self._where.region,
            nat_ip_allocate_option="AUTO_ONLY",
            source_subnetwork_ip_ranges_to_nat="LIST_OF_SUBNETWORKS",
            subnetworks=[subnet],
            opts=self._below,
        )

    def _needs_rdma(self) -> bool:
        return any(n.fabric == "rdma" for group in self._design.groups if group.fabric == "auto" for n in group.alternatives)

    def _rdma(self) -> pulumi.Output[str]:
        """H4D's cards for Cloud RDMA are in a network of their own, whose profile belongs to a zone ("RDMA network
        profiles"): it lets everything in, has no way out, and takes IRDMA interfaces alone.
        """
        profile = f"projects/{self._where.project}/global/networkProfiles/{self._where.zone}-vpc-falcon"
        network = gcp.compute.Network(
            "rdma",
            name=named(self._design, "rdma"),
            description=described(self._design),
            auto_create_subnetworks=False,
            mtu=_MTU,
            network_profile=profile,
            opts=self._below,
        )
        return gcp.compute.Subnetwork(
            "rdma",
            name=named(self._design, "rdma"),
            description=described(self._design),
            network=network.id,
            region=self._where.region,
            ip_cidr_range=_RDMA_RANGE,
            opts=self._below,
        ).id


def _project(network: str, own: str) -> str:
    """Whose network it is: projects/P/global/networks/N (also at the end of a URL), or N alone."""
    parts = network.split("/")
    return parts[parts.index("projects") + 1] if "projects" in parts else own
