"""A row of the fault matrix, as every cloud's has it, for the page that tells of it."""

from __future__ import annotations

from typing import NamedTuple

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
