"""How old the prices are that a plan rests on."""

from __future__ import annotations

from provisioner import clock
from provisioner.catalog import cache
from provisioner.catalog.regions import REGIONS
from provisioner.catalog.table import InstanceType
from provisioner.design.model import Design
from provisioner.design.offered import wanted
from provisioner.findings import Finding, info
from provisioner.units import count


def priced(design: Design) -> str:
    """Of the oldest price of the design's machines, and what asks for those of now; "" where none is billed."""
    kind = _oldest(design)
    if kind is None:
        return ""
    whose = "the cloud's own answer" if kind.basis == "live" else "the bundled table"
    age = f"machines' prices: of {kind.as_of} at the oldest, {count(_days(kind), 'day')} ago, {whose}"
    return f"{age}; now: {_refresh(design)}"


def aged(design: Design) -> tuple[Finding, ...]:
    """What was refreshed long ago still counts, and is said."""
    kind = _oldest(design, "live")
    if kind is None or _days(kind) <= cache.OLD_DAYS:
        return ()
    said = f"prices of {design.place} were refreshed {_days(kind)} days ago, on {kind.as_of}"
    return (info("price-age", said, _refresh(design)),)


def _oldest(design: Design, basis: str | None = None) -> InstanceType | None:
    return cache.known().oldest(wanted(design), design.region, basis) if design.target in REGIONS else None


def _days(kind: InstanceType) -> int:
    return cache.days(kind.as_of, clock.now())


def _refresh(design: Design) -> str:
    return f"burst catalog refresh --target {design.place}"
