"""The whole story in one function."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from provisioner.errors import Interrupted
from provisioner.events import Sink
from provisioner.jobs.follow import Show
from provisioner.jobs.stage import stage_in
from provisioner.lifecycle import readiness, signals, state, teardown, work
from provisioner.lifecycle.prepare import Work
from provisioner.lifecycle.record import Record
from provisioner.report.receipt import Receipt


def run(prepared: Work, results: Path, sinks: Sequence[Sink] = (), show: Show | None = None) -> Receipt:
    """burst.yaml → Spec → Design → Inventory → ready → staged → jobs → outputs → destroyed → Receipt.

    The first two arrows are `prepare`'s. Whatever happens after `begin`, a signal or a bug of ours included, ends
    with the teardown; what SIGKILL cuts off is in the journal, and the next `burst run` or `burst sweep` ends it.
    """
    design, target = prepared.design, prepared.target
    with signals.catching(lambda: last_words(design.run.id)) as caught, state.begin(design.run.id) as remembered:
        record = Record(design, remembered, results, sinks)
        record.phases.extend(prepared.phases)
        cluster = None
        try:
            begin(record, prepared)
            with record.phase("create"):
                inventory = target.create(design, record.events, prepared.folder, remembered.folder)
                remembered.save_inventory(inventory)
                cluster = work.Cluster(target, inventory, target.connect(inventory))
            with record.phase("ready"):
                readiness.prove(target, cluster.executor, design, inventory, record.events, results)
            with record.phase("stage"):
                stage_in(cluster.executor, design, prepared.folder, inventory.workdir, record.events)
            with record.phase("jobs"):
                work.do(cluster, record, show)
        except (Exception, Interrupted) as problem:
            record.stopped(problem)
        with caught.shielded():
            if cluster is not None:
                with record.phase("collect"):
                    work.gather(cluster, record)
            with record.phase("destroy"):
                record.remains = teardown.destroy(target, design.run.id, record.events)
            if caught.received is not None:
                record.stopped(Interrupted(caught.received))
            receipt = record.receipt()
            if not record.remains:
                remembered.forget()
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
        file=str(prepared.file.absolute()),
        results=str(record.results.absolute()),
        expires=design.run.expires,
    )
    record.state.save_design(design)
    record.found(*prepared.findings)


def last_words(run_id: str) -> str:
    """What a second signal leaves on the screen."""
    return f"burst: stopped at once; what is left of {run_id} is ended by:\n  burst sweep"
