"""Delete what is left, in the order of its dependencies, again while it is in use.

Each kind has one function, which answers only once the thing has gone, or raises. What AWS says is still in use is asked
for again: an interface is freed some moments after its machine, a group after the last interface in it. What its codes mean
is in faults.py. What the head ends by itself at the end (alone/end_aws.py) is ended here in the same way.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from provisioner import clock
from provisioner.alone.end_aws import StillThere, bucket, efs, fsx, nat_gateway
from provisioner.targets.aws import faults
from provisioner.targets.aws.listing import pages
from provisioner.targets.aws.session import Clients, clients
from provisioner.targets.base import Resource
from provisioner.targets.cloud.faults import GONE, IN_USE, final, kept

# Those of a stage go side by side, one stage after the other.
STAGES: tuple[tuple[str, ...], ...] = (
    ("spot-request", "instance"),
    ("nat-gateway", "efs", "fsx", "bucket", "vpc-endpoint", "instance-profile"),
    ("network-interface", "launch-template", "placement-group", "volume", "role"),
    ("address", "security-group"),
    ("route-table", "subnet"),
    ("internet-gateway",),
    ("vpc",),
)
# Seconds. A machine with many GPUs takes minutes to end; a NAT gateway one or two; FSx some.
PATIENCE = 600.0
# Where something of the network has been left, what it uses will not be let go of: it is told so once more, not waited for.
_HELD = 20.0
# What nothing of the network waits for.
_APART = ("bucket", "launch-template", "placement-group", "spot-request", "volume", "instance-profile", "role")


def reap(session: Any, resources: Sequence[Resource], patience: float = PATIENCE) -> tuple[Resource, ...]:
    """What is left after at most `patience` seconds for each stage, each with what AWS said of it."""
    left = [kept(each, "CONFIG", "nobody here knows how to delete it") for each in resources if each.kind not in _DELETE]
    unknown, to = len(left), clients(session)
    for stage in STAGES:
        some = [each for each in resources if each.kind in stage]
        if not some:
            continue
        held = any(each.kind not in _APART for each in left[unknown:])
        with ThreadPoolExecutor(min(8, len(some))) as pool:
            seconds = min(patience, _HELD) if held else patience
            done = list(pool.map(lambda each: _insist(to, each, seconds), some))  # noqa: B023 - mapped here
        left += [each for each in done if each is not None]
    return (*left[unknown:], *left[:unknown])


def _insist(to: Clients, resource: Resource, patience: float) -> Resource | None:
    """None once it has gone; else itself, with why not."""
    left = resource
    for _ in clock.patience(patience, first=0.5, longest=10.0):
        try:
            _DELETE[resource.kind](to, resource.id)
        except StillThere:
            left = kept(resource, IN_USE, "it has been told to go, and has not yet")
        except _errors() as problem:
            meaning, words = faults.told(problem)
            if meaning == GONE and _itself(resource, words):
                return None
            # Where something else has gone, what is left of this one is asked for again.
            left = kept(resource, IN_USE if meaning == GONE else meaning, words)
            if final(left):
                return left
        else:
            return None
    return left


def _itself(resource: Resource, words: str) -> bool:
    """Whether it is this thing that there is none of, and not one that it uses: its id is said, or the code names its kind."""
    return resource.id in words or resource.kind.rpartition("-")[2] in words.partition(":")[0].lower()


def _errors() -> tuple[type[Exception], ...]:
    from botocore.exceptions import BotoCoreError, ClientError

    return BotoCoreError, ClientError


def _raise(refused: Sequence[dict[str, Any]], operation: str) -> None:
    """Of a call that answers with what it did not do: [{"Code", "Message"}]."""
    from botocore.exceptions import ClientError

    if refused:
        raise ClientError({"Error": {"Code": refused[0]["Code"], "Message": refused[0].get("Message", "")}}, operation)


def _instance(to: Clients, identity: str) -> None:
    told = to.ec2.describe_instances(InstanceIds=[identity])["Reservations"]
    if any(each["State"]["Name"] != "terminated" for some in told for each in some["Instances"]):
        to.ec2.terminate_instances(InstanceIds=[identity])
        raise StillThere


def _vpc_endpoint(to: Clients, identity: str) -> None:
    told = to.ec2.delete_vpc_endpoints(VpcEndpointIds=[identity])
    _raise([each["Error"] for each in told.get("Unsuccessful", ())], "DeleteVpcEndpoints")


def _network_interface(to: Clients, identity: str) -> None:
    (told,) = to.ec2.describe_network_interfaces(NetworkInterfaceIds=[identity])["NetworkInterfaces"]
    address = told.get("Association", {}).get("AssociationId")
    if address:
        to.ec2.disassociate_address(AssociationId=address)
    to.ec2.delete_network_interface(NetworkInterfaceId=identity)


def _address(to: Clients, identity: str) -> None:
    (told,) = to.ec2.describe_addresses(AllocationIds=[identity])["Addresses"]
    if told.get("AssociationId"):
        to.ec2.disassociate_address(AssociationId=told["AssociationId"])
    to.ec2.release_address(AllocationId=identity)


def _security_group(to: Clients, identity: str) -> None:
    """Without its rules first: two groups that name each other could neither be deleted."""
    rules = to.ec2.describe_security_group_rules(Filters=[{"Name": "group-id", "Values": [identity]}])["SecurityGroupRules"]
    for egress in (False, True):
        ids = [each["SecurityGroupRuleId"] for each in rules if each["IsEgress"] is egress]
        if ids:
            revoke = to.ec2.revoke_security_group_egress if egress else to.ec2.revoke_security_group_ingress
            revoke(GroupId=identity, SecurityGroupRuleIds=ids)
    to.ec2.delete_security_group(GroupId=identity)


def _route_table(to: Clients, identity: str) -> None:
    (told,) = to.ec2.describe_route_tables(RouteTableIds=[identity])["RouteTables"]
    for each in told.get("Associations", ()):
        if not each.get("Main"):
            to.ec2.disassociate_route_table(AssociationId=each["RouteTableAssociationId"])
    to.ec2.delete_route_table(RouteTableId=identity)


def _internet_gateway(to: Clients, identity: str) -> None:
    (told,) = to.ec2.describe_internet_gateways(InternetGatewayIds=[identity])["InternetGateways"]
    for each in told.get("Attachments", ()):
        to.ec2.detach_internet_gateway(InternetGatewayId=identity, VpcId=each["VpcId"])
    to.ec2.delete_internet_gateway(InternetGatewayId=identity)


def _instance_profile(to: Clients, identity: str) -> None:
    for role in to.iam.get_instance_profile(InstanceProfileName=identity)["InstanceProfile"]["Roles"]:
        to.iam.remove_role_from_instance_profile(InstanceProfileName=identity, RoleName=role["RoleName"])
    to.iam.delete_instance_profile(InstanceProfileName=identity)


def _role(to: Clients, identity: str) -> None:
    for name in pages(to.iam, "list_role_policies", "PolicyNames", RoleName=identity):
        to.iam.delete_role_policy(RoleName=identity, PolicyName=name)
    for each in pages(to.iam, "list_attached_role_policies", "AttachedPolicies", RoleName=identity):
        to.iam.detach_role_policy(RoleName=identity, PolicyArn=each["PolicyArn"])
    to.iam.delete_role(RoleName=identity)


_DELETE: dict[str, Callable[[Clients, str], Any]] = {
    "spot-request": lambda c, i: c.ec2.cancel_spot_instance_requests(SpotInstanceRequestIds=[i]),
    "instance": _instance,
    "nat-gateway": nat_gateway,
    "efs": efs,
    "fsx": fsx,
    "bucket": bucket,
    "vpc-endpoint": _vpc_endpoint,
    "instance-profile": _instance_profile,
    "network-interface": _network_interface,
    "launch-template": lambda c, i: c.ec2.delete_launch_template(LaunchTemplateId=i),
    "placement-group": lambda c, i: c.ec2.delete_placement_group(GroupName=i),
    "volume": lambda c, i: c.ec2.delete_volume(VolumeId=i),
    "role": _role,
    "address": _address,
    "security-group": _security_group,
    "route-table": _route_table,
    "subnet": lambda c, i: c.ec2.delete_subnet(SubnetId=i),
    "internet-gateway": _internet_gateway,
    "vpc": lambda c, i: c.ec2.delete_vpc(VpcId=i),
}
