"""Every kind of thing on Google Cloud × every class of error, over HTTP: what is left of the run, and of the other."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import here_only
import pytest
from google_fake import PROJECT, REGION, Answer, Fault, Google, error, rpc_error, serving
from making import Still
from test_place_gcp import OTHER, PLACE, RUN, whole

from provisioner import clock
from provisioner.launch import gcp
from provisioner.launch.gcp import Session
from provisioner.targets.gcp import kinds
from tests.stacks.matrix import PASSES, STAYS, UNASKED, Row, noted

_NEW = ("file.", "lustre.", "iam.")
# Class → (status, reason of Compute Engine and Cloud Storage, status of the newer APIs).
CODES = {
    "THROTTLE": (403, "rateLimitExceeded", "RESOURCE_EXHAUSTED"),
    "TRANSIENT": (503, "backendError", "UNAVAILABLE"),
    "IN_USE": (400, "resourceInUseByAnotherResource", "FAILED_PRECONDITION"),
    "QUOTA": (403, "quotaExceeded", "RESOURCE_QUOTA_EXCEEDED"),
    "CAPACITY": (503, "ZONE_RESOURCE_POOL_EXHAUSTED", "ZONE_RESOURCE_POOL_EXHAUSTED"),
    "AUTH": (403, "forbidden", "PERMISSION_DENIED"),
    "CONFIG": (400, "invalid", "INVALID_ARGUMENT"),
}


def said(kind: str, method: str) -> Answer:
    status, reason, name = CODES[kind]
    return rpc_error(status, name) if method.startswith(_NEW) else error(status, reason)


def methods(kind: kinds.Listed, verb: str) -> list[str]:
    """The API's methods that list or delete things of a kind."""
    if isinstance(kind, kinds.Located):
        return [f"{kind.api.split('//')[1].split('.')[0]}.projects.locations.instances.{verb}"]
    if isinstance(kind, kinds.Buckets):
        return [f"storage.buckets.{verb}"]
    if isinstance(kind, kinds.Accounts):
        return [f"iam.projects.serviceAccounts.{verb}"]
    if isinstance(kind, kinds.Roles):
        return [f"iam.projects.roles.{verb}"]
    if verb == "list":
        return [f"compute.{kind.collection}.{'aggregatedList' if kind.aggregated else 'list'}"]
    globally = ["compute.globalAddresses.delete"] if kind.name == "address" else []
    return [f"compute.{kind.collection}.delete", *globally]


@contextmanager
def two_runs() -> Iterator[tuple[Google, Session, set[str]]]:
    """A project with all of another run in it; its paths."""
    with pytest.MonkeyPatch.context() as patch, clock.use(Still()) as turned, serving(Google()) as google:
        here_only.open_here(patch)
        patch.setattr(gcp, "time", turned)
        google.answers["compute.projects.getXpnHost"] = (200, {})
        whole(google, OTHER)
        yield google, Session(lambda: "a-token", google.endpoint, project=PROJECT, region=REGION), set(google.things)


def passing(kind: str) -> Iterator[Row]:
    """Every deletion of every kind meets the fault once."""
    with two_runs() as (google, session, theirs):
        whole(google)
        asked = [method for each in kinds.KINDS for method in methods(each, "delete")]
        google.faults = [Fault(method, said(kind, method)) for method in asked]
        assert PLACE.reap(session, PLACE.remains(session, RUN)) == ()
        assert [fault.method for fault in google.faults if fault.times] == []
        assert set(google.things) == theirs
        left = PLACE.remains(session, RUN)
    for each in kinds.KINDS:
        yield Row("gcp", f"delete {each.name}", f"{kind}, once", 1, len([one for one in left if one.kind == each.name]))


def staying(what: kinds.Listed) -> Iterator[Row]:
    """What cannot be deleted stays, by name and reason, and nothing that goes before it; then it goes too."""
    with two_runs() as (google, session, theirs):
        whole(google)
        found = PLACE.remains(session, RUN)
        own = {each.id for each in found if each.kind == what.name}
        for kind in STAYS:
            google.faults = [Fault(method, said(kind, method), times=10_000) for method in methods(what, "delete")]
            found = PLACE.reap(session, found)
            assert {each.id for each in PLACE.remains(session, RUN)} == {each.id for each in found} == own
            assert {each.why.partition(":")[0] for each in found} == {kind}
            assert all("no" in each.why for each in found)
        google.faults = []
        assert PLACE.reap(session, found) == ()
        assert set(google.things) == theirs
        for kind in STAYS:
            yield Row("gcp", f"delete {what.name}", f"{kind}, until it is mended", len(own), len(PLACE.remains(session, RUN)))


@pytest.mark.parametrize("kind", PASSES)
def test_what_passes_leaves_nothing(kind: str) -> None:
    noted("gcp (HTTP)", f"deleting meets {kind}, which passes", passing(kind))


@pytest.mark.parametrize("what", kinds.KINDS, ids=lambda kind: kind.name)
def test_what_stays_is_left_alone_and_goes_the_next_time(what: kinds.Listed) -> None:
    noted("gcp (HTTP)", f"deleting is refused until that is mended ({', '.join(STAYS)}) | {what.name}", staying(what))


@pytest.mark.parametrize("kind", UNASKED)
def test_a_listing_that_fails_is_not_empty(kind: str) -> None:
    """All else is seen, and may be ended."""
    with two_runs() as (google, session, _):
        whole(google)
        everything = PLACE.remains(session, RUN)
        for what in kinds.KINDS:
            google.faults = [Fault(method, said(kind, method), times=10_000) for method in methods(what, "list")]
            found = PLACE.remains(session, RUN)
            (unknown,) = [each for each in found if each.kind == "unknown"]
            assert unknown.id == f"{what.name}s of {PROJECT}"
            assert unknown.why.startswith(f"{kind}: ")
            assert {each.id for each in everything if each.kind != what.name} == {each.id for each in found} - {unknown.id}
