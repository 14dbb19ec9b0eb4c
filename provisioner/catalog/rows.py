"""Rows of the tables: shapes of machine types, and what each costs in a region. `instances.csv` and `machines.csv` beside this
file have them, and the same two forms are what `burst catalog refresh` keeps (cache.py).

`sources.csv` says where a figure comes from, by the key that a row's `source` is; what is no key says it itself. A spot price of
several zones is the dearest zone's: an estimate is an upper bound.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Iterator
from datetime import date
from functools import cache
from pathlib import Path
from typing import NamedTuple

FOLDER = Path(__file__).parent
SHAPE_COLUMNS = (
    "cloud,type,vcpus,cores,threads,memory_gib,gpus,gpu,gpu_memory_gib,arch,network_gbps,tier1_gbps,fabric,cards,as_of,source"
)
OFFER_COLUMNS = "cloud,region,type,on_demand_usd_h,spot_usd_h,as_of,source"


class Shape(NamedTuple):
    """What a type is, anywhere. `cores` are physical, `threads` those of one core. Memory of the machine in MiB, of one GPU in
    GiB; networks in Gbit/s, `tier1` with Google's Tier_1 networking; None where no figure was found.

    `fabric` is what the type has for MPI beside ordinary networking: efa, tier1, rdma, infiniband or nothing; `cards` how many
    network cards carry it.
    """

    cloud: str
    name: str
    vcpus: int
    cores: int
    threads: int
    memory_mib: int
    gpus: int
    gpu: str
    gpu_memory: float | None
    arch: str
    network: float | None
    tier1: float | None
    fabric: str
    cards: int
    as_of: str
    source: str


class Offer(NamedTuple):
    """What a type costs in a region, in USD an hour; None where none was found or there is none."""

    cloud: str
    region: str
    name: str
    on_demand: float | None
    spot: float | None
    as_of: str
    source: str


def shapes(lines: Iterable[str]) -> Iterator[Shape]:
    """Of a table as text. Raises ValueError for what is no such table."""
    for row in _read(lines, SHAPE_COLUMNS):
        cloud, name, vcpus, cores, threads, memory, gpus, gpu, gpu_memory, arch, network, tier1, fabric, cards, as_of, source = (
            row
        )
        yield Shape(
            cloud,
            name,
            _count(vcpus, 1),
            _count(cores, 1),
            _count(threads, 1),
            _mib(memory),
            _count(gpus),
            gpu,
            _number(gpu_memory),
            arch,
            _number(network),
            _number(tier1),
            fabric,
            _count(cards),
            as_of,
            source,
        )


def offers(lines: Iterable[str]) -> Iterator[Offer]:
    """Of a table as text. Raises ValueError for what is no such table."""
    for cloud, region, name, on_demand, spot, as_of, source in _read(lines, OFFER_COLUMNS):
        yield Offer(cloud, region, name, _number(on_demand), _number(spot), as_of, source)


def shape_row(shape: Shape) -> list[str]:
    """As `shapes` reads it."""
    return [_text(value / 1024 if name == "memory_mib" else value) for name, value in shape._asdict().items()]


def offer_row(offer: Offer) -> list[str]:
    """As `offers` reads it."""
    return [_text(value) for value in offer]


def said(source: str) -> str:
    """A row's source in words."""
    return _sources().get(source, source)


def day(text: str) -> str:
    """The same. Raises ValueError for what is no day."""
    return date.fromisoformat(text).isoformat()


@cache
def _sources() -> dict[str, str]:
    with (FOLDER / "sources.csv").open(newline="", encoding="utf-8") as stream:
        return {row["source"]: row["what"] for row in csv.DictReader(stream)}


def _read(lines: Iterable[str], columns: str) -> Iterator[list[str]]:
    rows = csv.reader(lines, strict=True)
    if (first := ",".join(next(rows, []))) != columns:
        raise ValueError(f"its columns are {first[:60]!r}")
    return rows


def _number(text: str) -> float | None:
    if not text:
        return None
    number = float(text)
    if not 0 <= number < math.inf:
        raise ValueError(f"{text} is no figure")
    return number


def _mib(gib: str) -> int:
    return _count(f"{(_number(gib) or 0.0) * 1024:.0f}", 1)


def _count(text: str, least: int = 0) -> int:
    number = int(text)
    if number < least:
        raise ValueError(f"{text} is no figure")
    return number


def _text(value: float | str | None) -> str:
    return "" if value is None else f"{value:.6f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
