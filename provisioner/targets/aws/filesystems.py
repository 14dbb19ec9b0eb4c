"""Filesystems: the sizes that there are, and whether what is taken by id exists."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from provisioner.design.model import Design, Filesystem
from provisioner.findings import Finding, error
from provisioner.units import GIB, show_size

# FSx for Lustre User Guide, "Deployment and storage class options": SCRATCH_2 has 1,200 GiB, 2,400 GiB and multiples of
# that. Amazon FSx for Lustre pricing, us-east-2: 0.14 USD for a GB and month.
_LEAST, _STEP, _PRICE = 1200, 2400, 0.14 / 730


def findings(asked: Any, design: Design) -> Iterator[Finding]:
    """All of a design."""
    for fs in design.filesystems:
        if fs.id is not None:
            yield from _existing(asked, design, fs)
        elif fs.type == "lustre":
            yield from _lustre(fs)
        if fs.type == "bucket" and not design.identity.create and design.identity.id is None:
            fix = "give machines an identity, or the folder another type"
            yield error("filesystem", f"{fs.mount} is a bucket, which nobody may read with identity: none", fix)


def _lustre(fs: Filesystem) -> Iterator[Finding]:
    """Never rounded in silence: the next size may cost twice as much."""
    asked = -(-fs.size // GIB)
    right = _LEAST if asked <= _LEAST else -(-asked // _STEP) * _STEP
    if fs.size != right * GIB:
        said = f"{fs.mount} is {show_size(fs.size)}: FSx for Lustre has {_LEAST} GiB, {_STEP} GiB and multiples of that"
        yield error("filesystem", said, f"size: {right}GiB, about {right * _PRICE:.2f} USD an hour")


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
