"""A trivial job's whole run against floor.sh, and how long it takes until the job itself runs."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path

from measure import Figure, Place, alternate, burst, call, spent

_FLOOR = Path(__file__).with_name("floor.sh")
_COMMAND = "date +%s.%N"
_SPEC = """\
version: 1
name: trivial
target: local
groups: {{cpu: {{nodes: 2, needs: {{cores: 1, memory: 256MiB}}}}}}
jobs: {{now: {{command: '{command} >out', outputs: [out]}}}}
"""


class Trivial:
    """The three ways, and what was noticed on the way."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._file = place.root / "trivial.yaml"
        self._file.write_text(_SPEC.format(command=_COMMAND))
        self._results = place.root / "trivial"
        self.first_job: list[float] = []
        self.phases: list[dict[str, float]] = []

    def ours(self) -> float:
        started = time.time()
        seconds = spent(lambda: self._run(burst(), "run", str(self._file), "--results", str(self._results)))
        self.first_job.append(float((self._results / "now" / "out").read_text()) - started)
        receipt = json.loads((self._results / "receipt.json").read_text())
        self.phases.append({phase["name"]: phase["seconds"] for phase in receipt["phases"]})
        return seconds

    def floor(self) -> float:
        return spent(lambda: self._run(str(_FLOOR), str(self._results), _COMMAND))

    def floor_unproven(self) -> float:
        return spent(lambda: self._run("env", "PROBE=0", str(_FLOOR), str(self._results), _COMMAND))

    def _run(self, *argv: str) -> None:
        shutil.rmtree(self._results, ignore_errors=True)
        call(argv, self._place, cwd=self._place.root)


def figures(place: Place) -> list[Figure]:
    """Three lines of the table."""
    trivial = Trivial(place)
    note = drift(place)
    ours, floor = alternate(place.rounds(15), trivial.ours, trivial.floor)
    first_job, phases = trivial.first_job[1:], trivial.phases[1:]
    again, unproven = alternate(place.rounds(5), trivial.ours, trivial.floor_unproven)
    return [
        Figure("trivial job / floor.sh, nodes tried", ours, floor, bound=1.5, note=note),
        Figure("trivial job / floor.sh, nodes not tried", again, unproven, bound=1.5, note=note),
        Figure("first job started", first_job, bound=3.0),
        *(Figure(f"  phase {name}", [seconds[name] for seconds in phases]) for name in phases[0]),
    ]


def drift(place: Place) -> str:
    """Where floor.sh's slurm.conf is not what is rendered any more; nothing when the comparison is fair."""
    file = place.root / "drift.yaml"
    file.write_text(_SPEC.format(command='cat "$SLURM_CONF"'))
    results = place.root / "drift"
    call([burst(), "run", str(file), "--results", str(results)], place, cwd=place.root)
    rendered = (results / "now" / "out").read_text().splitlines()
    text = _FLOOR.read_text().partition("<<EOF\n")[2].partition("\nEOF\n")[0].splitlines()
    # What has a variable of the shell in it differs from run to run: its name must be there.
    fixed = {line for line in text if "$" not in line}
    names = {line.split("=")[0] for line in text if "$" in line}
    odd = [line for line in rendered if line not in fixed and line.split("=")[0] not in names]
    gone = [line for line in text if line in fixed and line not in rendered]
    return f"floor.sh has drifted: {odd + gone}" if odd or gone else ""
