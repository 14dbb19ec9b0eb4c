"""The network: a VPC of the run's own with a public subnet for the head and a private one for everything else, in one
zone; or an existing subnet, which is used as it is. And the two security groups.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws
from naming import carried
from zones import chosen

from provisioner.design.model import Design
from provisioner.stack import identity as run_identity

# The run's own network meets nobody else's, so it is the same for all. 32,763 addresses for nodes: EFA-only interfaces
# have none.
RANGE, PUBLIC, PRIVATE = "10.77.0.0/16", "10.77.0.0/24", "10.77.128.0/17"
# Behind a tunnel the head has a subnet to itself: in the nodes' one a filesystem could have got its address before it.
HIDDEN = "10.77.1.0/24"
WORLD = "0.0.0.0/0"


@dataclass(frozen=True)
class NetworkArgs:
    """`ssh_from` are the ranges that may reach the head's SSH; `zone` is the one that the user asks for."""

    design: Design
    ssh_from: Sequence[str]
    zone: str | None = None


class Network(pulumi.ComponentResource):
    """`head_subnet`, `subnet` (the nodes'), `inside` (the group of everything of the run, open to itself), `ssh` (the
    head's own group, or None), `where` (the zone, and what it offers), `behind_head`, and `ready`: what the head needs to
    reach the world.

    `head_address` is the private address that only the head will ask for; None in an existing network, where whoever
    else is there may have any.
    """

    vpc: pulumi.Input[str]
    head_subnet: pulumi.Input[str]
    subnet: pulumi.Input[str]
    head_address: str | None = None
    table: pulumi.Input[str] | None = None

    def __init__(self, name: str, args: NetworkArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("burst:aws:Network", name, None, opts)
        self._args, self._of = args, pulumi.ResourceOptions(parent=self)
        self.ready: list[pulumi.Resource] = []
        # Through the head goes what the network itself has no way out for.
        self.gateway = args.design.network.egress == "gateway" or args.design.network.access == "tunnel"
        self.behind_head = ""
        if args.design.network.id is None:
            self._make()
        else:
            self._take(args.design.network.id)
        self.inside = self._inside()
        self.ssh = self._ssh() if args.design.network.access == "public" else None
        self.register_outputs({"vpc": self.vpc, "subnet": self.subnet, "inside": self.inside.id})

    def _make(self) -> None:
        design = self._args.design
        self.where = chosen(design, self._args.zone)
        vpc = aws.ec2.Vpc(
            "vpc",
            cidr_block=RANGE,
            enable_dns_support=True,
            enable_dns_hostnames=True,
            tags=carried(design, "vpc"),
            opts=self._of,
        )
        self.vpc = vpc.id
        internet = aws.ec2.InternetGateway("internet", vpc_id=vpc.id, tags=carried(design, "internet"), opts=self._of)
        public, public_table, joined = self._part("public", PUBLIC)
        out = aws.ec2.Route(
            "public-out", route_table_id=public_table.id, destination_cidr_block=WORLD, gateway_id=internet.id, opts=self._of
        )
        private, private_table, inner = self._part("private", PRIVATE)
        self.subnet, self.table = private.id, private_table.id
        self.head_subnet, self.head_address = public.id, address(PUBLIC, 0)
        self.ready = [out, joined]
        if design.network.access == "tunnel":
            hidden = self._subnet("head", HIDDEN)
            self.head_subnet, self.head_address = hidden.id, address(HIDDEN, 0)
            self.ready.append(self._joined("head", hidden, private_table))
        if self.gateway:
            self.ready += [inner, self._nat(public, private_table, [out, joined])]
        else:
            self.behind_head = PRIVATE
        if any(fs.type == "bucket" for fs in design.filesystems):
            # Free of charge, and S3's bytes go neither through the head nor through a billed gateway.
            aws.ec2.VpcEndpoint(
                "s3",
                vpc_id=vpc.id,
                service_name=f"com.amazonaws.{design.region}.s3",
                vpc_endpoint_type="Gateway",
                route_table_ids=[public_table.id, private_table.id],
                tags=carried(design, "s3"),
                opts=self._of,
            )

    def _part(self, name: str, cidr: str) -> tuple[aws.ec2.Subnet, aws.ec2.RouteTable, aws.ec2.RouteTableAssociation]:
        subnet = self._subnet(name, cidr)
        table = aws.ec2.RouteTable(name, vpc_id=self.vpc, tags=carried(self._args.design, name), opts=self._of)
        return subnet, table, self._joined(name, subnet, table)

    def _subnet(self, name: str, cidr: str) -> aws.ec2.Subnet:
        return aws.ec2.Subnet(
            name,
            vpc_id=self.vpc,
            cidr_block=cidr,
            availability_zone=self.where.zone,
            map_public_ip_on_launch=False,
            tags=carried(self._args.design, name),
            opts=self._of,
        )

    def _joined(self, name: str, subnet: aws.ec2.Subnet, table: aws.ec2.RouteTable) -> aws.ec2.RouteTableAssociation:
        return aws.ec2.RouteTableAssociation(name, subnet_id=subnet.id, route_table_id=table.id, opts=self._of)

    def _nat(self, public: aws.ec2.Subnet, table: aws.ec2.RouteTable, after: list[pulumi.Resource]) -> aws.ec2.Route:
        design, opts = self._args.design, pulumi.ResourceOptions(parent=self, depends_on=after)
        outside = aws.ec2.Eip("nat", domain="vpc", tags=carried(design, "nat"), opts=opts)
        nat = aws.ec2.NatGateway(
            "nat",
            subnet_id=public.id,
            allocation_id=outside.id,
            # Not any: it comes before the head, whose address it could get.
            private_ip=address(PUBLIC, 1),
            tags=carried(design, "nat"),
            opts=opts,
        )
        return aws.ec2.Route(
            "private-out", route_table_id=table.id, destination_cidr_block=WORLD, nat_gateway_id=nat.id, opts=self._of
        )

    def _take(self, vpc: str) -> None:
        """An existing subnet has its own routes, which stay as they are; packages come through the head's cache."""
        design = self._args.design
        if design.network.subnet is None:
            raise pulumi.RunError(f"network.id is {vpc}: name one of its subnets, too, in network.subnet")
        found = aws.ec2.get_subnet(id=design.network.subnet, vpc_id=vpc)
        if self._args.zone not in (None, found.availability_zone):
            raise pulumi.RunError(f"{found.id} is in {found.availability_zone}, burst:zone says {self._args.zone}")
        self.where, self.vpc = chosen(design, found.availability_zone), vpc
        self.subnet = self.head_subnet = found.id
        if not self.gateway:
            self.behind_head = found.cidr_block

    def through(self, interface: pulumi.Input[str]) -> None:
        """The nodes' way out is the head, by this interface of its."""
        if self.table is None or self.gateway:
            return
        aws.ec2.Route(
            "private-out",
            route_table_id=self.table,
            destination_cidr_block=WORLD,
            network_interface_id=interface,
            opts=self._of,
        )

    def _group(self, name: str) -> aws.ec2.SecurityGroup:
        design = self._args.design
        return aws.ec2.SecurityGroup(
            name,
            name=run_identity.named(design, name),
            description=run_identity.described(design),
            vpc_id=self.vpc,
            tags=carried(design, name),
            opts=self._of,
        )

    def _inside(self) -> aws.ec2.SecurityGroup:
        group = self._group("inside")
        tags = carried(self._args.design, "inside")
        # EFA asks for both, naming the group itself: a rule for 0.0.0.0/0 does not count (EC2 User Guide, "Get started
        # with EFA", "Prepare an EFA-enabled security group").
        for name, rule in (("from", aws.vpc.SecurityGroupIngressRule), ("to", aws.vpc.SecurityGroupEgressRule)):
            rule(
                f"inside-{name}-itself",
                security_group_id=group.id,
                referenced_security_group_id=group.id,
                ip_protocol="-1",
                tags=tags,
                opts=self._of,
            )
        aws.vpc.SecurityGroupEgressRule(
            "inside-out", security_group_id=group.id, cidr_ipv4=WORLD, ip_protocol="-1", tags=tags, opts=self._of
        )
        return group

    def _ssh(self) -> aws.ec2.SecurityGroup:
        group = self._group("ssh")
        for i, cidr in enumerate(self._args.ssh_from):
            aws.vpc.SecurityGroupIngressRule(
                f"ssh-{i}",
                security_group_id=group.id,
                cidr_ipv4=cidr,
                ip_protocol="tcp",
                from_port=22,
                to_port=22,
                tags=carried(self._args.design, "ssh"),
                opts=self._of,
            )
        return group


def address(subnet: str, number: int) -> str:
    """A subnet's first addresses are EC2's own four (VPC User Guide, "Subnet CIDR blocks"); then that many on."""
    return str(ipaddress.ip_network(subnet)[4 + number])
