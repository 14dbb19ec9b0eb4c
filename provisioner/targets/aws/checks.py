"""What speaks against a design, asked of AWS: everything side by side, all findings at once; nothing is made.

What may not be asked (a policy may forbid the question) is a warning with AWS's words, and not a refusal.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from provisioner.design.model import Design
from provisioner.findings import Finding, error, info, warning
from provisioner.targets import checks
from provisioner.targets.aws import filesystems, quotas
from provisioner.targets.aws import results as bucket
from provisioner.targets.aws.listing import pages


@dataclass(frozen=True)
class Asked:
    """The clients that the checks use, by service; made before any thread is."""

    clients: dict[str, Any]

    def __getitem__(self, service: str) -> Any:
        return self.clients[service]


Check = Callable[[Asked, Design], Iterator[Finding]]


def preflight(session: Any, design: Design, skip: Collection[str] = ()) -> tuple[Finding, ...]:
    """Findings of all checks."""
    asked = Asked({name: session.client(name) for name in ("ec2", "efs", "fsx", "iam", "s3", "service-quotas", "sts")})
    return checks.ask([(name, partial(check, asked, design)) for name, check in CHECKS], skip, _unchecked)


def _unchecked(name: str, problem: Exception) -> Finding | None:
    from botocore.exceptions import BotoCoreError, ClientError

    if not isinstance(problem, ClientError | BotoCoreError):
        return None
    return warning("unchecked", f"{name} could not be checked: {problem}", f"allow the call, or leave it out: --skip {name}")


def types(asked: Asked, design: Design) -> Iterator[Finding]:
    """One zone has to have them all: filesystems and placement groups do not reach beyond one."""
    wanted = {each.instance for each in quotas.machines(design)}
    filters = [{"Name": "instance-type", "Values": sorted(wanted)}]
    zones: dict[str, set[str]] = {}
    for each in pages(
        asked["ec2"],
        "describe_instance_type_offerings",
        "InstanceTypeOfferings",
        LocationType="availability-zone",
        Filters=filters,
    ):
        zones.setdefault(each["Location"], set()).add(each["InstanceType"])
    offered = {kind for has in zones.values() for kind in has}
    fix = "name other types or another region (target: aws/REGION)"
    for kind in sorted(wanted - offered):
        yield error("instance", f"{kind} is not offered in {design.region}", fix)
    if wanted <= offered and not any(has >= wanted for has in zones.values()):
        said = "; ".join(f"{zone} has {', '.join(sorted(has))}" for zone, has in sorted(zones.items()))
        yield error("instance", f"no zone of {design.region} offers all types of the design: {said}", fix)


def images(asked: Asked, design: Design) -> Iterator[Finding]:
    """Those that the file names."""
    named = {(group.image or design.image, group.node.arch) for group in design.groups} | {(design.image, design.head.arch)}
    for identity, arch in sorted((i, a) for i, a in named if i is not None):
        told = asked["ec2"].describe_images(Filters=[{"Name": "image-id", "Values": [identity]}])["Images"]
        if not told:
            yield error(
                "image", f"{identity} is not in {design.region}, or not for this account", "an image's id is its region's"
            )
        elif told[0]["Architecture"] != arch:
            yield error("image", f"{identity} is for {told[0]['Architecture']}, its machines are {arch}", "name another image")


def network(asked: Asked, design: Design) -> Iterator[Finding]:
    """An existing one is there and has a way in and out."""
    given = design.network
    if given.id is None:
        if given.access == "tunnel" or given.egress == "gateway":
            # Amazon VPC pricing, us-east-2.
            yield info("gateway", "a NAT gateway is made: about 0.045 USD an hour and 0.045 USD for each GB through it")
        if given.access == "tunnel":
            yield _stays("the NAT gateway's", "the head reaches AWS through it")
        return
    if given.access == "public":
        yield _stays("the head's", f"in a network that is there already ({given.id}) it is an Elastic IP")
    found = asked["ec2"].describe_subnets(Filters=[{"Name": "subnet-id", "Values": [given.subnet]}])["Subnets"]
    if not found or found[0]["VpcId"] != given.id:
        yield error("network", f"{given.subnet} is not a subnet of {given.id} in {design.region}", "aws ec2 describe-subnets")
    elif given.access == "public" and not _reaches_internet(asked["ec2"], given.id, str(given.subnet)):
        yield error(
            "network",
            f"{given.subnet} has no route to an internet gateway: its machines have no public address",
            "access: tunnel",
        )


def _stays(whose: str, why: str) -> Finding:
    """Amazon VPC pricing, "Public IPv4 address": the same in every region, in use or idle."""
    said = "stays after an expiry, billed about 0.005 USD an hour until burst sweep"
    return info("address", f"{whose} public address {said}: {why}, and no machine can release its own way out")


def _reaches_internet(ec2: Any, vpc: str, subnet: str) -> bool:
    """By the subnet's own route table, else by the network's main one."""
    own = [{"Name": "association.subnet-id", "Values": [subnet]}]
    main = [{"Name": "vpc-id", "Values": [vpc]}, {"Name": "association.main", "Values": ["true"]}]
    tables = ec2.describe_route_tables(Filters=own)["RouteTables"] or ec2.describe_route_tables(Filters=main)["RouteTables"]
    return any(route.get("GatewayId", "").startswith("igw-") for table in tables for route in table["Routes"])


_NEEDED = (
    "iam:CreateRole",
    "iam:PutRolePolicy",
    "iam:CreateInstanceProfile",
    "iam:AddRoleToInstanceProfile",
    "iam:PassRole",
    "iam:TagRole",
)


def identity(asked: Asked, design: Design) -> Iterator[Finding]:
    """Whether the head can have what it needs: a role that the caller may make, or one that is there."""
    given = design.identity
    if given.id is not None:
        yield from _profile(asked["iam"], given.id.rpartition("/")[2])
    elif given.create:
        who = _policies_of(asked["sts"].get_caller_identity()["Arn"])
        if who is None:
            return
        told = asked["iam"].simulate_principal_policy(PolicySourceArn=who, ActionNames=list(_NEEDED))["EvaluationResults"]
        denied = [each["EvalActionName"] for each in told if each["EvalDecision"] != "allowed"]
        if denied:
            fix = "identity: NAME of an instance profile, identity: {boundary: ARN}, or identity: none with fixed nodes only"
            yield error("identity", f"you may not make the head's role: {', '.join(denied)} denied", fix)


def _profile(iam: Any, name: str) -> Iterator[Finding]:
    from botocore.exceptions import ClientError

    try:
        iam.get_instance_profile(InstanceProfileName=name)
    except ClientError as problem:
        if problem.response["Error"]["Code"] != "NoSuchEntity":
            raise
        yield error("identity", f"there is no instance profile {name}", "aws iam list-instance-profiles")


def _policies_of(arn: str) -> str | None:
    """What IAM can simulate: users and roles; an assumed role's ARN names its role. The account's root may everything."""
    if arn.endswith(":root"):
        return None
    if ":assumed-role/" not in arn:
        return arn
    before, _, role = arn.partition(":assumed-role/")
    return f"{before.replace(':sts:', ':iam:')}:role/{role.split('/')[0]}"


def spot_role(asked: Asked, design: Design) -> Iterator[Finding]:
    """An account's first spot request makes a role of EC2's own, which the head may not."""
    from botocore.exceptions import ClientError

    if all(group.spot == "never" for group in design.groups):
        return
    try:
        asked["iam"].get_role(RoleName="AWSServiceRoleForEC2Spot")
    except ClientError as problem:
        if problem.response["Error"]["Code"] != "NoSuchEntity":
            raise
        # EC2 User Guide, "Service-linked role for Spot Instance requests".
        fix = "aws iam create-service-linked-role --aws-service-name spot.amazonaws.com"
        yield warning("spot-role", "this account has never had a spot machine: EC2's own role for them is missing", fix)


def results(asked: Asked, design: Design) -> Iterator[Finding]:
    """The bucket of a detached run."""
    yield from bucket.findings(asked["s3"], asked["iam"], design)


CHECKS: tuple[tuple[str, Check], ...] = (
    ("types", types),
    ("images", images),
    ("network", network),
    ("identity", identity),
    ("spot", spot_role),
    ("results", results),
    ("quota", quotas.vcpus),
    ("quota", quotas.addresses),
    ("filesystems", filesystems.findings),
)
