"""What would be made, where, at what cost, how soon, and what is tried when there is no room: before anything exists."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import click

from provisioner.design.bill import bill
from provisioner.design.model import Design, Group, Node
from provisioner.design.timeline import Timeline
from provisioner.findings import Finding, errors
from provisioner.report.costs import print_bill, print_costs
from provisioner.report.receipt import Choice
from provisioner.report.rows import print_table
from provisioner.targets.base import Zone
from provisioner.units import MIB, show_duration, show_size

# Zones that are named; of more it is said how many there are.
_NAMED = 4


@dataclass(frozen=True)
class Plan:
    """What is tried first, of the targets in `choices`; its `zones` in their order. `unasked` is why nobody asked the place, ""
    where it was asked; `skipped` what nobody looked at; `prices` how old the machines' are.
    """

    design: Design
    choices: Sequence[Choice]
    zones: Sequence[Zone]
    findings: Sequence[Finding]
    unasked: str
    skipped: Sequence[str]
    prices: str


def print_plan(plan: Plan, *, items: bool) -> None:
    """On one screen; with `items` also each thing that is billed."""
    design, choices = plan.design, plan.choices
    soon = choices[0].ready_s
    ready = f"; the first node is ready after about {show_duration(round(soon))}" if soon else ""
    click.echo(f"{design.name} on {design.place}, for {show_duration(design.ttl)} at most{ready}")
    if len(choices) > 1:
        print_table([_choice_row(choice) for choice in choices], ["target", "expected", "USD/h", "at most", "ready", "why"])
        for choice in choices[1:]:
            if choice.fix:
                click.echo(f"  for {choice.target}: {choice.fix}")
    head = ["head", "1", design.head.instance, str(design.head.cpus), show_size(design.head.memory_mib * MIB), "", ""]
    rows = [[*head, _price(design.head)], *(_group_row(group) for group in design.groups)]
    print_table(rows, ["group", "nodes", "instance", "CPUs", "memory", "GPUs", "spot", "USD/h each, at most"])
    if design.filesystems:
        print_table(
            [[fs.mount, fs.type, fs.id or show_size(fs.size)] for fs in design.filesystems], ["mount", "type", "size or id"]
        )
    if design.target == design.cloud:
        print_table(_around(design), ["", "around it"])
    if design.jobs:
        jobs = [
            [job.name, job.group, ", ".join(job.needs), job.script or job.command or "", " ".join(job.options[1:])]
            for job in design.jobs
        ]
        print_table(jobs, ["job", "group", "needs", "runs", "sbatch options"])
    if choices[0].fits:
        if items:
            print_bill(bill(design))
        print_costs(design.estimate, design.budget, design.ttl)
        for line in (plan.prices, *_no_room(plan)):
            click.echo(line, nl=bool(line))
    click.echo(_account(plan))


def _choice_row(choice: Choice) -> list[str]:
    why = f"{'chosen: ' if choice.chosen else ''}{choice.why}" if choice.fits else f"no: {choice.why}"
    expected = _usd(choice.expected_usd) + ("~" if choice.assumed else "")
    usd = [expected, _usd(choice.hourly_usd), _usd(choice.at_most_usd)] if choice.fits else ["", "", ""]
    return [choice.target, *usd, show_duration(round(choice.ready_s)) if choice.ready_s and choice.fits else "", why]


def _usd(amount: float | None) -> str:
    return "not known" if amount is None else f"{amount:.2f}"


def _no_room(plan: Plan) -> Iterator[str]:
    """What is tried, in order, where a place has no room."""
    design, zones = plan.design, plan.zones
    others = [choice.target for choice in plan.choices if choice.fits and not choice.chosen]
    walks = any(len(group.alternatives) > 1 or group.spot == "prefer" for group in design.groups)
    if design.target != design.cloud and not others and not zones:
        return
    steps = ["each group's next type, spot before on-demand"] if walks else []
    if len(zones) > 1:
        named = [f"{zone.name} ({zone.said})" if zone.said else zone.name for zone in zones[:_NAMED]]
        more = f" and {len(zones) - _NAMED} more" if len(zones) > _NAMED else ""
        steps.append(f"zones {', '.join(named)}{more}, in this order")
    elif plan.unasked and design.target == design.cloud:
        steps.append(f"other zones of {design.place}, of which nobody was asked")
    steps += others
    yield "if there is no room: " + (", then ".join(steps) if steps else "nothing else; name more types, or a list of targets")


def _account(plan: Plan) -> str:
    """Whether the account may have it, or why nobody knows."""
    place = plan.design.place
    if plan.unasked:
        return f"allowed: {place} was not asked ({plan.unasked})"
    wrong = [finding for finding in plan.findings if finding.check]
    # Who leaves a check out is not told that it said yes.
    but = f", but for {', '.join(sorted(set(plan.skipped)))} (--skip)" if plan.skipped else ""
    if errors(wrong):
        return f"allowed: no ({place} was asked{but}); see below"
    return f"allowed: yes ({place} was asked{but})" + ("; see below" if wrong else "")


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
    usd = node.spot_price if group.spot == "only" and node.spot_price is not None else node.price
    size = [str(node.cpus), show_size(node.memory_mib * MIB)]
    return [group.name, count, instances, *size, gpus, group.spot, f"{usd:.4f}" if usd else ""]


def _price(node: Node) -> str:
    return f"{node.price:.4f}" if node.price else ""


def plan_json(plan: Plan, found: Timeline | None = None) -> str:
    """The whole Design, its bill, the targets that are tried and their zones, what was noticed, and the timeline where one was
    asked for."""
    body: dict[str, Any] = {
        "design": plan.design.model_dump(mode="json"),
        "bill": asdict(bill(plan.design)),
        "choices": [choice.model_dump(mode="json") for choice in plan.choices],
        "zones": [zone._asdict() for zone in plan.zones],
        "asked": not plan.unasked,
        "findings": [f.model_dump(mode="json") for f in plan.findings],
    }
    if found is not None:
        body["timeline"] = asdict(found)
    return json.dumps(body, indent=2)
