"""A scripted market: which type is to be had in which zone at which minute; clouds that sell on it, on a clock of the tests' own.

The clouds are the real CloudTarget over a Place and an engine of the tests' own. Each act takes its time. The market keeps an
invoice by itself: who had which machine from when to when.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from making import Still

from provisioner.bootstrap.secrets import Keys
from provisioner.design.attempts import order
from provisioner.design.model import Design
from provisioner.errors import Kind, NotCreated
from provisioner.events import Events
from provisioner.findings import Finding, error
from provisioner.lifecycle import prepare
from provisioner.stack.outputs import OUTPUTS
from provisioner.targets import keys
from provisioner.targets.base import Intent, Inventory, Resource, Tagged, Zone
from provisioner.targets.cloud import engine
from provisioner.targets.cloud.target import CloudTarget

# Seconds that each act takes.
STACK, LAUNCH, END = 120.0, 5.0, 60.0

# (target, region, zone, type, market, minute since the beginning) → whether there is room.
Room = Callable[[str, str, str, str, str, float], bool]


class NoRoom(Exception):
    kind = "CAPACITY"


class OverQuota(Exception):
    kind = "QUOTA"


@dataclass
class Life:
    """A machine: who sold it, as what, from when to when."""

    place: tuple[str, str, str]
    name: str
    instance: str
    market: str
    began: float
    ended: float | None = None


@dataclass
class Market:
    """`zones` of each (target, region), with hints; `room` is the script; `stubborn` regions where nothing goes away; `quota`
    regions whose quota is too small, which only the launch finds out; `refuses` targets that preflight says no to.
    """

    clock: Still
    room: Room
    zones: dict[tuple[str, str], list[Zone]] = field(default_factory=dict)
    stubborn: set[str] = field(default_factory=set)
    quota: set[str] = field(default_factory=set)
    refuses: dict[str, str] = field(default_factory=dict)
    lives: list[Life] = field(default_factory=list)
    stacks: set[tuple[str, str, str]] = field(default_factory=set)
    begun: float = 0.0

    def __post_init__(self) -> None:
        self.begun = self.clock.now()

    @property
    def minute(self) -> float:
        return (self.clock.now() - self.begun) / 60

    def there(self, target: str, region: str) -> list[Life]:
        return [life for life in self.lives if life.ended is None and life.place[:2] == (target, region)]

    def ask(self, place: tuple[str, str, str], names: Sequence[str], instance: str, market: str) -> dict[str, str]:
        self.clock.sleep(LAUNCH)
        if place[1] in self.quota and names != ["head"]:
            raise OverQuota(f"VcpuLimitExceeded: {instance}")
        if not self.room(*place, instance, market, self.minute):
            raise NoRoom(f"InsufficientInstanceCapacity: no {market} {instance} in {place[2] or place[1]}")
        self.lives += [Life(place, name, instance, market, self.clock.now()) for name in names]
        return {name: f"10.0.0.{number}" for number, name in enumerate(names)}

    def invoice(self, price: Callable[[Life], float]) -> float:
        """USD for every machine there was, a minute at least, by the second."""
        seconds = [max(60.0, (life.ended or self.clock.now()) - life.began) for life in self.lives]
        return sum(price(life) * lived / 3600 for life, lived in zip(self.lives, seconds, strict=True))


class Seller:
    """A cloud on the market, as targets/cloud/place.py has it. A session is the region's name."""

    def __init__(self, name: str, market: Market) -> None:
        self.name, self.market = name, market
        self.launcher: Any = SimpleNamespace(launch=self._launch)

    def _launch(self, names: Sequence[str], template: dict[str, Any], market: str, session: str) -> dict[str, str]:
        return self.market.ask((self.name, session, template["zone"]), names, template["instance"], market)

    def configured(self) -> bool:
        return True

    def region(self) -> str:
        return "elsewhere"

    def session(self, region: str) -> str:
        return region

    def preflight(self, session: str, design: Design, skip: Collection[str] = ()) -> tuple[Finding, ...]:
        said = self.market.refuses.get(f"{self.name}/{session}")
        return (error("quota", said, "ask for more"),) if said else ()

    def zones(self, session: str, design: Design) -> tuple[Zone, ...]:
        return tuple(self.market.zones.get((self.name, session), ()))

    def configuration(self, session: str, design: Design) -> dict[str, str]:
        return {"region": session, "target": self.name}

    def environment(self, session: str) -> dict[str, str]:
        return {}

    def end_machines(self, session: str, run_id: str) -> None:
        there = self.market.there(self.name, session)
        if there and session not in self.market.stubborn:
            self.market.clock.sleep(END)
            for life in there:
                life.ended = self.market.clock.now()

    def remains(self, session: str, run_id: str, intents: Sequence[Intent] = ()) -> tuple[Resource, ...]:
        left = [
            Resource(kind="instance", id=life.name, billed=True, region=session) for life in self.market.there(self.name, session)
        ]
        left += [
            Resource(kind="vpc", id="vpc-1", region=session) for stack in self.market.stacks if stack[:2] == (self.name, session)
        ]
        return tuple(left)

    def reap(self, session: str, resources: Sequence[Resource]) -> tuple[Resource, ...]:
        return tuple(resources)

    def regions(self, session: str) -> tuple[str, ...]:
        return (session,)

    def runs(self, session: str) -> Iterable[Tagged]:
        return ()

    def console(self, session: str, inventory: Inventory, machine: str) -> str:
        return ""

    def allow(self, session: str, inventory: Inventory, ranges: Sequence[str]) -> None:
        raise AssertionError("nobody moved")

    def tunnel(self, inventory: Inventory) -> tuple[str, ...]:
        return ()

    def classify(self, words: str) -> tuple[str, str] | None:
        return None


class Stack:
    """Pulumi: one stack of the run, of whose head the market may have no room either."""

    def __init__(self, layout: Any, place: Seller, environment: Mapping[str, str]) -> None:
        self._layout, self._market, self._name = layout, place.market, place.name

    def create(self, configuration: Mapping[str, str], secrets: Mapping[str, str], events: Events) -> dict[str, Any]:
        market, design = self._market, Design.model_validate_json(configuration["burst:design"])
        where = (self._name, configuration["region"], design.zone or "")
        assert not market.stacks, f"{where} is begun while there is something in {market.stacks}"
        assert not [life for life in market.lives if life.ended is None]
        self._layout.program.mkdir()
        market.stacks.add(where)
        market.clock.sleep(STACK)
        try:
            market.ask(where, ["head"], design.head.instance, "on-demand")
        except NoRoom as problem:
            raise NotCreated("the head could not be made", why=str(problem), kind=Kind.CAPACITY) from problem
        told = {"head_id": "i-1", "head_address": "198.51.100.9", "region": where[1], "mounts": {"/home": "head:/home"}}
        attempts = {
            group.name: [
                {"market": kind, "template": {"instance": node.instance, "zone": where[2], "run": design.run.id}}
                for kind, node in order(group, self._name)
            ]
            for group in design.groups
        }
        return {**dict.fromkeys(OUTPUTS, ""), **told, "attempts": attempts}

    def destroy(self, events: Events) -> None:
        region = {stack for stack in self._market.stacks if stack[0] == self._name}
        if not {stack[1] for stack in region} & self._market.stubborn:
            self._market.clock.sleep(END)
            self._market.stacks -= region


def opened(monkeypatch: pytest.MonkeyPatch, market: Market) -> None:
    """From now on the program's clouds sell on this market."""
    monkeypatch.setattr(engine, "Engine", Stack)
    monkeypatch.setattr(engine, "findings", lambda: ())
    monkeypatch.setattr(keys, "make", lambda folder, run_id: Keys(b"m", "ssh a", "SECRET", "ssh h"))
    monkeypatch.setattr(prepare, "open_target", lambda name: CloudTarget(Seller(name, market)))
    monkeypatch.setenv("BURST_ADDRESS", "203.0.113.7/32")


def written(folder: Path, text: str) -> Path:
    path = folder / "burst.yaml"
    path.write_text(text, encoding="utf-8")
    return path
