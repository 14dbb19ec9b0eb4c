"""EC2 instances by name, all or none: one fleet of type `instant` for each call. Standard library and boto3 only.

A template has `run` (the run's id), `instance` (the type, for people to read), `region`, `launch_template` (its id) and
`tags`, what everything of the run carries. `session` is a boto3 Session; None is the machine's own role, on the head.
An instance's Name is RUN-NODE: given after the fleet has answered, because a fleet's instances have all their tags alike.

Sources: Amazon EC2 API Reference, "CreateFleet", "Error codes for the Amazon EC2 API", "Request throttling for the Amazon
EC2 API"; Amazon EC2 User Guide, "Configure an EC2 Fleet of type instant".
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

Template = dict[str, Any]

# Error code → class. All but the last two groups are "Error codes for the Amazon EC2 API"; a fleet of type instant gives
# the same codes in its answer's Errors. What is not here is by its ending (`kind_of`).
KINDS: dict[str, str] = {
    **dict.fromkeys(
        (
            "InsufficientInstanceCapacity",
            "InsufficientCapacity",
            "InsufficientHostCapacity",
            "InsufficientReservedInstanceCapacity",
            "ReservationCapacityExceeded",
            "UnfulfillableCapacity",
            "SpotMaxPriceTooLow",
            # "The instance type is not supported in the zone", also said of a zone that has run out of a type.
            "Unsupported",
        ),
        "CAPACITY",
    ),
    **dict.fromkeys(
        (
            "InstanceLimitExceeded",
            "VcpuLimitExceeded",
            "MaxSpotInstanceCountExceeded",
            "VolumeLimitExceeded",
            "MaxIOPSLimitExceeded",
            "VolumeIOPSLimit",
            "AddressLimitExceeded",
            "NetworkInterfaceLimitExceeded",
            "VpcLimitExceeded",
            "InternetGatewayLimitExceeded",
            "NatGatewayLimitExceeded",
            "RouteTableLimitExceeded",
            "SecurityGroupLimitExceeded",
            "SecurityGroupsPerInstanceLimitExceeded",
            "SubnetLimitExceeded",
            "InsufficientFreeAddressesInSubnet",
            "PlacementGroupLimitExceeded",
            "ResourceLimitExceeded",
            # EFS, FSx, IAM, S3: their API References, "Errors" of the calls that create.
            "FileSystemLimitExceeded",
            "ServiceLimitExceeded",
            "LimitExceeded",
            "TooManyBuckets",
        ),
        "QUOTA",
    ),
    **dict.fromkeys(
        (
            "RequestLimitExceeded",
            "Throttling",
            "ThrottlingException",
            "EC2ThrottledException",
            "TooManyRequestsException",
            "SlowDown",
            "BandwidthLimitExceeded",
        ),
        "THROTTLE",
    ),
    **dict.fromkeys(
        (
            "UnauthorizedOperation",
            "AuthFailure",
            "AuthFailure.ServiceLinkedRoleCreationNotPermitted",
            "OptInRequired",
            "PendingVerification",
            "Blocked",
            "AccessDenied",
            "AccessDeniedException",
            "MissingAuthenticationToken",
            "RequestExpired",
            "ExpiredToken",
            "ExpiredTokenException",
            "InvalidClientTokenId",
            "UnrecognizedClientException",
            "SignatureDoesNotMatch",
            # botocore's own, where no answer was to be had.
            "NoCredentialsError",
            "PartialCredentialsError",
            "CredentialRetrievalError",
            "TokenRetrievalError",
            "SSOTokenLoadError",
            "UnauthorizedSSOTokenError",
        ),
        "AUTH",
    ),
    **dict.fromkeys(
        (
            "InternalError",
            "InternalFailure",
            "ServerInternal",
            "ServiceUnavailable",
            "Unavailable",
            "InsufficientAddressCapacity",
            # What was just made is not known everywhere at once ("Eventual consistency in the Amazon EC2 API").
            "InvalidInstanceID.NotFound",
            "IdempotentInstanceTerminated",
        ),
        "TRANSIENT",
    ),
}
# Seconds between tries, 62 in all. "Request throttling": the tokens of CreateFleet come back at two a second.
_PAUSES = (1.0, 2.0, 4.0, 8.0, 15.0, 32.0)
# EC2 API Reference: MinTargetCapacity has 1,000 at most, a filter 200 values.
_FLEET, _FILTER = 1000, 200
_THERE = ("pending", "running", "stopping", "stopped")


class Refused(Exception):
    """EC2 said no; `kind` is the class of its reason: CAPACITY, QUOTA, THROTTLE, AUTH, CONFIG, TRANSIENT."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


def kind_of(code: str) -> str:
    """The class of an error code; one that nobody knows is CONFIG: to be read, and not repeated."""
    bare = code.removeprefix("Client.").removeprefix("Server.")
    if bare in KINDS:
        return KINDS[bare]
    if bare.endswith(("LimitExceeded", "QuotaExceeded")):
        return "QUOTA"
    return "TRANSIENT" if code.startswith("Server.") else "CONFIG"


def launch(names: Sequence[str], template: Template, market: str = "on-demand", session: Any = None) -> dict[str, str]:
    """Make these nodes, all or none, and answer their private addresses; those of the same names are ended first.

    Raises Refused with EC2's own words and code.
    """
    ec2 = client("ec2", template, session)
    patient = session is None
    _end(ec2, names, template, patient)
    made: list[dict[str, str]] = []
    try:
        for some in _parts(names, _FLEET):
            made += _fleet(ec2, len(some), template, market, patient)
        named = dict(zip(names, made, strict=True))
        _name(ec2, {name: each["id"] for name, each in named.items()}, template, patient)
        return {name: each["address"] for name, each in named.items()}
    except BaseException:
        _terminate(ec2, [each["id"] for each in made], patient)
        raise


def end(names: Sequence[str], template: Template, session: Any = None) -> None:
    """End these nodes; those that are not there are none. Raises Refused."""
    _end(client("ec2", template, session), names, template, session is None)


def client(service: str, told: Template, session: Any) -> Any:
    """`told` has the region."""
    # Here: who only looks at a target needs no boto3.
    import boto3
    from botocore.config import Config

    # Its own retries are off: every pause is one of ours.
    config = Config(retries={"mode": "standard", "total_max_attempts": 1}, connect_timeout=10, read_timeout=60)
    return (session or boto3.session.Session()).client(service, region_name=told["region"], config=config)


def _fleet(ec2: Any, count: int, template: Template, market: str, patient: bool) -> list[dict[str, str]]:
    """[{"id", "address"}] of that many instances. One token until EC2 answers: an answer that was lost makes nothing twice."""
    options: dict[str, Any] = {"MinTargetCapacity": count, "SingleAvailabilityZone": True, "SingleInstanceType": True}
    if market == "spot":
        # One type in one zone is one pool: the strategy chooses nothing.
        options["AllocationStrategy"] = "capacity-optimized"
    tags = [{"Key": key, "Value": value} for key, value in template["tags"].items()]
    asked: dict[str, Any] = {
        "Type": "instant",
        "LaunchTemplateConfigs": [
            {"LaunchTemplateSpecification": {"LaunchTemplateId": template["launch_template"], "Version": "$Default"}}
        ],
        "TargetCapacitySpecification": {"TotalTargetCapacity": count, "DefaultTargetCapacityType": market},
        "TagSpecifications": [{"ResourceType": kind, "Tags": tags} for kind in ("fleet", "instance")],
    }
    asked["SpotOptions" if market == "spot" else "OnDemandOptions"] = options
    token = str(uuid.uuid4())

    def ask() -> list[str]:
        nonlocal token
        answer = ec2.create_fleet(ClientToken=token, **asked)
        ids = [each for some in answer.get("Instances", ()) for each in some["InstanceIds"]]
        if len(ids) == count:
            return ids
        # It has answered: what is asked next is another request.
        token = str(uuid.uuid4())
        _terminate(ec2, ids, patient)
        raise _unfulfilled(answer.get("Errors", ()), len(ids), count)

    ids = _insist(ask, patient)
    try:
        addresses = _insist(lambda: _addresses(ec2, ids), patient)
    except BaseException:
        _terminate(ec2, ids, patient)
        raise
    return [{"id": each, "address": addresses[each]} for each in ids]


def _unfulfilled(errors: Sequence[dict[str, Any]], made: int, wanted: int) -> Refused:
    """Of a fleet's errors the one that says most: a real reason before "no capacity", that before a general one."""
    worst = ("AUTH", "QUOTA", "CONFIG", "THROTTLE", "CAPACITY", "TRANSIENT")
    told = [(kind_of(each.get("ErrorCode", "")), each) for each in errors]
    if not told:
        return Refused("CAPACITY", f"the fleet has {made} of {wanted} instances, and no error says why")
    kind, error = min(told, key=lambda each: worst.index(each[0]))
    return Refused(kind, f"{error.get('ErrorCode')}: {error.get('ErrorMessage')}")


def _addresses(ec2: Any, ids: Sequence[str]) -> dict[str, str]:
    found = {
        each["InstanceId"]: each["PrivateIpAddress"]
        for some in _parts(ids, _FLEET)
        for each in instances(ec2, InstanceIds=list(some))
        if "PrivateIpAddress" in each
    }
    if missing := set(ids) - found.keys():
        raise Refused("TRANSIENT", f"{', '.join(sorted(missing))}: no private address yet")
    return found


def _name(ec2: Any, named: dict[str, str], template: Template, patient: bool) -> None:
    """A machine finds its name in its own metadata, and waits for it two minutes (cloud-init/name.sh)."""

    def tag(item: tuple[str, str]) -> None:
        name, identity = item
        tags = [{"Key": "Name", "Value": f"{template['run']}-{name}"}]
        _insist(lambda: ec2.create_tags(Resources=[identity], Tags=tags), patient)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(tag, named.items()))


def _end(ec2: Any, names: Sequence[str], template: Template, patient: bool) -> None:
    ids = [
        each["InstanceId"]
        for some in _parts(names, _FILTER)
        for each in _insist(lambda some=some: _of(ec2, template["run"], some), patient)  # type: ignore[misc]
    ]
    _terminate(ec2, ids, patient)


def _of(ec2: Any, run: str, names: Sequence[str]) -> list[dict[str, Any]]:
    filters = {"tag:burst-run": [run], "tag:Name": [f"{run}-{name}" for name in names], "instance-state-name": list(_THERE)}
    return list(instances(ec2, Filters=[{"Name": key, "Values": values} for key, values in filters.items()]))


def instances(ec2: Any, **told: Any) -> Iterator[dict[str, Any]]:
    """As EC2 describes them."""
    for page in ec2.get_paginator("describe_instances").paginate(**told):
        for reservation in page["Reservations"]:
            yield from reservation["Instances"]


def _terminate(ec2: Any, ids: Sequence[str], patient: bool) -> None:
    for some in _parts(ids, _FLEET):
        _insist(lambda some=some: ec2.terminate_instances(InstanceIds=list(some)), patient)  # type: ignore[misc]


def _parts(items: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


def _insist(ask: Callable[[], Any], patient: bool) -> Any:
    """What is busy now is asked again; and with `patient` what is denied, because a role is new everywhere only after a
    while (IAM User Guide, "Changes that I make are not always immediately visible")."""
    again = ("THROTTLE", "TRANSIENT", "AUTH") if patient else ("THROTTLE", "TRANSIENT")
    for pause in _PAUSES:
        try:
            return asked(ask)
        except Refused as problem:
            if problem.kind not in again:
                raise
            time.sleep(pause)
    return asked(ask)


def asked(ask: Callable[[], Any]) -> Any:
    """One call, its errors as Refused: with the code before EC2's own words."""
    from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError

    try:
        return ask()
    except ClientError as problem:
        error = problem.response.get("Error", {})
        status = problem.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        code = str(error.get("Code", ""))
        # An answer of a gateway before EC2 has a number for its code.
        kind = kind_of(code) if not code.isdigit() else "THROTTLE" if status == 429 else "TRANSIENT"
        raise Refused(kind, f"{code}: {error.get('Message', problem)}") from problem
    except ParamValidationError as problem:
        raise Refused("CONFIG", str(problem)) from problem
    except BotoCoreError as problem:
        raise Refused(KINDS.get(type(problem).__name__, "TRANSIENT"), f"EC2 does not answer: {problem}") from problem
