"""Which zones of a region have a design's machine types, and how likely there is room in them now."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from provisioner.design import offered
from provisioner.design.attempts import order
from provisioner.design.model import Design, Group
from provisioner.findings import Finding, error
from provisioner.launch.gcp import COMPUTE, Refused, Session
from provisioner.targets.base import Zone
from provisioner.targets.checks import side_by_side

_SIDE_BY_SIDE = 16
# "View the availability of Spot VMs": so many machine types may be asked for at once.
_TYPES_AT_ONCE = 5

# Zone → the types of the design that it has.
Offers = Mapping[str, frozenset[str]]


def zones(session: Session, design: Design) -> tuple[Zone, ...]:
    """Those that have enough, in the order of design/offered.py; only the design's own where it has one.

    Raises launch.gcp's Refused.
    """
    has = {zone: types for zone, types in offers(session, design).items() if not offered.lacking(design, types)}
    if design.zone is not None:
        has = {zone: types for zone, types in has.items() if zone == design.zone}
    found = [_hinted(zone, told) for zone, told in _advice(session, design, has).items()]
    return tuple(sorted(found, key=lambda zone: offered.before(design, zone.name, zone.hint, has[zone.name])))


def check(session: Session, design: Design) -> Iterator[Finding]:
    """Whether one zone of the region, or the design's own, has a type for everybody."""
    has = offers(session, design)
    where = design.zone or design.region
    if design.zone is not None:
        has = {design.zone: has.get(design.zone, frozenset())}
    missing = {zone: offered.lacking(design, types) for zone, types in sorted(has.items())}
    if all(missing.values()):
        told = "; ".join(f"{zone} lacks one for {', '.join(what)}" for zone, what in missing.items())
        said = f"no zone of {where} has" if design.zone is None else f"{where} has not"
        fix = f"another region (target: gcp/…), or other types; gcloud compute machine-types list --filter='{_filter(design)}'"
        yield error("zone", f"{said} a type for the head and each group" + (f": {told}" if told else ""), fix)


def offers(session: Session, design: Design) -> Offers:
    """What each zone of the region that is up has; asked side by side. Raises launch.gcp's Refused."""
    with ThreadPoolExecutor(2) as pool:
        listed = pool.submit(_types, session, design)
        up = _up(session, str(design.region))
        return {zone: listed.result().get(zone, frozenset()) for zone in up}


def _up(session: Session, region: str) -> list[str]:
    pages = session.pages(f"{COMPUTE}/projects/{session.project}/zones", {"filter": f'name eq "{region}-.*"'})
    return sorted(zone["name"] for page in pages for zone in page.get("items", ()) if zone.get("status") == "UP")


def _types(session: Session, design: Design) -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for page in session.pages(f"{COMPUTE}/projects/{session.project}/aggregated/machineTypes", {"filter": _filter(design)}):
        for scope, part in page.get("items", {}).items():
            found.setdefault(scope.partition("/")[2], set()).update(kind["name"] for kind in part.get("machineTypes", ()))
    return {zone: frozenset(types) for zone, types in found.items()}


def _filter(design: Design) -> str:
    return " OR ".join(f"(name = {name})" for name in offered.wanted(design))


def _advice(session: Session, design: Design, has: Offers) -> dict[str, list[tuple[str, dict[str, Any]]]]:
    """Zone → what Google says of each group that may be on the spot market; nothing of a zone of which it says not all."""
    groups = [group for group in design.groups if any(market == "spot" for market, _ in order(group, "gcp"))]
    asked = [(zone, group) for zone in has for group in groups]
    answers = side_by_side(lambda each: _scores(session, each[0], each[1], has[each[0]]), asked, _SIDE_BY_SIDE)
    told: dict[str, list[tuple[str, dict[str, Any]]]] = {zone: [] for zone in has}
    for (zone, group), scores in zip(asked, answers, strict=True):
        if scores:
            told[zone].append((group.name, scores))
    return {zone: said if len(said) == len(groups) else [] for zone, said in told.items()}


def _scores(session: Session, zone: str, group: Group, types: frozenset[str]) -> dict[str, Any]:
    """advice.capacity, of one zone: {obtainability, estimatedUptime}; {} where it may not be asked, or knows nothing. Google
    advises on spot machines alone. Elastic groups are asked about for one machine.
    """
    spot = [node.instance for market, node in order(group, "gcp") if market == "spot" and node.instance in types]
    if not spot:
        return {}
    body = {
        "instanceProperties": {"scheduling": {"provisioningModel": "SPOT"}},
        "distributionPolicy": {"targetShape": "ANY_SINGLE_ZONE", "zones": [{"zone": f"zones/{zone}"}]},
        "instanceFlexibilityPolicy": {"instanceSelections": {"types": {"machineTypes": spot[:_TYPES_AT_ONCE]}}},
        "size": max(1, group.min),
    }
    url = f"{COMPUTE}/projects/{session.project}/regions/{zone.rpartition('-')[0]}/advice/capacity"
    try:
        told = session.call("POST", url, None, body).get("recommendations", ())
    except Refused:
        return {}
    return next((each["scores"] for each in told if "obtainability" in each.get("scores", {})), {})


def _hinted(zone: str, told: list[tuple[str, dict[str, Any]]]) -> Zone:
    """All groups have to be had: the least likely one says how likely that is."""
    if not told:
        return Zone(zone)
    group, scores = min(told, key=lambda each: each[1]["obtainability"])
    uptime = f", estimated uptime {scores['estimatedUptime']}" if "estimatedUptime" in scores else ""
    return Zone(zone, float(scores["obtainability"]), f"obtainability {scores['obtainability']:g}{uptime} (spot, {group})")
