"""What is sold where and for how much: the tables that come with the program, as what `design` asks of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

from provisioner.catalog import rows
from provisioner.catalog.markets import has_spot
from provisioner.catalog.regions import REGIONS
from provisioner.catalog.rows import Offer, Shape

# What a price rests on: the bundled table; what its cloud said at the last refresh; that of the region `priced_in`, because of
# this one no price is known at all; the same although others are, so that this type may not be sold here.
BASES = ("catalogue", "live", "elsewhere", "guess")


@dataclass(frozen=True)
class InstanceType:
    """One type priced for one region. Memory in MiB, prices in USD an hour (None where none was found or there is none).

    `as_of` and `source` are the price's, `shape_as_of` and `shape_source` those of all else (catalog/rows.py has the units).
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
    gpu_memory: float | None = None
    network: float | None = None
    tier1: float | None = None
    basis: str = "catalogue"
    priced_in: str = ""
    shape_as_of: str = ""
    shape_source: str = ""

    def price(self, *, spot: bool = False) -> float:
        """What it is compared by: on the spot market by what it costs there, where that is known."""
        usd = self.spot if spot and self.spot is not None else self.on_demand
        return float("inf") if usd is None else usd

    def suits(self, *, cores: int, memory_mib: int, gpus: int, spot: bool = False) -> bool:
        """Whether it has at least this; with `spot` also whether it is sold on the spot market."""
        return (
            self.cores >= cores
            and self.memory_mib >= memory_mib
            and self.gpus >= gpus
            and (gpus > 0 or not self.gpus)
            # Packages and scripts are taken to be for x86; another architecture is asked for by name.
            and self.arch == "x86_64"
            and (not spot or has_spot(self.cloud, self.name))
        )


class Catalogue:
    """Shapes, and offers of them by region. `live` offers go over others of the same type and region that are not younger.

    A region with offers sells only what has one there. `problems` is what could not be read, for people.
    """

    def __init__(
        self, shapes: Iterable[Shape], offers: Iterable[Offer], live: Iterable[Offer] = (), problems: tuple[str, ...] = ()
    ) -> None:
        self._shapes = {shape.name: shape for shape in shapes}
        self._offers: dict[tuple[str, str], dict[str, tuple[Offer, str]]] = {}
        self._sold: dict[tuple[str, str], tuple[InstanceType, ...]] = {}
        self.problems = problems
        for basis, some in (("catalogue", offers), ("live", live)):
            for offer in some:
                region = self._offers.setdefault((offer.cloud, offer.region), {})
                known = region.get(offer.name)
                if offer.name in self._shapes and (known is None or offer.as_of >= known[0].as_of):
                    region[offer.name] = (offer, basis)

    @property
    def types(self) -> tuple[InstanceType, ...]:
        """Every type in every region of which a price is known, cheapest first."""
        every = [kind for cloud, region in self._offers for kind in self.sold(cloud, region)]
        return tuple(sorted(every, key=lambda t: (t.price(), t.name, t.region)))

    @property
    def once(self) -> tuple[InstanceType, ...]:
        """Every type in its cloud's default region, or where it is sold; cheapest first."""
        every = [kind for name in self._shapes if (kind := self.named(name)) is not None]
        at_home = [self.named(kind.name, kind.priced_in) or kind for kind in every]
        return tuple(sorted(at_home, key=lambda t: (t.price(), t.name)))

    @property
    def names(self) -> tuple[str, ...]:
        """Of all types."""
        return tuple(self._shapes)

    @property
    def models(self) -> tuple[str, ...]:
        """Of GPUs, by name."""
        return tuple(sorted({shape.gpu for shape in self._shapes.values() if shape.gpu}))

    def regions(self, cloud: str) -> tuple[str, ...]:
        """Those of which prices are known, by name."""
        return tuple(sorted(region for of, region in self._offers if of == cloud))

    def sells(self, cloud: str, region: str) -> bool:
        """Whether any price of that region is known."""
        return bool(self._offers.get((cloud, region)))

    def sold(self, cloud: str, region: str) -> tuple[InstanceType, ...]:
        """What is sold in a region, cheapest first; of one without any price what its cloud's default region sells."""
        if (cloud, region) not in self._sold:
            offered = self._offers.get((cloud, region)) or self._offers.get((cloud, REGIONS.get(cloud, "")), {})
            kinds = [self._priced(self._shapes[name], region, *found) for name, found in offered.items()]
            self._sold[cloud, region] = tuple(sorted(kinds, key=lambda t: (t.price(), t.name)))
        return self._sold[cloud, region]

    def named(self, name: str, region: str | None = None) -> InstanceType | None:
        """The type with that name, priced for a region, or its cloud's default one.

        Not sold there as far as is known, it has its price of the default region, else the dearest of all: a guess.
        """
        shape = self._shapes.get(name)
        if shape is None:
            return None
        default = REGIONS.get(shape.cloud, "")
        asked = region or default
        for place in (asked, default):
            if found := self._offers.get((shape.cloud, place), {}).get(name):
                return self._priced(shape, asked, *found)
        known = [(offer, basis) for some in self._offers.values() for offer, basis in some.values() if offer.name == name]
        nothing = Offer(shape.cloud, asked, name, None, None, shape.as_of, shape.source), "catalogue"
        return self._priced(
            shape, asked, *max(known, key=lambda found: (found[0].on_demand or 0.0, found[0].region), default=nothing)
        )

    def oldest(self, names: Iterable[str], region: str | None, basis: str | None = None) -> InstanceType | None:
        """Of these types, in a region, the one whose price is the oldest; with `basis` of those with a price on it alone."""
        kinds = [kind for name in names if (kind := self.named(name, region)) and basis in (None, kind.basis)]
        return min(kinds, key=lambda t: (t.as_of, t.name), default=None)

    def fits(
        self,
        cloud: str,
        region: str | None,
        *,
        cores: int,
        memory_mib: int,
        gpus: int,
        models: tuple[str, ...],
        spot: bool = False,
    ) -> InstanceType | None:
        """The cheapest type that is sold in a region and has at least this; models are tried in order.

        With `spot` it is one that is sold on the spot market, and the cheapest there.
        """
        kinds = self.sold(cloud, region or REGIONS[cloud])
        having = [t for t in kinds if t.suits(cores=cores, memory_mib=memory_mib, gpus=gpus, spot=spot)]
        for model in models or ("",):
            if of := [t for t in having if model.lower() in ("", t.gpu.lower())]:
                return min(of, key=lambda t: (t.price(spot=spot), t.name))
        return None

    def _priced(self, shape: Shape, region: str, offer: Offer, basis: str) -> InstanceType:
        here = offer.region == region
        return InstanceType(
            cloud=shape.cloud,
            name=shape.name,
            region=region,
            vcpus=shape.vcpus,
            cores=shape.cores,
            memory_mib=shape.memory_mib,
            gpus=shape.gpus,
            gpu=shape.gpu,
            arch=shape.arch,
            fabric=shape.fabric,
            cards=shape.cards,
            on_demand=offer.on_demand,
            spot=offer.spot,
            as_of=offer.as_of,
            source=rows.said(offer.source),
            gpu_memory=shape.gpu_memory,
            network=shape.network,
            tier1=shape.tier1,
            basis=basis if here else "guess" if self.sells(shape.cloud, region) else "elsewhere",
            priced_in=offer.region,
            shape_as_of=shape.as_of,
            shape_source=rows.said(shape.source),
        )


@cache
def bundled() -> Catalogue:
    """The tables that come with the program."""
    return Catalogue(*bundle())


@cache
def bundle() -> tuple[tuple[Shape, ...], tuple[Offer, ...]]:
    """Its rows."""
    with (rows.FOLDER / "instances.csv").open(newline="", encoding="utf-8") as stream:
        shapes = tuple(rows.shapes(stream))
    with (rows.FOLDER / "machines.csv").open(newline="", encoding="utf-8") as stream:
        return shapes, tuple(rows.offers(stream))
