"""What the fault matrix measured, for docs/nothing-left.md: the tests write it, and hold it.

A test of the matrix says at its end what it did and what it found (`measured`). That must be what docs/nothing-left.json has
of it; with BURST_WRITE_NOTHING_LEFT=1 it is written there instead, and `make docs` makes the page of it.
"""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path

FILE = Path(__file__).resolve().parent.parent / "docs" / "nothing-left.json"


def measured(
    part: str,
    where: str,
    what: str,
    *,
    cases: int,
    left: int,
    others: int | None = None,
    lost: int | None = None,
    exact: bool = True,
) -> None:
    """`cases` times something was done (`what`, `where`); summed over them, after the next command `left` things of the run
    were there, `others` of another run had gone, and `lost` collected outputs were missing; None where that is not looked at.
    """
    row = {"part": part, "where": where, "what": what, "cases": cases, "left": left, "others": others, "lost": lost}
    if os.environ.get("BURST_WRITE_NOTHING_LEFT"):
        _write(row)
    else:
        known = [each for each in _read() if _key(each) == _key(row)]
        # What another program leaves is as it happens to be.
        assert known == [row] or (not exact and known), (
            f"docs/nothing-left.json has {known}, measured {row}: BURST_WRITE_NOTHING_LEFT=1, then make docs"
        )


def _key(row: dict[str, object]) -> tuple[object, ...]:
    return row["part"], row["where"], row["what"]


def _read() -> list[dict[str, object]]:
    try:
        rows: list[dict[str, object]] = json.loads(FILE.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return []
    return rows


def _write(row: dict[str, object]) -> None:
    # Tests write side by side.
    with FILE.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        rows = [*(each for each in _read() if _key(each) != _key(row)), row]
        text = ",\n".join(json.dumps(each) for each in sorted(rows, key=lambda each: [str(part) for part in _key(each)]))
        FILE.write_text(f"[\n{text}\n]\n", encoding="utf-8")
