"""A bill: everything of one cluster that somebody is billed for, with its price, before any of it exists."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Item:
    """`count` things that are billed alike. `usd` for one and an hour, None where no price is known.

    Time is billed for `minimum` seconds at least and by whole `step`s of seconds. `basis` is what the price rests on:
    published, estimate (catalog/prices.py), catalogue (a machine's), rehearsal.
    """

    name: str
    what: str
    usd: float | None
    count: int = 1
    minimum: int = 0
    step: int = 1
    basis: str = "published"

    def charge(self, seconds: float) -> float:
        """USD for so long; 0 where no price is known."""
        billed = max(self.minimum, math.ceil(max(0.0, seconds) / self.step) * self.step)
        return (self.usd or 0.0) * self.count * billed / 3600


@dataclass(frozen=True)
class Option:
    """One way to get a node of a group: a type on a market, with what comes with each machine."""

    instance: str
    market: str
    items: tuple[Item, ...]

    @property
    def usd(self) -> float | None:
        """A node-hour; None where the machine's price is not known."""
        return summed(self.items)


@dataclass(frozen=True)
class Nodes:
    """A group: from `least` to `most` nodes, each by one of `options`, which are tried in order."""

    group: str
    least: int
    most: int
    options: tuple[Option, ...]

    @property
    def dearest(self) -> Option:
        """What is an upper bound whichever is to be had; one without a price before all."""
        return max(self.options, key=lambda option: math.inf if option.usd is None else option.usd)

    def on(self, market: str) -> Nodes:
        """By that market alone, where it is one of its ways."""
        kept = tuple(option for option in self.options if option.market == market)
        return replace(self, options=kept or self.options)

    def option(self, instance: str, market: str) -> Option:
        """What was got; the dearest where nobody knows."""
        named = [option for option in self.options if (option.instance, option.market) == (instance, market)]
        return named[0] if named else self.dearest


@dataclass(frozen=True)
class Traffic:
    """What is billed by the GiB, at `usd`. `expected` and `most` are what is counted on; 0 where it is only said."""

    name: str
    what: str
    usd: float
    expected: float = 0.0
    most: float = 0.0
    basis: str = "published"


@dataclass(frozen=True)
class Bill:
    """`fixed` is there as long as the cluster, `nodes` come and go, `traffic` is by the GiB. Empty where nothing is billed."""

    fixed: tuple[Item, ...] = ()
    nodes: tuple[Nodes, ...] = ()
    traffic: tuple[Traffic, ...] = ()

    @property
    def free(self) -> bool:
        """Whether nothing at all is billed."""
        return not (self.fixed or self.nodes or self.traffic)

    @property
    def hourly(self) -> float | None:
        """USD an hour with what is always there."""
        return self._rate([nodes.least for nodes in self.nodes])

    @property
    def hourly_max(self) -> float | None:
        """USD an hour with all nodes."""
        return self._rate([nodes.most for nodes in self.nodes])

    def _rate(self, counts: Sequence[int]) -> float | None:
        each = [option_usd(nodes) for nodes in self.nodes]
        fixed = summed(self.fixed)
        if fixed is None or None in each:
            return None
        return fixed + sum((usd or 0.0) * count for usd, count in zip(each, counts, strict=True))

    def least(self, seconds: float) -> float:
        """USD for so long with what is always there; what has no known price counts nothing."""
        return self._charge(seconds, [nodes.least for nodes in self.nodes])

    def most(self, seconds: float) -> float | None:
        """USD for so long with all nodes, and the outputs; None where a price is not known.

        No run of that length comes to more, however often its nodes come and go, as long as no name is given to a new
        machine within an item's `minimum` (60 s): what is billed of a short life is then no more than the time until the next
        one. Slurm gives a name to a new machine after SuspendTimeout (120 s on a cloud) at the soonest; a client makes a fixed
        node anew when slurmctld has missed it for SlurmdTimeout (60 s).
        """
        if self.hourly_max is None:
            return None
        return self._charge(seconds, [nodes.most for nodes in self.nodes]) + sum(t.usd * t.most for t in self.traffic)

    def _charge(self, seconds: float, counts: Sequence[int]) -> float:
        nodes = sum(
            count * item.charge(seconds) for group, count in zip(self.nodes, counts, strict=True) for item in group.dearest.items
        )
        return sum(item.charge(seconds) for item in self.fixed) + nodes

    def on(self, market: str) -> Bill:
        """With nodes of that market wherever they may be."""
        return replace(self, nodes=tuple(nodes.on(market) for nodes in self.nodes))

    def group(self, name: str) -> Nodes | None:
        """The group of that name."""
        return next((nodes for nodes in self.nodes if nodes.group == name), None)


def option_usd(nodes: Nodes) -> float | None:
    """A node-hour of a group at its dearest."""
    return nodes.dearest.usd


def summed(items: Iterable[Item]) -> float | None:
    """USD an hour of all; None where one has no known price."""
    prices = [None if item.usd is None else item.usd * item.count for item in items]
    return None if None in prices else sum(price for price in prices if price is not None)
