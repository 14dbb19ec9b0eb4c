"""What a second signal leaves on the screen: what is left of the run, as its journal has it, and what ends it."""

from __future__ import annotations

from collections.abc import Iterator

from provisioner.lifecycle.state import RunState

# Of many things of one kind these many are named.
_NAMED = 8


def last_words(remembered: RunState) -> str:
    """Nobody is asked: this must be said at once, and the place may be what does not answer."""
    journal, run_id = remembered.journal, remembered.run_id
    begun = journal.last("begin")
    if begun is None:
        return "burst: stopped at once, before anything was made"
    place = str(begun["target"]) + (f"/{begun['region']}" if begun.get("region") else "")
    lines = [f"burst: stopped at once. Of {run_id} on {place} there may be left:", *(f"  {line}" for line in _left(remembered))]
    lines += ["This ends it:", f"  burst down {run_id}"]
    if begun.get("region"):
        lines += ["or, on another machine:", f"  burst down {run_id} --target {place}"]
    return "\n".join(lines)


def _left(remembered: RunState) -> Iterator[str]:
    """Of what was begun: machines, whatever a stack was to have, and folders."""
    steps = remembered.journal.steps()
    inventory = remembered.inventory()
    if inventory is not None:
        yield f"the head {inventory.place.get('head_id', inventory.head)}"
    nodes = [str(name) for step in steps for name in step.get("nodes", ())]
    if nodes:
        yield f"nodes {_some(nodes)}"
    for kind in dict.fromkeys(intent.type for intent in remembered.journal.intents()):
        yield f"{kind} {_some([intent.name for intent in remembered.journal.intents() if intent.type == kind])}"
    yield from dict.fromkeys(f"the folder {step['folder']}" for step in steps if step.get("folder"))
    if not any(str(step.get("step", "")).startswith(("create.", "make")) for step in steps):
        yield "nothing: nothing had been made yet"


def _some(names: list[str]) -> str:
    each = list(dict.fromkeys(names))
    more = f" and {len(each) - _NAMED} more" if len(each) > _NAMED else ""
    return ", ".join(each[:_NAMED]) + more
