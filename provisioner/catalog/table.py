"""The bundled table, read once: `instances.csv` beside this file."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from provisioner.catalog.markets import has_spot


@dataclass(frozen=True)
class InstanceType:
    """One type in one region. Memory in MiB, prices in USD an hour (None where none was found or there is none).

    `fabric` is what the type has for MPI beside ordinary networking: efa, tier1, rdma, infiniband or nothing; `cards` how
    many network cards carry it.
    """

    cloud: str
    name: str
    region: str
    vcpus: int
    cores: int
    memory_mib: int
    gpus: int
    gpu: str
    arch: str
    fabric: str
    cards: int
    on_demand: float | None
    spot: float | None
    as_of: str
    source: str


@dataclass(frozen=True)
class Catalogue:
    """All types, cheapest first."""

    types: tuple[InstanceType, ...]

    def named(self, name: str) -> InstanceType | None:
        """The type with that name; the cheapest row of it where there are several regions."""
        return next((t for t in self.types if t.name == name), None)

    def fits(
        self, cloud: str | None, *, cores: int, memory_mib: int, gpus: int, models: tuple[str, ...], spot: bool = False
    ) -> InstanceType | None:
        """The cheapest type that has at least this; models are tried in order, None is any cloud.

        With `spot` it is one that is sold on the spot market.
        """
        for model in models or ("",):
            for t in self.types:
                if (
                    (cloud is None or t.cloud == cloud)
                    and t.cores >= cores
                    and t.memory_mib >= memory_mib
                    and t.gpus >= gpus
                    and (gpus or not t.gpus)
                    # Packages and scripts are taken to be for x86; another architecture is asked for by name.
                    and t.arch == "x86_64"
                    and (not spot or has_spot(t.cloud, t.name))
                    and model.lower() in ("", t.gpu.lower())
                ):
                    return t
        return None


@cache
def bundled() -> Catalogue:
    """The table that comes with the program."""
    with (Path(__file__).parent / "instances.csv").open(newline="", encoding="utf-8") as stream:
        types = [_row(row) for row in csv.DictReader(stream)]
    return Catalogue(tuple(sorted(types, key=lambda t: (t.on_demand is None, t.on_demand or 0.0, t.name, t.region))))


def _row(row: dict[str, str]) -> InstanceType:
    return InstanceType(
        cloud=row["cloud"],
        name=row["type"],
        region=row["region"],
        vcpus=int(row["vcpus"]),
        cores=int(row["cores"]),
        memory_mib=int(float(row["memory_gib"]) * 1024),
        gpus=int(row["gpus"]),
        gpu=row["gpu"],
        arch=row["arch"],
        fabric=row["fabric"],
        cards=int(row["cards"]),
        on_demand=float(row["on_demand_usd_h"]) if row["on_demand_usd_h"] else None,
        spot=float(row["spot_usd_h"]) if row["spot_usd_h"] else None,
        as_of=row["as_of"],
        source=row["source"],
    )
