"""What a run has cost so far, and when limits.cost says that it is enough.

A meter hears what happens: the events of the run (`create.*`, `launched`, `job.collected`, `machines.ended`, `destroyed`), and
of the nodes that Slurm starts by itself their states, each time somebody asks slurmctld. What it knows is in the run's folder,
as ledger.json, so that it outlives the client. Billing is taken to begin with the creation, a minute or two before a cloud's.
"""

from __future__ import annotations

import contextlib
import json
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from provisioner import clock, files
from provisioner.cost.ledger import Ledger, Line, load
from provisioner.design.bill import bill
from provisioner.design.estimate import ending
from provisioner.design.model import Design
from provisioner.errors import NotCreated
from provisioner.events import Event
from provisioner.findings import Finding, warning
from provisioner.slurm.states import NodeState, Task, expand
from provisioner.units import GIB

# At this share of limits.cost it is said.
_NEAR = 0.8
# A cluster that is made, or becomes ready, is looked at this often, in seconds.
_EVERY = 1.0
# Who was broken off has this long to unwind, Pulumi's engine with it, before it is broken off once more.
_AGAIN = 600.0
_FIX = "raise limits.cost"
# What was last seen is kept this often, in seconds, where nothing changes.
_KEEP = 10.0
# What the machine itself is called in a ledger, and what else begins with the creation.
_HEAD, _AROUND = "head", "cluster"
# Items that end with the head and the login nodes, not with the rest of the stack.
_MACHINES = ("head", "head disk", "login", "login disk", "login address")
# Events that say what begins, moves or ends.
_BILLED = {"launched", "nodes.asked", "job.collected", "machines.ended", "destroyed"}


class Overspent(NotCreated):
    """limits.cost is nearly spent, and the cluster not ready yet."""


class Meter:
    """One run's. `found` is told once when most of the budget is spent; what only looks does not `keep`."""

    def __init__(self, design: Design, folder: Path, found: Callable[[Finding], None], *, keep: bool = True) -> None:
        self._design, self._bill = design, bill(design)
        self._path, self._keeps = folder / "ledger.json", keep
        self._found = found
        self._told = False
        # Whether it was enough while a place was left; None while none is.
        self._enough: bool | None = None
        self._kept = 0.0
        # When the last job of a node ended, by slurmctld.
        self._busy: dict[str, float] = {}
        # Events come from several threads.
        self._one = threading.RLock()
        self.ledger = read(self._path) or Ledger()
        if clock.now() > design.run.expires:
            # By then the machines have ended themselves, whatever became of the rest.
            self._machines_ended(design.run.expires)

    def follow(self, design: Design) -> None:
        """The run begins anew elsewhere: what it has cost before stays on the ledger."""
        with self._one:
            self._design, self._bill = design, bill(design)

    @property
    def free(self) -> bool:
        """Whether nothing is billed."""
        return self._bill.free

    def __call__(self, event: Event) -> None:
        """As a sink of events."""
        if self.free:
            return
        with self._one:
            if self._heard(event):
                self._keep()

    def _heard(self, event: Event) -> bool:
        """Whether it told anything that is billed."""
        step, data = str(event.data.get("step", "")), event.data
        if step.startswith("create.") and not self.ledger.open():
            self._created(event.time)
        if event.kind == "launched":
            for name in data["nodes"]:
                self._node(name, data["instance"], data["market"], event.time)
        elif step == "create.nodes" and self._design.target == "local":
            # There they are processes, which nobody tells of one by one.
            for name in data["nodes"]:
                self._node(name, "", "", event.time)
        elif event.kind == "nodes.asked":
            # Of slurmctld, which has them made before their jobs are submitted.
            for name in set(data["nodes"]) - self.ledger.open():
                self._node(name, "", "", event.time)
        elif event.kind == "job.collected":
            self._moved(data["bytes"] / GIB)
        elif event.kind == "machines.ended":
            self._machines_ended(event.time)
        elif event.kind == "destroyed":
            self.ledger.end(event.time)
        return event.kind in _BILLED or step.startswith("create.")

    def _created(self, at: float) -> None:
        own = [item for item in self._bill.fixed if item.name in _MACHINES]
        self.ledger.begin(_HEAD, own, at)
        self.ledger.begin(_AROUND, [item for item in self._bill.fixed if item not in own], at)

    def _node(self, name: str, instance: str, market: str, at: float) -> None:
        nodes = self._bill.group(name.rpartition("-")[0])
        # Login nodes are counted with the head.
        if nodes is not None:
            self.ledger.begin(name, nodes.option(instance, market).items, at)

    def _moved(self, gib: float) -> None:
        for traffic in self._bill.traffic:
            if traffic.name == "outputs":
                self.ledger.move(traffic, gib)

    def _machines_ended(self, at: float) -> None:
        gone = self.ledger.open() - {_AROUND}
        if gone:
            self.ledger.end(at, *gone)

    def observe(self, nodes: Mapping[str, NodeState]) -> None:
        """What slurmctld says of its nodes: who is there that nobody launched from here, and who has gone."""
        if self.free:
            return
        with self._one:
            now, known, before = clock.now(), self.ledger.open(), len(self.ledger.stretches)
            gone = {name for name, node in nodes.items() if node.gone} & known
            for name in gone:
                # Where nobody looked for long, it went when it had idled: after its last job, or after it was last seen.
                last = max(self.ledger.looked or now, self._busy.get(name, 0.0))
                self.ledger.end(min(now, last + self._design.idle), name)
            self.ledger.looked = now
            for name in sorted(name for name, node in nodes.items() if not node.gone and name not in known):
                # Which type and market the head got is not known: the dearest.
                self._node(name, "", "", now)
            if gone or len(self.ledger.stretches) > before or now - self._kept > _KEEP:
                self._keep()

    def ran(self, tasks: Iterable[Task]) -> None:
        """Jobs, as slurmctld has them: where nobody looked while they ran, their elastic nodes were there for them."""
        if self.free:
            return
        with self._one:
            for task in tasks:
                for name in expand(task.nodes) if task.started is not None else ():
                    nodes = self._bill.group(name.rpartition("-")[0])
                    if nodes is not None and name not in self._design.fixed and task.started is not None:
                        ended = clock.now() if task.ended is None else min(clock.now(), task.ended + self._design.idle)
                        self._busy[name] = max(self._busy.get(name, 0.0), task.ended or clock.now())
                        self.ledger.was(name, nodes.dearest.items, task.started, max(task.started, ended))
            self._keep()

    def spent(self) -> float:
        """USD so far."""
        with self._one:
            return self.ledger.total(clock.now())

    def lines(self) -> tuple[Line, ...]:
        """What that is made of."""
        with self._one:
            return self.ledger.lines(clock.now())

    def over(self) -> bool:
        """Whether the end must begin now to be over within limits.cost. Says once when most of it is spent."""
        budget = self._design.budget
        if budget is None or self.free:
            return False
        with self._one:
            now, rate = clock.now(), self.ledger.rate()
            spent, enough = self.ledger.total(now), self.ledger.total(now + ending(self._design)) >= budget
            near = spent >= _NEAR * budget
            told, self._told = self._told, self._told or near
        if near and not told and not enough:
            left = (budget - spent) / rate * 60 - ending(self._design) / 60 if rate else 0.0
            message = (
                f"{spent:.2f} of {budget:.2f} USD are spent, {rate:.2f} USD an hour: jobs are cancelled in about {left:.0f} min"
            )
            self._found(warning("budget", message, _FIX))
        return enough

    def enough(self) -> Finding:
        """What is said when `over`."""
        message = (
            f"{self.spent():.2f} of limits.cost's {self._design.budget or 0:.2f} USD are spent, and ending it costs the rest"
        )
        return warning("budget", message, _FIX)

    @contextmanager
    def guarding(self, every: float = _EVERY) -> Iterator[None]:
        """While a cluster is made and becomes ready, which may hang: raises Overspent in the block when it is enough.

        By SIGALRM, in the main thread alone, as a signal of the user's would break it off.
        """
        watched = self._design.budget is not None and not self.free
        if not watched or threading.current_thread() is not threading.main_thread():
            yield
            return

        def look(signum: int, frame: FrameType | None) -> None:
            if not self.over():
                return
            if self._enough is not None:
                self._enough = True
                return
            signal.setitimer(signal.ITIMER_REAL, _AGAIN, _AGAIN)
            raise self._overspent()

        handler, timer = signal.signal(signal.SIGALRM, look), signal.setitimer(signal.ITIMER_REAL, every, every)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, *timer)
            signal.signal(signal.SIGALRM, handler)

    @contextmanager
    def leaving(self) -> Iterator[None]:
        """While all there is is ended, to begin elsewhere: that is not broken off. Raises Overspent where it was enough then."""
        self._enough = False
        try:
            yield
        finally:
            enough, self._enough = self._enough, None
        if enough or self.over():
            raise self._overspent()

    def _overspent(self) -> Overspent:
        found = self.enough()
        self._found(found)
        return Overspent("the cluster was not ready in time", why=found.message, fix=_FIX)

    def _keep(self) -> None:
        # The folder goes with the run, and is not made anew.
        self._kept = clock.now()
        if self._keeps and self._path.parent.is_dir():
            with contextlib.suppress(OSError):
                files.write(self._path, json.dumps(self.ledger.dump()), mode=0o600, durable=False)


def read(path: Path) -> Ledger | None:
    """What a meter kept; None where there is nothing, or nothing that can be read."""
    try:
        return load(json.loads(path.read_bytes()))
    except (OSError, ValueError, KeyError, TypeError):
        return None
