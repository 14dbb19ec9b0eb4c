"""What machines may do. The head: make and end the nodes of its own run, and at its end what of it is billed. Everybody:
read and write the run's buckets.

A policy's resources are the run's own, by the tag that they carry or must be made with; where an action knows no
resource (Service Authorization Reference), by region. Both roles lie under a path of the run's own.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws
from naming import carried, path

from provisioner.design.model import Design
from provisioner.spec.results import parse
from provisioner.stack import identity as run_identity

_MACHINES = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}
# What one fleet of ours makes.
_MADE = ("fleet", "instance", "volume", "network-interface", "spot-instances-request")
# Session Manager, "Add Session Manager permissions to an existing IAM role": AmazonSSMManagedInstanceCore has these and more.
_TUNNEL = (
    "ssm:UpdateInstanceInformation",
    "ssmmessages:CreateControlChannel",
    "ssmmessages:CreateDataChannel",
    "ssmmessages:OpenControlChannel",
    "ssmmessages:OpenDataChannel",
)
# Mountpoint for Amazon S3, "IAM permissions".
_OBJECTS = ("s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload")


@dataclass(frozen=True)
class StorageIdentityArgs:
    """`buckets` by name."""

    design: Design
    buckets: Sequence[pulumi.Input[str]]


class StorageIdentity(pulumi.ComponentResource):
    """The nodes' role, where there are buckets: `profile` by name, and `role` by ARN; None where they have none."""

    profile: pulumi.Input[str] | None = None
    role: pulumi.Input[str] | None = None

    def __init__(self, name: str, args: StorageIdentityArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("burst:aws:StorageIdentity", name, None, opts)
        design = args.design
        if args.buckets and design.identity.id is not None:
            self.profile = profile_name(design.identity.id)
        elif args.buckets:
            self.profile, self.role = _role(self, design, "node", buckets(args.buckets))
        self.register_outputs({})


@dataclass(frozen=True)
class HeadIdentityArgs:
    """`images`, `subnet` and `groups` (security groups) are what nodes are made of, by id; `passed` the nodes' role.

    `buckets` are those that are used; `made` those (`bucket`) and the file systems (`efs`, `fsx`) that the run made.
    """

    design: Design
    account: str
    images: Sequence[str]
    subnet: pulumi.Input[str]
    groups: Sequence[pulumi.Input[str]]
    buckets: Sequence[pulumi.Input[str]]
    made: Mapping[str, Sequence[pulumi.Input[str]]]
    passed: pulumi.Input[str] | None


class HeadIdentity(pulumi.ComponentResource):
    """`profile`: the head's instance profile by name, or None."""

    profile: pulumi.Input[str] | None = None

    def __init__(self, name: str, args: HeadIdentityArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("burst:aws:HeadIdentity", name, None, opts)
        identity = args.design.identity
        if identity.id is not None:
            self.profile = profile_name(identity.id)
        elif identity.create:
            statements = [*launching(args), *buckets(args.buckets), *results(args.design), *ending(args)]
            if args.design.network.access == "tunnel":
                statements.append(_allow(_TUNNEL, ["*"]))
            self.profile, _ = _role(self, args.design, "head", statements)
        self.register_outputs({})


def profile_name(identity: str) -> str:
    """An instance profile's name; its ARN is understood, too."""
    return identity.rpartition("/")[2]


def _allow(actions: Sequence[str], resources: Sequence[Any], condition: dict[str, Any] | None = None) -> dict[str, Any]:
    statement = {"Effect": "Allow", "Action": list(actions), "Resource": list(resources)}
    return {**statement, "Condition": condition} if condition else statement


def launching(args: HeadIdentityArgs) -> list[dict[str, Any]]:
    """What provisioner/launch/aws.py calls: CreateFleet, which runs instances and tags them; names; ends.

    Service Authorization Reference, "Actions, resources, and condition keys for Amazon EC2". A template's own tags count
    as the request's (EC2 User Guide, "Tag resources during creation").
    """
    design, run = args.design, args.design.run.id
    places = f"arn:aws:ec2:{design.region}:{args.account}"
    asked = {"StringEquals": {f"aws:RequestTag/{run_identity.RUN}": run}}
    ours = {"StringEquals": {f"ec2:ResourceTag/{run_identity.RUN}": run}}
    made = [f"{places}:{kind}/*" for kind in _MADE]
    given = [
        *(f"arn:aws:ec2:{design.region}::image/{image}" for image in args.images),
        # What images' disks are copied from; nothing but making machines is allowed on them.
        f"arn:aws:ec2:{design.region}::snapshot/*",
        f"{places}:placement-group/{run_identity.named(design, '*')}",
        pulumi.Output.concat(f"{places}:subnet/", args.subnet),
        *(pulumi.Output.concat(f"{places}:security-group/", group) for group in args.groups),
    ]
    make = ("ec2:CreateFleet", "ec2:RunInstances")
    while_making = {"StringEquals": {**asked["StringEquals"], "ec2:CreateAction": ["CreateFleet", "RunInstances"]}}
    only_a_name = {**ours, "ForAllValues:StringEquals": {"aws:TagKeys": ["Name"]}}
    here = {"StringEquals": {"aws:RequestedRegion": design.region}}
    statements = [
        _allow(make, made, asked),
        _allow(make, [f"{places}:launch-template/*"], ours),
        _allow(make, given),
        _allow(["ec2:CreateTags"], made, while_making),
        _allow(["ec2:CreateTags"], [f"{places}:instance/*"], only_a_name),
        _allow(["ec2:TerminateInstances"], [f"{places}:instance/*"], ours),
        _allow(["ec2:DescribeInstances"], ["*"], here),
    ]
    if args.passed is not None:
        statements.append(_allow(["iam:PassRole"], [args.passed], {"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}}))
    return statements


def ending(args: HeadIdentityArgs) -> list[dict[str, Any]]:
    """What provisioner/alone/end_aws.py calls beside that: it deletes what has the run's tag, and the run's own buckets.

    Service Authorization Reference, "Actions, resources, and condition keys for" Amazon EC2, Amazon Elastic File System,
    Amazon FSx, Amazon S3. What only looks knows no resource in EC2; in FSx neither, in the reference's later versions.
    """
    region, run = args.design.region, args.design.run.id
    places = f"{region}:{args.account}"
    ours = {"StringEquals": {f"aws:ResourceTag/{run_identity.RUN}": run}}
    here = {"StringEquals": {"aws:RequestedRegion": region}}
    looked = ["ec2:DescribeNatGateways", "ec2:DescribeVolumes", "ec2:DescribeAddresses"]
    gone = {"DeleteNatGateway": "natgateway", "DeleteVolume": "volume", "ReleaseAddress": "elastic-ip"}
    statements = [
        _allow([*looked, *(["fsx:DescribeFileSystems"] if args.made["fsx"] else [])], ["*"], here),
        _allow([f"ec2:{action}" for action in gone], [f"arn:aws:ec2:{places}:{kind}/*" for kind in gone.values()], ours),
    ]
    if args.made["efs"]:
        efs = [f"elasticfilesystem:{action}" for action in ("DescribeMountTargets", "DeleteMountTarget", "DeleteFileSystem")]
        # EFS API Reference, "DeleteMountTarget": it deletes the target's interface, which has no tags, in the caller's name.
        subnet = pulumi.Output.concat(f"arn:aws:ec2:{places}:subnet/", args.subnet)
        by_efs = {"Bool": {"aws:ViaAWSService": "true"}, "ArnEquals": {"ec2:Subnet": subnet}}
        statements += [
            _allow(efs, [f"arn:aws:elasticfilesystem:{places}:file-system/*"], ours),
            _allow(["ec2:DeleteNetworkInterface"], [f"arn:aws:ec2:{places}:network-interface/*"], by_efs),
        ]
    if args.made["fsx"]:
        statements.append(_allow(["fsx:DeleteFileSystem"], [f"arn:aws:fsx:{places}:file-system/*"], ours))
    if args.made["bucket"]:
        whole = [pulumi.Output.concat("arn:aws:s3:::", name) for name in args.made["bucket"]]
        emptied = ("s3:DeleteBucket", "s3:ListBucketVersions", "s3:ListBucketMultipartUploads")
        inside = [pulumi.Output.concat(each, "/*") for each in whole]
        statements += [_allow(emptied, whole), _allow(["s3:DeleteObjectVersion"], inside)]
    return statements


def buckets(names: Sequence[pulumi.Input[str]]) -> list[dict[str, Any]]:
    """These buckets, and what is in them."""
    if not names:
        return []
    whole = [pulumi.Output.concat("arn:aws:s3:::", name) for name in names]
    return [_allow(["s3:ListBucket"], whole), _allow(_OBJECTS, [pulumi.Output.concat(each, "/*") for each in whole])]


def results(design: Design) -> list[dict[str, Any]]:
    """Where a detached run's results go: to write there, below the run's own folder, and to read nothing."""
    if design.results is None:
        return []
    where = parse(design.results).below(design.run.id)
    return [_allow(("s3:PutObject", "s3:AbortMultipartUpload"), [f"arn:aws:s3:::{where.bucket}/{where.prefix}/*"])]


def _role(
    parent: pulumi.Resource, design: Design, part: str, statements: list[dict[str, Any]]
) -> tuple[pulumi.Output[str], pulumi.Output[str]]:
    """(instance profile by name, role by ARN)."""
    opts = pulumi.ResourceOptions(parent=parent)
    name, tags = run_identity.named(design, part), carried(design, part)
    role = aws.iam.Role(
        part,
        name=name,
        path=path(design),
        description=run_identity.described(design),
        assume_role_policy=json.dumps(_MACHINES),
        permissions_boundary=design.identity.boundary,
        tags=tags,
        opts=opts,
    )
    policy = pulumi.Output.json_dumps({"Version": "2012-10-17", "Statement": statements})
    written = aws.iam.RolePolicy(part, name=name, role=role.name, policy=policy, opts=opts)
    after = pulumi.ResourceOptions(parent=parent, depends_on=[written])
    profile = aws.iam.InstanceProfile(part, name=name, path=path(design), role=role.name, tags=tags, opts=after)
    return profile.name, role.arn
