"""The jobs' part of the story: stage, submit, watch, collect, on a cluster that is ready."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field

from provisioner import clock
from provisioner.design.model import Design, Output
from provisioner.errors import BurstError, NotCreated
from provisioner.events import Events
from provisioner.executor.base import Executor
from provisioner.executor.process import CommandFailed
from provisioner.findings import error, warning
from provisioner.jobs import result
from provisioner.jobs.collect import Collected, collect
from provisioner.jobs.follow import Follower, Show
from provisioner.jobs.model import Submitted
from provisioner.jobs.submit import SubmitFailed, submit_all
from provisioner.jobs.watch import ClusterLost, Watch
from provisioner.lifecycle.journal import SETTLED
from provisioner.lifecycle.record import Record
from provisioner.slurm import ask, outcome
from provisioner.targets.base import Inventory, Target
from provisioner.units import count, show_size

# A cancelled job has Slurm's KillWait between SIGTERM and SIGKILL, and then its end must be told.
_CANCEL_SECONDS = 15
# A head that does not answer for so many seconds is not asked for outputs any more.
_REACH = 20.0


@dataclass
class Cluster:
    """A cluster that exists, and the way to it."""

    target: Target
    inventory: Inventory
    executor: Executor
    # What the jobs' own watch knew last; None where this client did not watch.
    watch: Watch | None = None
    # The head did not answer for so long that it was given up.
    lost: bool = False
    # Outputs that are on their way, beside the watch; a signal may have kept the watch from waiting for them.
    under_way: list[Future[None]] = field(default_factory=list)

    def heal(self, names: Sequence[str], events: Events) -> None:
        """Make nodes that died anew, where they were always there; elastic ones are handed back to Slurm, who asks."""
        fixed = [name for name in names if name in self.inventory.nodes]
        elastic = [name for name in names if name not in fixed]
        if elastic:
            with contextlib.suppress(CommandFailed):
                ask.power_down(lambda argv: self.executor.run(argv, admin=True).stdout, elastic)
        if not fixed:
            return
        events.step("heal", f"make {', '.join(fixed)} anew", nodes=fixed)
        try:
            self.target.launch(self.inventory, fixed, events)
        except NotCreated as problem:
            # The jobs on other nodes go on; the watch comes back to these.
            events.say("heal.failed", f"{problem.message}: {problem.why}", nodes=fixed)
        events.step(SETTLED, "they were asked for")


def do(cluster: Cluster, record: Record, show: Show | None) -> Watch:
    """Submit every job and wait until all are over; the watch knows how each ended, also when it is broken off."""
    return follow(cluster, record, submit(cluster, record), show, bring=True)


def submit(cluster: Cluster, record: Record) -> dict[str, Submitted]:
    """Submit every job; those that sbatch refused are in the record."""
    submitted, refused = submit_all(cluster.executor, record.design, cluster.inventory.workdir, record.events, {})
    record.state.save_submitted(submitted)
    _keep_refused(record, refused)
    return submitted


def _keep_refused(record: Record, refused: dict[str, SubmitFailed]) -> None:
    for name, problem in refused.items():
        record.jobs[name] = result.not_submitted(problem.why)
        record.found(error("submit", f"{problem.message}: {problem.why}", problem.fix))


def follow(cluster: Cluster, record: Record, submitted: dict[str, Submitted], show: Show | None, *, bring: bool = False) -> Watch:
    """Watch jobs that were submitted; with `bring` collect each as soon as it is over."""
    watch = cluster.watch = Watch(cluster.executor, submitted, record.events)
    follower = Follower(cluster.executor, show) if show is not None else None

    def early(name: str) -> None:
        cluster.under_way.append(courier.submit(_gather_early, cluster, record, submitted[name], watch))

    # Beside the watch: gigabytes on their way must not keep it from seeing a node die or the time run out.
    with ThreadPoolExecutor(1) as courier:
        try:
            watch.until_over(
                lambda names: cluster.heal(names, record.events),
                follower,
                deadline(record.design),
                early if bring else lambda _: None,
                record.meter,
            )
        except ClusterLost:
            cluster.lost = True
            raise
        finally:
            if follower is not None:
                with contextlib.suppress(CommandFailed):
                    follower.read(watch.tasks)
    if watch.overspent:
        record.found(record.meter.enough())
    if watch.expired:
        record.found(warning("expired", "the cluster's life ended before its jobs: they were cancelled", "raise limits.ttl"))
    return watch


def deadline(design: Design) -> float:
    """When jobs must be over (epoch seconds), so that there is time to collect before the cluster's expiry."""
    return design.run.expires - design.ttl + design.working_life


def gather(cluster: Cluster, record: Record, *, running: bool = False) -> None:
    """Collect what every submitted job promised, whatever became of it. What goes wrong is a finding.

    Jobs that are not over are cancelled first; with `running` they go on and are left out.
    """
    # Two that bring the same files at once would take them away from each other.
    wait(cluster.under_way)
    submitted = record.state.submitted()
    watch = Watch(cluster.executor, submitted, record.events, quiet=True)
    if cluster.watch is not None and cluster.watch.over():
        watch.tasks = cluster.watch.tasks
    else:
        # A slurmctld that hangs has lost no file: what the jobs wrote lies there all the same.
        with contextlib.suppress(ClusterLost):
            _insist(cluster, lambda: watch.look() or bool(watch.tasks) or not submitted)
    if submitted and not watch.tasks:
        record.found(error("slurm", "slurmctld could not be asked how the jobs ended", "its outputs were collected all the same"))
    elif not watch.over() and not running:
        watch.cancel()
        watch.wait_until_over(_CANCEL_SECONDS)
    record.meter.ran(task for tasks in watch.tasks.values() for task in tasks)
    for job in record.design.jobs:
        if job.name in submitted and job.name not in record.jobs and not (running and not watch.is_over(job.name)):
            _gather_one(cluster, record, submitted[job.name], watch)


def reachable(cluster: Cluster) -> bool:
    """Whether the head answers at all, be it that the line drops for a moment."""
    try:
        _insist(cluster, lambda: bool(cluster.executor.run(["true"])))
    except (CommandFailed, BurstError):
        return False
    return True


def _insist(cluster: Cluster, asked: Callable[[], bool]) -> None:
    """Until it is answered: a line that drops for a moment costs nobody their outputs. Raises what the last try raised.

    A head that was given up is tried once.
    """
    until = clock.monotonic() + (0 if cluster.lost else _REACH)
    while True:
        last = clock.monotonic() >= until
        cluster.lost |= last
        try:
            if asked() or last:
                return
        except CommandFailed as problem:
            if problem.status is not None or last:
                raise
        clock.sleep(0.5)


def _gather_early(cluster: Cluster, record: Record, job: Submitted, watch: Watch) -> None:
    """Collect as soon as a job is over: a head that dies later does not cost its outputs. What goes wrong waits for `gather`."""
    with contextlib.suppress(Exception):
        collected, tail = _collected(cluster, record, job, watch)
        if not collected.findings:
            _keep(record, job, watch, collected, tail)


def _gather_one(cluster: Cluster, record: Record, job: Submitted, watch: Watch) -> None:
    collected, tail = Collected(), ""

    def bring() -> bool:
        nonlocal collected, tail
        collected, tail = _collected(cluster, record, job, watch)
        return True

    try:
        _insist(cluster, bring)
    except Exception as problem:
        # One job's trouble must not cost the others their outputs.
        collected, tail = _nothing(record.design.job(job.name).outputs), ""
        why = f" ({problem.why})" if isinstance(problem, BurstError) and problem.why else ""
        record.found(error("output", f"{job.name}: its outputs could not be collected: {problem}{why}"))
    _keep(record, job, watch, collected, tail)


def _collected(cluster: Cluster, record: Record, job: Submitted, watch: Watch) -> tuple[Collected, str]:
    tasks = watch.tasks.get(job.name, ())
    record.events.step("collect", f"collect {job.name}", job=job.name)
    collected = collect(cluster.executor, record.design.job(job.name), job.folder, tasks, record.results)
    return collected, result.tail(cluster.executor, tasks)


def _keep(record: Record, job: Submitted, watch: Watch, collected: Collected, tail: str) -> None:
    """What became of it, into the record."""
    tasks = watch.tasks.get(job.name, ())
    record.jobs[job.name] = result.result(job, tasks, collected, tail)
    if outcome.never_ran(tasks):
        record.jobs[job.name] = record.jobs[job.name].model_copy(update={"missing": ()})
    else:
        record.found(*collected.findings)
    total = sum(output.bytes for output in collected.outputs)
    record.events.say(
        "job.collected",
        f"{job.name}: {count(len(collected.outputs), 'output')}, {show_size(total)}",
        job=job.name,
        files=len(collected.outputs),
        bytes=total,
    )


def _nothing(outputs: Sequence[Output]) -> Collected:
    done = Collected()
    done.missing = tuple(output.path for output in outputs if not output.optional)
    return done
