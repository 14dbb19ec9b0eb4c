"""The journal: one line for each intent, on the disk before the act. It is what a dead run leaves behind to be read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from provisioner import files
from provisioner.events import Event
from provisioner.targets.base import Intent

# Steps that make something, and the one that says that all of it came to its end, a good or a bad one.
_MAKING, SETTLED = ("create.", "make", "heal"), "settled"


class Journal:
    """Append-only JSON lines: {"time", "step", …}."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __call__(self, event: Event) -> None:
        """As a sink of events: keeps the steps, and returns when they are on the disk (fsync(2))."""
        if event.kind == "step":
            files.append(self.path, json.dumps({"time": event.time, **event.data}))

    def steps(self) -> list[dict[str, Any]]:
        """What was intended since the run last began, in order.

        It begins anew where there was no room before, when everything of that has gone (acquire.py).
        """
        steps = self._all()
        begun = [i for i, step in enumerate(steps) if step.get("step") == "begin"]
        return steps[begun[-1] :] if begun else steps

    def begins(self) -> list[dict[str, Any]]:
        """Each `begin`: where the run has been."""
        return [step for step in self._all() if step.get("step") == "begin"]

    def _all(self) -> list[dict[str, Any]]:
        """A last line cut short by a crash is no intent: its act never began."""
        try:
            lines = self.path.read_text(encoding="utf-8").splitlines()
        except OSError:
            return []
        steps = []
        for line in lines:
            try:
                steps.append(json.loads(line))
            except ValueError:
                continue
        return steps

    def intents(self) -> tuple[Intent, ...]:
        """Everything that was to be made under a name, each once."""
        made = (Intent(str(entry["type"]), str(entry["name"])) for entry in self.steps() if entry.get("step") == "make")
        return tuple(dict.fromkeys(made))

    def cut(self) -> bool:
        """Whether something was being made when whoever made it came to an end: of that nobody knows how far it went."""
        steps = [str(entry.get("step", "")) for entry in self.steps()]
        making = [i for i, step in enumerate(steps) if step.startswith(_MAKING)]
        return bool(making) and SETTLED not in steps[making[-1] :]

    def last(self, step: str) -> dict[str, Any] | None:
        """The latest intent of that name."""
        return next((entry for entry in reversed(self.steps()) if entry.get("step") == step), None)
