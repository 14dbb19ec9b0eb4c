"""How soon the command answers: `--help` against its own framework, then what needs no cluster, and the catalogue."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from measure import Figure, Place, alternate, burst, call, spent

from provisioner.catalog.table import Catalogue, bundle

_FILE = Path(__file__).with_name("four-groups.yaml")
# What only needs say, so that each cloud has something for it.
_CLOUDS = Path(__file__).with_name("three-clouds.yaml")


def figures(place: Place) -> list[Figure]:
    """Four lines of the table."""

    def program(*argv: str) -> Callable[[], float]:
        return lambda: spent(lambda: call(argv, place, cwd=place.root))

    ours, peer = alternate(place.rounds(21), program(burst(), "--help"), program(sys.executable, "-c", "import click"))
    floor = program(sys.executable, "-c", "pass")
    # Whatever credentials whoever measures has, no cloud is asked.
    asked = (("validate", str(_FILE)), ("plan", "--offline", str(_FILE)), ("plan", "--offline", str(_CLOUDS)))
    commands = [program(burst(), *argv) for argv in asked]
    validate, plan, ranked, bare = alternate(place.rounds(15), *commands, floor)
    return [
        Figure("burst --help / import click", ours, peer, bound=1.3),
        _command("validate, 4 groups", validate, bare),
        _command("plan, 4 groups", plan, bare),
        _command("plan, 4 groups on 3 clouds", ranked, bare),
        Figure("read the catalogue", alternate(place.rounds(21), _catalogue)[0], bound=0.05),
    ]


def _catalogue() -> float:
    """Seconds until both tables are read and one region is priced."""
    bundle.cache_clear()
    return spent(lambda: Catalogue(*bundle()).sold("aws", "us-east-2"))


def _command(name: str, samples: Sequence[float], bare: Sequence[float]) -> Figure:
    """Beside the bound in seconds, how often a Python that does nothing starts in that time on the same machine."""
    ratio = statistics.median(ours / floor for ours, floor in zip(samples, bare, strict=True))
    return Figure(f"burst {name}", samples, bound=0.5, note=f"{ratio:.1f} × python -c pass")
