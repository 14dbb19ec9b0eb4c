"""Availability zones of a region that have everything of a design, and what Azure says of spot machines' chances in each.

A zone's number is this subscription's own: another's zone 1 may be elsewhere ("Availability zones", logical and physical).
Where Azure Managed Lustre has room is in no answer of these.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from provisioner.catalog.markets import has_spot
from provisioner.design import offered
from provisioner.design.model import Design, Group
from provisioner.launch import azure as launcher
from provisioner.targets.azure.asked import Asked
from provisioner.targets.azure.session import Caller
from provisioner.targets.azure.sizes import denied, fabric_of
from provisioner.targets.azure.sizes import offered as offering
from provisioner.targets.base import Zone
from provisioner.targets.checks import side_by_side

# "Spot Placement Score": its words, as a chance. The words are Azure's, the figures are ours: it gives none.
HINTS = {"High": 0.9, "Medium": 0.5, "Low": 0.1}
_SCORES = "2025-06-05"  # of placementScores ("Spot Placement Scores - Post")
# Types that one request may ask for ("Spot Placement Score", limits).
_SIZES = 5


def zones(caller: Caller, design: Design) -> tuple[Zone, ...]:
    """Zones in which head, login nodes and one type of each group are offered to the subscription without restriction.

    () where the region has no zones, and with InfiniBand: its machines are in an availability set, which is in no zone
    (stacks/azure/groups.py), so that the region's zones are no choice. Raises launch.azure's Refused.
    """
    if any(fabric_of(group, node) == "infiniband" for group in design.groups for node in group.alternatives):
        return ()
    asked = Asked(caller, design)
    has = {zone: types for zone, types in _offers(asked).items() if not offered.lacking(design, types)}
    told = _scores(asked, has) if has else {}
    found = [_zone(design, zone, types, told) for zone, types in has.items()]
    return tuple(sorted(found, key=lambda zone: offered.before(design, zone.name, zone.hint, has[zone.name])))


# Zone → the types of the design that it has.
Offers = Mapping[str, frozenset[str]]


def _offers(asked: Asked) -> Offers:
    sizes = {name: asked.sizes.get(name) for name in offered.wanted(asked.design)}
    zones = {zone for size in sizes.values() for zone in offering(size or {})}
    return {zone: frozenset(name for name, size in sizes.items() if not denied(size, zone)) for zone in zones}


# (group, type, zone) → the score in Azure's word.
Scores = dict[tuple[str, str, str], str]


def _scores(asked: Asked, has: Offers) -> Scores:
    """Of every group that may be spot. A refusal means that nobody knows: it takes a right of its own (Compute
    Recommendations Role), and is not repeated, because it is a hint alone.
    """
    groups = [group for group in asked.design.groups if group.spot != "never"]
    answers = side_by_side(lambda group: list(_placement(asked, group)), groups)
    return {key: score for told in answers for key, score in told if key[2] in has}


def _placement(asked: Asked, group: Group) -> Iterator[tuple[tuple[str, str, str], str]]:
    # One that the region has not could have the whole question refused.
    there = [node.instance for node in group.alternatives if not denied(asked.sizes.get(node.instance))]
    types = [name for name in there if has_spot("azure", name)][:_SIZES]
    if not types:
        return
    path = f"{asked.caller.root}/providers/Microsoft.Compute/locations/{asked.caller.region}/placementScores/spot/generate"
    body = {
        "desiredLocations": [asked.caller.region],
        "desiredSizes": [{"sku": name} for name in types],
        "desiredCount": max(group.min, 1),
        "availabilityZones": True,
    }
    try:
        answer = asked.caller.once(path, _SCORES, body)
    except launcher.Refused:
        return
    if answer.status == 200:
        for each in answer.told.get("placementScores") or ():
            yield (group.name, str(each["sku"]), str(each.get("availabilityZone", ""))), str(each["score"])


def _zone(design: Design, name: str, types: frozenset[str], told: Scores) -> Zone:
    """Of a group the best of its types, of the design the worst of its groups; of what has no figure nothing is said."""
    hints, words = [], []
    for group in design.groups:
        there = [node.instance for node in offered.kinds(design, group, types)]
        scores = [(HINTS[score], size, score) for size in there if (score := told.get((group.name, size, name))) in HINTS]
        if scores:
            best = max(scores, key=lambda each: each[0])
            hints.append(best[0])
            words.append(f"{best[2]} ({group.name}: {best[1]})")
    return Zone(name, min(hints) if hints else None, ", ".join(words))
