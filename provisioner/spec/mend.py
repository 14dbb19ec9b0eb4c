"""A file's data with its wrong values taken out, so that one mistake neither hides another nor brings one of its own."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any

from provisioner.spec import shape
from provisioner.spec.source import Loc

# A value that must be there and is wrong is stood in for; nothing is said of what stands in (`Known.wrong`).
STAND_INS: dict[str, Any] = {
    "version": 1,
    "name": "x",
    "groups": {"x": {"nodes": 1}},
    "nodes": 1,
    "max": 100_000,
    "path": "x",
}


class Mended:
    """`data` is a copy to be mended; places are told as they were in the file, before items of lists went."""

    def __init__(self, data: Any) -> None:
        self.data = copy.deepcopy(data)
        self._kept: dict[Loc, list[int]] = {}

    def mend(self, places: Iterable[Loc]) -> None:
        """Take out what stands at these places of `data`. Later items of a list go first: they move no others."""
        for loc in sorted(places, key=lambda loc: [step if isinstance(step, int) else -1 for step in loc], reverse=True):
            self._mend(loc)

    def _mend(self, loc: Loc) -> None:
        here, last = self.data, loc[-1]
        for step in loc[:-1]:
            try:
                here = here[step]
            except (KeyError, IndexError, TypeError):
                return
        if isinstance(here, list) and isinstance(last, int) and last < len(here):
            del self._kept.setdefault(self.before(loc[:-1]), list(range(len(here))))[last]
            del here[last]
            if not here:
                self._mend(loc[:-1])
        elif isinstance(here, dict):
            if _must_be(loc):
                here[last] = copy.deepcopy(STAND_INS[str(last)])
                return
            here.pop(last, None)
            if not here and _must_be(loc[:-1]):
                self._mend(loc[:-1])

    def before(self, loc: Loc) -> Loc:
        """Where the value that is at `loc` of `data` stood in the file."""
        was: list[str | int] = []
        for step in loc:
            kept = self._kept.get(tuple(was))
            was.append(kept[step] if kept is not None and isinstance(step, int) and step < len(kept) else step)
        return tuple(was)

    def lines(self, lines: dict[Loc, int]) -> dict[Loc, int]:
        """The file's lines by the places that values have in `data`."""
        moved = {self._now(loc): line for loc, line in lines.items()}
        return {loc: line for loc, line in moved.items() if loc is not None}

    def _now(self, loc: Loc) -> Loc | None:
        now: list[str | int] = []
        for i, step in enumerate(loc):
            kept = self._kept.get(loc[:i])
            if kept is not None and step not in kept:
                return None
            now.append(kept.index(int(step)) if kept is not None else step)
        return tuple(now)


def _must_be(loc: Loc) -> bool:
    found = shape.field(loc)
    return found is not None and found.is_required()
