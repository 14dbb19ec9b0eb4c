"""What a dead run began is finished: its outputs saved, everything of it ended, its receipt written."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from provisioner import clock, files
from provisioner.errors import BurstError, ExitCode, Interrupted, Invalid
from provisioner.events import Events, Sink
from provisioner.lifecycle import signals, state, teardown, work
from provisioner.lifecycle.away import bring
from provisioner.lifecycle.lastwords import last_words
from provisioner.lifecycle.record import Record, claim
from provisioner.lifecycle.state import RunState
from provisioner.report.receipt import Receipt
from provisioner.targets.base import UNASKED, Intent, Resource, Tagged, Target
from provisioner.targets.registry import open_target


class Unreachable(Exception):
    """The head does not answer, and has outputs that nobody has collected."""

    def __str__(self) -> str:
        said = "its head cannot be reached, and its jobs' outputs are there: left alone until it expires"
        return f"{said}; to end it now, without them: burst down {self.args[0]} --discard"


@dataclass(frozen=True)
class Swept:
    """A run that was ended: why, what outputs were saved before, and what is left of it (which must be nothing)."""

    run_id: str
    reason: str
    saved: int
    remains: tuple[Resource, ...]


def target_of(remembered: RunState) -> Target:
    """The place where it was made. Raises Refused where this version has none of that name."""
    begun = remembered.journal.last("begin")
    assert begun is not None, "who asks has looked"
    return open_target(begun["target"])


def finish(
    remembered: RunState,
    target: Target | None,
    reason: str,
    sinks: Sequence[Sink],
    *,
    dry_run: bool = False,
    discard: bool = False,
) -> list[Swept]:
    """End a run that is remembered here, with `discard` without its outputs; nothing where somebody else was quicker, or it
    never began.
    """
    run_id = remembered.run_id
    if target is None:
        # It died before its first line: it can have made nothing.
        if not dry_run:
            remembered.forget()
        return []
    remembered.placed(target)
    if dry_run:
        return [Swept(run_id, reason, 0, _seen(target, run_id, remembered.journal.intents()))]
    try:
        with state.reopen(remembered.folder) as held, _shielded(lambda: last_words(held)):
            try:
                saved, record = (0, None) if discard else _salvaged(held, target, sinks)
            except Unreachable as problem:
                return [Swept(run_id, f"{reason}; {problem}", 0, _seen(target, run_id, held.journal.intents()))]
            ended = _ended(target, run_id, sinks, held)
            _receipt(held, record, ended, reason)
            if not ended.remains:
                held.forget()
            return [Swept(run_id, reason, saved, ended.remains)]
    except Invalid:
        # Another sweep was quicker: it has the run now, or has ended it.
        return []


@contextmanager
def _shielded(words: Callable[[], str]) -> Iterator[None]:
    """A first signal waits for the end of this run; then nothing more is begun. A second one stops at once."""
    with signals.catching(words) as caught:
        with caught.shielded():
            yield
        if caught.received is not None:
            raise Interrupted(caught.received)


def _seen(target: Target, run_id: str, intents: Sequence[Intent] = ()) -> tuple[Resource, ...]:
    """What there is, only looked at; UNASKED where nobody answers."""
    try:
        return target.remains(run_id, intents)
    except BurstError as problem:
        return (Resource(kind=UNASKED, id=run_id, name=f"{problem.message}: {problem.why}; {problem.fix}"),)


def stray(target: Target, found: Tagged | str, reason: str, sinks: Sequence[Sink], *, dry_run: bool = False) -> Swept:
    """End a run that only its tags tell of."""
    run_id = found if isinstance(found, str) else found.run_id
    if dry_run:
        return Swept(run_id, reason, 0, _seen(target, run_id))
    with _shielded(lambda: f"burst: stopped at once. This ends what is left:\n  burst down {run_id} --target {target.name}"):
        return Swept(run_id, reason, 0, _ended(target, run_id, sinks).remains)


def _ended(target: Target, run_id: str, sinks: Sequence[Sink], held: RunState | None = None) -> teardown.Ended:
    events = Events(run_id, [*([held.journal] if held is not None else []), *sinks])
    events.say("sweep", f"sweep {run_id}")
    return teardown.destroy(target, run_id, events, held.journal if held is not None else None)


def _salvaged(held: RunState, target: Target, sinks: Sequence[Sink]) -> tuple[int, Record | None]:
    """Collect what the dead run's jobs made, into the folder it was going to: how many files, and their record where they
    were collected from the cluster itself. Nothing here keeps the run from being ended.
    """
    begun, design, inventory = held.journal.last("begin"), held.design(), held.inventory()
    if begun is None or design is None or inventory is None or not held.submitted():
        return 0, None
    if held.journal.last("destroy") is not None:
        # Everything was collected before; what is half destroyed by now must not take its place.
        return 0, None
    try:
        brought = bring.salvage(held, sinks)
        if brought is not None:
            return brought, None
        cluster = work.Cluster(target, inventory, target.connect(inventory))
        if clock.now() < design.run.expires and not work.reachable(cluster):
            raise Unreachable(held.run_id)
        # What was lost for a moment is tried again.
        cluster.lost = False
        record = Record(design, held, claim(Path(begun["results"])), sinks)
        work.gather(cluster, record)
        return sum(len(job.outputs) for job in record.jobs.values()), record
    except Unreachable:
        raise
    except Exception as problem:
        Events(held.run_id, list(sinks)).say("sweep", f"{held.run_id}: its outputs could not be collected: {problem}")
        return 0, None


def _receipt(held: RunState, record: Record | None, ended: teardown.Ended, reason: str) -> None:
    """The run's, where it has a folder for it: of what was known before, what is left is brought up to date."""
    begun, design = held.journal.last("begin"), held.design()
    folder = Path(begun["results"]) if begun is not None else None
    if folder is None or design is None or not folder.is_dir():
        return
    earlier = _earlier(folder / "receipt.json", held.run_id)
    if record is None and earlier is not None:
        told: dict[str, Any] = {"remains": ended.remains, "scans": (*earlier.scans, *ended.scans)}
        if ended.remains:
            told |= {"status": "left-over", "exit_code": int(ExitCode.LEFTOVER)}
        elif earlier.status in ("kept", "detached", "left-over"):
            told |= {"status": "swept"}
        # A folder that somebody has taken away, or a full disk, keeps no other run from being ended.
        with contextlib.suppress(OSError):
            files.write(folder / "receipt.json", earlier.model_copy(update=told).model_dump_json(indent=2) + "\n")
        return
    try:
        record = record if record is not None else Record(design, held, claim(folder), [])
    except BurstError:
        return
    record.remains, record.scans = ended.remains, ended.scans
    record.stopped(BurstError(f"{reason}; another burst ended it"))
    record.receipt(status=None if ended.remains else "swept")


def _earlier(path: Path, run_id: str) -> Receipt | None:
    try:
        told = Receipt.model_validate_json(path.read_bytes())
    except (OSError, ValueError):
        return None
    return told if told.run_id == run_id else None
