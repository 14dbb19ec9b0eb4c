"""What the shared target asks of Google Cloud: listings, deletions, checks, over HTTP against the described APIs."""

from __future__ import annotations

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
from provisioner.targets.base import Intent, Resource
from provisioner.targets.gcp import kinds, listing, reaping
from provisioner.targets.gcp.target import GcpPlace

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
    own = f"https://{COMPUTE}/global/networks/{run}-net"
    google.put(f"{COMPUTE}/regions/{REGION}/routers/{run}-nat", description=said, network=own)
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
    (left,) = PLACE.remains(session, RUN)
    assert (left.kind, left.id) == ("unknown", f"disks of {PROJECT}")
    assert left.why == "AUTH: forbidden: Required 'compute.disks.list'"
    google.faults = [Fault("file.projects.locations.instances.list", (200, {"unreachable": ["us-west1-a"]}))]
    (left,) = PLACE.remains(session, RUN)
    assert left.kind == "unknown"
    assert "us-west1-a" in left.why


def test_where_nothing_can_be_asked_it_says_how_to_log_in(google: Google, session: Session) -> None:
    session._token = lambda: _denied()
    with pytest.raises(Refused, match=PROJECT) as caught:
        PLACE.remains(session, RUN)
    assert (caught.value.kind, caught.value.fix) == (Kind.AUTH, "gcloud auth application-default login")


def _denied() -> str:
    raise gcp.Refused("AUTH", "invalid_grant: Token has been expired or revoked.")


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


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("gcp:compute/network:Network", f"{RUN}-net"),
        ("gcp:compute/subnetwork:Subnetwork", f"{RUN}-net"),
        ("gcp:compute/router:Router", f"{RUN}-nat"),
        ("gcp:compute/instanceTemplate:InstanceTemplate", f"{RUN}-cpu-0-spot"),
        ("gcp:storage/bucket:Bucket", f"{RUN}-fs2"),
        ("gcp:serviceaccount/account:Account", f"{RUN}-h"),
        ("gcp:projects/iAMCustomRole:IAMCustomRole", f"{RUN.replace('-', '_')}_nodes"),
    ],
)
def test_what_no_listing_has_yet_is_asked_for_by_its_name(google: Google, session: Session, kind: str, name: str) -> None:
    whole(google)
    intents = [Intent(kind, name), Intent(kind, f"{name}-never"), Intent("gcp:compute/instance:Instance", f"{RUN}-head")]
    named = listing.named(session, RUN, intents)
    assert len(named) == 1
    assert {each.id for each in PLACE.remains(session, RUN, intents)} == {each.id for each in PLACE.remains(session, RUN)}
    assert listing.named(session, OTHER, intents) == [], "another's is not this run's"


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


def test_identity_is_read_as_it_is_written() -> None:
    assert kinds.identity({"labels": LABELS})["burst-run"] == RUN
    assert kinds.identity({"description": SAID})["burst-expires"] == "1800000000"
    for nobodys in ({}, {"description": "burst-run=mine"}, {"labels": {"a": "b"}, "description": ""}):
        assert kinds.identity(nobodys) == {}
    assert listing._region(f"https://{COMPUTE}/global/networks/n") == ""
