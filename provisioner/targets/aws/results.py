"""The bucket of a detached run's results: whether it is there, and whether the head may write to it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from provisioner.design.model import Design
from provisioner.findings import Finding, error, warning
from provisioner.spec.results import Where, parse
from provisioner.targets.aws.simulation import Question, denied

# S3 API reference, "HeadBucket": it answers with a status and no words.
_SAID = {"404": "there is no such bucket", "403": "it is somebody else's, or you may not look at it"}


def findings(s3: Any, iam: Any, design: Design) -> Iterator[Finding]:
    """Raises botocore's ClientError where something may not be asked."""
    from botocore.exceptions import ClientError

    if design.results is None:
        return
    where, identity = parse(design.results), design.identity
    try:
        s3.head_bucket(Bucket=where.bucket)
    except ClientError as problem:
        code = str(problem.response["Error"]["Code"])
        if code not in _SAID:
            raise
        yield error("results", f"{where}: {_SAID[code]}", f"aws s3 mb s3://{where.bucket}; or --to another")
        return
    if identity.id is not None:
        yield from _denied(iam, identity.id.rpartition("/")[2], where.below(design.run.id))
    elif not identity.create:
        yield error("results", f"{where}: with identity: none the head may write nowhere", "identity: NAME of one that may")


def _denied(iam: Any, profile: str, where: Where) -> Iterator[Finding]:
    """Whether the existing role's own policies let it; the bucket's may still say no, which the head finds out."""
    from botocore.exceptions import ClientError

    try:
        roles = iam.get_instance_profile(InstanceProfileName=profile)["InstanceProfile"]["Roles"]
    except ClientError as problem:
        if problem.response["Error"]["Code"] != "NoSuchEntity":
            raise
        # That is said already (identity.py).
        return
    for role in roles:
        put = Question(f"arn:aws:s3:::{where.bucket}/{where.prefix}/receipt.json", ("s3:PutObject",))
        if denied(iam, role["Arn"], [put]):
            fix = f"allow {role['Arn']} to s3:PutObject on arn:aws:s3:::{where.bucket}/*"
            yield warning("results", f"{where}: the head's role {role['RoleName']} may not write there by its own policies", fix)
