"""A cluster that is kept: the same story told in pieces, by one command each.

| command | locks the run | journal | changes the cluster |
|---|---|---|---|
| up | yes | begin … kept | makes it |
| submit | yes | stage, submit | new jobs |
| status, logs, ssh | no | | no |
| fetch | yes | collect | no |
| down | yes | collect, destroy | ends it |
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from provisioner import clock
from provisioner.design.model import Design
from provisioner.errors import Interrupted, Invalid, Refused
from provisioner.events import Sink
from provisioner.executor.process import CommandFailed
from provisioner.jobs.follow import Follower, Show
from provisioner.jobs.model import Submitted
from provisioner.jobs.stage import stage_in
from provisioner.jobs.submit import submit_all
from provisioner.lifecycle import readiness, signals, state, work
from provisioner.lifecycle.acquire import acquire
from provisioner.lifecycle.away import keeping
from provisioner.lifecycle.lastwords import last_words
from provisioner.lifecycle.prepare import Work, decided
from provisioner.lifecycle.record import Record, claim
from provisioner.lifecycle.run import end
from provisioner.lifecycle.spending import look
from provisioner.lifecycle.state import RunState
from provisioner.lifecycle.work import Cluster
from provisioner.report.receipt import Receipt
from provisioner.slurm import ask
from provisioner.slurm.states import NodeState, Task
from provisioner.targets.registry import open_target


def up(prepared: Work, results: Path, sinks: Sequence[Sink] = ()) -> Receipt:
    """Make a cluster and keep it until `down` or its expiry. Where that fails, nothing is left."""
    design = prepared.design
    claim(results)
    with state.begin(design.run.id) as remembered, signals.catching(lambda: last_words(remembered)) as caught:
        record = Record(design, remembered, results, sinks)
        try:
            with record.meter.guarding():
                cluster = acquire(record, prepared)
                with record.phase("ready"):
                    readiness.prove(cluster.target, cluster.executor, record.design, cluster.inventory, record.events, results)
                keeping.start(cluster, record, kept=True)
            record.events.step("kept", f"{design.run.id} is kept", expires=design.run.expires)
            return record.receipt(status="kept")
        except (Exception, Interrupted) as problem:
            record.stopped(problem)
        with caught.shielded():
            receipt = end(record, record.target or prepared.target, None, caught)
        record.reraise_bug()
        return receipt


@dataclass
class Kept:
    """A kept cluster that was found again."""

    state: RunState
    design: Design
    cluster: Cluster

    @property
    def results(self) -> Path:
        """Where its outputs go unless something else is said: what `up` was given."""
        begun = self.state.journal.last("begin")
        return Path(begun["results"]) if begun else Path("results") / self.state.run_id


def find(wanted: str | None) -> Kept:
    """The kept cluster with this id or name; the only one when nothing is said. Raises Invalid."""
    remembered = state.find(wanted)
    design, inventory = remembered.design(), remembered.inventory()
    if design is None or inventory is None or remembered.stays is None:
        goes_on = state.alive(remembered.folder)
        raise Invalid(
            f"{remembered.run_id} is not a kept cluster",
            why="it is a `burst run` that goes on" if goes_on else "it is a `burst run` whose client died",
            fix="wait for it, or Ctrl-C there" if goes_on else f"burst down {remembered.run_id}",
        )
    target = open_target(design.target)
    return Kept(remembered, design, Cluster(target, inventory, target.connect(inventory)))


def submit(kept: Kept, file: Path, sinks: Sequence[Sink], *, wait: bool, show: Show | None) -> dict[str, Submitted]:
    """Stage and submit the jobs of `file`; with `wait` until they are over. Raises Invalid, SubmitFailed's as findings."""
    if kept.state.journal.last("detached") is not None:
        why = "its head waits for the jobs that it was handed, and then ends the cluster"
        raise Invalid(f"{kept.state.run_id} takes no more jobs", why=why, fix="burst up FILE, then burst submit")
    loaded, design, findings = decided(file, kept.design.target, kept.state.run_id)
    with state.reopen(kept.state.run_id) as held:
        known = held.submitted()
        merged = _merged(kept.design, design, known)
        record = Record(merged, held, claim(kept.results), sinks)
        record.found(*findings)
        fresh = design.model_copy(update={"jobs": tuple(job for job in design.jobs if job.name not in known)})
        stage_in(kept.cluster.executor, fresh, loaded.source.folder, kept.cluster.inventory.workdir, record.events)
        held.save_design(merged)
        done, refused = submit_all(kept.cluster.executor, fresh, kept.cluster.inventory.workdir, record.events, known)
        held.save_submitted(done)
        new = {name: job for name, job in done.items() if name not in known}
        if refused:
            raise next(iter(refused.values()))
        if wait:
            work.follow(kept.cluster, record, new, show)
        return new


def _merged(kept: Design, new: Design, known: dict[str, Submitted]) -> Design:
    """The kept design with the new jobs."""
    groups = {group.name for group in kept.groups}
    for job in new.jobs:
        if job.group not in groups:
            raise Invalid(
                f"{kept.run.id} has no group {job.group!r}", why=f"its groups: {', '.join(sorted(groups))}", fix="burst status"
            )
    fresh = tuple(job for job in new.jobs if job.name not in known)
    if not fresh:
        raise Invalid(
            "there is nothing to submit", why="every job of the file was submitted before", fix="give new jobs new names"
        )
    old = tuple(job for job in kept.jobs if job.name not in {job.name for job in fresh})
    return kept.model_copy(update={"jobs": (*old, *fresh)})


def nodes(kept: Kept) -> dict[str, NodeState]:
    """Every node, as slurmctld has it."""
    return ask.nodes(lambda argv: kept.cluster.executor.run(argv, env=ask.ENVIRONMENT).stdout)


def tasks(kept: Kept) -> dict[str, tuple[Task, ...]]:
    """Every job that was submitted, as slurmctld has it."""
    every = ask.jobs(lambda argv: kept.cluster.executor.run(argv, env=ask.ENVIRONMENT).stdout)
    return {name: tuple(task for task in every if task.job_id == job.slurm_id) for name, job in kept.state.submitted().items()}


def logs(kept: Kept, job: str, show: Show, *, follow: bool) -> None:
    """Show what a job wrote; with `follow` until it is over. Raises Invalid where there is no such job."""
    known = kept.state.submitted()
    if job not in known:
        raise Invalid(f"no job {job!r} was submitted", why=f"submitted: {', '.join(known) or 'none'}", fix="burst status")
    follower = Follower(kept.cluster.executor, show)
    while True:
        seen = tasks(kept)[job]
        follower.read({job: seen})
        if not follow or all(task.over for task in seen):
            return
        clock.sleep(0.5)


def fetch(kept: Kept, results: Path, sinks: Sequence[Sink]) -> Receipt:
    """Collect the outputs of every job that is over."""
    claim(results)
    with state.reopen(kept.state.run_id) as held:
        record = Record(kept.design, held, results, sinks)
        with record.phase("collect"):
            work.gather(kept.cluster, record, running=True)
        return record.receipt(status="kept")


def down(kept: Kept, results: Path, sinks: Sequence[Sink], *, discard: bool) -> Receipt:
    """Collect everything (not with `discard`), destroy, prove that nothing is left."""
    claim(results)
    with state.reopen(kept.state.run_id) as held, signals.catching(lambda: last_words(held)) as caught:
        record = Record(kept.design, held, results, sinks)
        held.placed(kept.cluster.target)
        with caught.shielded():
            # What is half destroyed by now must not take the place of what was collected then.
            collects = not discard and held.journal.last("destroy") is None
            if collects and held.submitted() and clock.now() < kept.design.run.expires and not work.reachable(kept.cluster):
                raise Refused(
                    f"the head of {held.run_id} cannot be reached, and its jobs' outputs are there",
                    why="nothing was ended",
                    fix=f"again, when it can be; to end it without them: burst down {held.run_id} --discard",
                )
            if collects:
                with contextlib.suppress(CommandFailed):
                    look(kept.cluster.executor, record.meter)
            return end(record, kept.cluster.target, kept.cluster if collects else None, caught)
