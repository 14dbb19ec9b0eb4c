"""Filesystems that are taken by id: whether they are there. (Sizes: catalog/filesystems.py.)"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from provisioner.design.model import Design, Filesystem
from provisioner.findings import Finding, error


def findings(asked: Any, design: Design) -> Iterator[Finding]:
    """Of all of a design."""
    for fs in design.filesystems:
        if fs.id is not None:
            yield from _existing(asked, design, fs)


def _existing(asked: Any, design: Design, fs: Filesystem) -> Iterator[Finding]:
    from botocore.exceptions import ClientError

    try:
        if fs.type == "managed-nfs":
            asked["efs"].describe_file_systems(FileSystemId=fs.id)
        elif fs.type == "lustre":
            asked["fsx"].describe_file_systems(FileSystemIds=[fs.id])
        elif fs.type == "bucket":
            asked["s3"].head_bucket(Bucket=fs.id)
        elif ":" not in (fs.id or ""):
            yield error("filesystem", f"{fs.mount}: {fs.id} is not HOST:/EXPORT", "id: nas.example.org:/export")
    except ClientError as problem:
        code = problem.response["Error"]["Code"]
        if code not in ("FileSystemNotFound", "404", "NoSuchBucket"):
            raise
        yield error("filesystem", f"{fs.mount}: there is no {fs.id} in {design.region}", "an id is its region's")
