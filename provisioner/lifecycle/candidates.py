"""The file's targets: what was decided for each, what each says of it, and the order in which they are tried.

    references → decided, side by side asked → ranked → tries: zone by zone, target by target

Nothing here makes anything. The same file, catalogue, answers and refusals give the same order.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Literal

from provisioner.design.bill import bill
from provisioner.design.model import Design
from provisioner.design.timeline import timeline
from provisioner.errors import BurstError
from provisioner.findings import Finding, errors, info
from provisioner.lifecycle import refusals
from provisioner.report.receipt import Choice
from provisioner.targets.base import Target, Zone
from provisioner.targets.checks import side_by_side

Rank = Literal["cost", "time", "listed"]
_UNASKED = "which zones have room could not be asked"


@dataclass(frozen=True)
class Candidate:
    """One target of the file. `findings` has the file's and the place's; `zones` are in the order in which they are tried;
    `opened` is the place itself, None where nobody is to be asked; `asked` whether it was; `refused` what was refused there
    lately (refusals.py), `said` in words.
    """

    design: Design
    findings: tuple[Finding, ...]
    opened: Target | None
    zones: tuple[Zone, ...] = ()
    asked: bool = False
    refused: float = 0.0
    said: str = ""

    @property
    def target(self) -> Target:
        """Where it is made. Only of what may be tried."""
        assert self.opened is not None, "nobody was to be asked: nothing is made"
        return self.opened

    @property
    def place(self) -> str:
        """aws/us-east-2, and the zone where one is chosen: aws/us-east-2 (us-east-2b)."""
        return f"{self.design.place} ({self.design.zone})" if self.design.zone else self.design.place

    @property
    def fits(self) -> bool:
        """Whether nothing speaks against it."""
        return not errors(self.findings)

    @cached_property
    def seconds(self) -> float:
        """Until the first node is ready, by typical figures; 0 on this machine."""
        found = timeline(self.design)
        return found.seconds if found is not None else 0.0

    @cached_property
    def stands_in(self) -> bool:
        """Whether something may be a spot machine of which only the price on demand is known."""
        options = [option for nodes in bill(self.design).nodes for option in nodes.options]
        return any(option.market == "spot" and option.items[0].basis == "estimate" for option in options)

    def tries(self) -> tuple[Candidate, ...]:
        """Itself in each of its zones; as it is where there is no choice."""
        in_zones = [replace(self, design=self.design.model_copy(update={"zone": zone.name})) for zone in self.zones]
        return tuple(in_zones) or (self,)


def each_once(candidates: Sequence[Candidate]) -> list[Candidate]:
    """`aws` and `aws/us-east-2` may be one place, which is asked and tried once: where the list has it first."""
    places: dict[tuple[str, str | None], Candidate] = {}
    for candidate in candidates:
        places.setdefault((candidate.design.target, candidate.design.region), candidate)
    return list(places.values())


def preflighted(candidate: Candidate, folder: Path, skip: Collection[str] = ()) -> Candidate:
    """With the answers of its place: what speaks against it, and its zones. What is wrong already is not asked."""
    if not candidate.fits:
        return candidate
    with ThreadPoolExecutor(1) as pool:
        zones = pool.submit(_zones, candidate)
        found = candidate.target.preflight(candidate.design, folder, skip)
        offered, unasked = zones.result()
    found = (*found, *(unasked if not errors(found) else ()))
    return replace(candidate, findings=(*candidate.findings, *found), zones=offered, asked=True)


def _zones(candidate: Candidate) -> tuple[tuple[Zone, ...], tuple[Finding, ...]]:
    """Without an answer, or with one that is not understood, the place chooses by itself, and no other zone is tried."""
    try:
        return candidate.target.zones(candidate.design), ()
    except BurstError as problem:
        return (), (info("zones", f"{_UNASKED}: {problem.message}: {problem.why}", problem.fix),)
    except Exception as problem:
        # It is advice: an answer that nobody foresaw ends no plan, of this place or of the others.
        return (), (info("zones", f"{_UNASKED}: {type(problem).__name__}: {problem}", "a bug of ours: an issue with this"),)


def all_preflighted(candidates: Sequence[Candidate], folder: Path, skip: Collection[str]) -> list[Candidate]:
    """Side by side; those of which nobody is to be asked are as they were."""
    return list(side_by_side(lambda each: preflighted(each, folder, skip) if each.opened else each, candidates))


def ranked(candidates: Sequence[Candidate], by: Rank) -> tuple[Candidate, ...]:
    """The first is tried first; those that something speaks against come last, in the file's order.

    This machine keeps its place among the clouds: it costs nothing, and is no cluster.
    """
    known = refusals.recent()
    told = [_remembered(candidate, known) for candidate in candidates]
    stretches = _stretches(told)
    expected = _expected(told)

    def key(numbered: tuple[int, Candidate]) -> tuple[float, ...]:
        position, candidate = numbered
        usd = _usd(candidate.design, expected)
        cost = (usd is None, round(usd or 0.0, 2))
        time = round(candidate.seconds)
        first = {"cost": (*cost, time), "time": (time, *cost), "listed": ()}[by] if candidate.fits else ()
        # Of those that do not fit, what was asked tells most.
        unasked = not candidate.fits and not candidate.asked
        return (not candidate.fits, unasked, candidate.refused >= 1.0, stretches[position], *first, position)

    return tuple(candidate for _, candidate in sorted(enumerate(told), key=key))


def _stretches(candidates: Sequence[Candidate]) -> list[int]:
    """A number for each: clouds that stand side by side have the same one."""
    clouds = [candidate.design.target == candidate.design.cloud for candidate in candidates]
    breaks = [0, *(not (a and b) for a, b in itertools.pairwise(clouds))]
    return list(itertools.accumulate(breaks))


def _expected(candidates: Sequence[Candidate]) -> bool:
    """Whether all are compared by what they are expected to cost; else by an hour of what is always there."""
    return all(_likely(candidate.design) is not None for candidate in candidates)


def _usd(design: Design, expected: bool) -> float | None:
    return _likely(design) if expected else design.estimate.hourly


def _likely(design: Design) -> float | None:
    """What it is expected to cost with what is tried first; None without jobs. A job without a time is taken to have one."""
    estimate = design.estimate
    return estimate.markets[0].expected if estimate.markets else estimate.expected


def _remembered(candidate: Candidate, known: dict[tuple[str, ...], refusals.Answer]) -> Candidate:
    """Zones that refused something lately come later; the place's own order is kept among equals."""
    design = candidate.design
    shares = {zone.name: refusals.refused(design, zone.name, known) for zone in candidate.zones}
    told = [zone._replace(said="no room lately") if shares[zone.name] else zone for zone in candidate.zones]
    zones = sorted(told, key=lambda zone: shares[zone.name])
    least = min(shares.values()) if shares else refusals.refused(design, None, known)
    return replace(candidate, zones=tuple(zones), refused=least, said=refusals.said(design, known) if least else "")


_WHY: dict[Rank, str] = {"cost": "the cheapest", "time": "the first to be ready", "listed": "the first of the list"}


def choices(candidates: Sequence[Candidate], by: Rank) -> tuple[Choice, ...]:
    """A row for each, ranked as they are, with the reason why it is or is not taken."""
    return tuple(_choice(candidate, candidates, by) for candidate in candidates)


def _choice(candidate: Candidate, candidates: Sequence[Candidate], by: Rank) -> Choice:
    design, estimate = candidate.design, candidate.design.estimate
    chosen, decided = candidate is candidates[0] and candidate.fits, candidate.fits or candidate.asked
    why = _wrong(candidate) if not candidate.fits else _chosen(candidates, by) if chosen else _next(candidate, candidates)
    return Choice(
        target=design.place,
        chosen=chosen,
        fits=candidate.fits,
        why=why,
        fix="" if candidate.fits else errors(candidate.findings)[0].fix,
        # What could not be decided was not counted.
        expected_usd=_likely(design) if decided else None,
        assumed=(bool(estimate.assumed) or candidate.stands_in) and decided,
        hourly_usd=estimate.hourly if decided else None,
        at_most_usd=estimate.total_max if decided else None,
        ready_s=round(candidate.seconds),
        zones=tuple(zone.name for zone in candidate.zones),
    )


def _wrong(candidate: Candidate) -> str:
    wrong = errors(candidate.findings)
    return wrong[0].message + (f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else "")


def _chosen(candidates: Sequence[Candidate], by: Rank) -> str:
    others = [candidate for candidate in candidates[1:] if candidate.fits]
    if not others:
        return "the only one that fits" if len(candidates) > 1 else "the only one"
    # This machine keeps its place, whatever it costs.
    clouds = " cloud" if any(other.design.target != other.design.cloud for other in others) and by != "listed" else ""
    room = " of those with room" if any(other.refused >= 1 for other in others) else ""
    spot = "; a spot price is not known, on demand's stands for it" if candidates[0].stands_in else ""
    return f"{_WHY[by]}{clouds}{room}{spot}"


def _next(candidate: Candidate, candidates: Sequence[Candidate]) -> str:
    if candidate.refused >= 1:
        return f"last: {candidate.said}"
    expected = _expected(candidates)
    ours, first = (_usd(each.design, expected) for each in (candidate, candidates[0]))
    more = ours - first if ours is not None and first is not None else 0.0
    cost = f"{more:.2f} USD more" + ("" if expected else " an hour") if more > 0 else ""
    spot = "a spot price is not known" if candidate.stands_in else ""
    return "; ".join(filter(None, ("next, if there is no room", cost, spot, candidate.said)))
