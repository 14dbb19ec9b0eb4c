"""Where results go, seen from both ends: what the head is told of it, and the same place with the caller's own credentials."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from provisioner.alone import store
from provisioner.design.model import Design
from provisioner.spec.results import Where, parse
from provisioner.targets.base import Inventory


def told(design: Design, inventory: Inventory) -> dict[str, Any]:
    """What alone/store.py's `opened` takes on the head."""
    where = parse(str(design.results)).below(design.run.id)
    if design.target == "nspawn":
        from provisioner.targets.nspawn import network

        return {"kind": "host", "endpoint": f"http://{network.BRIDGE}:{network.API_PORT}", "prefix": design.run.id}
    plain = {"kind": where.kind, "bucket": where.bucket, "prefix": where.prefix, "region": design.region}
    if where.kind == "blob":
        place = f"https://{where.account}.blob.core.windows.net/{where.bucket}"
        return {**plain, "place": place, "identity": _identity(inventory)}
    return plain


def _identity(inventory: Inventory) -> str:
    """The client id of the head's managed identity: it may have another one, for the buckets that it mounts."""
    attempts = json.loads(inventory.place["attempts"])
    return str(next(attempt["template"]["identity"] for tried in attempts.values() for attempt in tried))


def opened(where: Where, target: str = "", region: str | None = None) -> store.Store:
    """A folder of results, as the caller may read it. On `nspawn` a bucket is stood in for. Raises errors.Refused."""
    if where.kind == "file" or target == "nspawn":
        from provisioner.targets.nspawn import bucket

        return bucket.Folder(bucket.folder(str(where)))
    if where.kind == "s3":
        from provisioner.targets.aws import session

        return store.S3(session.open_session(region or session.region()).client("s3"), where.bucket, where.prefix)
    if where.kind == "gs":
        from provisioner.targets.gcp import credentials

        return store.Gcs(_telling(credentials.token()), where.bucket, where.prefix)
    from provisioner.targets.azure import session as azure

    place = f"https://{where.account}.blob.core.windows.net/{where.bucket}"
    return store.Blob(_telling(azure.storage_token()), place, where.prefix)


def _telling(token: Callable[[], str]) -> Callable[[], str]:
    """A token whose refusal is the store's."""

    def told() -> str:
        try:
            return token()
        except Exception as problem:
            raise store.Refused(getattr(problem, "kind", "AUTH"), str(problem)) from problem

    return told
