"""EC2's calls that make things, as dry runs: it checks the permissions, and makes nothing.

Amazon EC2 API Reference, "Common query parameters", DryRun: the answer is always an error, DryRunOperation where the call is
allowed, UnauthorizedOperation where it is not. Only calls that need nothing which does not exist yet.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from provisioner.design.model import Design
from provisioner.stack import identity as run_identity
from provisioner.targets.aws import needs
from provisioner.targets.checks import side_by_side

# stacks/aws/images.py has the same; EC2 User Guide, "Reference AMIs using Systems Manager parameters".
UBUNTU = "resolve:ssm:/aws/service/canonical/ubuntu/server/24.04/stable/current/{}/hvm/ebs-gp3/ami-id"


def calls(design: Design) -> dict[str, tuple[str, str, dict[str, Any]]]:
    """IAM's action → (boto3's call, the kind that is tagged, its other parameters)."""
    name, described, head = run_identity.named(design, "dry-run"), run_identity.described(design), design.head
    there = design.network.id is not None
    found: dict[str, tuple[str, str, dict[str, Any]]] = {
        "aws:ec2/vpc:Vpc": ("create_vpc", "vpc", {"CidrBlock": "10.77.0.0/16"}),
        "aws:ec2/internetGateway:InternetGateway": ("create_internet_gateway", "internet-gateway", {}),
        "aws:ec2/eip:Eip": ("allocate_address", "elastic-ip", {"Domain": "vpc"}),
        "aws:ec2/securityGroup:SecurityGroup": (
            "create_security_group",
            "security-group",
            {"GroupName": name, "Description": described, **({"VpcId": design.network.id} if there else {})},
        ),
        "aws:ec2/placementGroup:PlacementGroup": (
            "create_placement_group",
            "placement-group",
            {"GroupName": name, "Strategy": "cluster"},
        ),
        "aws:ec2/launchTemplate:LaunchTemplate": (
            "create_launch_template",
            "launch-template",
            {"LaunchTemplateName": name, "LaunchTemplateData": {"InstanceType": head.instance}},
        ),
        "aws:ec2/instance:Instance": (
            "run_instances",
            "instance",
            {
                "ImageId": design.image or UBUNTU.format("arm64" if head.arch == "arm64" else "amd64"),
                "InstanceType": head.instance,
                "MinCount": 1,
                "MaxCount": 1,
                **({"SubnetId": design.network.subnet} if there else {}),
            },
        ),
    }
    made = needs.made(design)
    return {needs.NEEDS[kind][1][0]: told for kind, told in found.items() if kind in made}


def ask(ec2: Any, design: Design) -> tuple[list[str], dict[str, str]]:
    """(Actions that are refused, action → EC2's words where it says something else)."""
    tags = [{"Key": key, "Value": value} for key, value in run_identity.tags(design).items()]

    def tried(one: tuple[str, str, dict[str, Any]]) -> tuple[str, str]:
        call, kind, told = one
        return _answer(lambda: getattr(ec2, call)(DryRun=True, TagSpecifications=[{"ResourceType": kind, "Tags": tags}], **told))

    asked = calls(design)
    answers = dict(zip(asked, side_by_side(tried, asked.values()), strict=True))
    refused = [action for action, (code, _) in answers.items() if code == "UnauthorizedOperation"]
    known = ("UnauthorizedOperation", "DryRunOperation")
    return refused, {action: words for action, (code, words) in answers.items() if code not in known}


def _answer(ask: Callable[[], Any]) -> tuple[str, str]:
    """(The error's code, EC2's words)."""
    from botocore.exceptions import ClientError

    try:
        ask()
    except ClientError as problem:
        return str(problem.response["Error"]["Code"]), str(problem)
    return "", "it was answered as if it were no dry run"
