"""Calls of AWS's API → the actions of IAM that each needs. (What Pulumi's provider asks: provisioner/targets/aws/needs.py.)"""

from __future__ import annotations

# botocore's service → IAM's prefix, where they differ.
PREFIXES = {"efs": "elasticfilesystem", "service-quotas": "servicequotas", "resourcegroupstaggingapi": "tag"}
# Calls whose action has another name: Service Authorization Reference, "Actions … for Amazon S3"; STS API Reference,
# "GetCallerIdentity": "No permissions are required".
OTHERWISE: dict[str, tuple[str, ...]] = {
    "sts:GetCallerIdentity": (),
    "s3:ListBuckets": ("s3:ListAllMyBuckets",),
    "s3:HeadBucket": ("s3:ListBucket",),
    "s3:ListObjectVersions": ("s3:ListBucketVersions",),
    "s3:DeleteObjects": ("s3:DeleteObject", "s3:DeleteObjectVersion"),
    "s3:ListMultipartUploads": ("s3:ListBucketMultipartUploads",),
    # A fleet runs instances in its caller's name, and tags them.
    "ec2:CreateFleet": ("ec2:CreateFleet", "ec2:RunInstances", "ec2:CreateTags"),
}


def actions(service: str, operation: str) -> tuple[str, ...]:
    """What a call needs."""
    action = f"{PREFIXES.get(service, service)}:{operation}"
    return OTHERWISE.get(action, (action,))
