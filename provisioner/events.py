"""What happens, as it happens. One stream per run; sinks are the screen, events.jsonl and the journal.

Two kinds matter to the program itself: a `step` is an intent, which the journal has on the disk before
`Events.step` returns; everything else is for people and for events.jsonl.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from pydantic import BaseModel, ConfigDict

from provisioner import clock


class Event(BaseModel):
    """One thing that happened. `time` is epoch seconds, `kind` a dotted word, `data` JSON values."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    time: float
    run_id: str
    kind: str
    message: str
    data: dict[str, Any] = {}


Sink = Callable[[Event], None]


class Events:
    """A run's stream of events. Sinks are called in the order in which they were given."""

    def __init__(self, run_id: str, sinks: list[Sink]) -> None:
        self.run_id = run_id
        self._sinks = list(sinks)
        self._ending = False
        # Outputs are brought beside the watch: each event is one line on the screen and in the journal.
        self._one = threading.RLock()

    def listen(self, sink: Sink) -> None:
        """Add a sink for what happens from now on."""
        self._sinks.append(sink)

    def say(self, kind: str, message: str, **data: Any) -> None:
        """Tell every sink."""
        event = Event(time=clock.now(), run_id=self.run_id, kind=kind, message=message, data=data)
        with self._one:
            for sink in self._sinks:
                try:
                    sink(event)
                except OSError:
                    # A full disk or a screen that has gone ends no run; an intent that is not on the disk is no intent,
                    # and its act must not be begun, unless it is the end itself.
                    if kind == "step" and not self._ending:
                        raise

    def going_on(self) -> None:
        """What was taken down is begun anew: intents must be on the disk again."""
        self._ending = False

    def ending(self) -> None:
        """From here on everything is taken down: nothing that cannot be written may keep it from being done."""
        self._ending = True

    def step(self, step: str, message: str, **data: Any) -> None:
        """Say what is about to be done. When this returns, the journal has it on the disk."""
        self.say("step", message, step=step, **data)
