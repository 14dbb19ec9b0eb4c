"""Make the cluster where it is to be had: types and markets within a zone, then zone by zone, then target by target.

What a place has made before it said no is gone, and it was asked, before the next one is begun: there is never more than
one place that a run has anything in. Only "no room" (Kind.CAPACITY) goes on; every other refusal is for a person to read.
"""

from __future__ import annotations

from provisioner import clock
from provisioner.errors import Kind, NotCreated
from provisioner.lifecycle import teardown
from provisioner.lifecycle.budget import Overspent
from provisioner.lifecycle.candidates import Candidate
from provisioner.lifecycle.journal import SETTLED
from provisioner.lifecycle.prepare import Work
from provisioner.lifecycle.record import Record
from provisioner.lifecycle.work import Cluster, deadline


def acquire(record: Record, prepared: Work) -> Cluster:
    """The cluster, in the first place that has room. Raises NotCreated: as the last of them said it, or where what a place had
    made could not be ended.
    """
    tries = prepared.tries()
    for number, candidate in enumerate(tries, 1):
        begin(record, prepared, candidate)
        try:
            return create(record, prepared, candidate)
        except NotCreated as problem:
            if problem.kind is not Kind.CAPACITY or number == len(tries):
                raise
            leave(record, candidate, tries[number])
    raise AssertionError("there is at least one")


def begin(record: Record, prepared: Work, candidate: Candidate) -> None:
    """The journal's first lines: who, where, until when. Everything after is found by them."""
    first, design = record.target is None, candidate.design
    record.placed(candidate)
    record.events.step(
        "begin",
        f"run {design.run.id} on {candidate.place}",
        run_id=design.run.id,
        target=design.target,
        region=design.region,
        zone=design.zone,
        file=str(prepared.file.absolute()),
        results=str(record.results.absolute()),
        expires=design.run.expires,
    )
    record.state.save_design(design)
    if first:
        record.phases.extend(prepared.phases)
        record.chose(prepared.choices)
    record.found(*(finding for finding in candidate.findings if finding not in record.findings))


def create(record: Record, prepared: Work, candidate: Candidate) -> Cluster:
    """Make everything, and remember what there is."""
    target, before = candidate.target, len(record.course.attempts)
    with record.phase("create"):
        try:
            inventory = target.create(record.design, record.events, prepared.folder, record.state.folder)
        except NotCreated as problem:
            if not isinstance(problem, Overspent) and problem.kind not in (None, Kind.TRANSIENT):
                # Refused, and not cut off: nothing is on its way any more.
                record.events.step(SETTLED, "not everything could be made")
            if problem.kind is Kind.CAPACITY and all(attempt.made for attempt in record.course.attempts[before:]):
                # By the stack itself, which makes no machine but the head.
                told = {"instance": record.design.head.instance, "market": "on-demand", "refusal": problem.kind.value}
                record.events.say("launch.refused", f"no room: head: {problem.why}", nodes=["head"], **told)
            raise
        record.state.save_inventory(inventory)
        record.events.step(SETTLED, "everything was made")
        return Cluster(target, inventory, target.connect(inventory))


def leave(record: Record, candidate: Candidate, following: Candidate) -> None:
    """End what was made of it, and prove it, before anything is begun elsewhere. Raises NotCreated where it does not go, or
    where no time is left for jobs, and Overspent where limits.cost is spent by then.
    """
    with record.phase("fall back"), record.meter.leaving():
        ended = teardown.destroy(candidate.target, record.design.run.id, record.events, record.state.journal)
        record.scans += ended.scans
    if ended.remains:
        raise NotCreated(
            f"there is no room in {candidate.place}, and what was made of it there is not gone",
            why="nothing is begun elsewhere before that",
            fix=f"burst down {record.design.run.id}",
            kind=Kind.CAPACITY,
        )
    if clock.now() >= deadline(record.design):
        # Its machines would end themselves before a job was over.
        raise NotCreated(
            f"there was no room until the time for jobs was over, last in {candidate.place}",
            why=f"{following.place} was next, and nothing is begun that cannot run a job before limits.ttl",
            fix="raise limits.ttl, or name the places that are likelier to have room first",
            kind=Kind.CAPACITY,
        )
    record.events.going_on()
    record.events.say("fallback", f"no room in {candidate.place}: everything of it is gone, next is {following.place}")
