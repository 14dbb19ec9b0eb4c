"""How soon the command answers: `--help` against its own framework, then what needs no cluster."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from measure import Figure, Place, alternate, burst, call, spent

_FILE = Path(__file__).with_name("four-groups.yaml")


def figures(place: Place) -> list[Figure]:
    """Three lines of the table."""

    def program(*argv: str) -> Callable[[], float]:
        return lambda: spent(lambda: call(argv, place, cwd=place.root))

    ours, peer = alternate(place.rounds(21), program(burst(), "--help"), program(sys.executable, "-c", "import click"))
    validate, plan = alternate(place.rounds(15), program(burst(), "validate", str(_FILE)), program(burst(), "plan", str(_FILE)))
    return [
        Figure("burst --help / import click", ours, peer, bound=1.3),
        _command("validate", validate),
        _command("plan", plan),
    ]


def _command(name: str, samples: Sequence[float]) -> Figure:
    return Figure(f"burst {name}, 4 groups", samples, bound=0.5)
