"""The whole story in one function."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from provisioner.errors import Interrupted
from provisioner.events import Sink
from provisioner.jobs.follow import Show
from provisioner.jobs.stage import stage_in
from provisioner.lifecycle import readiness, signals, state, teardown, work
from provisioner.lifecycle.acquire import acquire
from provisioner.lifecycle.away import keeping
from provisioner.lifecycle.lastwords import last_words
from provisioner.lifecycle.prepare import Work
from provisioner.lifecycle.record import Record, claim
from provisioner.lifecycle.work import Cluster
from provisioner.report.receipt import Receipt
from provisioner.targets.base import Target


def run(prepared: Work, results: Path, sinks: Sequence[Sink] = (), show: Show | None = None) -> Receipt:
    """burst.yaml → Spec → Design → Inventory → ready → staged → jobs → outputs → destroyed → Receipt.

    The first two arrows are `prepare`'s, the third is `acquire`'s, which goes where there is room. Whatever happens from there
    on, a signal or a bug of ours included, ends with the teardown; what SIGKILL cuts off is in the journal, and the next
    `burst run` or `burst sweep` ends it.
    """
    design = prepared.design
    claim(results)
    with state.begin(design.run.id) as remembered, signals.catching(lambda: last_words(remembered)) as caught:
        record = Record(design, remembered, results, sinks)
        cluster = None
        try:
            with record.meter.guarding():
                cluster = acquire(record, prepared)
                with record.phase("ready"):
                    readiness.prove(cluster.target, cluster.executor, record.design, cluster.inventory, record.events, results)
                keeping.start(cluster, record)
                with record.phase("stage"):
                    stage_in(cluster.executor, record.design, prepared.folder, cluster.inventory.workdir, record.events)
            with record.phase("jobs"):
                work.do(cluster, record, show)
        except (Exception, Interrupted) as problem:
            record.stopped(problem)
        with caught.shielded():
            receipt = end(record, record.target or prepared.target, cluster, caught)
        record.reraise_bug()
        return receipt


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
        record.remains, record.scans = ended.remains, (*record.scans, *ended.scans)
    if caught.received is not None:
        record.stopped(Interrupted(caught.received))
    receipt = record.receipt()
    if not record.remains:
        record.state.forget()
    return receipt
