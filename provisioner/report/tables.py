"""Tables for people, and the same as JSON for programs: status, list, catalog."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import click

from provisioner.design.model import Design
from provisioner.report.rows import print_table
from provisioner.slurm.states import NodeState, Task
from provisioner.units import show_duration


def print_rows(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> None:
    """A table of these columns."""
    print_table([[_cell(row[column]) for column in columns] for row in rows], [column.replace("_", " ") for column in columns])


def _cell(value: Any) -> str:
    return "" if value is None else str(value)


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
