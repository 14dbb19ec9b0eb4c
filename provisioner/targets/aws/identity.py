"""What the head may be: a role that the caller may make, or one that is there and that it may give to machines."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from provisioner.design.model import Design
from provisioner.findings import Finding, error, warning
from provisioner.targets.aws.permissions import questions, told
from provisioner.targets.aws.simulation import Caller, Question, caller, denied


def findings(asked: Any, design: Design) -> Iterator[Finding]:
    """Raises botocore's ClientError where something may not be asked."""
    given, iam = design.identity, asked["iam"]
    who = caller(asked["sts"], iam)
    if given.id is not None:
        yield from _existing(iam, who, given.id.rpartition("/")[2])
    elif given.create and who.source is not None:
        start = f"arn:{who.partition}:iam:"
        found = denied(iam, who.source, [each for each in questions(design, who) if each.resource.startswith(start)])
        instead = "identity: NAME of an instance profile, identity: {boundary: ARN}, or identity: none with fixed nodes only"
        yield from told(who, found, "identity", instead)


def _existing(iam: Any, who: Caller, name: str) -> Iterator[Finding]:
    from botocore.exceptions import ClientError

    try:
        roles = iam.get_instance_profile(InstanceProfileName=name)["InstanceProfile"]["Roles"]
    except ClientError as problem:
        if problem.response["Error"]["Code"] != "NoSuchEntity":
            raise
        yield error("identity", f"there is no instance profile {name}", "aws iam list-instance-profiles")
        return
    if not roles:
        fix = f"aws iam add-role-to-instance-profile --instance-profile-name {name} --role-name ROLE"
        yield error("identity", f"the instance profile {name} has no role", fix)
    if who.source is not None:
        # IAM User Guide, "Grant a user permissions to pass a role to an AWS service".
        passed = (("iam:PassedToService", "ec2.amazonaws.com"),)
        found = denied(iam, who.source, [Question(role["Arn"], ("iam:PassRole",), passed) for role in roles])
        yield from told(who, found, "identity", "identity: another instance profile")


def spot_role(asked: Any, design: Design) -> Iterator[Finding]:
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
