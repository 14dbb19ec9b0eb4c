"""Tables for people, and the same as JSON for programs: plan, status, list, catalog."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import click

from provisioner.design.bill import bill
from provisioner.design.model import Design, Group, Node
from provisioner.design.timeline import Timeline
from provisioner.design.timeline.step import Timed
from provisioner.findings import Finding
from provisioner.report.costs import print_bill
from provisioner.report.rows import print_table
from provisioner.slurm.states import NodeState, Task
from provisioner.units import MIB, show_duration, show_size


def print_rows(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> None:
    """A table of these columns."""
    print_table([[_cell(row[column]) for column in columns] for row in rows], [column.replace("_", " ") for column in columns])


def _cell(value: Any) -> str:
    return "" if value is None else str(value)


def print_plan(design: Design) -> None:
    """What would be made."""
    place = design.target + (f"/{design.region}" if design.region else "")
    click.echo(f"{design.name} on {place}, for {show_duration(design.ttl)} at most")
    print_table(
        [
            [
                "head",
                "1",
                design.head.instance,
                str(design.head.cpus),
                show_size(design.head.memory_mib * MIB),
                "",
                "",
                _price(design.head),
            ],
            *([_group_row(group) for group in design.groups]),
        ],
        ["group", "nodes", "instance", "CPUs", "memory", "GPUs", "spot", "USD/h each"],
    )
    if design.filesystems:
        rows = [[fs.mount, fs.type, fs.id or show_size(fs.size)] for fs in design.filesystems]
        print_table(rows, ["mount", "type", "size or id"])
    if design.target == design.cloud:
        print_table(_around(design), ["", "around it"])
    if design.jobs:
        rows = [
            [job.name, job.group, ", ".join(job.needs), job.script or job.command or "", " ".join(job.options[1:])]
            for job in design.jobs
        ]
        print_table(rows, ["job", "group", "needs", "runs", "sbatch options"])
    print_bill(bill(design), design.estimate, design.budget)


def _around(design: Design) -> list[list[str]]:
    """What a cloud has beside machines and filesystems."""
    network, identity = design.network, design.identity
    ways = {
        "public": f"a public address, SSH from {', '.join(network.ssh_from) or 'where you are'} alone",
        "tunnel": "no public address, the cloud's own tunnel",
    }
    outs = {"head": "through the head, with a cache of packages", "gateway": "through a NAT gateway (billed)"}
    made = "a role for this run alone" + (f", within {identity.boundary}" if identity.boundary else "")
    return [
        ["network", " ".join(filter(None, (network.id or "new", network.subnet)))],
        ["way in", ways[network.access]],
        ["way out", outs[network.egress]],
        ["identity", identity.id or (made if identity.create else "none: the head can launch nothing")],
        ["image", design.image or "looked up: Ubuntu 24.04, the vendor's HPC image for GPUs and fabrics"],
    ]


def _group_row(group: Group) -> list[str]:
    node = group.node
    count = str(group.min) if group.min == group.max else f"{group.min} to {group.max}"
    instances = " or ".join(n.instance for n in group.alternatives)
    gpus = f"{node.gpus} {node.gpu}".strip() if node.gpus else ""
    return [group.name, count, instances, str(node.cpus), show_size(node.memory_mib * MIB), gpus, group.spot, _price(node)]


def _price(node: Node) -> str:
    return f"{node.price:.4f}" if node.price else ""


_BAR = 30


def print_timeline(design: Design, found: Timeline | None) -> None:
    """When each part would be there, as typical figures have it; `*` is what the first node waits for."""
    if found is None:
        click.echo(f"there is nothing to model on {design.target}: no cloud makes anything that takes its time")
        return
    end = {step.name: step.end for step in found.steps}
    scale = _BAR / max(end.values())
    rows = [
        [
            "*" if step.critical else "",
            step.name,
            f"{step.start:.0f}",
            f"{step.seconds:.0f}" + ("~" if step.basis == "estimate" else ""),
            _bar(step, scale),
            _waits(step, end),
        ]
        for step in found.steps
    ]
    print_table(rows, ["", "step", "from s", "takes s", "", "waits for"])
    click.echo(f"the first node is ready after {found.seconds:.0f} s (* the critical path, ~ an estimate of ours)")
    if found.earliest < found.seconds:
        click.echo(f"launched as soon as it could be, without waiting for all of Pulumi: {found.earliest:.0f} s")


def _bar(step: Timed, scale: float) -> str:
    begin = min(int(step.start * scale), _BAR - 1)
    return " " * begin + ("#" if step.critical else "-") * max(1, round(step.end * scale) - begin)


def _waits(step: Timed, end: Mapping[str, float]) -> str:
    """The latest first; the others are in the JSON."""
    latest = sorted(step.waits, key=lambda name: -end[name])
    more = f" and {len(latest) - 2} more" if len(latest) > 2 else ""
    return ", ".join(latest[:2]) + more


def plan_json(design: Design, findings: Sequence[Finding], found: Timeline | None = None) -> str:
    """The whole Design, its bill, what was noticed, and the timeline where one was asked for."""
    body: dict[str, Any] = {
        "design": design.model_dump(mode="json"),
        "bill": asdict(bill(design)),
        "findings": [f.model_dump(mode="json") for f in findings],
    }
    if found is not None:
        body["timeline"] = asdict(found)
    return json.dumps(body, indent=2)


def print_status(
    design: Design,
    nodes: Mapping[str, NodeState],
    tasks: Mapping[str, Sequence[Task]],
    watched: Mapping[str, Any] | None = None,
    detached: str = "",
) -> None:
    """Nodes and jobs of a kept cluster, and how near its limits are, by what it has `watched` (alone/keeper.py); `detached`
    is what its head says where the client has gone.
    """
    click.echo(f"{design.run.id} on {design.target}" + (f", {detached}" if detached else ""))
    print_table([[node.name, _node_state(node)] for node in nodes.values()], ["node", "state"])
    rows = [
        [name if task.index is None else f"{name}[{task.index}]", str(task.job_id), task.state, task.nodes, task.reason]
        for name, known in tasks.items()
        for task in known
    ]
    if rows:
        print_table(rows, ["job", "id", "state", "nodes", "reason"])
    else:
        click.echo("no jobs were submitted")
    for line in _limits(design, watched or {}):
        click.echo(line)


def _limits(design: Design, watched: Mapping[str, Any]) -> Iterator[str]:
    if watched and design.budget is not None:
        yield f"limits.cost: {watched['spent']:.2f} of {design.budget:.2f} USD are spent, {watched['rate']:.2f} USD an hour"
    if watched and design.unused is not None:
        idle = f"unused for {show_duration(int(watched['idle']))}" if watched["idle"] else watched["used"] or "in use"
        yield f"limits.unused: {show_duration(design.unused)}; {idle}"


def _node_state(node: NodeState) -> str:
    return node.state + ("" if node.powered else ", powered down") + ("" if node.responding else ", not responding")


def status_json(
    design: Design,
    nodes: Mapping[str, NodeState],
    tasks: Mapping[str, Sequence[Task]],
    watched: Mapping[str, Any] | None = None,
) -> str:
    """The same for programs. `spent` (USD), `rate` (USD an hour) and `idle` (seconds) are null where nothing is watched."""
    body = {
        "run_id": design.run.id,
        "target": design.target,
        "expires": design.run.expires,
        "limits": {key: (watched or {}).get(key) for key in ("spent", "rate", "idle")},
        "nodes": {name: asdict(node) for name, node in nodes.items()},
        "jobs": {name: [asdict(task) for task in known] for name, known in tasks.items()},
    }
    return json.dumps(body, indent=2)
