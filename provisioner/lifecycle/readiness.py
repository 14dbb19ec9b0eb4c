"""Ready means proven: slurmctld answers, every node that is always there is idle, a probe ran on each of them and
wrote to every mount."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from provisioner import clock, files
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


def prove(
    target: Target, executor: Executor, design: Design, inventory: Inventory, events: Events, results: Path, patience: float = 120
) -> None:
    """Return when the cluster is ready. Raises NotCreated naming what is not, with its console saved in `results`."""
    events.step("ready", "wait until every node is ready")
    nodes = _answers(executor, patience)
    early = demanded(design)
    if early:
        events.say("nodes.asked", f"ask for {', '.join(early)}: the first jobs need them", nodes=early)
        ask.power_up(_asking(executor), early)
    missing = [name for name in design.fixed if not _is_ready(nodes.get(name))]
    for _ in clock.patience(patience):
        if not missing:
            break
        nodes = ask.nodes(_asking(executor))
        missing = [name for name in design.fixed if not _is_ready(nodes.get(name))]
    if missing:
        _save_consoles(target, inventory, missing, results)
        raise NotCreated(
            f"{', '.join(missing)} did not become ready within {patience:g} s",
            why=target.console(inventory, missing[0]).strip()[-2000:],
            fix=f"read {results}/consoles/{missing[0]}.log",
            kind=Kind.TRANSIENT,
        )
    if design.fixed:
        ready = count(len(design.fixed), "node")
        events.say("nodes.ready", f"{ready} ready", nodes=list(design.fixed))
    _probe_all(target, executor, design, inventory, events, results)


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


def _answers(executor: Executor, patience: float) -> dict[str, NodeState]:
    said = ""
    for _ in clock.patience(patience):
        try:
            return ask.nodes(_asking(executor))
        except CommandFailed as problem:
            said = problem.why
    raise NotCreated("slurmctld does not answer", why=said, fix="burst doctor", kind=Kind.TRANSIENT)


def _is_ready(node: NodeState | None) -> bool:
    return node is not None and node.powered and node.responding and node.state in ("idle", "mixed", "allocated", "completing")


def _probe_all(target: Target, executor: Executor, design: Design, inventory: Inventory, events: Events, results: Path) -> None:
    groups = [group for group in design.groups if group.min]
    with ThreadPoolExecutor(max(1, len(groups))) as pool:
        probes = [pool.submit(_probe, executor, inventory, group) for group in groups]
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


def _probe(executor: Executor, inventory: Inventory, group: Group) -> None:
    """One task on each node: it proves that a step starts there, and writes to what is mounted."""
    checks = " && ".join(f'f="{path}/.burst-probe-$SLURMD_NODENAME" && : >"$f" && rm "$f"' for path in inventory.mounts.values())
    executor.run(
        [
            "srun",
            f"--partition={group.name}",
            f"--nodes={group.min}",
            "--ntasks-per-node=1",
            "--job-name=burst-probe",
            "--time=1",
            "--mpi=none",
            f"--immediate={_PROBE_SECONDS}",
            *(["sh", "-c", checks] if checks else ["true"]),
        ],
        timeout=_PROBE_SECONDS + 10,
    )


def _save_consoles(target: Target, inventory: Inventory, names: Sequence[str], results: Path) -> None:
    for name in names:
        files.write(results / "consoles" / f"{name}.log", target.console(inventory, name))
