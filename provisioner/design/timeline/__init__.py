"""Design → when each of its parts is there, and which of them everybody waits for. Pure; nobody is asked.

    engine → the stack's resources (aws, gcp, azure: what each waits for there) → Pulumi returns → nodes launched
           ↘ head → its phases ↘                                                              ↘ the node's phases → ready

`cli/plan.py` shows it. The figures are catalog/timings.csv's; the order is the programs' own, to which
tests/stacks/test_timeline.py holds it resource by resource, and phase by phase.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from types import ModuleType

from provisioner.catalog.timings import timing
from provisioner.design.model import Design
from provisioner.design.timeline import aws, azure, gcp, machines
from provisioner.design.timeline.step import Step, Timed, critical, ends, known

ENGINE, UP = "Pulumi begins", "Pulumi returns"
CLOUDS: dict[str, ModuleType] = {"aws": aws, "gcp": gcp, "azure": azure}


@dataclass(frozen=True)
class Timeline:
    """`seconds` until the first node is ready; `earliest`, if the launch waited for nothing but what it needs."""

    steps: tuple[Timed, ...]
    seconds: float
    earliest: float


def timeline(design: Design) -> Timeline | None:
    """None where nothing is made that one waits for: on this machine."""
    if design.target not in CLOUDS:
        return None
    found = steps(design)
    basis = {step.name: timing(design.target, step.kind) for step in found}
    seconds = {name: row.seconds for name, row in basis.items()}
    end = ends(found, seconds)
    path = critical(found, end, machines.READY)
    timed = tuple(
        Timed(s.name, s.kind, end[s.name] - seconds[s.name], seconds[s.name], s.waits, s.name in path, basis[s.name].basis)
        for s in found
    )
    return Timeline(timed, end[machines.READY], ends(_needed(found), seconds)[machines.READY])


def steps(design: Design) -> tuple[Step, ...]:
    """Each comes after what it waits for. A cloud's name must be in CLOUDS."""
    cloud = CLOUDS[design.target]
    made = known(cloud.steps(design))
    begun = [replace(step, waits=step.waits or (ENGINE,)) for step in made]
    up = Step(UP, "up", tuple(step.name for step in made))
    return known([Step(ENGINE, "engine"), *begun, up, *machines.steps(design, UP, cloud.needs(design))])


def _needed(found: Sequence[Step]) -> tuple[Step, ...]:
    return tuple(step if step.needs is None else replace(step, waits=step.needs or (ENGINE,)) for step in found)
