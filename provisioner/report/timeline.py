"""When each part of a cluster would be there, for people."""

from __future__ import annotations

from collections.abc import Mapping

import click

from provisioner.design.model import Design
from provisioner.design.timeline import Timeline
from provisioner.design.timeline.step import Timed
from provisioner.report.rows import print_table

_BAR = 30


def print_timeline(design: Design, found: Timeline | None) -> None:
    """When each part would be there, as typical figures have it; `*` is what the first node waits for."""
    if found is None:
        click.echo(f"there is nothing to model on {design.target}: no cloud makes anything that takes its time")
        return
    end = {step.name: step.end for step in found.steps}
    scale = _BAR / max(end.values())
    rows = [
        [
            "*" if step.critical else "",
            step.name,
            f"{step.start:.0f}",
            f"{step.seconds:.0f}" + ("~" if step.basis == "estimate" else ""),
            _bar(step, scale),
            _waits(step, end),
        ]
        for step in found.steps
    ]
    print_table(rows, ["", "step", "from s", "takes s", "", "waits for"])
    click.echo(f"the first node is ready after {found.seconds:.0f} s (* the critical path, ~ an estimate of ours)")
    if found.earliest < found.seconds:
        click.echo(f"launched as soon as it could be, without waiting for all of Pulumi: {found.earliest:.0f} s")


def _bar(step: Timed, scale: float) -> str:
    begin = min(int(step.start * scale), _BAR - 1)
    return " " * begin + ("#" if step.critical else "-") * max(1, round(step.end * scale) - begin)


def _waits(step: Timed, end: Mapping[str, float]) -> str:
    """The latest first; the others are in the JSON."""
    latest = sorted(step.waits, key=lambda name: -end[name])
    more = f" and {len(latest) - 2} more" if len(latest) > 2 else ""
    return ", ".join(latest[:2]) + more
