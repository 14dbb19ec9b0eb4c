"""The bucket of a detached run's results: whether it is there, and whether the head may be let in."""

from __future__ import annotations

from collections.abc import Iterator

from provisioner.design.model import Design
from provisioner.findings import Finding, error
from provisioner.launch.gcp import Refused, Session
from provisioner.spec.results import parse

_STORAGE = "https://storage.googleapis.com/storage/v1"
_GRANT = "storage.buckets.setIamPolicy"


def results(session: Session, design: Design) -> Iterator[Finding]:
    """Raises launch.gcp's Refused."""
    if design.results is None:
        return
    where, identity = parse(design.results), design.identity
    try:
        bucket = session.call("GET", f"{_STORAGE}/b/{where.bucket}")
    except Refused as problem:
        if problem.status != 404:
            raise
        yield error("results", f"{where}: there is no such bucket", f"gcloud storage buckets create gs://{where.bucket}")
        return
    if identity.id is not None:
        return
    if not identity.create:
        yield error(
            "results", f"{where}: with identity: none the head may write nowhere", "identity: the account of one that may"
        )
        return
    uniform = bucket.get("iamConfiguration", {}).get("uniformBucketLevelAccess", {}).get("enabled")
    if not uniform:
        message = f"{where}: its bucket has no uniform access, and the head could be let into all of it alone"
        fix = f"gcloud storage buckets update gs://{where.bucket} --uniform-bucket-level-access"
        yield error("results", message, fix)
    told = session.call("GET", f"{_STORAGE}/b/{where.bucket}/iam/testPermissions", {"permissions": _GRANT})
    if _GRANT not in told.get("permissions", ()):
        yield error("results", f"{where}: you may not let the head in: {_GRANT}", "ask for roles/storage.admin on that bucket")
