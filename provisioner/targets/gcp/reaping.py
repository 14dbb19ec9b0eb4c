"""Deleting what is left of runs: machines first, networks last, and again what was still in use."""

from __future__ import annotations

import itertools
import urllib.parse
import uuid
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from provisioner import clock
from provisioner.launch.gcp import COMPUTE, KINDS, Refused, Session, raise_failed, wait
from provisioner.targets.base import Resource
from provisioner.targets.cloud.faults import final, kept
from provisioner.targets.gcp import faults
from provisioner.targets.gcp.faults import gone
from provisioner.targets.gcp.kinds import BY_NAME, STORAGE

# A Filestore that has gone holds its network for some minutes more.
_PAUSES = (5.0, 15.0, 30.0, 60.0)
_POLL, _LONGEST = 5.0, 1200.0
_SIDE_BY_SIDE = 8


def reap(session: Session, resources: Sequence[Resource]) -> tuple[Resource, ...]:
    """Answers what could not be deleted, each with what Google said of it."""
    known = tuple(each for each in resources if each.kind in BY_NAME)
    stay = [kept(each, "CONFIG", "nobody here knows how to delete it") for each in resources if each.kind not in BY_NAME]
    left = _round(session, known)
    for pause in _PAUSES:
        # What is denied stays denied, and is not asked for again.
        stay, left = [*stay, *filter(final, left)], tuple(each for each in left if not final(each))
        if not left:
            break
        clock.sleep(pause)
        left = _round(session, left)
    return (*stay, *left)


def _round(session: Session, resources: Sequence[Resource]) -> tuple[Resource, ...]:
    """Once through, level by level: what uses another goes before it."""
    left: list[Resource] = []
    for _, level in itertools.groupby(sorted(resources, key=_level), key=_level):
        with ThreadPoolExecutor(_SIDE_BY_SIDE) as pool:
            left.extend(filter(None, pool.map(lambda resource: _tried(session, resource), level)))
    return tuple(left)


def _level(resource: Resource) -> int:
    return BY_NAME[resource.kind].level


def _tried(session: Session, resource: Resource) -> Resource | None:
    try:
        delete(session, resource)
    except Refused as problem:
        return None if gone(problem) else kept(resource, *faults.told(problem))
    return None


def delete(session: Session, resource: Resource) -> None:
    """One thing, with what is in it. Raises Refused."""
    if resource.kind == "bucket":
        _empty(session, resource.name)
    if resource.kind == "network":
        _part(session, resource.id)
    if resource.id.startswith(COMPUTE):
        raise_failed(wait(session, session.call("DELETE", resource.id, {"requestId": str(uuid.uuid4())})))
        return
    done = session.call("DELETE", resource.id)
    if "/operations/" in done.get("name", ""):
        _until(session, f"{resource.id.partition('/projects/')[0]}/{done['name']}")


def _empty(session: Session, bucket: str) -> None:
    """A bucket is deleted empty: old versions too. The first page again, until there is none."""
    objects = f"{STORAGE}/b/{bucket}/o"
    while things := session.call("GET", objects, {"versions": "true"}).get("items"):
        with ThreadPoolExecutor(_SIDE_BY_SIDE) as pool:
            list(pool.map(lambda thing: _object(session, objects, thing), things))


def _object(session: Session, objects: str, thing: dict[str, Any]) -> None:
    version = {"generation": thing["generation"]} if "generation" in thing else {}
    try:
        session.call("DELETE", f"{objects}/{urllib.parse.quote(thing['name'], safe='')}", version)
    except Refused as problem:
        if not gone(problem):
            raise


def _part(session: Session, network: str) -> None:
    """A network that is peered with a service's own, as for Lustre and Filestore, cannot be deleted."""
    for peering in session.call("GET", network).get("peerings", ()):
        asked = session.call("POST", f"{network}/removePeering", {"requestId": str(uuid.uuid4())}, {"name": peering["name"]})
        raise_failed(wait(session, asked))


def _until(session: Session, operation: str) -> None:
    """A long-running operation of the newer APIs, to its end. Raises Refused."""
    until = clock.monotonic() + _LONGEST
    while clock.monotonic() < until:
        told = session.call("GET", operation)
        if told.get("done"):
            if "error" in told:
                raise _failed(told["error"])
            return
        clock.sleep(_POLL)
    raise Refused("TRANSIENT", f"{operation} is not done after {_LONGEST:.0f} s")


def _failed(error: dict[str, Any]) -> Refused:
    """google.rpc.Status: {"code": its number, "message"}."""
    code = faults.RPC.get(error.get("code", 0), str(error.get("code", "")))
    return Refused(KINDS.get(code, "CONFIG"), f"{code}: {error.get('message', '')}", code)
