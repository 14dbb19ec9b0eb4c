"""The whole story in one function."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from provisioner.errors import Interrupted, Kind, NotCreated
from provisioner.events import Sink
from provisioner.jobs.follow import Show
from provisioner.jobs.stage import stage_in
from provisioner.lifecycle import readiness, signals, state, teardown, work
from provisioner.lifecycle.away import keeping
from provisioner.lifecycle.budget import Overspent
from provisioner.lifecycle.journal import SETTLED
from provisioner.lifecycle.lastwords import last_words
from provisioner.lifecycle.prepare import Work
from provisioner.lifecycle.record import Record, claim
from provisioner.lifecycle.work import Cluster
from provisioner.report.receipt import Receipt
from provisioner.targets.base import Target


def run(prepared: Work, results: Path, sinks: Sequence[Sink] = (), show: Show | None = None) -> Receipt:
    """burst.yaml → Spec → Design → Inventory → ready → staged → jobs → outputs → destroyed → Receipt.

    The first two arrows are `prepare`'s. Whatever happens after `begin`, a signal or a bug of ours included, ends
    with the teardown; what SIGKILL cuts off is in the journal, and the next `burst run` or `burst sweep` ends it.
    """
    design = prepared.design
    claim(results)
    with state.begin(design.run.id) as remembered, signals.catching(lambda: last_words(remembered)) as caught:
        record = Record(design, remembered, results, sinks)
        cluster = None
        try:
            begin(record, prepared)
            with record.meter.guarding():
                cluster = create(record, prepared)
                with record.phase("ready"):
                    readiness.prove(cluster.target, cluster.executor, design, cluster.inventory, record.events, results)
                keeping.start(cluster, record)
                with record.phase("stage"):
                    stage_in(cluster.executor, design, prepared.folder, cluster.inventory.workdir, record.events)
            with record.phase("jobs"):
                work.do(cluster, record, show)
        except (Exception, Interrupted) as problem:
            record.stopped(problem)
        with caught.shielded():
            receipt = end(record, prepared.target, cluster, caught)
        record.reraise_bug()
        return receipt


def begin(record: Record, prepared: Work) -> None:
    """The journal's first lines: who, where, until when. Everything after is found by them."""
    design = prepared.design
    record.events.step(
        "begin",
        f"run {design.run.id} on {design.target}",
        run_id=design.run.id,
        target=design.target,
        region=design.region,
        file=str(prepared.file.absolute()),
        results=str(record.results.absolute()),
        expires=design.run.expires,
    )
    record.state.save_design(design)
    record.phases.extend(prepared.phases)
    record.found(*prepared.findings)


def create(record: Record, prepared: Work) -> Cluster:
    """Make everything, and remember what there is."""
    with record.phase("create"):
        try:
            inventory = prepared.target.create(record.design, record.events, prepared.folder, record.state.folder)
        except NotCreated as problem:
            if not isinstance(problem, Overspent) and problem.kind not in (None, Kind.TRANSIENT):
                # Refused, and not cut off: nothing is on its way any more.
                record.events.step(SETTLED, "not everything could be made")
            raise
        record.state.save_inventory(inventory)
        record.events.step(SETTLED, "everything was made")
        return Cluster(prepared.target, inventory, prepared.target.connect(inventory))


def end(record: Record, target: Target, cluster: Cluster | None, caught: signals.Signals) -> Receipt:
    """Collect, destroy, ask what remains, write the receipt, forget the run. Not broken off by a first signal."""
    record.events.ending()
    if cluster is not None:
        with record.phase("collect"):
            try:
                work.gather(cluster, record)
            except Exception as problem:
                record.stopped(problem)
    with record.phase("destroy"):
        ended = teardown.destroy(target, record.design.run.id, record.events, record.state.journal)
        record.remains, record.scans = ended.remains, ended.scans
    if caught.received is not None:
        record.stopped(Interrupted(caught.received))
    receipt = record.receipt()
    if not record.remains:
        record.state.forget()
    return receipt
