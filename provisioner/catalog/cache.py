"""What the clouds themselves said at the last refresh: two tables for each cloud and region that was asked, in
`$XDG_CACHE_HOME/burst/catalog`. `aws-us-east-2.prices.csv` has what types cost there, `aws-us-east-2.types.csv` the shapes of
those that the bundled table lacks.

A table's last line says how many rows it has: one that was cut short, or that is none, is left aside and said.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path
from typing import TypeVar

import platformdirs

from provisioner import files
from provisioner.catalog import rows
from provisioner.catalog.rows import Offer, Shape
from provisioner.catalog.table import Catalogue, bundle

# From then on a plan says how old it is.
OLD_DAYS = 30
Row = TypeVar("Row", Shape, Offer)


def folder() -> Path:
    """Where the tables lie; it need not exist."""
    return platformdirs.user_cache_path("burst") / "catalog"


def keep(cloud: str, region: str, offers: Sequence[Offer], shapes: Sequence[Shape] = ()) -> None:
    """Write what was said of a region. Shapes come first, and none go: a price without its shape is of no use."""
    place = folder()
    if shapes:
        files.write(place / f"{cloud}-{region}.types.csv", _written(rows.SHAPE_COLUMNS, map(rows.shape_row, shapes)))
    files.write(place / f"{cloud}-{region}.prices.csv", _written(rows.OFFER_COLUMNS, map(rows.offer_row, offers)))


@cache
def known() -> Catalogue:
    """The bundled tables, and over them what was refreshed; read once."""
    return read(folder())


def read(place: Path) -> Catalogue:
    """The bundled tables with those of a folder over them, row by row, where these are not older."""
    shapes, offers = bundle()
    problems: list[str] = []
    live = list(_tables(place, "prices", rows.offers, problems))
    # What the bundle says of a shape was checked; a cloud's own answer is for types that are not there.
    more = list(_tables(place, "types", rows.shapes, problems))
    return Catalogue((*more, *shapes), offers, live, tuple(problems))


def days(as_of: str, now: float) -> int:
    """How old a row is."""
    return max(0, (datetime.fromtimestamp(now, UTC).date() - date.fromisoformat(as_of)).days)


def _tables(place: Path, what: str, parse: Callable[[Iterable[str]], Iterator[Row]], problems: list[str]) -> Iterator[Row]:
    for path in sorted(place.glob(f"*.{what}.csv")):
        try:
            yield from _table(path.read_text(encoding="utf-8"), parse)
        except (OSError, ValueError, csv.Error) as problem:
            problems.append(f"{path} cannot be used: {problem}")


def _table(text: str, parse: Callable[[Iterable[str]], Iterator[Row]]) -> list[Row]:
    """Raises ValueError, csv.Error where a row is wrong or missing."""
    body, _, last = text.removesuffix("\n").rpartition("\n")
    found = list(parse(io.StringIO(body, newline="")))
    if not text.endswith("\n") or last != f"# {len(found)} rows":
        raise ValueError("it was cut short")
    for row in found:
        rows.day(row.as_of)
    return found


def _written(columns: str, lines: Iterable[list[str]]) -> str:
    stream = io.StringIO(newline="")
    table = list(lines)
    csv.writer(stream, lineterminator="\n").writerows([columns.split(","), *table])
    return f"{stream.getvalue()}# {len(table)} rows\n"
