"""The AWS program's resources made and ended in a moto that is served (AWS_ENDPOINT_URL), so that others see them."""

from __future__ import annotations

from functools import cached_property
from types import SimpleNamespace
from typing import Any

from tests.stacks.aws_moto import InMoto

# Type → the service, the call that Pulumi's provider ends one with, and its parameter. What is a part of another goes with it.
_CALLS = {
    "aws:ec2/vpc:Vpc": ("ec2", "delete_vpc", "VpcId"),
    "aws:ec2/subnet:Subnet": ("ec2", "delete_subnet", "SubnetId"),
    "aws:ec2/securityGroup:SecurityGroup": ("ec2", "delete_security_group", "GroupId"),
    "aws:ec2/routeTable:RouteTable": ("ec2", "delete_route_table", "RouteTableId"),
    "aws:ec2/launchTemplate:LaunchTemplate": ("ec2", "delete_launch_template", "LaunchTemplateId"),
    "aws:ec2/networkInterface:NetworkInterface": ("ec2", "delete_network_interface", "NetworkInterfaceId"),
    "aws:ec2/eip:Eip": ("ec2", "release_address", "AllocationId"),
    "aws:iam/role:Role": ("iam", "delete_role", "RoleName"),
}


class _Served:
    @cached_property
    def moto(self) -> InMoto:
        return InMoto()


_served = _Served()


def _create(type_: str, name: str, inputs: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    return _served.moto.create(type_, name, inputs)


def _call(function: str, arguments: dict[str, Any]) -> dict[str, Any]:
    return _served.moto.call(function, arguments)


def _delete(type_: str, identity: str, inputs: dict[str, Any]) -> None:
    ec2, iam = _served.moto.ec2, _served.moto.iam
    if type_ in _CALLS:
        service, call, parameter = _CALLS[type_]
        getattr(getattr(_served.moto, service), call)(**{parameter: identity})
    elif type_ == "aws:ec2/instance:Instance":
        ec2.terminate_instances(InstanceIds=[identity])
    elif type_ == "aws:ec2/routeTableAssociation:RouteTableAssociation":
        ec2.disassociate_route_table(AssociationId=identity)
    elif type_ == "aws:ec2/internetGateway:InternetGateway":
        ec2.detach_internet_gateway(InternetGatewayId=identity, VpcId=inputs["vpcId"])
        ec2.delete_internet_gateway(InternetGatewayId=identity)
    elif type_ == "aws:iam/instanceProfile:InstanceProfile":
        iam.remove_role_from_instance_profile(InstanceProfileName=identity, RoleName=inputs["role"])
        iam.delete_instance_profile(InstanceProfileName=identity)
    elif type_ == "aws:iam/rolePolicy:RolePolicy":
        iam.delete_role_policy(RoleName=inputs["role"], PolicyName=inputs["name"])


CLOUD = SimpleNamespace(create=_create, call=_call, delete=_delete)
