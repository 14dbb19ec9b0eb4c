"""Google's zones: which have a design's types, and how likely there is room in them."""

from __future__ import annotations

from collections.abc import Iterator

import google_apis
import pytest
from google_fake import PROJECT, ZONE, Google, error, rpc_error
from google_world import COMPUTE, PLACE, session_of, world
from making import design

from provisioner.errors import Refused
from provisioner.launch.gcp import Session
from provisioner.targets.base import Zone

ONE = "{version: 1, name: test, head: {instance: c3-standard-4}, groups: {cpu: {instance: [c3-standard-4, n2-standard-8], nodes: %s}}}"
SPOT = "{version: 1, name: test, head: {instance: c3-standard-4}, groups: {a: {instance: c3-standard-4, nodes: 2, spot: prefer}, b: {instance: %s, spot: only, nodes: {max: 1}}}}"


@pytest.fixture
def fine(monkeypatch: pytest.MonkeyPatch) -> Iterator[Google]:
    with world(monkeypatch) as served:
        yield served


@pytest.fixture
def session(fine: Google) -> Session:
    return session_of(fine)


def zone(google: Google, name: str, *types: str, status: str = "UP") -> None:
    google.put(f"{COMPUTE}/zones/{name}", status=status)
    for kind in types:
        google.put(f"{COMPUTE}/zones/{name}/machineTypes/{kind}")


def names(session: Session, text: str) -> list[str]:
    return [found.name for found in PLACE.zones(session, design(text, "gcp"))]


def test_zones_that_have_one_type_of_each_group(fine: Google, session: Session) -> None:
    """Those that are up, of the region, by what is preferred, then by name: the head is c3-standard-4."""
    zone(fine, "us-central1-f", "c3-standard-4", "n2-standard-8")
    zone(fine, "us-central1-c", "c3-standard-4")
    zone(fine, "us-central1-b", "n2-standard-8")
    zone(fine, "us-central1-d", "c3-standard-4", "n2-standard-8", status="DOWN")
    zone(fine, "us-central2-a", "c3-standard-4", "n2-standard-8")
    assert PLACE.zones(session, design(ONE % 1, "gcp")) == (Zone(ZONE), Zone("us-central1-f"), Zone("us-central1-c"))
    only = ONE.replace("[c3-standard-4, n2-standard-8]", "n2-standard-8")
    assert names(session, only % 1) == [ZONE, "us-central1-f"]
    assert "compute.advice.capacity" not in fine.calls
    decided = design(ONE % 1, "gcp").model_copy(update={"zone": "us-central1-f"})
    assert PLACE.zones(session, decided) == (Zone("us-central1-f"),)


def test_what_is_preferred_comes_first(fine: Google, session: Session) -> None:
    """Where nothing is known of room: the zone with the type that the file names first, whatever the zones are called."""
    text = ONE.replace("[c3-standard-4, n2-standard-8]", "[g2-standard-4, n2-standard-8]")
    zone(fine, "us-central1-b", "c3-standard-4", "n2-standard-8")
    zone(fine, "us-central1-f", "c3-standard-4", "g2-standard-4")
    assert [name for name in names(session, text % 1) if name != ZONE] == ["us-central1-f", "us-central1-b"]


def test_the_likeliest_first(fine: Google, session: Session) -> None:
    """All groups have to be had: the least likely one says how likely a zone is. A zone of which nothing is known is last."""
    for name in ("us-central1-b", "us-central1-c", "us-central1-f"):
        zone(fine, name, "c3-standard-4", "n2-standard-8")
    fine.advice = {
        (ZONE, "c3-standard-4"): 0.9,
        (ZONE, "n2-standard-8"): 0.2,
        ("us-central1-f", "c3-standard-4"): 0.7,
        ("us-central1-f", "n2-standard-8"): 0.8,
        ("us-central1-b", "c3-standard-4"): 1.0,
        ("us-central1-c", "c3-standard-4"): 0.0,
        ("us-central1-c", "n2-standard-8"): 0.5,
    }
    assert PLACE.zones(session, design(SPOT % "n2-standard-8", "gcp")) == (
        Zone("us-central1-f", 0.7, "obtainability 0.7, estimated uptime 3600s (spot, a)"),
        Zone(ZONE, 0.2, "obtainability 0.2, estimated uptime 3600s (spot, b)"),
        Zone("us-central1-c", 0.0, "obtainability 0, estimated uptime 3600s (spot, a)"),
        Zone("us-central1-b"),
    )


def test_what_is_asked_for_advice(fine: Google, session: Session) -> None:
    """Each group in each zone: its fixed nodes at once, an elastic one by one; of its types those that the zone has."""
    zone(fine, "us-central1-f", "c3-standard-4", "n2-standard-8")
    text = SPOT % "[n2-standard-8, c4-standard-8, h3-standard-88]"
    PLACE.zones(session, design(text, "gcp", wrong=True))
    asked = [body for method, _, body in fine.asked if method == "compute.advice.capacity"]
    told = {
        (
            body["distributionPolicy"]["zones"][0]["zone"],
            tuple(body["instanceFlexibilityPolicy"]["instanceSelections"]["types"]["machineTypes"]),
            body["size"],
        )
        for body in asked
    }
    assert told == {
        (f"zones/{ZONE}", ("c3-standard-4",), 2),
        (f"zones/{ZONE}", ("n2-standard-8", "c4-standard-8"), 1),
        ("zones/us-central1-f", ("c3-standard-4",), 2),
        ("zones/us-central1-f", ("n2-standard-8",), 1),
    }


@pytest.mark.parametrize(
    "refusal",
    [
        error(403, "forbidden", "Required 'compute.advice.capacity' permission"),
        error(400, "invalid"),
        rpc_error(501, "UNIMPLEMENTED"),
    ],
)
def test_a_refusal_is_no_hint(fine: Google, session: Session, refusal: tuple[int, dict[str, object]]) -> None:
    fine.answers["compute.advice.capacity"] = refusal
    assert PLACE.zones(session, design(SPOT % "n2-standard-8", "gcp")) == (Zone(ZONE),)


def test_the_fake_answers_as_described(fine: Google) -> None:
    fine.advice = {(ZONE, "c3-standard-4"): 0.9}
    asked = {"distributionPolicy": {"zones": [{"zone": f"zones/{ZONE}"}]}, "size": 1}
    asked["instanceFlexibilityPolicy"] = {"instanceSelections": {"x": {"machineTypes": ["c3-standard-4"]}}}
    _, (_, answer) = fine.answer("POST", f"{COMPUTE}/regions/us-central1/advice/capacity", {}, asked)
    google_apis.answered("compute.googleapis.com", "CapacityAdviceResponse", answer)
    assert answer["recommendations"][0]["scores"]["obtainability"] == 0.9
    with pytest.raises(google_apis.Wrong, match="no field likelihood"):
        google_apis.answered("compute.googleapis.com", "CapacityAdviceResponse", {"likelihood": 1})


def test_zones_that_may_not_be_asked_for(fine: Google, session: Session) -> None:
    fine.answers["compute.zones.list"] = error(403, "forbidden", "Required 'compute.zones.list' permission")
    with pytest.raises(Refused, match=f"could not be asked about project {PROJECT}"):
        PLACE.zones(session, design(ONE % 1, "gcp"))


def types(session: Session, text: str, zone: str | None = None) -> list[str]:
    decided = design(text, "gcp").model_copy(update={"zone": zone})
    return [finding.message for finding in PLACE.preflight(session, decided) if finding.check == "types"]


def test_no_zone_has_it(fine: Google, session: Session) -> None:
    """As the zones that may be taken are found."""
    text = "{version: 1, name: test, head: {instance: c3-standard-4}, groups: {gpu: {instance: g2-standard-4, nodes: 1}}}"
    zone(fine, "us-central1-b", "g2-standard-4")
    zone(fine, "us-central1-f", "g2-standard-4", "c3-standard-4", status="DOWN")
    assert names(session, text) == []
    assert types(session, text) == [
        f"no zone of us-central1 has a type for the head and each group: {ZONE} lacks one for gpu (g2-standard-4);"
        " us-central1-b lacks one for the head (c3-standard-4)"
    ]
    zone(fine, "us-central1-c", "g2-standard-4", "c3-standard-4")
    assert types(session, text) == []


def test_the_zone_that_the_design_names(fine: Google, session: Session) -> None:
    zone(fine, "us-central1-f", "c3-standard-4")
    only = ONE.replace("[c3-standard-4, n2-standard-8]", "n2-standard-8") % 1
    assert types(session, only, ZONE) == []
    assert types(session, only, "us-central1-f") == [
        "us-central1-f has not a type for the head and each group: us-central1-f lacks one for cpu (n2-standard-8)"
    ]
    assert types(session, only, "us-central1-x")[0].endswith(
        "us-central1-x lacks one for the head (c3-standard-4), cpu (n2-standard-8)"
    )
