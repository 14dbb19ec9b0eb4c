"""Prices of what stands beside machines, read once: `prices.csv` beside this file. Machines' own are in machines.csv.

A `published` figure was found on a vendor's page or in somebody's bill; an `estimate` was not found, and says so. A region
without a row of its own has its cloud's row `*`. A GB of the vendors' pages is a GiB here, which is what they bill.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path

# A month of the vendors' pages in hours: their calculators' 730.
MONTH = 730
BASES = ("published", "estimate")


@dataclass(frozen=True)
class Price:
    """USD for one `unit`: `hour`, `GiB-month`, `disk-month` (a disk of up to `size` GiB), `GiB`, `action`.

    What is used is billed for `minimum` seconds at least, and by whole `step`s of seconds. None for a machine's `usd`.
    """

    cloud: str
    region: str
    item: str
    size: int | None
    unit: str
    usd: float | None
    minimum: int
    step: int
    basis: str
    as_of: str
    source: str

    def hourly(self, gib: int = 1) -> float:
        """USD an hour: of `gib` GiB where it is billed by the GiB, of one disk or thing otherwise."""
        if self.usd is None:
            raise ValueError(f"{self.item}: its price is in machines.csv")
        return self.usd * (gib / MONTH if self.unit == "GiB-month" else 1 / MONTH if self.unit == "disk-month" else 1)


@cache
def prices() -> tuple[Price, ...]:
    """All rows, in the file's order: of disks the smaller size first."""
    with (Path(__file__).parent / "prices.csv").open(newline="", encoding="utf-8") as stream:
        return tuple(_row(row) for row in csv.DictReader(stream))


def price(cloud: str, region: str | None, item: str, gib: int | None = None) -> Price:
    """The region's own row, else its cloud's; of disks with sizes the first that has `gib`. Raises KeyError."""
    rows = [row for row in prices() if (row.cloud, row.item) == (cloud, item)]
    rows = [row for row in rows if row.region == region] or [row for row in rows if row.region == "*"]
    fitting = [row for row in rows if row.size is None or gib is None or row.size >= gib]
    if not fitting:
        raise KeyError(f"{cloud} {item} {gib}")
    return fitting[0]


def _row(row: dict[str, str]) -> Price:
    return Price(
        cloud=row["cloud"],
        region=row["region"],
        item=row["item"],
        size=int(row["size_gib"]) if row["size_gib"] else None,
        unit=row["unit"],
        usd=float(row["usd"]) if row["usd"] else None,
        minimum=int(row["minimum_s"]),
        step=int(row["step_s"]),
        basis=row["basis"],
        as_of=row["as_of"],
        source=row["source"],
    )
