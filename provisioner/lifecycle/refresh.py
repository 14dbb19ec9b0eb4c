"""`burst catalog refresh`: prices of now, asked of the clouds side by side, into the cache (catalog/cache.py).

One that cannot be asked leaves what was known as it was; the others go on.
"""

from __future__ import annotations

from collections.abc import Sequence

from provisioner.catalog import cache
from provisioner.catalog.regions import REGIONS
from provisioner.errors import BurstError, Invalid, Refused
from provisioner.targets.checks import side_by_side
from provisioner.targets.pricing import PRICING, Refreshed, pricing
from provisioner.targets.registry import referenced


def refresh(targets: Sequence[str] = ()) -> tuple[Refreshed, ...]:
    """Of these (aws, aws/us-east-2); of none: every cloud that there are credentials for, or that needs none, in the region of
    the user's own configuration. Raises Invalid for what is no cloud, before anybody is asked.
    """
    return tuple(side_by_side(lambda place: _one(*place), _places(targets)))


def _places(targets: Sequence[str]) -> list[tuple[str, str]]:
    if not targets:
        return [(cloud, region) for cloud in PRICING for region in pricing(cloud).places()]
    places: list[tuple[str, str]] = []
    for meant in referenced(",".join(targets), fix="--target aws/us-east-2"):
        if meant.name not in PRICING:
            why = f"{meant.name} costs nothing; those with prices: {', '.join(PRICING)}"
            raise Invalid(f"there are no prices of {meant.name}", why=why, fix="--target aws/us-east-2")
        regions = (meant.region,) if meant.region else pricing(meant.name).places() or (REGIONS[meant.name],)
        places.extend((meant.name, region) for region in regions)
    return list(dict.fromkeys(places))


def _one(cloud: str, region: str) -> Refreshed:
    try:
        answer = pricing(cloud).prices(region)
    except BurstError as problem:
        return Refreshed(cloud, region, problem=problem)
    try:
        cache.keep(cloud, region, answer.offers, answer.shapes)
    except OSError as problem:
        where, why = cache.folder(), problem.strerror or str(problem)
        fix = "make room there, or name another folder: export XDG_CACHE_HOME=/path"
        return Refreshed(cloud, region, problem=Refused(f"prices cannot be kept in {where}", why=why, fix=fix))
    return Refreshed(cloud, region, len(answer.offers), len(answer.shapes))
