"""What a run has cost so far: from what its meter kept, and of a kept cluster from what slurmctld says now."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass

from provisioner import clock
from provisioner.cost.ledger import Line
from provisioner.design.model import Design
from provisioner.errors import BurstError, Invalid
from provisioner.executor.base import Executor
from provisioner.lifecycle import state
from provisioner.lifecycle.budget import Meter
from provisioner.lifecycle.state import RunState
from provisioner.slurm import ask
from provisioner.targets.registry import open_target


@dataclass(frozen=True)
class Spending:
    """USD so far and by the hour now. `asked` is whether the cluster was asked for its nodes; `unpriced` costs, unknown what."""

    design: Design
    lines: tuple[Line, ...]
    spent: float
    rate: float
    asked: bool
    unpriced: tuple[str, ...]


def so_far(wanted: str | None) -> Spending:
    """Of the run with this id or name; the only one when nothing is said. Raises Invalid."""
    remembered = state.find(wanted)
    design = remembered.design()
    if design is None:
        raise Invalid(f"{remembered.run_id} has no design", why="its client died before there was anything", fix="burst sweep")
    meter = Meter(design, remembered.folder, lambda _: None, keep=False)
    # A client that works on it asks itself, every other second.
    asked = remembered.journal.last("kept") is not None and _asked(remembered, meter)
    return Spending(
        design=design,
        lines=meter.lines(),
        spent=meter.spent(),
        rate=meter.ledger.rate(),
        asked=asked,
        unpriced=meter.ledger.unpriced(),
    )


def _asked(remembered: RunState, meter: Meter) -> bool:
    inventory, design = remembered.inventory(), remembered.design()
    if inventory is None or design is None or clock.now() > design.run.expires:
        return False
    with contextlib.suppress(BurstError):
        look(open_target(design.target).connect(inventory), meter)
        return True
    return False


def look(executor: Executor, meter: Meter) -> None:
    """Ask slurmctld who is there and who was, where that costs anything. Raises CommandFailed."""
    if meter.free:
        return

    def run(argv: Sequence[str]) -> str:
        return executor.run(argv, env=ask.ENVIRONMENT).stdout

    meter.ran(ask.jobs(run))
    meter.observe(ask.nodes(run))
