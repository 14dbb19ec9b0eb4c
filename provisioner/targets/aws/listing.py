"""Everything of a run that still exists: one listing for each service, because each knows its own best.

The Resource Groups Tagging API knows of no launch template, role or profile, and still tells what has gone: it is asked
for buckets' runs only. EC2 lists by the tag `burst-run`, EFS and FSx answer each file system's tags with it, IAM lists by
path, S3 by the names' beginning. `named` asks beside that for what was to be made under a name of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from provisioner.targets.aws import faults
from provisioner.targets.aws.named import named
from provisioner.targets.aws.session import Clients, clients
from provisioner.targets.base import Intent, Resource, Tagged
from provisioner.targets.cloud.faults import listed

RUN, OWNER, EXPIRES = "burst-run", "burst-owner", "burst-expires"

# kind → (the paginator's or call's name, the list in its answer, the id's key, whether it costs money).
# In the order of remains: what is billed first. A route, an association and a rule go with their table or group.
_EC2: dict[str, tuple[str, str, str, bool]] = {
    "volume": ("describe_volumes", "Volumes", "VolumeId", True),
    "address": ("describe_addresses", "Addresses", "AllocationId", True),
    "nat-gateway": ("describe_nat_gateways", "NatGateways", "NatGatewayId", True),
    "vpc-endpoint": ("describe_vpc_endpoints", "VpcEndpoints", "VpcEndpointId", False),
    "spot-request": ("describe_spot_instance_requests", "SpotInstanceRequests", "SpotInstanceRequestId", False),
    "network-interface": ("describe_network_interfaces", "NetworkInterfaces", "NetworkInterfaceId", False),
    "launch-template": ("describe_launch_templates", "LaunchTemplates", "LaunchTemplateId", False),
    "placement-group": ("describe_placement_groups", "PlacementGroups", "GroupName", False),
    "security-group": ("describe_security_groups", "SecurityGroups", "GroupId", False),
    "subnet": ("describe_subnets", "Subnets", "SubnetId", False),
    "route-table": ("describe_route_tables", "RouteTables", "RouteTableId", False),
    "internet-gateway": ("describe_internet_gateways", "InternetGateways", "InternetGatewayId", False),
    "vpc": ("describe_vpcs", "Vpcs", "VpcId", False),
}
# What is still told of for a while after its end, by the state that it is told with.
_GONE = ("terminated", "deleted", "deleting", "cancelled", "closed", "failed")
_ENDED = {"nat-gateway": ("deleted", "failed"), "vpc-endpoint": ("deleted",), "spot-request": ("cancelled", "closed", "failed")}


def remains(session: Any, run_id: str, intents: Sequence[Intent] = ()) -> tuple[Resource, ...]:
    """What is billed first; in an order in which it can be deleted, but for what reaping.py knows better.

    A service that does not answer stands there as `unknown`; where none does, botocore's error is raised.
    """
    to = clients(session)
    asked: dict[str, Callable[[], Iterable[Resource]]] = {
        "instance": lambda: _instances(to, run_id),
        "efs": lambda: _file_systems(to, run_id, "efs"),
        "fsx": lambda: _file_systems(to, run_id, "fsx"),
        "bucket": lambda: _buckets(to, run_id, intents),
        **{kind: lambda kind=kind: _ec2(to, run_id, kind) for kind in _EC2},  # type: ignore[misc]
        "instance-profile, role": lambda: _iam(to, run_id),
        **({"what has a name": lambda: named(to, run_id, intents)} if intents else {}),
    }
    told = listed(asked, to.region, lambda problem: ": ".join(faults.told(problem)))
    found = {(each.kind, each.id): each for each in told}
    return tuple(sorted(found.values(), key=lambda each: not each.billed))


def tags_of(told: Any) -> dict[str, str]:
    """[{"Key", "Value"}] as a dictionary."""
    return {each["Key"]: each["Value"] for each in told or ()}


def _tags(each: dict[str, Any]) -> dict[str, str]:
    """Of something of EC2's: an interface has them under a name of its own (API Reference, "NetworkInterface")."""
    return tags_of(each.get("Tags") or each.get("TagSet"))


def pages(client: Any, call: str, key: str, **asked: Any) -> Iterator[dict[str, Any]]:
    """All that a call lists, over its pages where it has any."""
    if client.can_paginate(call):
        for page in client.get_paginator(call).paginate(**asked):
            yield from page.get(key, ())
    else:
        yield from getattr(client, call)(**asked).get(key, ())


def instances(ec2: Any, run_id: str) -> Iterator[dict[str, Any]]:
    """The run's machines that are not ended, as EC2 describes them."""
    states = ["pending", "running", "shutting-down", "stopping", "stopped"]
    filters = [{"Name": f"tag:{RUN}", "Values": [run_id]}, {"Name": "instance-state-name", "Values": states}]
    for reservation in pages(ec2, "describe_instances", "Reservations", Filters=filters):
        yield from reservation["Instances"]


def _instances(to: Clients, run_id: str) -> Iterator[Resource]:
    for each in instances(to.ec2, run_id):
        yield _resource(to, "instance", each["InstanceId"], tags_of(each.get("Tags")).get("Name", ""), billed=True)


def _ec2(to: Clients, run_id: str, kind: str) -> Iterator[Resource]:
    call, key, identity, billed = _EC2[kind]
    # The one call whose parameter has another name.
    asked = {"Filter" if kind == "nat-gateway" else "Filters": [{"Name": f"tag:{RUN}", "Values": [run_id]}]}
    for each in pages(to.ec2, call, key, **asked):
        # Asked for, and looked at: what is listed may be deleted.
        told = _tags(each)
        if told.get(RUN) == run_id and each.get("State") not in _ENDED.get(kind, ()):
            yield _resource(to, kind, each[identity], told.get("Name", ""), billed=billed)


def _file_systems(to: Clients, run_id: str, service: str) -> Iterator[Resource]:
    for each in pages(getattr(to, service), "describe_file_systems", "FileSystems"):
        told = tags_of(each.get("Tags"))
        if told.get(RUN) == run_id:
            yield _resource(to, service, each["FileSystemId"], told.get("Name", ""), billed=True)


def _buckets(to: Clients, run_id: str, intents: Sequence[Intent]) -> Iterator[Resource]:
    """By name and tag. One without tags was cut off before it got them, where the journal has its name; else it is somebody's."""
    named = {intent.name for intent in intents}
    for each in to.s3.list_buckets()["Buckets"]:
        name = each["Name"]
        if name.startswith(f"{run_id}-") and _bucket_tags(to.s3, name).get(RUN, run_id if name in named else "") == run_id:
            yield _resource(to, "bucket", name, name, billed=True)


def _bucket_tags(s3: Any, name: str) -> dict[str, str]:
    from botocore.exceptions import ClientError

    try:
        return tags_of(s3.get_bucket_tagging(Bucket=name)["TagSet"])
    except ClientError as problem:
        if problem.response["Error"]["Code"] in ("NoSuchTagSet", "NoSuchBucket"):
            return {}
        raise


def _iam(to: Clients, run_id: str) -> Iterator[Resource]:
    path = f"/burst/{run_id}/"
    for kind, call, key, name in (
        ("instance-profile", "list_instance_profiles", "InstanceProfiles", "InstanceProfileName"),
        ("role", "list_roles", "Roles", "RoleName"),
    ):
        for each in pages(to.iam, call, key, PathPrefix=path):
            if each["Path"] == path:
                yield _resource(to, kind, each[name], each[name], billed=False)


def _resource(to: Clients, kind: str, identity: str, name: str, *, billed: bool) -> Resource:
    return Resource(kind=kind, id=identity, name=name, billed=billed, region=to.region)


def runs(session: Any) -> tuple[Tagged, ...]:
    """Every run with something here. One that has only a role left is known by that role's path and tags, in no region."""
    here = _by_run(_tagged(session))
    beyond = {run_id: told for run_id, told in _by_run(_untold(session)).items() if run_id not in here}
    found = [*(_run(each, told, session.region_name) for each, told in here.items()), *(_run(*each) for each in beyond.items())]
    return tuple(sorted(found, key=lambda tagged: tagged.run_id))


def _by_run(told: Iterable[dict[str, str]]) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for tags in told:
        if RUN in tags:
            found.setdefault(tags[RUN], {}).update(tags)
    return found


def _run(run_id: str, told: dict[str, str], region: str = "") -> Tagged:
    expires = told.get(EXPIRES, "")
    ends = int(expires) if expires.isdigit() else 0
    return Tagged(run_id=run_id, owner=told.get(OWNER, ""), expires=ends, state="", region=region)


def _tagged(session: Any) -> Iterator[dict[str, str]]:
    """The tags of everything in the region that has ours."""
    ec2 = session.client("ec2")
    for kind in ("instance", *_EC2):
        call, key, _, _ = _EC2.get(kind, ("describe_instances", "Reservations", "", True))
        asked = {"Filter" if kind == "nat-gateway" else "Filters": [{"Name": "tag-key", "Values": [RUN]}]}
        for each in pages(ec2, call, key, **asked):
            for one in each["Instances"] if kind == "instance" else (each,):
                state = one.get("State")
                if (state.get("Name") if isinstance(state, dict) else state) not in _GONE:
                    yield _tags(one)
    for service in ("efs", "fsx"):
        for each in pages(session.client(service), "describe_file_systems", "FileSystems"):
            yield tags_of(each.get("Tags"))
    tagging = session.client("resourcegroupstaggingapi")
    filters = {"TagFilters": [{"Key": RUN}], "ResourceTypeFilters": ["s3"]}
    for each in pages(tagging, "get_resources", "ResourceTagMappingList", **filters):
        yield tags_of(each.get("Tags"))


def _untold(session: Any) -> Iterator[dict[str, str]]:
    """Of roles, which are in no region, and whose listing has no tags."""
    iam = session.client("iam")
    for role in pages(iam, "list_roles", "Roles", PathPrefix="/burst/"):
        yield {RUN: role["Path"].split("/")[2], **tags_of(iam.list_role_tags(RoleName=role["RoleName"])["Tags"])}
