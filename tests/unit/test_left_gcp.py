"""What of a run on Google Cloud is billed, and what its own end leaves."""

from __future__ import annotations

from collections.abc import Iterator

import here_only
import pytest
from google_fake import PROJECT, REGION, ZONE, Google, serving
from making import Still
from test_place_gcp import COMPUTE, LABELS, PLACE, RUN, SAID, whole

from provisioner.alone import end_gcp
from provisioner.launch import gcp
from provisioner.launch.gcp import Session
from provisioner.targets.gcp import kinds


@pytest.fixture
def google(monkeypatch: pytest.MonkeyPatch) -> Iterator[Google]:
    here_only.open_here(monkeypatch)
    for module in (gcp, end_gcp):
        monkeypatch.setattr(module, "time", Still())
    with serving(Google()) as served:
        served.answers["compute.projects.getXpnHost"] = (200, {})
        yield served


@pytest.fixture
def session(google: Google) -> Session:
    return Session(lambda: "a-token", google.endpoint, project=PROJECT, region=REGION)


def billed(session: Session) -> dict[str, bool]:
    return {each.id.rpartition("/")[2]: each.billed for each in PLACE.remains(session, RUN) if each.kind in ("router", "address")}


def test_what_an_expiry_leaves_is_free(google: Google, session: Session) -> None:
    """After the end that the head makes (alone/end_gcp.py)."""
    whole(google)
    told = {"project": PROJECT, "zone": ZONE, "run": RUN, "nodes": {"cpu": 2}}
    stored = {"filestore": [f"{RUN}-fs0"], "lustre": [f"{RUN}-fs1"], "buckets": [f"{RUN}-fs2"]}
    google.things.pop(f"{COMPUTE}/zones/{ZONE}/disks/{RUN}-head")
    assert end_gcp.Ending({**told, **stored}, session, gcp).all()
    left = PLACE.remains(session, RUN)
    assert [each for each in left if each.billed] == []
    assert {each.kind for each in left} == {kind.name for kind in kinds.KINDS if not kind.billed} | {"router"}


def test_a_router_costs_what_its_machines_do(google: Google, session: Session) -> None:
    router = google.put(
        f"{COMPUTE}/regions/{REGION}/routers/{RUN}-nat",
        description=SAID,
        network=f"https://{COMPUTE}/global/networks/{RUN}-net",
    )
    assert billed(session) == {f"{RUN}-nat": False}
    google.machine(f"{RUN}-cpu-1", labels=LABELS)
    assert billed(session) == {f"{RUN}-nat": True}
    google.things = {router: {**google.things[router], "network": f"https://{COMPUTE}/global/networks/theirs"}}
    assert billed(session) == {f"{RUN}-nat": True}, "others' machines may use it"


def test_an_address_in_the_world_is_billed(google: Google, session: Session) -> None:
    for name, where in (("head", "INTERNAL"), ("out", "EXTERNAL")):
        google.put(f"{COMPUTE}/regions/{REGION}/addresses/{RUN}-{name}", labels=LABELS, addressType=where)
    assert billed(session) == {f"{RUN}-head": False, f"{RUN}-out": True}
