"""How long the clouds take to make things, read once: `timings.csv` beside this file.

Typical, not worst: a plan's timeline says where the time goes. `basis` says whose the figure is: `measured` by whoever
published the log or benchmark that `source` names, `documented` by the vendor or the program's own maintainers, or an
`estimate` of ours with its reason. Rows of the cloud `any` hold everywhere.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path

BASES = ("measured", "documented", "estimate")


@dataclass(frozen=True)
class Timing:
    """One kind of thing on one cloud. `as_of` is the date of the source, or of the day when one without a date was read."""

    cloud: str
    kind: str
    seconds: float
    basis: str
    as_of: str
    source: str


@cache
def timings() -> dict[tuple[str, str], Timing]:
    """By cloud and kind."""
    with (Path(__file__).parent / "timings.csv").open(newline="", encoding="utf-8") as stream:
        rows = [Timing(**{**row, "seconds": float(row["seconds"])}) for row in csv.DictReader(stream)]  # type: ignore[arg-type]
    return {(row.cloud, row.kind): row for row in rows}


def timing(cloud: str, kind: str) -> Timing:
    """The cloud's own row, else that of all. Raises KeyError where nobody knows."""
    return timings().get((cloud, kind)) or timings()["any", kind]
