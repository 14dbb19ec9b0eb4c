"""Ready means proven: slurmctld answers, every node that is always there is idle, the head and login nodes have told of
their last phase, a probe ran on each fixed node and wrote to every mount."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from provisioner import clock, files
from provisioner.bootstrap import phases
from provisioner.design.decide import EMBEDDED
from provisioner.design.model import Design, Group
from provisioner.errors import Kind, NotCreated
from provisioner.events import Events
from provisioner.executor.base import Executor
from provisioner.executor.process import CommandFailed
from provisioner.slurm import ask
from provisioner.slurm.states import NodeState
from provisioner.targets.base import Inventory, Target
from provisioner.units import count

_PROBE_SECONDS = 60
_LAST_WORD = 5.0
_LOOK_EVERY = 1.0
# nvidia-smi -L has a line for each device; the driver is the image's.
_GPUS = '{{ found=$(nvidia-smi -L | wc -l); [ "$found" -ge {gpus} ] || {{ echo "$found of {gpus} GPUs" >&2; false; }}; }}'


class Readiness:
    """One wait for one cluster, `target.patience` seconds at most from its beginning."""

    def __init__(
        self, target: Target, executor: Executor, design: Design, inventory: Inventory, events: Events, results: Path
    ) -> None:
        self._target = target
        self._executor = executor
        self._design = design
        self._inventory = inventory
        self._events = events
        self._results = results
        self._machines: dict[str, phases.Machine] = {}
        self._looked = float("-inf")

    def nodes(self) -> dict[str, NodeState]:
        """Return when every fixed node is ready. Raises NotCreated as soon as one machine has given up."""
        said, asked, nodes = "nobody answered", False, dict[str, NodeState]()
        # What boots is not hurried by being asked: each question costs the head, and this machine, a process.
        for _ in clock.patience(self._target.patience, first=0.2 if self._inventory.reports else 0.004):
            try:
                nodes = ask.nodes(_asking(self._executor))
                if not asked:
                    self._ask_for_the_first_jobs()
                    asked = True
                if not self._missing(nodes):
                    return nodes
            except CommandFailed as problem:
                said = problem.why
            self._give_up_early()
        raise self._late(self._missing(nodes) if asked else ["head"], said)

    def _missing(self, nodes: dict[str, NodeState]) -> list[str]:
        """What is not ready. slurmctld may answer, and nodes join, before the head has come to its own end."""
        missing = [name for name in self._design.fixed if not _is_ready(nodes.get(name))]
        if not missing and self._inventory.reports:
            told = self.look()
            missing = [name for name in ("head", *self._inventory.logins) if name not in told or not told[name].done]
        return missing

    def _ask_for_the_first_jobs(self) -> None:
        early = demanded(self._design)
        if early:
            self._events.say("nodes.asked", f"ask for {', '.join(early)}: the first jobs need them", nodes=early)
            ask.power_up(lambda argv: self._executor.run(argv, env=ask.ENVIRONMENT, admin=True).stdout, early)

    def look(self) -> dict[str, phases.Machine]:
        """What machines have told so far."""
        if self._inventory.reports:
            # The head may not be up yet, or the line drop: then what is known stays.
            with contextlib.suppress(CommandFailed):
                told = self._executor.run(["sh", "-c", phases.READ], check=False).stdout
                self._machines = phases.parse(told, self._design.run.id)
        return self._machines

    def whole(self) -> dict[str, phases.Machine]:
        """The same, once each has told of its last phase too; the word of it may come after its slurmd's."""
        for _ in clock.patience(_LAST_WORD if self._inventory.reports else 0, first=0.1):
            told = self.look()
            if all(name in told and told[name].done for name in ("head", *self._inventory.logins, *self._design.fixed)):
                break
        return self._machines

    def _give_up_early(self) -> None:
        if clock.monotonic() - self._looked < _LOOK_EVERY:
            return
        self._looked = clock.monotonic()
        wanted = {"head", *self._inventory.logins, *self._design.fixed}
        for name, machine in self.look().items():
            if name in wanted and machine.failed is not None:
                message = f"{name}: its phase {machine.failed.name} failed with {machine.failed.status}"
                raise self._not_ready(message, machine.log, [name], Kind.CONFIG)

    def _late(self, missing: Sequence[str], said: str) -> NotCreated:
        first, patience = missing[0], self._target.patience
        message = f"{', '.join(missing)} did not become ready within {patience:g} s"
        why = _printable(self._target.console(self._inventory, first).strip())[-2000:]
        if self._inventory.reports:
            machine = self._machines.get(first)
            where = (
                f"{first} is in its phase {machine.now}"
                if machine
                else f"{first} has not booted: it never told the head anything"
            )
            log = machine.log if machine else said if first == "head" else ""
            why = "\n".join(filter(None, (where, log.strip() or why)))
        return self._not_ready(message, why, missing, Kind.TRANSIENT)

    def _not_ready(self, message: str, why: str, names: Sequence[str], kind: Kind) -> NotCreated:
        _save_consoles(self._target, self._inventory, names, self._results)
        return NotCreated(message, why=why, fix=f"read {self._results}/consoles/{names[0]}.log", kind=kind)


def prove(
    target: Target, executor: Executor, design: Design, inventory: Inventory, events: Events, results: Path
) -> dict[str, phases.Machine]:
    """Return when the cluster is ready, with what its machines told of their start.

    Raises NotCreated naming what is not, with its console saved in `results`.
    """
    events.step("ready", "wait until every node is ready")
    readiness = Readiness(target, executor, design, inventory, events, results)
    readiness.nodes()
    if design.fixed:
        ready = count(len(design.fixed), "node")
        events.say("nodes.ready", f"{ready} ready", nodes=list(design.fixed))
    _probe_all(target, executor, design, inventory, events, results)
    machines = readiness.whole()
    if machines:
        parts = [f"{name} {seconds:.2f}s ({where})" for name, (seconds, where) in phases.slowest(machines).items()]
        events.say("machines.phases", f"the slowest of each phase: {', '.join(parts)}")
    return machines


def demanded(design: Design) -> list[str]:
    """Elastic nodes that the first jobs will surely need: the ones of the job that asks for most, group by group.

    A job that finds its node still starting is looked at again only every 30 s (slurmctld, PERIODIC_TIMEOUT).
    """
    names: list[str] = []
    for group in design.groups:
        asked = [_nodes_of(job.options) for job in design.jobs if job.group == group.name and not job.needs]
        last = min(max(asked, default=0), group.max)
        names.extend(f"{group.name}-{i}" for i in range(group.min + 1, last + 1))
    return names


def _nodes_of(options: Sequence[str]) -> int:
    return next((int(o.removeprefix("--nodes=")) for o in options if o.startswith("--nodes=")), 1)


def _asking(executor: Executor) -> ask.Run:
    return lambda argv: executor.run(argv, env=ask.ENVIRONMENT).stdout


# What a console is coloured and moved with (ECMA-48, control sequences).
_CONTROL = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")


def _printable(console: str) -> str:
    return "".join(c for c in _CONTROL.sub("", console) if c.isprintable() or c == "\n")


def _is_ready(node: NodeState | None) -> bool:
    return node is not None and node.powered and node.responding and node.state in ("idle", "mixed", "allocated", "completing")


def _probe_all(target: Target, executor: Executor, design: Design, inventory: Inventory, events: Events, results: Path) -> None:
    groups = [group for group in design.groups if group.min]
    with ThreadPoolExecutor(max(1, len(groups))) as pool:
        real = design.target not in EMBEDDED
        probes = [pool.submit(_probe, executor, inventory, group, gpus=group.node.gpus if real else 0) for group in groups]
    for group, probe in zip(groups, probes, strict=True):
        problem = probe.exception()
        if isinstance(problem, CommandFailed):
            _save_consoles(target, inventory, group.fixed, results)
            raise NotCreated(
                f"the probe of group {group.name} failed", why=problem.why, fix=f"read {results}/consoles", kind=Kind.CONFIG
            ) from problem
        if problem is not None:
            raise problem
        events.say("probe", f"group {group.name}: a probe ran on {count(group.min, 'node')}", group=group.name, nodes=group.min)


def _probe(executor: Executor, inventory: Inventory, group: Group, *, gpus: int) -> None:
    """One task on each node: it proves that a step starts there, writes to what is mounted, and has its `gpus`."""
    tried = [f'f="{path}/.burst-probe-$SLURMD_NODENAME" && : >"$f" && rm "$f"' for path in inventory.mounts.values()]
    if gpus:
        tried.append(_GPUS.format(gpus=gpus))
    checks = " && ".join(tried)
    executor.run(
        [
            "srun",
            f"--partition={group.name}",
            f"--nodes={group.min}",
            "--ntasks-per-node=1",
            "--job-name=burst-probe",
            "--time=1",
            "--mpi=none",
            *([f"--gpus-per-node={gpus}"] if gpus else []),
            f"--immediate={_PROBE_SECONDS}",
            *(["sh", "-c", checks] if checks else ["true"]),
        ],
        timeout=_PROBE_SECONDS + 10,
    )


def _save_consoles(target: Target, inventory: Inventory, names: Sequence[str], results: Path) -> None:
    for name in names:
        files.write(results / "consoles" / f"{name}.log", target.console(inventory, name))
