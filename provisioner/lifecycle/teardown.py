"""The end of a run: everything is ended, and the place itself is asked what remains."""

from __future__ import annotations

from dataclasses import dataclass

from provisioner import clock
from provisioner.errors import BurstError
from provisioner.events import Events
from provisioner.lifecycle.journal import Journal
from provisioner.report.receipt import Scan
from provisioner.targets.base import UNASKED, Intent, Resource, Target

# Something that could not be deleted may only be busy for a moment.
_ATTEMPTS = 3


@dataclass(frozen=True)
class Ended:
    """What is left of a run, which must be nothing, and each time that the place was asked."""

    remains: tuple[Resource, ...]
    scans: tuple[Scan, ...]


def destroy(target: Target, run_id: str, events: Events, journal: Journal | None = None, *, settled: bool = False) -> Ended:
    """End everything of a run. May be repeated. `settled` is whether nothing can have been cut off, whatever is known here.

    Where something was being made when its maker died, or where no journal tells, one empty answer proves nothing: what was
    asked for may come to be after it. There the place is asked once more when everything has settled (Target.settles).
    """
    events.ending()
    intents = journal.intents() if journal is not None else ()
    needed = 2 if target.settles and not settled and (journal is None or journal.cut()) else 1
    events.step("destroy", f"destroy {run_id}")
    scans: list[Scan] = []
    remains: tuple[Resource, ...] = ()
    clean = failed = 0
    # What could be deleted has to be heard of: an answer that has it no more is only the first clean one.
    while clean < needed and (failed < _ATTEMPTS or (not remains and failed < 2 * _ATTEMPTS)):
        if clean:
            cut = "it was cut off while it was made" if journal is not None else "nobody here knows whether it was cut off"
            events.say("settle", f"{cut}: asked again in {target.settles:.0f} s")
        clock.sleep(target.settles if clean else 0.5 if failed else 0)
        if not clean:
            _end(target, run_id, events)
        remains = _remaining(target, run_id, intents, scans)
        clean, failed = (0, failed + 1) if remains else (clean + 1, failed)
        if remains:
            before, began = remains, clock.monotonic()
            remains = _reaped(target, remains, events)
            if 0 < target.settles < clock.monotonic() - began and _ids(remains) == _ids(before):
                # For minutes it was told to go, and nothing went.
                break
    if clean < needed and not remains:
        # The last round of deleting has been heard of by nobody yet.
        remains = _remaining(target, run_id, intents, scans)
    _tell(remains, events)
    return Ended(remains, tuple(scans))


def _ids(resources: tuple[Resource, ...]) -> set[str]:
    return {resource.id for resource in resources}


def _end(target: Target, run_id: str, events: Events) -> None:
    try:
        target.destroy(run_id, events)
    except Exception as problem:
        # Whatever it was, what remains is still to be asked and told.
        events.say("destroy.failed", f"destroy: {_told(problem)}")


def _remaining(target: Target, run_id: str, intents: tuple[Intent, ...], scans: list[Scan]) -> tuple[Resource, ...]:
    at = clock.utc(clock.now())
    try:
        remains = target.remains(run_id, intents)
    except Exception as problem:
        fix = problem.fix if isinstance(problem, BurstError) else ""
        name = f"{target.name} could not be asked what is left: {_told(problem)}"
        remains = (Resource(kind=UNASKED, id=run_id, name=f"{name}; {fix}" if fix else name),)
    known = [resource for resource in remains if resource.kind != UNASKED]
    billed = sum(resource.billed for resource in known)
    scans.append(Scan(at=at, answered=len(known) == len(remains), billed=billed, free=len(known) - billed))
    return remains


def _reaped(target: Target, remains: tuple[Resource, ...], events: Events) -> tuple[Resource, ...]:
    known = tuple(resource for resource in remains if resource.kind != UNASKED)
    try:
        left = target.reap(known) if known else ()
    except Exception as problem:
        events.say("destroy.failed", f"destroy: {_told(problem)}")
        return remains
    return (*left, *(resource for resource in remains if resource.kind == UNASKED))


def _tell(remains: tuple[Resource, ...], events: Events) -> None:
    if not remains:
        events.say("destroyed", "nothing is left")
    for resource in remains:
        cost = "billed" if resource.billed else "free"
        said = f"left: {resource.kind} {resource.id} {resource.name}".rstrip()
        why = f": {resource.why}" if resource.why else ""
        events.say("left", said if resource.kind == UNASKED else f"{said} ({cost}){why}", resource=resource.model_dump())


def _told(problem: Exception) -> str:
    """A BurstError's reason is in its `why`."""
    return ": ".join(filter(None, (problem.message, problem.why))) if isinstance(problem, BurstError) else str(problem)
