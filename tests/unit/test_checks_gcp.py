"""What Google Cloud is asked before anything is made: each finding, with its fix."""

from __future__ import annotations

from collections.abc import Iterator

import here_only
import pytest
from google_fake import PROJECT, REGION, ZONE, Google, error, serving
from making import Still, design

from provisioner import clock
from provisioner.design.model import Filesystem
from provisioner.launch import gcp
from provisioner.launch.gcp import Session
from provisioner.targets.gcp import checks
from provisioner.targets.gcp.target import GcpPlace

COMPUTE = f"compute.googleapis.com/compute/v1/projects/{PROJECT}"
PLACE = GcpPlace()


@pytest.fixture(autouse=True)
def still(monkeypatch: pytest.MonkeyPatch) -> Iterator[Still]:
    here_only.open_here(monkeypatch)
    with clock.use(Still()) as turned:
        monkeypatch.setattr(gcp, "time", turned)
        assert isinstance(turned, Still)
        yield turned


@pytest.fixture
def google() -> Iterator[Google]:
    with serving(Google()) as served:
        served.answers["compute.projects.getXpnHost"] = (200, {})
        yield served


@pytest.fixture
def session(google: Google) -> Session:
    return Session(lambda: "a-token", google.endpoint, project=PROJECT, region=REGION)


FINE = "{version: 1, name: test, groups: {cpu: {instance: [c3-standard-4, n2-standard-8], nodes: {min: 1, max: 4}}}%s}"


@pytest.fixture
def fine(google: Google) -> Google:
    """A project in which everything is on, allowed and to be had."""
    every = [
        {"name": f"projects/1/services/{api}.googleapis.com", "state": "ENABLED"}
        for api in ["compute", "iam", "cloudresourcemanager", "file", "storage", "iap"]
    ]
    google.answers["serviceusage.services.batchGet"] = (200, {"services": every})
    google.answers["cloudresourcemanager.projects.testIamPermissions"] = (200, {"permissions": [*_everything()]})
    limits = [{"metric": metric, "limit": 24.0, "usage": 2.0} for metric in ("CPUS", "C3_CPUS", "N2_CPUS", "NVIDIA_L4_GPUS")]
    google.answers["compute.regions.get"] = (200, {"quotas": limits})
    google.answers["compute.projects.get"] = (200, {"quotas": [{"metric": "CPUS_ALL_REGIONS", "limit": 64.0, "usage": 0.0}]})
    for kind in ("c3-standard-4", "n2-standard-8", "e2-standard-2"):
        google.put(f"{COMPUTE}/zones/{ZONE}/machineTypes/{kind}")
    return google


def _everything() -> Iterator[str]:
    decided = design(FINE % "", "gcp")
    for change in (
        {"type": "managed-nfs", "size": 2**40},
        {"type": "lustre", "size": 9000 * 2**30},
        {"type": "bucket", "size": 1},
    ):
        fs = Filesystem(mount="/x", id=None, **change)
        yield from checks._needed(decided.model_copy(update={"filesystems": (fs,)}))
    yield "compute.resourcePolicies.create"
    yield "compute.routers.create"


def found(session: Session, more: str = "") -> dict[str, str]:
    """Code → message; each has its fix."""
    told = PLACE.preflight(session, design(FINE % more, "gcp"))
    assert all(finding.fix for finding in told if finding.level.value != "warning" or finding.code != "not-asked")
    return {finding.code: f"{finding.level.value}: {finding.message}" for finding in told}


def test_nothing_speaks_against_it(fine: Google, session: Session) -> None:
    assert found(session) == {}


def test_apis_that_are_off(fine: Google, session: Session) -> None:
    more = ", filesystems: {/scratch: {type: lustre, size: 9000GiB}}"
    assert found(session, more)["api-off"].endswith("has not enabled lustre.googleapis.com, servicenetworking.googleapis.com")


def test_rights_that_are_missing(fine: Google, session: Session) -> None:
    fine.answers["cloudresourcemanager.projects.testIamPermissions"] = (200, {})
    assert "compute.instances.create" in found(session)["permissions"]
    rest = [p for p in _everything() if not p.startswith("iam.")]
    fine.answers["cloudresourcemanager.projects.testIamPermissions"] = (200, {"permissions": rest})
    told = [f for f in PLACE.preflight(session, design(FINE % "", "gcp")) if f.code == "permissions"]
    assert "identity: none" in told[0].fix


def test_quota_over_the_whole_design(fine: Google, session: Session) -> None:
    text = "{version: 1, name: test, groups: {cpu: {instance: c3-standard-4, nodes: {min: %d, max: %d}}}}"
    for fixed, most, level in ((6, 6, "error"), (1, 9, "warning"), (1, 2, "")):
        told = [f for f in PLACE.preflight(session, design(text % (fixed, most), "gcp")) if f.code == "quota"]
        assert [f.level.value for f in told[:1]] == ([level] if level else [])
    fixed = [f.message for f in PLACE.preflight(session, design(text % (6, 6), "gcp")) if f.code == "quota"]
    assert any("C3_CPUS in us-central1 has 22 left" in message for message in fixed)


def test_no_zone_has_it(fine: Google, session: Session) -> None:
    text = "{version: 1, name: test, groups: {gpu: {instance: g2-standard-4, nodes: 1}}}"
    told = {f.code: f.message for f in PLACE.preflight(session, design(text, "gcp"))}
    assert told["zone"] == f"no zone of us-central1 has a type for the head and each group: {ZONE} lacks one for gpu"


def test_what_is_named_has_to_be_there(fine: Google, session: Session) -> None:
    more = ", image: projects/p-1/global/images/ours, network: {id: projects/host-1/global/networks/shared, subnet: hpc}"
    assert found(session, more) == {
        "image": "error: there is no projects/p-1/global/images/ours",
        "network": "error: there is no projects/host-1/regions/us-central1/subnetworks/hpc",
    }
    fine.put(f"{COMPUTE}/global/images/ours")
    fine.put(f"{COMPUTE.replace(PROJECT, 'host-1')}/regions/us-central1/subnetworks/hpc")
    assert found(session, more) == {}
    assert found(session, ", image: ours")["image"] == "error: ours is no image's name here"


def test_what_google_has_not(fine: Google, session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks.shutil, "which", lambda name: None)
    more = ", identity: none, network: {access: tunnel}"
    text = FINE.replace("{min: 1, max: 4}", "1") % more
    told = {finding.code for finding in PLACE.preflight(session, design(text, "gcp"))}
    assert told == {"tunnel"}
    late = design(FINE % ", identity: {boundary: b}", "gcp")
    late = late.model_copy(update={"run": late.run.model_copy(update={"expires": 1_900_000_000})})
    assert {finding.code for finding in PLACE.preflight(session, late)} == {"boundary", "ttl"}


def test_what_may_not_be_looked_at_is_said(fine: Google, session: Session) -> None:
    fine.answers["serviceusage.services.batchGet"] = error(403, "forbidden", "Required serviceusage.services.get")
    assert found(session)["unchecked"].startswith("warning: services could not be checked in p-1: forbidden: Required")
    fine.answers["serviceusage.services.batchGet"] = error(401, "authError", "expired")
    assert found(session)["gcp"] == "error: project p-1: authError: expired"


def test_a_detached_run_s_bucket(fine: Google, session: Session) -> None:
    def said(more: str = "") -> list[str]:
        decided = design(FINE % more, "gcp", wrong=True).model_copy(update={"results": "gs://theirs/x"})
        return [finding.message for finding in PLACE.preflight(session, decided) if finding.code == "results"]

    fine.answers["storage.buckets.get"] = error(404, "notFound")
    assert said() == ["gs://theirs/x: there is no such bucket"]
    fine.answers["storage.buckets.get"] = (200, {})
    fine.answers["storage.buckets.testIamPermissions"] = (200, {})
    assert [each.split(": ")[1].split(" ")[0] for each in said()] == ["its", "you"]
    fine.answers["storage.buckets.get"] = (200, {"iamConfiguration": {"uniformBucketLevelAccess": {"enabled": True}}})
    fine.answers["storage.buckets.testIamPermissions"] = (200, {"permissions": ["storage.buckets.setIamPolicy"]})
    assert said() == []
    assert "may write nowhere" in said(", identity: none")[0]
