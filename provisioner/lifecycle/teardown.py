"""The end of a run: everything is ended, and the place itself is asked what remains."""

from __future__ import annotations

from provisioner import clock
from provisioner.errors import BurstError
from provisioner.events import Events
from provisioner.targets.base import Resource, Target

# Something that could not be deleted may only be busy for a moment.
_ATTEMPTS = 3
# What stands for an answer that was not to be had: then nobody may say that nothing is left.
_UNASKED = "unknown"


def destroy(target: Target, run_id: str, events: Events) -> tuple[Resource, ...]:
    """End everything of a run and answer what is left, which must be nothing. May be repeated."""
    events.ending()
    events.step("destroy", f"destroy {run_id}")
    remains: tuple[Resource, ...] = ()
    for attempt in range(_ATTEMPTS):
        if attempt:
            clock.sleep(0.5)
        try:
            target.destroy(run_id, events)
        except Exception as problem:
            # Whatever it was, what remains is still to be asked and told.
            events.say("destroy.failed", f"destroy: {_told(problem)}")
        remains = _remaining(target, run_id)
        if not remains:
            events.say("destroyed", "nothing is left")
            return ()
        remains = _reaped(target, remains, events)
    for resource in remains:
        events.say("left", f"left: {resource.kind} {resource.id} {resource.name}", resource=resource.model_dump())
    return remains


def _remaining(target: Target, run_id: str) -> tuple[Resource, ...]:
    try:
        return target.remains(run_id)
    except Exception as problem:
        return (Resource(kind=_UNASKED, id=run_id, name=f"{target.name} could not be asked what is left: {_told(problem)}"),)


def _reaped(target: Target, remains: tuple[Resource, ...], events: Events) -> tuple[Resource, ...]:
    known = tuple(resource for resource in remains if resource.kind != _UNASKED)
    try:
        left = target.reap(known) if known else ()
    except Exception as problem:
        events.say("destroy.failed", f"destroy: {_told(problem)}")
        return remains
    return (*left, *(resource for resource in remains if resource.kind == _UNASKED))


def _told(problem: Exception) -> str:
    """A BurstError's reason is in its `why`."""
    return ": ".join(filter(None, (problem.message, problem.why))) if isinstance(problem, BurstError) else str(problem)
