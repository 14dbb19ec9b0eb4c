"""Steps, and when each can begin."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Step:
    """Something that takes time. `kind` is its row in catalog/timings.csv, `waits` are other steps by name.

    `covers` says what it stands for, so that a test can hold it against the programs: a stack's resources as
    `module/type:name` (fnmatch patterns), a machine's phases as `head:phase` and `node:phase`. `needs`, where set, is
    what it would wait for if it waited for nothing else.
    """

    name: str
    kind: str
    waits: tuple[str, ...] = ()
    covers: tuple[str, ...] = ()
    needs: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Timed:
    """A step with its time: seconds since the beginning, and how long it takes. `critical` ones make the whole longer."""

    name: str
    kind: str
    start: float
    seconds: float
    waits: tuple[str, ...]
    critical: bool
    basis: str

    @property
    def end(self) -> float:
        return self.start + self.seconds


def known(steps: Iterable[Step]) -> tuple[Step, ...]:
    """The steps, waiting only for those that there are: a design without a filesystem waits for none."""
    steps = tuple(steps)
    names = {step.name for step in steps}

    def among(waits: Sequence[str]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name for name in waits if name in names))

    return tuple(
        replace(step, waits=among(step.waits), needs=None if step.needs is None else among(step.needs)) for step in steps
    )


def ends(steps: Sequence[Step], seconds: dict[str, float]) -> dict[str, float]:
    """When each step ends, by name. Each comes after those that it waits for."""
    found: dict[str, float] = {}
    for step in steps:
        found[step.name] = max((found[name] for name in step.waits), default=0.0) + seconds[step.name]
    return found


def critical(steps: Sequence[Step], end: dict[str, float], last: str) -> frozenset[str]:
    """The steps on the longest way to `last`: of several as long, that by the first in each step's `waits`."""
    waits = {step.name: step.waits for step in steps}
    path = [last]
    while waits[path[-1]]:
        path.append(max(waits[path[-1]], key=lambda name: end[name]))
    return frozenset(path)
