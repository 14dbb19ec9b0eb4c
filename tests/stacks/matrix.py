"""A row of the fault matrix, as every cloud's has it, for the page that tells of it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from tests.nothing_left import measured

# What an order to delete meets, and that passes; and what does not pass.
PASSES = ("THROTTLE", "TRANSIENT", "IN_USE", "QUOTA", "CAPACITY")
STAYS = ("AUTH", "CONFIG", "IN_USE")
# What a listing meets.
UNASKED = ("AUTH", "CONFIG", "THROTTLE", "TRANSIENT")


class Row(NamedTuple):
    """`cases` were tried of a fault of class `kind`; `left` is how many things the next command left of the run."""

    cloud: str
    what: str
    kind: str
    cases: int
    left: int


def noted(where: str, what: str, rows: Iterable[Row], *, part: str = "faults") -> None:
    """Nothing was left of the run, nor anything gone of the other (which the rows' makers look at); into the page."""
    done = list(rows)
    left = sum(row.left for row in done)
    assert left == 0, [row for row in done if row.left]
    measured(part, where, what, cases=sum(row.cases for row in done), left=left, others=0)
