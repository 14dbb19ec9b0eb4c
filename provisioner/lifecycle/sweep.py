"""Sweep: end what dead and expired runs left behind. It needs no record of ours: a place's own tags are enough."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from provisioner import clock
from provisioner.errors import BurstError, Invalid
from provisioner.events import Events, Sink
from provisioner.lifecycle import state, teardown, work
from provisioner.lifecycle.record import Record, claim
from provisioner.lifecycle.state import RunState
from provisioner.targets.base import Resource, Tagged, Target


@dataclass(frozen=True)
class Swept:
    """A run that was ended: why, what outputs were saved before, and what is left of it (which must be nothing)."""

    run_id: str
    reason: str
    saved: int
    remains: tuple[Resource, ...]


def sweep(targets: Sequence[Target], sinks: Sequence[Sink] = (), *, dry_run: bool = False) -> list[Swept]:
    """End every run that has no client and is not kept, or has expired. With `dry_run` only say which."""
    by_name = {target.name: target for target in targets}
    done: list[Swept] = []
    for remembered in state.existing():
        begun = remembered.journal.last("begin")
        target = by_name.get(begun["target"]) if begun else None
        reason = dead(remembered)
        if reason is not None and (target is not None or begun is None):
            done.extend(_try(remembered, target, reason, sinks, dry_run))
    for target in targets:
        try:
            tags = list(target.runs())
        except BurstError as problem:
            # It keeps no other from being swept; but nobody may say that nothing is there.
            told = f"{target.name} could not be asked: {problem.message}: {problem.why}"
            Events("sweep", list(sinks)).say("sweep", told)
            done.append(Swept("?", told, 0, (Resource(kind="unknown", id=target.name, name=problem.fix),)))
            continue
        for tagged in tags:
            reason = _stray(tagged)
            if reason is not None and tagged.run_id not in {swept.run_id for swept in done}:
                remains = target.remains(tagged.run_id) if dry_run else _end(target, tagged.run_id, sinks)
                done.append(Swept(tagged.run_id, reason, 0, remains))
    return done


def dead(remembered: RunState) -> str | None:
    """Why a remembered run is to be ended; None when it is alive or kept."""
    if state.alive(remembered.folder):
        return None
    kept = remembered.journal.last("kept")
    if kept is None:
        return "its client died"
    return "it has expired" if clock.now() >= kept["expires"] else None


def _stray(tagged: Tagged) -> str | None:
    """Why something found by its tags is to be ended; None where its own state says that it lives."""
    if not tagged.state and clock.now() < tagged.expires:
        # Made from another machine, or by Pulumi alone: a cloud's tags do not tell whether its client lives.
        return None
    if not tagged.state or not Path(tagged.state).is_dir():
        return "nobody remembers it"
    return dead(RunState(Path(tagged.state)))


def _try(remembered: RunState, target: Target | None, reason: str, sinks: Sequence[Sink], dry_run: bool) -> list[Swept]:
    run_id = remembered.run_id
    if target is None:
        # It died before its first line: it can have made nothing.
        if not dry_run:
            remembered.forget()
        return []
    if dry_run:
        return [Swept(run_id, reason, 0, target.remains(run_id))]
    try:
        with state.reopen(run_id) as held:
            saved = salvage(held, target, sinks)
            remains = _end(target, run_id, sinks)
            if not remains:
                held.forget()
            return [Swept(run_id, reason, saved, remains)]
    except Invalid:
        # Another sweep was quicker: it has the run now, or has ended it.
        return []


def salvage(held: RunState, target: Target, sinks: Sequence[Sink]) -> int:
    """Collect what the dead run's jobs made, into the folder it was going to; the number of files.

    Nothing here keeps the run from being ended.
    """
    begun, design, inventory = held.journal.last("begin"), held.design(), held.inventory()
    if begun is None or design is None or inventory is None or not held.submitted():
        return 0
    if held.journal.last("destroy") is not None:
        # Everything was collected before; what is half destroyed by now must not take its place.
        return 0
    try:
        record = Record(design, held, claim(Path(begun["results"])), sinks)
        work.gather(work.Cluster(target, inventory, target.connect(inventory)), record)
        record.stopped(BurstError("its client died; `burst sweep` ended it"))
        record.receipt(status="swept")
        return sum(len(job.outputs) for job in record.jobs.values())
    except Exception as problem:
        Events(held.run_id, list(sinks)).say("sweep", f"{held.run_id}: its outputs could not be collected: {problem}")
        return 0


def _end(target: Target, run_id: str, sinks: Sequence[Sink]) -> tuple[Resource, ...]:
    events = Events(run_id, list(sinks))
    events.say("sweep", f"sweep {run_id}")
    return teardown.destroy(target, run_id, events)
