"""vCPUs by family and market: what the whole design needs, what is in use, and where its groups find room.

A group has a choice: each of its types, on each of its markets, counts for a quota. Its fixed nodes fit where one of these has
room beside all that the others take; which one that is, is said where it is not the first.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from provisioner.design import offered
from provisioner.design.attempts import order
from provisioner.design.model import Design, Group
from provisioner.findings import Finding, error, info, warning
from provisioner.targets.aws.limits import applied, increase
from provisioner.targets.aws.listing import pages
from provisioner.targets.aws.types import described
from provisioner.targets.checks import side_by_side

# Family of an instance type → quota codes, (on-demand, spot): "Amazon EC2 endpoints and quotas". hpc has no spot.
# The longest beginning that fits is taken: hpc before h.
_CODES: dict[str, tuple[str, str | None]] = {
    **dict.fromkeys(("a", "c", "d", "h", "i", "m", "r", "t", "z"), ("L-1216C47A", "L-34B43A08")),
    "hpc": ("L-F7808C92", None),
    **dict.fromkeys(("g", "gr", "vt"), ("L-DB2E81BA", "L-3819A6DF")),
    **dict.fromkeys(("p2", "p3", "p4"), ("L-417A185B", "L-7212CCBC")),
    **dict.fromkeys(("p5", "p6"), ("L-417A185B", "L-C4BD4855")),
    "f": ("L-74FC7D96", "L-88CF9481"),
    "x": ("L-7295265B", "L-E3A00192"),
    "inf": ("L-1945791B", "L-B5D1601B"),
    "trn": ("L-2C3B7624", "L-6B0D517C"),
    "dl": ("L-6E869C2A", "L-85EED4F7"),
    "u": ("L-43DA4232", None),
}


def code(instance: str, market: str) -> str | None:
    """A type's quota; None where it has none that is known."""
    family = instance.partition(".")[0]
    letters = re.match(r"[a-z]+", family)
    for part in (family[:2], letters[0] if letters else "", family[:1]):
        if part in _CODES:
            return _CODES[part][market == "spot"]
    return None


@dataclass(frozen=True)
class Quota:
    """A quota as it is applied to the account, in vCPUs. `used` is what runs already."""

    code: str
    name: str
    limit: float
    used: int

    @property
    def left(self) -> float:
        return self.limit - self.used


@dataclass(frozen=True)
class Choice:
    """A type on a market, and the vCPUs of a group's fixed nodes and of all."""

    instance: str
    market: str
    quota: str
    least: int
    most: int


def vcpus(asked: Any, design: Design) -> Iterator[Finding]:
    """What is always there must fit; with all elastic nodes it should."""
    running = _running(asked["ec2"])
    told = described(asked["ec2"], frozenset({*offered.wanted(design), *(kind for kind, _ in running)}))
    sizes = {kind: int(each["VCpuInfo"]["DefaultVCpus"]) for kind, each in told.items()}
    groups = {group.name: _choices(design, group, sizes) for group in design.groups}
    groups = {name: choices for name, choices in groups.items() if choices}
    fixed = _fixed(design, sizes)
    codes = sorted({*fixed, *(each.quota for choices in groups.values() for each in choices)})
    quotas = _quotas(asked, codes, _used(running, sizes))
    beside = {code: quota.left - fixed.get(code, 0) for code, quota in quotas.items()}
    names, choices = tuple(groups), tuple(groups.values())
    enough = all(beside[code] >= 0 for code in fixed)
    placed = fit([[(each.quota, each.least) for each in some] for some in choices], beside) if enough else None
    if placed is None:
        yield from _short(design, quotas, fixed, [some[0] for some in choices], "least")
        yield from _room_elsewhere(names, choices, quotas, beside)
        return
    yield from _not_the_first(design, quotas, dict(zip(names, zip(choices, placed, strict=True), strict=True)))
    yield from _short(design, quotas, fixed, [some[i] for some, i in zip(choices, placed, strict=True)], "most")


def fit(groups: Sequence[Sequence[tuple[str, int]]], room: Mapping[str, float]) -> tuple[int, ...] | None:
    """For each group the number of its choice (quota, vCPUs) so that all have room together, earlier ones first; None where
    there is no such way. What is taken of a quota by the same sum is looked at once.
    """
    seen: set[tuple[int, tuple[tuple[str, float], ...]]] = set()

    def place(number: int, left: Mapping[str, float]) -> tuple[int, ...] | None:
        if number == len(groups):
            return ()
        state = (number, tuple(sorted(left.items())))
        if state in seen:
            return None
        seen.add(state)
        for i, (quota, needed) in enumerate(groups[number]):
            # Who needs none asks nothing of a quota that is used up.
            if not needed or needed <= left[quota]:
                rest = place(number + 1, {**left, quota: left[quota] - needed})
                if rest is not None:
                    return (i, *rest)
        return None

    return place(0, room)


def _running(ec2: Any) -> list[tuple[str, str]]:
    """(type, market) of each machine that counts: pending or running; neither on a dedicated host nor of a capacity block,
    which have quotas of their own (EC2 User Guide, "Amazon EC2 service quotas")."""
    filters = [{"Name": "instance-state-name", "Values": ["pending", "running"]}]
    return [
        (each["InstanceType"], each.get("InstanceLifecycle", "on-demand"))
        for reservation in pages(ec2, "describe_instances", "Reservations", Filters=filters)
        for each in reservation["Instances"]
        if each.get("InstanceLifecycle", "spot") == "spot" and each.get("Placement", {}).get("Tenancy") != "host"
    ]


def _used(running: Sequence[tuple[str, str]], sizes: Mapping[str, int]) -> dict[str, int]:
    used: dict[str, int] = {}
    for kind, market in running:
        quota = code(kind, market)
        if quota is not None:
            used[quota] = used.get(quota, 0) + sizes.get(kind, 0)
    return used


def _quotas(asked: Any, codes: Sequence[str], used: Mapping[str, int]) -> dict[str, Quota]:
    def one(code: str) -> Quota:
        told = applied(asked, "ec2", code)
        return Quota(code, told["QuotaName"], told["Value"], used.get(code, 0))

    return dict(zip(codes, side_by_side(one, codes), strict=True))


def _fixed(design: Design, sizes: Mapping[str, int]) -> dict[str, int]:
    """Of the machines that have no choice, all on demand."""
    needed: dict[str, int] = {}
    for node, number in zip(offered.always(design), (1, design.login.nodes if design.login else 0), strict=False):
        quota = code(node.instance, "on-demand")
        if quota is not None:
            needed[quota] = needed.get(quota, 0) + number * sizes.get(node.instance, 0)
    return needed


def _choices(design: Design, group: Group, sizes: Mapping[str, int]) -> list[Choice]:
    """In the order in which they are tried; a type that the region has not, or whose quota nobody knows, makes no choice."""
    found = [(market, node.instance, code(node.instance, market)) for market, node in order(group, design.target)]
    return [
        Choice(kind, market, quota, group.min * sizes[kind], group.max * sizes[kind])
        for market, kind, quota in found
        if quota is not None and kind in sizes
    ]


def _short(
    design: Design, quotas: Mapping[str, Quota], fixed: Mapping[str, int], taken: Sequence[Choice], end: str
) -> Iterator[Finding]:
    """Each quota that what is taken does not fit into. `end` is "least" or "most"."""
    needed = dict(fixed)
    for choice in taken:
        needed[choice.quota] = needed.get(choice.quota, 0) + getattr(choice, end)
    for key in sorted(needed):
        quota, total = quotas[key], needed[key]
        if total and total > quota.left:
            said = f"{_told(quota)} in {design.region}, {quota.used} in use"
            fix = increase(design, "ec2", key, quota.used + total)
            if end == "least":
                yield error("quota", f"{said}, the design's fixed machines need {total}", fix)
            else:
                yield warning("quota", f"{said}, the design needs {total} with all elastic nodes", fix)


def _told(quota: Quota) -> str:
    return f"the quota {quota.name} is {quota.limit:g} vCPUs"


def _not_the_first(
    design: Design, quotas: Mapping[str, Quota], groups: Mapping[str, tuple[Sequence[Choice], int]]
) -> Iterator[Finding]:
    """Groups whose fixed nodes fit, but not as what is tried first, which may be cheaper; the launch goes on to what fits."""
    for name, (choices, number) in groups.items():
        first, found = choices[0], choices[number]
        if number and first.least:
            lacks = f"{_told(quotas[first.quota])}, {quotas[first.quota].used} in use"
            said = f"{name}: its fixed nodes fit as {found.instance}, {found.market} ({quotas[found.quota].name})"
            raised = increase(design, "ec2", first.quota, quotas[first.quota].used + first.least)
            instead = f"name {found.instance} first" if found.market == first.market else "spot: never"
            but = f"and not as {first.instance}, {first.market}, which is tried first: {lacks}, {first.least} needed"
            yield warning("quota", f"{said}, {but}", f"{raised}; or {instead}")


def _room_elsewhere(
    names: Sequence[str], groups: Sequence[Sequence[Choice]], quotas: Mapping[str, Quota], beside: Mapping[str, float]
) -> Iterator[Finding]:
    """What else a group could have been, where nothing fits: how much of it is left."""
    for name, choices in zip(names, groups, strict=True):
        others = {each.quota: each for each in reversed(choices[1:]) if each.quota != choices[0].quota}
        if others and choices[0].least:
            left = [
                f"{quotas[key].name} has {max(0, beside[key]):g} vCPUs left, {each.least} are needed ({each.instance})"
                for key, each in sorted(others.items())
            ]
            yield info("quota", f"{name}: {'; '.join(left)}")
