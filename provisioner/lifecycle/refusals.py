"""Where there was no room lately: what a place said no to is tried last for a while, by every run of this user.

EC2 User Guide, "Insufficient instance capacity": wait a few minutes, since capacity shifts frequently. Half an hour is ours.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import math
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from platformdirs import user_state_path

from provisioner import clock, files
from provisioner.design.attempts import order
from provisioner.design.model import Design
from provisioner.events import Event
from provisioner.units import show_duration

# Seconds for which a refusal is remembered.
A_WHILE = 1800.0
# The file is written anew when it has so many lines.
_MANY = 200


@dataclass(frozen=True)
class Answer:
    """A place was asked for machines of a type on a market, at epoch seconds `at`; `room` is whether there was any."""

    target: str
    region: str
    zone: str
    instance: str
    market: str
    at: float
    room: bool = False

    @property
    def key(self) -> tuple[str, ...]:
        return (self.target, self.region, self.zone, self.instance, self.market)


def _path() -> Path:
    return user_state_path("burst") / "refusals.jsonl"


def recent() -> dict[tuple[str, ...], Answer]:
    """What was refused within a while, and has not been had since: (target, region, zone, type, market) → the last no."""
    known: dict[tuple[str, ...], Answer] = {}
    for answer in _kept():
        if _young(answer):
            known[answer.key] = answer
    return {key: answer for key, answer in known.items() if not answer.room}


def _kept() -> Iterable[Answer]:
    with contextlib.suppress(OSError):
        for line in _path().read_bytes().splitlines():
            # A line that is cut short, of another version, or no answer at all tells nothing.
            with contextlib.suppress(ValueError, TypeError, OverflowError, RecursionError):
                answer = Answer(**json.loads(line))
                if math.isfinite(answer.at) and all(isinstance(part, str) for part in answer.key):
                    yield answer


def _young(answer: Answer) -> bool:
    """Either way: where the clock was set back, what seems to be to come was long ago, or just now."""
    return abs(clock.now() - answer.at) < A_WHILE


def remember(answer: Answer) -> None:
    """Keep it. What cannot be written is not remembered: no run ends of that."""
    with contextlib.suppress(OSError):
        path = _path()
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if answer.room and answer.key not in recent():
            return
        kept = list(_kept())
        if len(kept) >= _MANY:
            young = [each for each in kept if _young(each)]
            files.write(path, "".join(f"{json.dumps(asdict(each))}\n" for each in young), mode=0o600)
        files.append(path, json.dumps(asdict(answer)))


def listening(design: Callable[[], Design]) -> Callable[[Event], None]:
    """A sink of events that remembers what the design's place answers."""

    def sink(event: Event) -> None:
        if event.kind == "launched" or event.data.get("refusal") == "CAPACITY":
            data, where = event.data, design()
            told = Answer(where.target, where.region or "", where.zone or "", data["instance"], data["market"], event.time)
            remember(replace(told, room=event.kind == "launched"))

    return sink


def refused(design: Design, zone: str | None, known: dict[tuple[str, ...], Answer]) -> float:
    """How much of what is tried for one group was refused there lately, from 0 (nothing) to 1 (all of it, of some group).

    Nodes that are always there count, and the head; what is elastic waits for room anyway.
    """
    where = (design.target, design.region or "", zone or "")
    return max(_share([(*where, instance, market) in known for market, instance in each]) for each in _tried(design))


def _tried(design: Design) -> list[list[tuple[str, str]]]:
    """(market, type) of the head, and of what is tried for each group that is always there."""
    groups = [group for group in design.groups if group.min]
    return [
        [("on-demand", design.head.instance)],
        *([(market, node.instance) for market, node in order(group, design.target)] for group in groups),
    ]


def _share(refused: list[bool]) -> float:
    return sum(refused) / len(refused) if refused else 0.0


def said(design: Design, known: dict[tuple[str, ...], Answer]) -> str:
    """When the place last said no to anything of the design's, in words."""
    wanted, place = set(itertools.chain(*_tried(design))), (design.target, design.region or "")
    there = [
        answer
        for answer in known.values()
        if (answer.target, answer.region) == place and (answer.market, answer.instance) in wanted
    ]
    if not there:
        return ""
    last = max(there, key=lambda answer: answer.at)
    ago = show_duration(max(0, round(clock.now() - last.at)))
    return f"no room for {last.instance} {ago} ago" + (f" in {last.zone}" if last.zone else "")
