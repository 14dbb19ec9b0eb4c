"""A ledger: what began and ended when, and what it comes to at any moment. It has no clock: the time is always given.

Times are epoch seconds. A thing has a key (`head`, `cpu-3`), under which it can begin again after it ended. What goes on at
the time that is asked for is billed up to then.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from provisioner.cost.bill import Item, Traffic


@dataclass
class Stretch:
    """One life of one thing. `heard`: nobody saw its end, which is told by what it did; more may be heard of it."""

    key: str
    items: tuple[Item, ...]
    began: float
    ended: float | None = None
    heard: bool = False


@dataclass(frozen=True)
class Line:
    """All of one kind: `hours` of all of them together (GiB where it is traffic)."""

    name: str
    what: str
    count: int
    hours: float
    usd: float
    unit: str = "h"


@dataclass
class Ledger:
    """Facts, in the order in which they were learnt. `looked` is when somebody last looked what is there."""

    stretches: list[Stretch] = field(default_factory=list)
    moved: list[tuple[Traffic, float]] = field(default_factory=list)
    looked: float | None = None

    def begin(self, key: str, items: Sequence[Item], at: float) -> None:
        """It is there from now on; where it was already, it is a new one in its place, and begins when that one ended."""
        self.end(at, key)
        self.stretches.append(Stretch(key, tuple(items), max([at, *self._ends(key)])))

    def was(self, key: str, items: Sequence[Item], began: float, ended: float) -> None:
        """It was there from one to the other, as is learnt afterwards. Of a life whose end was seen the beginning is mended."""
        for stretch in self.stretches:
            if stretch.key == key and stretch.began <= ended and (stretch.ended is None or began <= stretch.ended):
                # Not into the life before: two machines never have one name.
                before = [end for end in self._ends(key) if end <= stretch.began]
                stretch.began = min(stretch.began, max([began, *before]))
                if stretch.heard and stretch.ended is not None:
                    after = [s.began for s in self.stretches if s.key == key and s.began >= stretch.ended and s is not stretch]
                    stretch.ended = min([max(stretch.ended, ended), *after])
                return
        self.stretches.append(Stretch(key, tuple(items), began, ended, heard=True))

    def _ends(self, key: str) -> list[float]:
        return [stretch.ended for stretch in self.stretches if stretch.key == key and stretch.ended is not None]

    def end(self, at: float, *keys: str) -> None:
        """These are gone; all of them where none is named."""
        for stretch in self.stretches:
            if stretch.ended is None and (not keys or stretch.key in keys):
                stretch.ended = max(at, stretch.began)

    def move(self, traffic: Traffic, gib: float) -> None:
        """So much went out."""
        self.moved.append((traffic, gib))

    def open(self) -> set[str]:
        """The keys of what is there."""
        return {stretch.key for stretch in self.stretches if stretch.ended is None}

    def total(self, at: float) -> float:
        """USD up to then."""
        return sum(line.usd for line in self.lines(at))

    def rate(self) -> float:
        """USD an hour, with what is there now."""
        there = (item for stretch in self.stretches if stretch.ended is None for item in stretch.items)
        return sum((item.usd or 0.0) * item.count for item in there)

    def unpriced(self) -> tuple[str, ...]:
        """What was there without a known price: the total has nothing for it."""
        items = (item for stretch in self.stretches for item in stretch.items)
        return tuple(dict.fromkeys(f"{item.name} ({item.what})" for item in items if item.usd is None))

    def lines(self, at: float) -> tuple[Line, ...]:
        """What it is made of, in the order in which each kind first began."""
        found: dict[tuple[str, str], list[tuple[str, int, float, float]]] = {}
        for stretch in self.stretches:
            # What begins later than that is not there yet.
            if stretch.began <= at:
                seconds = (at if stretch.ended is None else min(at, stretch.ended)) - stretch.began
                for item in stretch.items:
                    one = (stretch.key, item.count, seconds * item.count / 3600, item.charge(seconds))
                    found.setdefault((item.name, item.what), []).append(one)
        lines = [
            Line(name, what, sum({key: count for key, count, _, _ in parts}.values()), _sum(2, parts), _sum(3, parts))
            for (name, what), parts in found.items()
        ]
        return (*lines, *self._traffic())

    def _traffic(self) -> Iterable[Line]:
        for traffic in dict.fromkeys(traffic for traffic, _ in self.moved):
            gib = sum(much for other, much in self.moved if other == traffic)
            yield Line(traffic.name, traffic.what, 1, gib, gib * traffic.usd, "GiB")

    def dump(self) -> dict[str, Any]:
        """As JSON values; `load` reads them back."""
        return {
            "stretches": [
                {"key": s.key, "items": [vars(item) for item in s.items], "began": s.began, "ended": s.ended, "heard": s.heard}
                for s in self.stretches
            ],
            "moved": [[vars(traffic), gib] for traffic, gib in self.moved],
            "looked": self.looked,
        }


def load(told: dict[str, Any]) -> Ledger:
    """A ledger that was dumped. Raises KeyError or TypeError where it is none."""
    stretches = [
        Stretch(s["key"], tuple(Item(**item) for item in s["items"]), s["began"], s["ended"], s.get("heard", False))
        for s in told["stretches"]
    ]
    return Ledger(stretches, [(Traffic(**traffic), gib) for traffic, gib in told["moved"]], told["looked"])


def _sum(column: int, parts: Sequence[tuple[str, int, float, float]]) -> float:
    return sum(float(part[column]) for part in parts)
