"""What was to be made under a name of its own, asked for by that name: a listing may not have it yet.

"Changes that I make are not always immediately visible" (IAM User Guide, Troubleshooting) and "Eventual consistency" (EC2
API Reference): both hold for listings as for tags. What has no name of its own (a network, a gateway, a machine) is found by
its tags alone; for those a second look a minute later is the only way. Buckets are listed by name (listing.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from provisioner.targets.aws.session import Clients
from provisioner.targets.base import Intent, Resource

_ABSENT = ("NotFound", "NoSuchEntity", "NoSuchBucket", "InvalidPlacementGroup.Unknown", "404")


def _role(to: Clients, run_id: str, name: str) -> str | None:
    return name if to.iam.get_role(RoleName=name)["Role"]["Path"] == f"/burst/{run_id}/" else None


def _profile(to: Clients, run_id: str, name: str) -> str | None:
    told = to.iam.get_instance_profile(InstanceProfileName=name)["InstanceProfile"]
    return name if told["Path"] == f"/burst/{run_id}/" else None


def _launch_template(to: Clients, run_id: str, name: str) -> str | None:
    told = to.ec2.describe_launch_templates(LaunchTemplateNames=[name])["LaunchTemplates"]
    return str(told[0]["LaunchTemplateId"]) if told else None


def _placement_group(to: Clients, run_id: str, name: str) -> str | None:
    told = to.ec2.describe_placement_groups(GroupNames=[name])["PlacementGroups"]
    return name if told and told[0]["State"] != "deleted" else None


def _security_group(to: Clients, run_id: str, name: str) -> str | None:
    told = to.ec2.describe_security_groups(Filters=[{"Name": "group-name", "Values": [name]}])["SecurityGroups"]
    return str(told[0]["GroupId"]) if told else None


# Pulumi's type → (our kind, the question that answers its id, whether it costs money).
ASKED: dict[str, tuple[str, Callable[[Clients, str, str], str | None], bool]] = {
    "aws:iam/role:Role": ("role", _role, False),
    "aws:iam/instanceProfile:InstanceProfile": ("instance-profile", _profile, False),
    "aws:ec2/launchTemplate:LaunchTemplate": ("launch-template", _launch_template, False),
    "aws:ec2/placementGroup:PlacementGroup": ("placement-group", _placement_group, False),
    "aws:ec2/securityGroup:SecurityGroup": ("security-group", _security_group, False),
}


def named(to: Clients, run_id: str, intents: Sequence[Intent]) -> Iterator[Resource]:
    """Those of `intents` that are there; a name that does not begin with the run's id is nobody's to ask for."""
    for intent in dict.fromkeys(intents):
        if intent.type in ASKED and intent.name.startswith(f"{run_id}-"):
            kind, ask, billed = ASKED[intent.type]
            identity = _answered(ask, to, run_id, intent.name)
            if identity is not None:
                yield Resource(kind=kind, id=identity, name=intent.name, billed=billed, region=to.region)


def _answered(ask: Callable[[Clients, str, str], str | None], to: Clients, run_id: str, name: str) -> Any:
    from botocore.exceptions import ClientError

    try:
        return ask(to, run_id, name)
    except ClientError as problem:
        if any(word in problem.response["Error"]["Code"] for word in _ABSENT):
            return None
        raise
