"""Filesystems that are there already on Google Cloud: whether they are ready, and can be reached from the machines."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from google_fake import PROJECT, ZONE, Google, error
from google_world import BUCKETS, FILE, FINE, LUSTRE, PLACE, allow, session_of, told, world
from making import design

from provisioner.launch.gcp import Session

FULL = f"projects/{PROJECT}/locations/{ZONE}/instances/files"
GIVEN = ", network: {id: default, subnet: default}"


@pytest.fixture
def fine(monkeypatch: pytest.MonkeyPatch) -> Iterator[Google]:
    with world(monkeypatch) as served:
        yield served


@pytest.fixture
def session(fine: Google) -> Session:
    return session_of(fine)


def said(session: Session, filesystem: str, more: str = "", zone: str | None = None) -> list[str]:
    decided = design(FINE % f", filesystems: {{/data: {filesystem}}}{more}", "gcp").model_copy(update={"zone": zone})
    return [f"{f.level.value}: {f.message}" for f in PLACE.preflight(session, decided) if f.check == "filesystems"]


def fix(session: Session, filesystem: str, more: str = "") -> str:
    decided = design(FINE % f", filesystems: {{/data: {filesystem}}}{more}", "gcp")
    (finding,) = [f for f in PLACE.preflight(session, decided) if f.check == "filesystems"]
    return finding.fix


def filestore(google: Google, zone: str = ZONE, **more: Any) -> None:
    name = f"projects/{PROJECT}/locations/{zone}/instances/files"
    known = {"name": name, "state": "READY", "networks": [{"network": "default"}], **more}
    google.put(f"{FILE}/{zone}/instances/files", **told("file", "Instance", **known)[1])


def test_filestore(fine: Google, session: Session) -> None:
    one = f"{{type: managed-nfs, id: {FULL}}}"
    assert said(session, one, GIVEN) == [f"error: /data: there is no {FULL}"]
    assert fix(session, one, GIVEN) == "gcloud filestore instances list --project p-1"
    filestore(fine)
    assert said(session, one, GIVEN) == []
    filestore(fine, state="SUSPENDED")
    assert said(session, one, GIVEN) == [f"error: /data: {FULL} is SUSPENDED, not READY"]
    assert fix(session, one, GIVEN) == f"gcloud filestore instances describe files --location {ZONE}"
    filestore(fine, state="REPAIRING")
    assert said(session, one, GIVEN) == [f"warning: /data: {FULL} is REPAIRING"]


def test_its_network(fine: Google, session: Session) -> None:
    """By name of its own project, or in full; a network that the run makes reaches nothing that was there before."""
    one = f"{{type: managed-nfs, id: {FULL}}}"
    filestore(fine)
    assert said(session, one) == [
        f"error: /data: {FULL} is in projects/p-1/global/networks/default,"
        " and the run makes a network of its own, from which there is no way"
    ]
    assert fix(session, one) == "network: {id: projects/p-1/global/networks/default, subnet: a subnet of it in us-central1}"
    shared = ", network: {id: projects/host-1/global/networks/default, subnet: hpc}"
    assert said(session, one, shared)[0].endswith(
        "are in projects/host-1/global/networks/default: whether there is a way is not known"
    )
    filestore(fine, networks=[{"network": "projects/host-1/global/networks/default"}])
    assert said(session, one, shared) == []


def test_a_name_alone_is_looked_for_everywhere(fine: Google, session: Session) -> None:
    one = "{type: managed-nfs, id: files}"
    assert said(session, one, GIVEN) == ["error: /data: there is no files"]
    filestore(fine, "us-central1-f")
    assert said(session, one, GIVEN) == [
        "warning: /data: files is in us-central1-f, and is looked for in the machines' zone, whichever that will be"
    ]
    assert fix(session, one, GIVEN) == f"id: {FULL.replace(ZONE, 'us-central1-f')}"
    assert said(session, one, GIVEN, zone="us-central1-f") == []
    assert said(session, one, GIVEN, zone=ZONE)[0].startswith("error: /data: files is in us-central1-f")


def test_far_away(fine: Google, session: Session) -> None:
    filestore(fine, "europe-west4-a")
    far = f"{{type: managed-nfs, id: {FULL.replace(ZONE, 'europe-west4-a')}}}"
    assert said(session, far, GIVEN)[0].endswith("is not in us-central1: slow, and traffic is billed")


def test_lustre(fine: Google, session: Session) -> None:
    one, path = f"{{type: lustre, id: {FULL}}}", f"{LUSTRE}/{ZONE}/instances/files"
    own = "projects/p-1/global/networks/default"
    assert said(session, one, GIVEN) == [f"error: /data: there is no {FULL}"]
    fine.put(path, name=FULL, state="ACTIVE", network=own)
    assert said(session, one, GIVEN) == []
    fine.put(path, name=FULL, state="CREATING", network=own)
    assert said(session, one, GIVEN) == [f"error: /data: {FULL} is CREATING, not ACTIVE"]
    fine.put(path, name=FULL, state="MAINTENANCE", network=own)
    assert said(session, one, GIVEN) == [f"warning: /data: {FULL} is MAINTENANCE"]
    fine.put(path, name=FULL, state="ACTIVE", network=f"{own}-2")
    assert said(session, one)[0].startswith(f"error: /data: {FULL} is in {own}-2, and the run makes a network")


def test_buckets(fine: Google, session: Session) -> None:
    one = "{type: bucket, id: gs://theirs}"
    assert said(session, one) == ["error: /data: there is no bucket gs://theirs"]
    assert fix(session, one) == "gcloud storage buckets create gs://theirs"
    fine.put(f"{BUCKETS}/theirs")
    assert said(session, one) == []
    allow(fine, ["storage.buckets.getIamPolicy"])
    assert said(session, one) == [
        "error: /data: you may not let the run's machines into gs://theirs: storage.buckets.setIamPolicy"
    ]
    # Whose accounts are somebody else's has been let in by somebody else.
    assert said(session, one, ", identity: hpc@p-1.iam.gserviceaccount.com") == []
    fine.answers["storage.buckets.get"] = error(403, "forbidden", "no storage.buckets.get")
    assert said(session, one) == ["warning: /data: gs://theirs may not be looked at: forbidden: no storage.buckets.get"]


def test_what_nobody_can_be_asked_about(fine: Google, session: Session) -> None:
    assert said(session, '{type: nfs, id: "10.1.2.3:/old"}') == [
        "info: /data: whether 10.1.2.3:/old answers is seen when the head mounts it"
    ]
    assert said(session, '{type: lustre, id: "10.8.0.2@tcp:/theirs"}')[0].startswith("info: ")
    assert not [method for method in fine.calls if method.startswith(("file.", "lustre."))]
