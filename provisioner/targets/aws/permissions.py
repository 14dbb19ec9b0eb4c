"""Whether the caller may make all that a design has: simulated, or where that cannot be, asked of EC2 by dry runs.

The actions are those of needs.py. Each is asked on a resource of its kind that does not exist yet, with the tags that the
run would give it: a policy that is bound to them (docs/clouds/aws-policy.json) allows it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from provisioner.design.model import Design
from provisioner.findings import Finding, error, info, warning
from provisioner.stack import identity as run_identity
from provisioner.targets.aws import dry_run, needs
from provisioner.targets.aws.simulation import Caller, Denied, Question, caller, denied

# Pulumi's type → what its ARN has before the id ("Actions, resources, and condition keys for Amazon EC2", "Resource types").
_KINDS = {
    "Vpc": "vpc",
    "InternetGateway": "internet-gateway",
    "Subnet": "subnet",
    **dict.fromkeys(("RouteTable", "RouteTableAssociation", "Route"), "route-table"),
    "VpcEndpoint": "vpc-endpoint",
    "NatGateway": "natgateway",
    "Eip": "elastic-ip",
    **dict.fromkeys(("SecurityGroup", "SecurityGroupIngressRule", "SecurityGroupEgressRule"), "security-group"),
    **dict.fromkeys(("NetworkInterface", "MountTarget"), "network-interface"),
    "PlacementGroup": "placement-group",
    "LaunchTemplate": "launch-template",
    "Instance": "instance",
    "LustreFileSystem": "vpc",
}
_MAKING = ("ec2:Create", "ec2:Allocate", "ec2:Run")
_PARTS = ("ec2:CreateTags", "ec2:CreateRoute", "ec2:CreateLaunchTemplateVersion")
# More than that is not a gap but a policy that is not there.
_FEW = 12
PAGE = "docs/clouds/aws.md"


def questions(design: Design, who: Caller) -> list[Question]:
    """All that is to be asked, each resource once."""
    wanted: dict[str, dict[str, None]] = {}

    def add(action: str, kind: str) -> None:
        wanted.setdefault(_resource(design, who, action, kind), {})[action] = None

    for pulumi_type in sorted(needs.made(design)):
        for action in needs.NEEDS[pulumi_type][1]:
            add(action, pulumi_type.rpartition(":")[2])
    for action in needs.LAUNCH:
        add(action, "Fleet" if action == "ec2:CreateFleet" else "Instance")
    for function, actions in needs.READS.items():
        # Who names the image asks for none.
        for action in actions if function != "getParameter" or design.image is None else ():
            add(action, function)
    # An existing role's is asked on that role (identity.py).
    passed = design.identity.create and design.identity.id is None
    found = {where: [each for each in actions if passed or each != "iam:PassRole"] for where, actions in wanted.items()}
    return [Question(where, tuple(actions), _context(design, actions)) for where, actions in found.items() if actions]


def _resource(design: Design, who: Caller, action: str, kind: str) -> str:
    service, _, name = action.partition(":")
    run, start = design.run.id, f"arn:{who.partition}:{service}:{design.region}:{who.account}"
    if service == "ec2":
        looks = name.startswith("Describe") and not name.endswith("Attribute")
        return "*" if looks else f"{start}:{_KINDS.get(kind, kind.lower())}/{run}"
    if service == "s3":
        of_objects = name.endswith(("Object", "ObjectVersion"))
        return f"arn:{who.partition}:s3:::{run}-bucket-0{'/any' if of_objects else ''}"
    if service == "iam":
        profile = "InstanceProfile" in name and "InstanceProfilesFor" not in name
        return f"arn:{who.partition}:iam::{who.account}:{'instance-profile' if profile else 'role'}/burst/{run}/{run}-head"
    if service == "ssm":
        return f"arn:{who.partition}:ssm:{design.region}::parameter/aws/service/canonical"
    return f"{start}:file-system/{run}"


def _context(design: Design, actions: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """What a request of the run's carries. The condition keys are of IAM, EC2 and "AWS global condition context keys"."""
    tags = run_identity.tags(design)
    made = [each for each in actions if each.startswith(_MAKING) and each not in _PARTS]
    given = {
        **{f"aws:RequestTag/{key}": value for key, value in tags.items()},
        **{f"aws:ResourceTag/{key}": value for key, value in tags.items()},
        **{f"ec2:ResourceTag/{key}": value for key, value in tags.items()},
        "aws:RequestedRegion": str(design.region),
        "iam:PassedToService": "ec2.amazonaws.com",
        **({"iam:PermissionsBoundary": design.identity.boundary} if design.identity.boundary else {}),
        **({"ec2:CreateAction": made[0].partition(":")[2]} if made else {}),
    }
    return tuple(sorted(given.items()))


def findings(asked: Any, design: Design) -> Iterator[Finding]:
    """All but what is asked for a role (identity.py)."""
    from botocore.exceptions import ClientError

    who = caller(asked["sts"], asked["iam"])
    if who.source is None:
        # IAM simulates neither the root nor a federated user.
        yield from _tried(asked, design, who, "" if who.root else "IAM simulates no federated user")
        return
    mine = [each for each in questions(design, who) if not each.resource.startswith(f"arn:{who.partition}:iam:")]
    try:
        found = denied(asked["iam"], who.source, mine)
    except ClientError as problem:
        code = problem.response["Error"]["Code"]
        if code not in ("AccessDenied", "AccessDeniedException", "NoSuchEntity"):
            raise
        yield from _tried(asked, design, who, f"iam:SimulatePrincipalPolicy is not allowed ({code})")
        return
    yield from told(who, found, "permissions", "")


def told(who: Caller, found: Sequence[Denied], code: str, instead: str) -> Iterator[Finding]:
    """A finding for each reason; what depends on what only a real request has is no more than a warning.

    `instead` is another way than to be allowed.
    """
    reasons: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for each in found:
        reasons.setdefault((each.why, each.unsure), []).append(each.action)
    for (why, unsure), actions in reasons.items():
        said = f"{who.arn.rpartition(':')[2]} may not {', '.join(sorted(actions))}: {why}"
        fix = "; or ".join(part for part in (mend(who, why, sorted(actions)), instead) if part)
        if unsure:
            yield warning(code, f"{said}, unless {', '.join(unsure)} of a real request says otherwise", fix)
        else:
            yield error(code, said, fix)


def mend(who: Caller, why: str, actions: Sequence[str]) -> str:
    """The command that allows these; for an organization, a boundary, a denial, whose they are."""
    kind, name = who.principal
    if why.startswith("no policy") and not name.startswith("AWSReservedSSO_"):
        if len(actions) > _FEW:
            policy = f"arn:{who.partition}:iam::{who.account}:policy/burst"
            make = "aws iam create-policy --policy-name burst --policy-document file://docs/clouds/aws-policy.json"
            return f"{make} && aws iam attach-{kind}-policy --{kind}-name {name} --policy-arn {policy} ({PAGE})"
        statement = {"Effect": "Allow", "Action": list(actions), "Resource": "*"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [statement]}, separators=(",", ":"))
        return f"aws iam put-{kind}-policy --{kind}-name {name} --policy-name burst --policy-document '{document}' ({PAGE})"
    if why.startswith("no policy"):
        return f"IAM Identity Center, the permission set of {name}: add the actions ({PAGE})"
    if "boundary" in why:
        return f"aws iam get-{kind} --{kind}-name {name} --query '*.PermissionsBoundary': add the actions to that policy"
    if "organization" in why:
        return f"aws organizations list-policies-for-target --target-id {who.account} --filter SERVICE_CONTROL_POLICY"
    return f"aws iam list-attached-{kind}-policies --{kind}-name {name}: take the denial out"


def _tried(asked: Any, design: Design, who: Caller, why: str) -> Iterator[Finding]:
    """By dry runs: of EC2's calls that need nothing that exists. `why` nothing else is known; "" where that is no matter."""
    refused, unknown = dry_run.ask(asked["ec2"], design)
    if refused:
        said = f"{who.arn.rpartition(':')[2]} may not {', '.join(refused)}: a dry run was refused"
        yield error("permissions", said, f"allow the actions: {PAGE} has the whole policy")
    for action, words in unknown.items():
        yield info("permissions", f"a dry run of {action} says neither yes nor no: {words}")
    if why:
        rest = "permissions other than EC2's could not be asked"
        yield warning("unchecked", f"{why}: {rest}", f"allow iam:SimulatePrincipalPolicy, or read {PAGE}")
