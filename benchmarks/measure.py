"""Samples and what is made of them: pairs taken in turns, medians of their ratios, one table, one JSON file."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

# What changes how an interpreter starts belongs to whoever calls the benchmark, not to what is measured.
_NOT_HANDED_ON = ("PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED")


@dataclass(frozen=True)
class Place:
    """Where a benchmark works: a temporary folder, the environment of the programs, how many rounds, how big."""

    root: Path
    env: Mapping[str, str]
    quick: bool

    def rounds(self, many: int) -> int:
        """That many samples, or the few that show that it works."""
        return min(many, 3) if self.quick else many


@dataclass(frozen=True)
class Figure:
    """One line of the table. Samples in seconds, in the order in which they were taken.

    With a `peer` the figure is the median of the pairwise ratios, without one the median of `ours`. `holds` is what
    must be true beside the bound.
    """

    what: str
    ours: Sequence[float]
    peer: Sequence[float] = ()
    bound: float | None = None
    holds: bool = True
    note: str = ""

    @property
    def values(self) -> list[float]:
        """What the bound is about: ratios, or seconds."""
        return [ours / peer for ours, peer in zip(self.ours, self.peer, strict=True)] if self.peer else list(self.ours)

    @property
    def met(self) -> bool:
        """Whether the median keeps the bound."""
        return self.holds and (self.bound is None or statistics.median(self.values) <= self.bound)

    def row(self) -> tuple[str, ...]:
        """As the table has it."""
        unit = "×" if self.peer else " s"
        middle = statistics.median(self.values)
        return (
            self.what,
            f"{statistics.median(self.ours):.3f} s",
            f"{statistics.median(self.peer):.3f} s" if self.peer else "",
            f"{middle:.2f}{unit}" if self.peer else f"{middle:.3f}{unit}",
            f"{min(self.values):.2f}–{max(self.values):.2f}" if self.peer else f"{min(self.values):.3f}–{max(self.values):.3f}",
            f"≤ {self.bound:g}{unit}" if self.bound is not None else "",
            "" if self.bound is None and self.holds else "yes" if self.met else "NO",
            self.note,
        )

    def record(self) -> dict[str, object]:
        """Everything, for the JSON file."""
        spread = {"min": min(self.values), "median": statistics.median(self.values), "max": max(self.values)}
        samples = {"ours": list(self.ours), "peer": list(self.peer), "ratios": self.values if self.peer else []}
        return {"what": self.what, "bound": self.bound, "met": self.met, "note": self.note, **spread, "samples": samples}


HEADINGS = ("what", "ours", "peer", "figure", "min–max", "bound", "met", "")


def table(figures: Sequence[Figure]) -> str:
    """All figures as aligned text."""
    rows = [HEADINGS, *(figure.row() for figure in figures)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(HEADINGS))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)


def alternate(rounds: int, *ways: Callable[[], float]) -> list[list[float]]:
    """Each way once to warm up, then A B A B …; each answers its seconds. → samples by way."""
    for way in ways:
        way()
    samples: list[list[float]] = [[] for _ in ways]
    for _ in range(rounds):
        for way, taken in zip(ways, samples, strict=True):
            taken.append(way())
    return samples


def spent(work: Callable[[], object]) -> float:
    """Seconds that a call takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def call(argv: Sequence[str], place: Place, *, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> str:
    """Run a program and answer its standard output. Raises RuntimeError with what it said when it fails."""
    done = subprocess.run(list(argv), cwd=cwd, env={**place.env, **(env or {})}, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(argv)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


def burst() -> str:
    """The command of the environment whose Python this is."""
    return str(Path(sys.executable).with_name("burst"))


def environment(root: Path) -> dict[str, str]:
    """Runs, their memory and compiled modules of their own: nothing is read from elsewhere or left there."""
    own = {"BURST_RUNTIME_DIR": str(root / "r"), "XDG_STATE_HOME": str(root / "state"), "PYTHONPYCACHEPREFIX": str(root / "pyc")}
    kept = {name: value for name, value in os.environ.items() if name not in _NOT_HANDED_ON}
    return {**kept, **own, "PATH": f"{kept.get('PATH', '')}:/usr/sbin:/sbin"}
