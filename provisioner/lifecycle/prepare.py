"""Before anything exists: file → Spec → Design, and everything that speaks against it."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from provisioner import clock
from provisioner.catalog.table import bundled
from provisioner.design import model
from provisioner.design.decide import decide
from provisioner.errors import Invalid, Refused
from provisioner.findings import Finding, errors
from provisioner.lifecycle import state
from provisioner.lifecycle.away import results
from provisioner.report.receipt import Phase
from provisioner.spec.fields import address_range
from provisioner.spec.load import FileRefused, Loaded, load
from provisioner.spec.model import TargetRef, parse_target
from provisioner.targets.base import Target
from provisioner.targets.registry import open_target


@dataclass(frozen=True)
class Work:
    """A file that may be run, and everything decided. `folder` is where its relative paths start."""

    file: Path
    folder: Path
    design: model.Design
    findings: tuple[Finding, ...]
    target: Target
    phases: tuple[Phase, ...]


class PreflightRefused(Refused):
    """A check before creation said no; `findings` has everything that was noticed."""

    def __init__(self, findings: tuple[Finding, ...], target: str) -> None:
        found = errors(findings)
        super().__init__(
            f"preflight on {target}: {len(found)} thing{'s' if len(found) != 1 else ''} must be mended first",
            why="nothing was created",
            fix="see the findings above",
        )
        self.findings = findings


def decided(file: Path, target: str | None = None, run_id: str | None = None) -> tuple[Loaded, model.Design, tuple[Finding, ...]]:
    """Read the file and decide everything. Raises FileRefused (all of the file's findings), or Invalid for `target`."""
    loaded = load(file)
    reference = _reference(loaded, target)
    now = int(clock.now())
    run = model.Run(id=run_id or state.new_run_id(loaded.spec.name), owner=state.caller(), expires=now + loaded.spec.limits.ttl)
    design, found = decide(loaded.spec, bundled(), run, reference, rehearsed=_rehearsed())
    found = tuple(_placed(finding, loaded) for finding in found)
    if errors(found):
        raise FileRefused(file, (*loaded.findings, *found))
    return loaded, design, (*loaded.findings, *found)


def _rehearsed() -> float | None:
    """$BURST_REHEARSE_PRICE: what a machine is to cost where none is billed, in USD an hour (docs/rehearsal.md)."""
    text = os.environ.get("BURST_REHEARSE_PRICE")
    if not text:
        return None
    try:
        price = float(text)
    except ValueError:
        price = math.nan
    if not 0 <= price < math.inf:
        raise Invalid(f"BURST_REHEARSE_PRICE: {text!r} is no price", fix="export BURST_REHEARSE_PRICE=3.6, in USD an hour")
    return price


def _placed(finding: Finding, loaded: Loaded) -> Finding:
    """What `decide` says begins with the key it is about: groups.cpu: …, jobs.melt asks for …"""
    loc: tuple[str, ...]
    part, _, rest = finding.message.partition(".")
    if part == "filesystems":
        # A mount point may have dots and blanks in it.
        loc = (part, rest.partition(": ")[0])
    else:
        loc = tuple(finding.message.partition(" ")[0].rstrip(":").split("."))
    line = loaded.source.line(loc)
    return finding.model_copy(update={"file": str(loaded.source.path), "line": line})


def _reference(loaded: Loaded, target: str | None) -> TargetRef:
    if target is None:
        return loaded.spec.target[0]
    try:
        return parse_target(target)
    except ValueError as problem:
        raise Invalid(str(problem), fix="burst run FILE -t local") from problem


def _range(text: str) -> str:
    try:
        return address_range(text)
    except ValueError as problem:
        raise Invalid(str(problem), fix="--ssh-from 198.51.100.0/24") from problem


def prepare(
    file: Path, target: str | None = None, ssh_from: Sequence[str] = (), *, detach: bool = False, to: str | None = None
) -> Work:
    """Everything before creation; `ssh_from` goes over the file's network.ssh_from, `to` over its results.

    With `detach` the head is to put the results there, and may: without, it may write to no bucket of anybody.
    Raises FileRefused (exit 2) or PreflightRefused (exit 3) with every finding, Invalid for `target`, `ssh_from` and `to`.
    """
    started, at = clock.monotonic(), clock.now()
    loaded, design, findings = decided(file, target)
    if ssh_from:
        network = design.network.model_copy(update={"ssh_from": tuple(map(_range, ssh_from))})
        design = design.model_copy(update={"network": network})
    if detach:
        design = design.model_copy(update={"results": results.wanted(loaded.spec.results, to, design.target)})
    place = open_target(design.target)
    findings = (*findings, *place.preflight(design, loaded.source.folder))
    if errors(findings):
        raise PreflightRefused(findings, design.target)
    phase = Phase(name="preflight", started_at=clock.utc(at), seconds=round(clock.monotonic() - started, 3))
    return Work(file, loaded.source.folder, design, findings, place, (phase,))
