"""The end of a run: everything is ended, and the place itself is asked what remains."""

from __future__ import annotations

from provisioner import clock
from provisioner.events import Events
from provisioner.targets.base import Resource, Target

# Something that could not be deleted may only be busy for a moment.
_ATTEMPTS = 3


def destroy(target: Target, run_id: str, events: Events) -> tuple[Resource, ...]:
    """End everything of a run and answer what is left, which must be nothing. May be repeated."""
    events.ending()
    events.step("destroy", f"destroy {run_id}")
    remains: tuple[Resource, ...] = ()
    for attempt in range(_ATTEMPTS):
        if attempt:
            clock.sleep(0.5)
        try:
            target.destroy(run_id)
        except Exception as problem:
            # Whatever it was, what remains is still to be asked and told.
            events.say("destroy.failed", f"destroy: {problem}")
        remains = target.remains(run_id)
        if not remains:
            events.say("destroyed", "nothing is left")
            return ()
        remains = target.reap(remains)
    for resource in remains:
        events.say("left", f"left: {resource.kind} {resource.id} {resource.name}", resource=resource.model_dump())
    return remains
