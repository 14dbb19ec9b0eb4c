"""What of the catalogue has at least this, in all regions that are meant: the cheapest first; and what comes nearest where
nothing has.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass

from provisioner.catalog.markets import has_spot
from provisioner.catalog.regions import REGIONS
from provisioner.catalog.table import Catalogue, InstanceType


@dataclass(frozen=True)
class Wanted:
    """Memory in MiB. `models` of GPUs by name, any of them; `places` are (cloud, region), region None for each that is known.

    With `spot` it is to be sold on the spot market, with `fabric` to have one for MPI. What asks for no GPU gets none.
    """

    cores: int = 1
    memory_mib: int = 1
    gpus: int = 0
    models: tuple[str, ...] = ()
    fabric: bool = False
    spot: bool = False
    arch: str = "x86_64"
    places: tuple[tuple[str, str | None], ...] = ()


def search(catalogue: Catalogue, wanted: Wanted) -> tuple[InstanceType, ...]:
    """All that fit, by price, name and region."""
    found = [kind for kind in _sold(catalogue, wanted) if not _lacks(kind, wanted)]
    return tuple(sorted(found, key=lambda t: (t.price(spot=wanted.spot), t.name, t.region)))


def nearest(catalogue: Catalogue, wanted: Wanted) -> tuple[InstanceType, str] | None:
    """What lacks the least, the cheapest of several, and in words what it lacks; None where nothing at all is sold."""
    # Eight GPUs of another model help nobody: a model is not bargained over as long as one has it.
    kinds = list(_sold(catalogue, wanted))
    of_model = [kind for kind in kinds if not wanted.models or kind.gpu.lower() in _lower(wanted)]
    best = min(
        of_model or kinds,
        key=lambda t: (len(_lacks(t, wanted)), sum(_lacks(t, wanted).values()), t.price(spot=wanted.spot), t.name, t.region),
        default=None,
    )
    return None if best is None else (best, ", ".join(_lacks(best, wanted)))


def unknown_model(catalogue: Catalogue, models: tuple[str, ...]) -> tuple[str, str] | None:
    """The first that no type has, and which was meant ("" where none is like it)."""
    known = {model.lower(): model for model in catalogue.models}
    for model in models:
        if model.lower() not in known:
            near = difflib.get_close_matches(model.lower(), known, n=1, cutoff=0.5)
            return model, known[near[0]] if near else ""
    return None


def _sold(catalogue: Catalogue, wanted: Wanted) -> Iterator[InstanceType]:
    for cloud, region in wanted.places or [(cloud, None) for cloud in REGIONS]:
        for place in (region,) if region else catalogue.regions(cloud):
            for kind in catalogue.sold(cloud, place):
                if kind.arch == wanted.arch and bool(kind.gpus) == bool(_gpus(wanted)):
                    yield kind


def _lacks(kind: InstanceType, wanted: Wanted) -> dict[str, float]:
    """What it lacks, in words, and how much of it as a part of what was asked."""
    pairs = (
        (kind.cores, wanted.cores, f"{kind.cores} cores"),
        (kind.memory_mib, wanted.memory_mib, f"{kind.memory_mib / 1024:g} GiB"),
        (kind.gpus, _gpus(wanted), f"{kind.gpus} GPUs"),
    )
    lacking = {f"it has {said}": 1 - has / asked for has, asked, said in pairs if has < asked}
    others = (
        (bool(wanted.models) and kind.gpu.lower() not in _lower(wanted), f"its GPUs are {kind.gpu or 'none'}"),
        (wanted.fabric and not kind.fabric, "it has no fabric for MPI"),
        (wanted.spot and not has_spot(kind.cloud, kind.name), "it is never sold on the spot market"),
    )
    return lacking | {said: 1.0 for lacks, said in others if lacks}


def _gpus(wanted: Wanted) -> int:
    """A model alone asks for one."""
    return max(wanted.gpus, 1 if wanted.models else 0)


def _lower(wanted: Wanted) -> tuple[str, ...]:
    return tuple(model.lower() for model in wanted.models)
