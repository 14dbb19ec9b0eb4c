"""Machine types and their prices for people, and the same as JSON: what is known, what fits, what was refreshed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

import click

from provisioner import clock
from provisioner.catalog import cache
from provisioner.catalog.table import Catalogue, InstanceType
from provisioner.report.rows import print_table
from provisioner.targets.pricing import Refreshed
from provisioner.units import count

COLUMNS = ("cloud", "region", "type", "cores", "threads", "memory", "GPUs", "fabric", "Gbit/s", "USD/h", "spot USD/h")
EACH = ("USD/core-h", "USD/GPU-h", "as of")
# A price that may be another in that region.
_GUESS = "~"


def print_types(kinds: Sequence[InstanceType], *, spot: bool = False, more: int = 0) -> None:
    """A line for each type and region; `more` were left out. With `spot` a core and a GPU cost what they do there."""
    print_table([_row(kind, spot) for kind in kinds], (*COLUMNS, *EACH))
    if more:
        click.echo(f"and {more} more: --limit {len(kinds) + more}")
    click.echo(footer(kinds))


def types_json(kinds: Iterable[InstanceType], *, spot: bool = False) -> str:
    """Everything that is known of each, in USD, GiB, Gbit/s and days."""
    return json.dumps([_told(kind, spot) for kind in kinds], indent=2)


def footer(kinds: Sequence[InstanceType]) -> str:
    """How old what was shown is, and what makes it younger."""
    days = sorted({kind.as_of for kind in kinds})
    if not days:
        return "nothing is known; burst catalog refresh asks the clouds"
    ages = [cache.days(day, clock.now()) for day in (days[0], days[-1])]
    between = f"{days[0]} ({ages[0]} days ago)" + (f" to {days[-1]} ({ages[1]} days ago)" if len(days) > 1 else "")
    guess = f"; {_GUESS} is another region's price" if any(_elsewhere(kind) for kind in kinds) else ""
    return f"prices as of {between}{guess}; burst catalog refresh asks the clouds for those of now"


def warn(catalogue: Catalogue) -> None:
    """What of the cache could not be read, on standard error."""
    for problem in catalogue.problems:
        click.echo(f"warning: {problem}; burst catalog refresh writes it anew", err=True)


def print_refreshed(done: Sequence[Refreshed], catalogue: Catalogue) -> None:
    """A line for each region; of one that could not be asked, why, and how old what is known of it is."""
    for each in done:
        where = f"{each.cloud}/{each.region}"
        if each.problem is None:
            new = f", {count(each.types, 'type')} that the catalogue lacked" if each.types else ""
            click.echo(f"{where}: {count(each.prices, 'price')} of today{new}")
        else:
            why = ": ".join(filter(None, (each.problem.message, each.problem.why)))
            click.echo(f"{where}: not refreshed, {known_age(catalogue, each.cloud, each.region)}", err=True)
            click.echo(f"  why: {why}", err=True)
            if each.problem.fix:
                click.echo(f"  next: {each.problem.fix}", err=True)


def refreshed_json(done: Sequence[Refreshed]) -> str:
    """`problem` is null where prices came."""
    rows = [
        {
            "cloud": each.cloud,
            "region": each.region,
            "prices": each.prices,
            "types": each.types,
            "problem": each.problem and {"message": each.problem.message, "why": each.problem.why, "fix": each.problem.fix},
        }
        for each in done
    ]
    return json.dumps(rows, indent=2)


def known_age(catalogue: Catalogue, cloud: str, region: str) -> str:
    """How old what is known of a region is."""
    days = sorted(kind.as_of for kind in catalogue.sold(cloud, region))
    if not days:
        return "and no price of it is known"
    other = "" if catalogue.sells(cloud, region) else "another region's "
    return f"{other}prices of {days[0]} to {days[-1]} stay in use, the oldest {cache.days(days[0], clock.now())} days old"


def _row(kind: InstanceType, spot: bool) -> list[str]:
    mark = _GUESS if _elsewhere(kind) else ""
    each = _each(kind, spot)
    age = cache.days(kind.as_of, clock.now())
    return [
        kind.cloud,
        kind.region,
        kind.name,
        str(kind.cores),
        str(kind.vcpus),
        f"{kind.memory_mib / 1024:g}GiB",
        f"{kind.gpus} {kind.gpu}" if kind.gpus else "",
        kind.fabric,
        f"{kind.network:g}" if kind.network else "",
        mark + _usd(kind.on_demand),
        mark + _usd(kind.spot) if kind.spot is not None else "",
        *(_usd(usd) for usd in each),
        f"{kind.as_of} ({age}d)",
    ]


def _each(kind: InstanceType, spot: bool) -> tuple[float | None, float | None]:
    """USD for a core, and for a GPU, and an hour."""
    usd = kind.price(spot=spot)
    if usd == float("inf"):
        return None, None
    return usd / kind.cores, usd / kind.gpus if kind.gpus else None


def _told(kind: InstanceType, spot: bool) -> dict[str, Any]:
    core, gpu = _each(kind, spot)
    ages = {"age_days": cache.days(kind.as_of, clock.now())}
    return {**asdict(kind), "usd_per_core_hour": core, "usd_per_gpu_hour": gpu, **ages}


def _elsewhere(kind: InstanceType) -> bool:
    return kind.basis in ("elsewhere", "guess")


def _usd(usd: float | None) -> str:
    return "" if usd is None else f"{usd:.4f}"
