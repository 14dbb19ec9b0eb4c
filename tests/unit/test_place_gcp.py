"""What the shared target asks of Google Cloud: listings, deletions, checks, over HTTP against the described APIs."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import here_only
import pytest
from google_fake import PROJECT, REGION, ZONE, Fault, Google, error, rpc_error, serving
from making import Still, design, inventory

from provisioner import clock
from provisioner.errors import Kind, Refused
from provisioner.launch import gcp
from provisioner.launch.gcp import Session
from provisioner.targets.base import Resource
from provisioner.targets.gcp import checks, kinds, listing, reaping
from provisioner.targets.gcp.target import GcpPlace, GcpTarget

RUN, OTHER = "test-abc234", "test-abc234-x7k2mp"
LABELS = {"burst-run": RUN, "burst-owner": "ada", "burst-expires": "1800000000", "burst-project": "test"}
SAID = " ".join(f"{key}={value}" for key, value in LABELS.items())
COMPUTE = f"compute.googleapis.com/compute/v1/projects/{PROJECT}"
FILE = f"file.googleapis.com/v1/projects/{PROJECT}/locations/{ZONE}"
LUSTRE = f"lustre.googleapis.com/v1/projects/{PROJECT}/locations/{ZONE}"
IAM = f"iam.googleapis.com/v1/projects/{PROJECT}"
BUCKETS = "storage.googleapis.com/storage/v1/b"
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


def whole(google: Google, run: str = RUN) -> None:
    """One of everything that a run is made of."""
    labels = {**LABELS, "burst-run": run}
    said = SAID.replace(RUN, run)
    for name in ("head", "cpu-1", "cpu-2"):
        google.machine(f"{run}-{name}", labels=labels)
    google.put(f"{COMPUTE}/zones/{ZONE}/disks/{run}-head", labels=labels)
    google.put(f"{COMPUTE}/regions/{REGION}/addresses/{run}-head", labels=labels)
    google.put(f"{COMPUTE}/global/addresses/{run}-peered", labels=labels)
    google.put(f"{COMPUTE}/global/instanceTemplates/{run}-cpu-0-spot", description=said)
    google.put(f"{COMPUTE}/regions/{REGION}/resourcePolicies/{run}-cpu", description=said)
    google.put(f"{COMPUTE}/regions/{REGION}/routers/{run}-nat", description=said)
    google.put(f"{COMPUTE}/regions/{REGION}/subnetworks/{run}-net", description=said)
    for name in ("ssh", "internal", "extra"):
        google.put(f"{COMPUTE}/global/firewalls/{run}-{name}", description=said)
    google.put(f"{COMPUTE}/global/routes/{run}-out", description=said)
    google.put(f"{COMPUTE}/global/networks/{run}-net", description=said, peerings=[{"name": "servicenetworking-googleapis-com"}])
    google.put(f"{FILE}/instances/{run}-fs0", name=f"projects/{PROJECT}/locations/{ZONE}/instances/{run}-fs0", labels=labels)
    google.put(f"{LUSTRE}/instances/{run}-fs1", name=f"projects/{PROJECT}/locations/{ZONE}/instances/{run}-fs1", labels=labels)
    google.put(f"{BUCKETS}/{run}-fs2", labels=labels)
    for i in range(3):
        google.put(f"{BUCKETS}/{run}-fs2/o/folder%2F{i}", name=f"folder/{i}", generation="7")
    email = f"{run}-h@{PROJECT}.iam.gserviceaccount.com"
    account = f"projects/{PROJECT}/serviceAccounts/{email}"
    google.put(f"{IAM}/serviceAccounts/{email}", name=account, email=email, description=said)
    role = f"{run.replace('-', '_')}_nodes"
    google.put(f"{IAM}/roles/{role}", name=f"projects/{PROJECT}/roles/{role}", description=said)


def others(google: Google) -> set[str]:
    """What is not of the run, however much it looks like it."""
    before = set(google.things)
    whole(google, OTHER)
    google.machine(f"{RUN}-mine", labels={"team": "blue"})
    google.put(f"{COMPUTE}/global/networks/{RUN}-net-of-mine", description="burst-run is what I like")
    google.put(f"{COMPUTE}/global/networks/default", description="Default network for the project")
    google.put(f"{BUCKETS}/{RUN}-mine")
    return set(google.things) - before


# What is left


def test_everything_of_a_run_is_seen_and_nothing_of_others(google: Google, session: Session) -> None:
    whole(google)
    own = {path for path in google.things if "/o/" not in path}
    others(google)
    left = PLACE.remains(session, RUN)
    assert {resource.id.removeprefix("https://") for resource in left} == own
    assert {resource.kind for resource in left} == {kind.name for kind in kinds.KINDS}
    assert [resource.billed for resource in left] == sorted((resource.billed for resource in left), reverse=True)
    assert {resource.region for resource in left} == {REGION}


def test_one_listing_for_each_kind(google: Google, session: Session) -> None:
    assert PLACE.remains(session, RUN) == ()
    assert sorted(google.calls) == sorted(
        [
            *(
                f"compute.{kind.collection}.aggregatedList"
                for kind in kinds.KINDS
                if isinstance(kind, kinds.Compute) and kind.aggregated
            ),
            *(
                f"compute.{kind.collection}.list"
                for kind in kinds.KINDS
                if isinstance(kind, kinds.Compute) and not kind.aggregated
            ),
            "file.projects.locations.instances.list",
            "lustre.projects.locations.instances.list",
            "storage.buckets.list",
            "iam.projects.serviceAccounts.list",
            "iam.projects.roles.list",
            "compute.projects.getXpnHost",
        ]
    )


def test_what_cannot_be_asked_is_not_empty(google: Google, session: Session) -> None:
    google.faults = [Fault("compute.disks.aggregatedList", error(403, "forbidden", "Required 'compute.disks.list'"), times=9)]
    with pytest.raises(Refused, match=PROJECT) as caught:
        PLACE.remains(session, RUN)
    assert caught.value.kind is Kind.AUTH
    assert "compute.disks.list" in caught.value.why
    google.faults = [Fault("file.projects.locations.instances.list", (200, {"unreachable": ["us-west1-a"]}))]
    with pytest.raises(Refused) as caught:
        PLACE.remains(session, RUN)
    assert "us-west1-a" in caught.value.why


def test_an_api_that_is_off_has_nothing(google: Google, session: Session) -> None:
    google.faults = [
        Fault("lustre.projects.locations.instances.list", rpc_error(403, "PERMISSION_DENIED", "SERVICE_DISABLED"), times=9)
    ]
    assert PLACE.remains(session, RUN) == ()


def test_a_shared_networks_project_is_asked_too(google: Google, session: Session) -> None:
    google.answers["compute.projects.getXpnHost"] = (200, {"name": "host-1"})
    route = google.put(f"{COMPUTE.replace(PROJECT, 'host-1')}/global/routes/{RUN}-out", description=SAID)
    assert [resource.id for resource in PLACE.remains(session, RUN)] == [f"https://{route}"]
    google.answers["compute.projects.getXpnHost"] = error(403, "forbidden")
    assert PLACE.remains(session, RUN) == ()


def test_runs_by_their_tags(google: Google, session: Session) -> None:
    assert list(PLACE.runs(session)) == []
    google.put(f"{COMPUTE}/global/networks/{RUN}-net", description=SAID)
    google.machine(f"{OTHER}-head", labels={**LABELS, "burst-run": OTHER, "burst-expires": "1900000000"})
    google.machine("somebody-elses", labels={"team": "blue"})
    found = {run.run_id: run for run in PLACE.runs(session)}
    assert {run: (found[run].owner, found[run].expires) for run in found} == {
        RUN: ("ada", 1_800_000_000),
        OTHER: ("ada", 1_900_000_000),
    }


# Deleting


def test_reaping_leaves_nothing_of_it_and_touches_nothing_else(google: Google, session: Session) -> None:
    whole(google)
    mine = others(google)
    assert PLACE.reap(session, PLACE.remains(session, RUN)) == ()
    assert set(google.things) == mine
    assert PLACE.remains(session, RUN) == ()
    assert google.calls.count("compute.networks.removePeering") == 1


def test_what_uses_another_goes_before_it(google: Google, session: Session) -> None:
    whole(google)
    PLACE.reap(session, PLACE.remains(session, RUN))
    gone = [call.removesuffix(".delete") for call in google.calls if call.endswith(".delete")]
    last = {name: len(gone) - 1 - gone[::-1].index(name) for name in gone}
    for before, after in [
        ("compute.instances", "compute.disks"),
        ("compute.instances", "compute.instanceTemplates"),
        ("compute.instances", "compute.addresses"),
        ("compute.routers", "compute.subnetworks"),
        ("file.projects.locations.instances", "compute.networks"),
        ("compute.addresses", "compute.subnetworks"),
        ("compute.subnetworks", "compute.networks"),
        ("storage.objects", "storage.buckets"),
    ]:
        assert last[before] < gone.index(after), (before, after)


def test_what_is_still_in_use_is_tried_again(google: Google, session: Session, still: Still) -> None:
    network = google.put(f"{COMPUTE}/global/networks/{RUN}-net", description=SAID)
    google.held[network] = 3
    began = still.at
    assert PLACE.reap(session, PLACE.remains(session, RUN)) == ()
    assert google.things == {}
    assert still.at - began >= 50


def test_what_cannot_be_deleted_is_answered(google: Google, session: Session) -> None:
    network = google.put(f"{COMPUTE}/global/networks/{RUN}-net", description=SAID)
    google.put(f"{COMPUTE}/global/routes/{RUN}-out", description=SAID)
    google.held[network] = 99
    assert [resource.name for resource in PLACE.reap(session, PLACE.remains(session, RUN))] == [f"{RUN}-net"]
    assert list(google.things) == [network]


def test_what_has_gone_meanwhile_is_gone(google: Google, session: Session) -> None:
    whole(google)
    left = PLACE.remains(session, RUN)
    google.things.clear()
    assert PLACE.reap(session, left) == ()


def test_a_deletion_that_fails_later_is_no_deletion(google: Google, session: Session) -> None:
    path = google.put(f"{FILE}/instances/{RUN}-fs0", name="x", labels=LABELS)
    failed = {"done": True, "error": {"code": 9, "message": "busy"}}
    google.faults = [Fault("file.projects.locations.operations.get", (200, failed), times=99)]
    resource = Resource(kind="Filestore instance", id=f"https://{path}", name=f"{RUN}-fs0")
    with pytest.raises(gcp.Refused, match="busy"):
        reaping.delete(session, resource)


def test_the_head_ends_before_the_others_are_looked_for(google: Google, session: Session) -> None:
    whole(google)
    google.machine(f"{OTHER}-cpu-1", labels={**LABELS, "burst-run": OTHER})
    PLACE.end_machines(session, RUN)
    assert google.machines() == [f"{OTHER}-cpu-1"]
    calls = [call for call in google.calls if call.startswith("compute.instances") or "wait" in call]
    waited = calls.index("compute.zoneOperations.wait")
    assert calls[:2] == ["compute.instances.aggregatedList", "compute.instances.delete"]
    assert calls[waited:].count("compute.instances.aggregatedList") == 1
    PLACE.end_machines(session, RUN)


def test_machines_that_cannot_be_ended_are_told(google: Google, session: Session) -> None:
    google.faults = [Fault("compute.instances.aggregatedList", error(401, "authError"), times=9)]
    with pytest.raises(Refused) as caught:
        PLACE.end_machines(session, RUN)
    assert caught.value.fix == "gcloud auth application-default login"


# Of one run


def made(tmp_path: Path, **place: str) -> Any:
    known = {"account": PROJECT, "zone": ZONE, "head_id": f"{RUN}-head", **place}
    return inventory(design("{version: 1, name: test, groups: {cpu: {nodes: 2}}}", "gcp"), tmp_path).model_copy(
        update={"place": known}
    )


def test_console(google: Google, session: Session, tmp_path: Path) -> None:
    google.answers["compute.instances.getSerialPortOutput"] = (200, {"contents": "Linux version 6.8"})
    assert PLACE.console(session, made(tmp_path), "cpu-1") == "Linux version 6.8"
    google.answers["compute.instances.getSerialPortOutput"] = error(404, "notFound")
    assert PLACE.console(session, made(tmp_path), "cpu-1") == ""
    google.answers["compute.instances.getSerialPortOutput"] = error(403, "forbidden")
    with pytest.raises(Refused):
        PLACE.console(session, made(tmp_path), "cpu-1")


def test_allow_opens_to_these_alone(google: Google, session: Session, tmp_path: Path) -> None:
    rule = google.put(f"{COMPUTE}/global/firewalls/{RUN}-ssh", sourceRanges=["203.0.113.7/32"])
    firewall = rule.partition("/v1/")[2]
    PLACE.allow(session, made(tmp_path, firewall=firewall), ["198.51.100.4/32"])
    assert google.things[rule]["sourceRanges"] == ["198.51.100.4/32"]
    google.faults = [Fault("compute.firewalls.patch", error(403, "forbidden"))]
    with pytest.raises(Refused):
        PLACE.allow(session, made(tmp_path, firewall=firewall), [])


def test_tunnel(tmp_path: Path) -> None:
    line = f"gcloud compute start-iap-tunnel {RUN}-head 22 --listen-on-stdin --project {PROJECT} --zone {ZONE}"
    assert " ".join(PLACE.tunnel(made(tmp_path))) == line


@pytest.mark.parametrize(
    ("words", "kind", "code"),
    [
        (
            "error creating instance: googleapi: Error 503: The zone 'projects/p/zones/us-central1-a' does not have enough resources "
            "available to fulfill the request.  Try a different zone, or try again later., ZONE_RESOURCE_POOL_EXHAUSTED",
            "CAPACITY",
            "ZONE_RESOURCE_POOL_EXHAUSTED",
        ),
        (
            "Error waiting for instance to create: Quota 'C3_CPUS' exceeded.  Limit: 8.0 in region us-central1.",
            "QUOTA",
            "QUOTA_EXCEEDED",
        ),
        (
            "googleapi: Error 403: Quota exceeded for quota metric 'Queries' and limit 'Queries per minute'",
            "QUOTA",
            "QUOTA_EXCEEDED",
        ),
        ("googleapi: Error 403: Rate Limit Exceeded, rateLimitExceeded", "THROTTLE", "rateLimitExceeded"),
        ("Error creating Role: googleapi: Error 403: Permission 'iam.roles.create' denied on resource, forbidden", "AUTH", "403"),
        ("googleapi: Error 403: PERMISSION_DENIED", "AUTH", "PERMISSION_DENIED"),
        (
            "Error 403: Cloud Filestore API has not been used in project 1 before or it is disabled., SERVICE_DISABLED",
            "CONFIG",
            "SERVICE_DISABLED",
        ),
        ("google: could not find default credentials. See https://cloud.google.com/docs", "AUTH", "credentials"),
        ("googleapi: Error 400: Invalid value for field 'resource.machineType', invalid", "CONFIG", "400"),
        ("googleapi: Error 409: The resource already exists, alreadyExists", "CONFIG", "409"),
        ("googleapi: Error 503: Internal error., backendError", "TRANSIENT", "backendError"),
        ("googleapi: got HTTP response code 502 with body: <html>", "TRANSIENT", "502"),
        ('Post "https://compute.googleapis.com": read tcp 10.0.0.1: connection reset by peer', "TRANSIENT", "connection"),
    ],
)
def test_classify(words: str, kind: str, code: str) -> None:
    assert PLACE.classify(words) == (kind, code)


def test_nobody_knows_every_error() -> None:
    assert PLACE.classify("error: the update failed; a value is required") is None


# Who asks


class Credentials:
    def __init__(self, fails: Exception | None = None) -> None:
        self.valid, self.token, self._fails = False, "", fails

    def refresh(self, request: object) -> None:
        if self._fails:
            raise self._fails
        self.valid, self.token = True, "ya29.fresh"


def adc(monkeypatch: pytest.MonkeyPatch, credentials: Credentials | Exception, project: str | None = PROJECT) -> None:
    import google.auth

    def default(scopes: object) -> tuple[Credentials, str | None]:
        if isinstance(credentials, Exception):
            raise credentials
        return credentials, project

    monkeypatch.setattr(google.auth, "default", default)


def test_a_session_is_the_callers_own(monkeypatch: pytest.MonkeyPatch) -> None:
    adc(monkeypatch, Credentials())
    opened = PLACE.session("europe-west4")
    assert (opened.project, opened.region) == (PROJECT, "europe-west4")
    decided = design("{version: 1, name: test, groups: {cpu: {nodes: 2}}}", "gcp")
    assert PLACE.configuration(opened, decided) == {"gcp:project": PROJECT, "gcp:region": "us-central1"}


def test_without_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    from google.auth.exceptions import DefaultCredentialsError, RefreshError

    for credentials in (DefaultCredentialsError("none found"), Credentials(RefreshError("invalid_grant"))):
        adc(monkeypatch, credentials)
        with pytest.raises(Refused) as caught:
            PLACE.session("us-central1")
        assert caught.value.kind is Kind.AUTH
        assert caught.value.fix == "gcloud auth application-default login"


def test_without_a_project(monkeypatch: pytest.MonkeyPatch) -> None:
    adc(monkeypatch, Credentials(), None)
    with pytest.raises(Refused, match="which project") as caught:
        PLACE.session("us-central1")
    assert caught.value.fix == "gcloud config set project PROJECT"
    folder = Path.home() / ".config" / "gcloud"
    (folder / "configurations").mkdir(parents=True)
    (folder / "active_config").write_text("work\n")
    (folder / "configurations" / "config_work").write_text("[core]\nproject = theirs\n[compute]\nregion = europe-west4\n")
    assert PLACE.session("us-central1").project == "theirs"
    assert PLACE.region() == "europe-west4"


def test_without_the_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "google.auth", None)
    with pytest.raises(Refused) as caught:
        PLACE.session("us-central1")
    assert caught.value.fix == "pip install 'burst-hpc[gcp]'"


def test_configured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    assert not PLACE.configured()
    assert PLACE.environment(Session(lambda: "")) == {}
    assert PLACE.region() == "us-central1"
    (tmp_path / "key.json").write_text("{}")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "key.json")
    assert PLACE.configured()
    assert PLACE.environment(Session(lambda: "")) == {"GOOGLE_APPLICATION_CREDENTIALS": str(tmp_path / "key.json")}


def test_the_target_is_one() -> None:
    assert GcpTarget().name == "gcp"


# Before anything is made

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
        from provisioner.design.model import Filesystem

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
    more = ", identity: none, network: {access: tunnel}, filesystems: {/data: {type: bucket}}"
    text = FINE.replace("{min: 1, max: 4}", "1") % more
    told = {finding.code for finding in PLACE.preflight(session, design(text, "gcp"))}
    assert told == {"tunnel", "bucket"}
    late = design(FINE % ", identity: {boundary: b}", "gcp")
    late = late.model_copy(update={"run": late.run.model_copy(update={"expires": 1_900_000_000})})
    assert {finding.code for finding in PLACE.preflight(session, late)} == {"boundary", "ttl"}


def test_what_may_not_be_looked_at_is_said(fine: Google, session: Session) -> None:
    fine.answers["serviceusage.services.batchGet"] = error(403, "forbidden", "Required serviceusage.services.get")
    assert found(session)["not-asked"].startswith("warning: services could not be checked in p-1: forbidden: Required")
    fine.answers["serviceusage.services.batchGet"] = error(401, "authError", "expired")
    assert found(session)["gcp"] == "error: project p-1: authError: expired"


def test_identity_is_read_as_it_is_written() -> None:
    assert kinds.identity({"labels": LABELS})["burst-run"] == RUN
    assert kinds.identity({"description": SAID})["burst-expires"] == "1800000000"
    for nobodys in ({}, {"description": "burst-run=mine"}, {"labels": {"a": "b"}, "description": ""}):
        assert kinds.identity(nobodys) == {}
    assert listing._region(f"https://{COMPUTE}/global/networks/n") == ""
