"""Before anything exists: file → Spec → Design, and everything that speaks against it."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from provisioner import clock
from provisioner.catalog import cache
from provisioner.design import model
from provisioner.design.decide import decide
from provisioner.errors import Invalid, Refused
from provisioner.findings import Finding, error, errors
from provisioner.lifecycle import state
from provisioner.lifecycle.away import results
from provisioner.lifecycle.candidates import Candidate, all_preflighted, choices, each_once, ranked
from provisioner.lifecycle.price_age import aged
from provisioner.lifecycle.skipping import skipped
from provisioner.report.receipt import Choice, Phase
from provisioner.spec.fields import address_range
from provisioner.spec.load import FileRefused, Loaded, load
from provisioner.spec.model import TargetRef
from provisioner.targets.base import Target
from provisioner.targets.registry import open_target, referenced
from provisioner.units import count


@dataclass(frozen=True)
class Work:
    """A file that may be run, and everything decided, target by target: `ranked` has them in the order in which they are
    tried, those that do not fit last. `folder` is where the file's relative paths start.
    """

    file: Path
    folder: Path
    ranked: tuple[Candidate, ...]
    choices: tuple[Choice, ...] = ()
    phases: tuple[Phase, ...] = ()

    @property
    def design(self) -> model.Design:
        """Of what is tried first."""
        return self.ranked[0].design

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Of what is tried first."""
        return self.ranked[0].findings

    @property
    def target(self) -> Target:
        """What is tried first."""
        return self.ranked[0].target

    @property
    def targets(self) -> tuple[Target, ...]:
        """All that may be tried, each place once."""
        return tuple({candidate.target.name: candidate.target for candidate in self.ranked if candidate.fits}.values())

    def tries(self) -> tuple[Candidate, ...]:
        """Each place in each of its zones, as long as nothing speaks against it."""
        return tuple(each for candidate in self.ranked if candidate.fits for each in candidate.tries())


class PreflightRefused(Refused):
    """A check before creation said no, on every target; `findings` has everything that was noticed of the first."""

    def __init__(self, work: Work) -> None:
        found = errors(work.findings)
        message = f"preflight on {work.choices[0].target}: {count(len(found), 'thing')} must be fixed first"
        # What is not installed is no mistake of the check's.
        named = sorted({finding.check for finding in found if finding.check} - {"engine", "programs", "packages"})
        skip = f"; a check that is mistaken: {' '.join(f'--skip {name}' for name in named)}" if named else ""
        also = [f"{choice.target}: {choice.why}" for choice in work.choices[1:]]
        super().__init__(message, why="; ".join(["nothing was created", *also]), fix=f"see the findings above{skip}")
        self.findings = work.findings


def decided(file: Path, target: str | None = None, run_id: str | None = None) -> tuple[Loaded, model.Design, tuple[Finding, ...]]:
    """Read the file and decide everything for one target: the one that is named, else the file's first.

    Raises FileRefused (all of the file's findings), or Invalid for `target`.
    """
    loaded = load(file)
    design, found = _decided(loaded, _references(loaded, target)[0], _run(loaded, run_id))
    if errors(found):
        raise FileRefused(file, (*loaded.findings, *found))
    return loaded, design, (*loaded.findings, *found)


def _run(loaded: Loaded, run_id: str | None = None) -> model.Run:
    expires = int(clock.now()) + loaded.spec.limits.ttl
    return model.Run(id=run_id or state.new_run_id(loaded.spec.name), owner=state.caller(), expires=expires)


def _decided(loaded: Loaded, reference: TargetRef, run: model.Run) -> tuple[model.Design, tuple[Finding, ...]]:
    design, found = decide(loaded.spec, cache.known(), run, reference, rehearsed=_rehearsed())
    return design, (*(_placed(finding, loaded) for finding in found), *aged(design))


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


def _references(loaded: Loaded, target: str | None) -> tuple[TargetRef, ...]:
    if target is None:
        return tuple(dict.fromkeys(loaded.spec.target))
    return referenced(target, fix="-t local, or -t aws/us-east-2,gcp/us-central1")


def _range(text: str) -> str:
    try:
        return address_range(text)
    except ValueError as problem:
        raise Invalid(str(problem), fix="--ssh-from 198.51.100.0/24") from problem


@dataclass(frozen=True)
class Wanted:
    """What the command line says over the file: `target` (or several, by commas), who may reach SSH, which checks to `skip`.
    With `detach` the head is to put the results into `to` or the file's own place, and may: without, it may write to no bucket.
    """

    target: str | None = None
    ssh_from: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    detach: bool = False
    to: str | None = None


def prepare(file: Path, wanted: Wanted | None = None) -> Work:
    """Everything before creation, every target asked side by side.

    Raises FileRefused (exit 2) or PreflightRefused (exit 3) with every finding, Invalid for what is wrong in `wanted`.
    """
    started, at = clock.monotonic(), clock.now()
    work = considered(file, wanted)
    if not work.ranked[0].fits:
        raise PreflightRefused(work)
    phase = Phase(name="preflight", started_at=clock.utc(at), seconds=round(clock.monotonic() - started, 3))
    return replace(work, phases=(phase,))


def may_be_asked(name: str) -> bool:
    """Whether a target answers without anybody logging in first: a cloud where there seem to be credentials for it."""
    configured: Callable[[], bool] | None = getattr(open_target(name), "configured", None)
    return configured is None or configured()


def considered(file: Path, wanted: Wanted | None = None, *, ask: Callable[[str], bool] = lambda _: True) -> Work:
    """The file's targets, ranked, with what speaks against each; a target that `ask` leaves out by its name is
    not asked itself, and not even loaded.

    Raises FileRefused where the file itself is wrong for all of them, Invalid for what is wrong in `wanted`.
    """
    given = wanted or Wanted()
    skip = skipped(given.skip)
    loaded = load(file)
    run, references = _run(loaded), _references(loaded, given.target)
    names = {reference.name for reference in references}
    places = {name: open_target(name) if ask(name) else None for name in names}
    alone = len(references) == 1
    found = [_candidate(loaded, each, run, given, places[each.name], alone=alone) for each in references]
    candidates = each_once(found)
    if not any(candidate.fits for candidate in candidates):
        raise FileRefused(file, tuple(dict.fromkeys(each for candidate in candidates for each in _of(candidate, loaded, alone))))
    candidates = all_preflighted(candidates, loaded.source.folder, skip)
    ordered = ranked(candidates, loaded.spec.rank)
    return Work(file, loaded.source.folder, ordered, choices(ordered, loaded.spec.rank))


def _of(candidate: Candidate, loaded: Loaded, alone: bool) -> tuple[Finding, ...]:
    """What speaks against it, with its place where there are others."""
    if alone:
        return candidate.findings
    own = candidate.findings[len(loaded.findings) :]
    place = candidate.design.place
    return (*loaded.findings, *(each.model_copy(update={"message": f"{place}: {each.message}"}) for each in own))


def _candidate(
    loaded: Loaded, reference: TargetRef, run: model.Run, given: Wanted, place: Target | None, *, alone: bool
) -> Candidate:
    design, found = _decided(loaded, reference, run)
    found = tuple(finding for finding in found if finding.check not in given.skip or not finding.check)
    if given.ssh_from:
        network = design.network.model_copy(update={"ssh_from": tuple(map(_range, given.ssh_from))})
        design = design.model_copy(update={"network": network})
    if given.detach:
        try:
            design = design.model_copy(update={"results": results.wanted(loaded.spec.results, given.to, design.target)})
        except Invalid as problem:
            if alone:
                raise
            found = (*found, error("results", problem.message, problem.fix))
    return Candidate(design, (*loaded.findings, *found), place)
