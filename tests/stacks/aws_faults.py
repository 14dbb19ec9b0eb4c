"""Errors of AWS put before its calls: for each kind of thing the call that deletes it, and the codes that it may answer."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from tests.stacks.aws_moto import session

# A request's own, new each time that it is asked.
_TOKEN = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
# What remains calls it → the service and its operation that ends it.
DELETES: dict[str, tuple[str, str]] = {
    "spot-request": ("ec2", "CancelSpotInstanceRequests"),
    "instance": ("ec2", "TerminateInstances"),
    "nat-gateway": ("ec2", "DeleteNatGateway"),
    "efs": ("efs", "DeleteFileSystem"),
    "fsx": ("fsx", "DeleteFileSystem"),
    "bucket": ("s3", "DeleteBucket"),
    "vpc-endpoint": ("ec2", "DeleteVpcEndpoints"),
    "instance-profile": ("iam", "DeleteInstanceProfile"),
    "network-interface": ("ec2", "DeleteNetworkInterface"),
    "launch-template": ("ec2", "DeleteLaunchTemplate"),
    "placement-group": ("ec2", "DeletePlacementGroup"),
    "volume": ("ec2", "DeleteVolume"),
    "role": ("iam", "DeleteRole"),
    "address": ("ec2", "ReleaseAddress"),
    "security-group": ("ec2", "DeleteSecurityGroup"),
    "route-table": ("ec2", "DeleteRouteTable"),
    "subnet": ("ec2", "DeleteSubnet"),
    "internet-gateway": ("ec2", "DeleteInternetGateway"),
    "vpc": ("ec2", "DeleteVpc"),
}
# Listing → its operation; those of EC2 have the kind's name in theirs.
LISTS: dict[str, tuple[str, str]] = {
    "instance": ("ec2", "DescribeInstances"),
    "efs": ("efs", "DescribeFileSystems"),
    "fsx": ("fsx", "DescribeFileSystems"),
    "bucket": ("s3", "ListBuckets"),
    "instance-profile, role": ("iam", "ListRoles"),
    "volume": ("ec2", "DescribeVolumes"),
    "address": ("ec2", "DescribeAddresses"),
    "nat-gateway": ("ec2", "DescribeNatGateways"),
    "vpc-endpoint": ("ec2", "DescribeVpcEndpoints"),
    "spot-request": ("ec2", "DescribeSpotInstanceRequests"),
    "network-interface": ("ec2", "DescribeNetworkInterfaces"),
    "launch-template": ("ec2", "DescribeLaunchTemplates"),
    "placement-group": ("ec2", "DescribePlacementGroups"),
    "security-group": ("ec2", "DescribeSecurityGroups"),
    "subnet": ("ec2", "DescribeSubnets"),
    "route-table": ("ec2", "DescribeRouteTables"),
    "internet-gateway": ("ec2", "DescribeInternetGateways"),
    "vpc": ("ec2", "DescribeVpcs"),
}
# Class → service → (status, code): each service has its own words (targets/aws/faults.py has where they are from).
_EC2 = {
    "THROTTLE": (503, "RequestLimitExceeded"),
    "TRANSIENT": (500, "InternalError"),
    "AUTH": (403, "UnauthorizedOperation"),
    "CONFIG": (400, "OperationNotPermitted"),
    "IN_USE": (400, "DependencyViolation"),
    "QUOTA": (400, "ResourceLimitExceeded"),
    "CAPACITY": (500, "InsufficientInstanceCapacity"),
}
_OTHERS = {
    "efs": {"IN_USE": (409, "FileSystemInUse"), "CONFIG": (400, "BadRequest"), "TRANSIENT": (500, "InternalServerError")},
    "fsx": {"IN_USE": (400, "ResourceInUse"), "CONFIG": (400, "BadRequest"), "TRANSIENT": (500, "InternalServerError")},
    "iam": {"IN_USE": (409, "DeleteConflict"), "CONFIG": (400, "UnmodifiableEntity"), "TRANSIENT": (500, "ServiceFailure")},
    "s3": {"IN_USE": (409, "BucketNotEmpty"), "CONFIG": (400, "InvalidRequest"), "TRANSIENT": (409, "OperationAborted")},
}
for _service, _codes in _OTHERS.items():
    _codes |= {"THROTTLE": (503, "SlowDown") if _service == "s3" else (400, "ThrottlingException")}
    _codes |= {"AUTH": (403, "AccessDenied"), "QUOTA": (409, "LimitExceeded"), "CAPACITY": _EC2["CAPACITY"]}
CODES: dict[str, dict[str, tuple[int, str]]] = {"ec2": _EC2, **_OTHERS}


@dataclass
class Met:
    """`calls` that met the fault, as SERVICE.Operation."""

    calls: list[str] = field(default_factory=list)


@contextmanager
def faulty(operations: Mapping[str, tuple[str, str]], kind: str, *, once: bool = False) -> Iterator[Met]:
    """Each of these operations answers with the class's code: always, or `once` for each thing that it is asked about."""
    met, seen = Met(), set[str]()

    def before(model: Any, params: dict[str, Any], **more: Any) -> Any:
        asked = _TOKEN.sub("", f"{params['url_path']} {params['body']} {params['query_string']}")
        if once and asked in seen:
            return None
        seen.add(asked)
        status, code = CODES[model.service_model.service_name][kind]
        met.calls.append(f"{model.service_model.service_name}.{model.name}")
        metadata = {"HTTPStatusCode": status, "HTTPHeaders": {}, "RequestId": "x"}
        return SimpleNamespace(status_code=status), {
            "Error": {"Code": code, "Message": "as a test has it"},
            "ResponseMetadata": metadata,
        }

    events = [f"before-call.{service}.{operation}" for service, operation in operations.values()]
    for event in events:
        session().events.register(event, before)
    try:
        yield met
    finally:
        for event in events:
            session().events.unregister(event, before)
