"""How a target launches nodes of a group: as launch/resume.py does on a head, and told as events."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from provisioner.events import Events
from provisioner.launch.resume import Attempts, first_to_be_had
from provisioner.units import count

# Why the next type or market is tried, in words.
REFUSED = {"CAPACITY": "no room", "QUOTA": "no quota"}


def launched(launcher: Any, names: Sequence[str], attempts: Attempts, events: Events, *, type_key: str) -> dict[str, Any]:
    """All or none, as the first attempt with room for them has it: what `first_to_be_had` answers, and raises.

    Each refusal is a `launch.refused`, what was had a `launched`. `type_key` is under which name a template has its type.
    """

    def refused(attempt: dict[str, Any], problem: Exception) -> None:
        kind = str(getattr(problem, "kind", ""))
        words = f"{REFUSED[kind]}: {','.join(names)}: {problem}"
        events.say("launch.refused", words, **told(attempt), refusal=kind)

    def told(attempt: dict[str, Any]) -> dict[str, Any]:
        return {"nodes": list(names), "instance": attempt["template"][type_key], "market": attempt["market"]}

    taken = first_to_be_had(launcher, names, attempts, refused)
    data = told(taken)
    events.say("launched", f"{count(len(names), 'machine')}: {data['instance']}, {data['market']}", **data)
    return taken
