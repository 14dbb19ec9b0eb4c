"""How far machines have come, as they told the head (cloud-init/phase.sh, launch/reports.py)."""

from __future__ import annotations

import base64
import contextlib
import json
from dataclasses import dataclass

FOLDER = "/run/burst/reports"
# How head.yaml.j2, compute.yaml.j2 and login.yaml.j2 end.
LAST = ("slurmctld", "join", "login")
# What reads them all, for `sh`: each file after a line `==> NAME.jsonl <==` (tail(1), -v).
READ = f"cd {FOLDER} 2>/dev/null && tail --lines=+1 --verbose -- *.jsonl"


@dataclass(frozen=True)
class Phase:
    """One phase of a machine's start. Times in epoch seconds; `ended` and `status` are None while it goes on."""

    name: str
    began: float
    ended: float | None = None
    status: int | None = None

    @property
    def seconds(self) -> float | None:
        """How long it took."""
        return None if self.ended is None else round(self.ended - self.began, 3)


@dataclass(frozen=True)
class Machine:
    """What one machine told: its phases in order, and the end of the log of the last one."""

    name: str
    phases: tuple[Phase, ...]
    log: str = ""

    @property
    def failed(self) -> Phase | None:
        """The phase after which it gave up."""
        return next((phase for phase in self.phases if phase.status), None)

    @property
    def done(self) -> bool:
        """Whether it has come to the end: the last phase of a role is named in its template."""
        return bool(self.phases) and self.phases[-1].name in LAST and self.phases[-1].ended is not None

    @property
    def now(self) -> str:
        """The phase it is in, or was in last."""
        return self.phases[-1].name if self.phases else ""


def parse(text: str, run_id: str) -> dict[str, Machine]:
    """What `READ` printed → machine by node name; one that does not know its name yet has the run's id before it."""
    machines: dict[str, Machine] = {}
    for part in text.split("==> ")[1:]:
        name, _, lines = part.partition(".jsonl <==\n")
        node = name.removeprefix(f"{run_id}-")
        machine = _machine(node, lines.splitlines())
        if node not in machines or _far(machine) >= _far(machines[node]):
            machines[node] = machine
    return machines


def _far(machine: Machine) -> tuple[int, int]:
    """Of two reports of one machine that with more is the later."""
    return len(machine.phases), sum(phase.ended is not None for phase in machine.phases)


def _machine(name: str, told: list[str]) -> Machine:
    phases: dict[str, Phase] = {}
    log = ""
    for text in told:
        # What was cut on its way, or written by somebody else, says nothing and costs nothing.
        with contextlib.suppress(ValueError, KeyError, TypeError):
            line = json.loads(text)
            phase, event = line["phase"], line["event"]
            if event == "begin":
                phases[phase] = Phase(phase, float(line["at"]))
            elif event == "end" and phase in phases:
                phases[phase] = Phase(phase, phases[phase].began, float(line["at"]), int(line.get("status", 0)))
            elif event == "log":
                log = base64.b64decode(line["base64"]).decode(errors="replace")
    return Machine(name, tuple(phases.values()), log)


def slowest(machines: dict[str, Machine]) -> dict[str, tuple[float, str]]:
    """Phase → the longest it took, and where."""
    found: dict[str, tuple[float, str]] = {}
    for machine in machines.values():
        for phase in machine.phases:
            if phase.seconds is not None and phase.seconds >= found.get(phase.name, (0.0, ""))[0]:
                found[phase.name] = (phase.seconds, machine.name)
    return found
