"""Design → what it will cost, from its bill; and what limits.cost has to say to that."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from provisioner.cost.bill import Bill
from provisioner.design.bill import bill
from provisioner.design.model import Design, Estimate, Group, Job
from provisioner.design.timeline import timeline
from provisioner.findings import Finding, error, warning
from provisioner.units import show_duration

NOTHING = Estimate(hourly=0.0, hourly_max=0.0, total_max=0.0, expected=0.0, basis="this machine: nothing is billed")
# How long collecting and ending take, in seconds: on a cloud Pulumi's destroy is a few minutes of it.
_ENDING = {"local": 5, "nspawn": 30}
_ENDING_A_CLOUD = 300
# A cluster that lives no longer has done nothing: in so many seconds a cloud has made it and run a first job.
_USEFUL = 900


def ending(design: Design) -> int:
    """Seconds that are kept for bringing the outputs back and ending everything."""
    return design.ttl - design.working_life + _ENDING.get(design.target, _ENDING_A_CLOUD)


def longest(design: Design) -> int:
    """Seconds for which something of it may be billed: its life, and its end where that begins with the expiry."""
    return design.ttl + _ENDING.get(design.target, _ENDING_A_CLOUD)


def estimated(design: Design) -> Estimate:
    """Rounded to what a person reads."""
    known = bill(design)
    if known.free:
        return NOTHING
    basis = "everything that is billed, from the bundled prices; the outputs are a guess"
    if design.rehearsed is not None:
        basis = f"a rehearsal: {design.rehearsed:g} USD a machine and hour"
    if known.hourly is None or known.hourly_max is None:
        return Estimate(hourly=None, hourly_max=None, total_max=None, expected=None, basis=basis)
    return Estimate(
        hourly=round(known.hourly, 4),
        hourly_max=round(known.hourly_max, 4),
        # Up, since nothing may be above it.
        total_max=_cents_up(known.most(longest(design)) or 0.0),
        expected=_expected(design, known),
        basis=basis,
    )


def _cents_up(usd: float) -> float:
    return -(-round(usd * 100, 6) // 1) / 100


def _expected(design: Design, known: Bill) -> float | None:
    """Every job takes the whole time that it may, the jobs as side by side as their needs and nodes allow."""
    times = {job.name: _seconds(job) for job in design.jobs}
    if not times or None in times.values():
        return None
    begun = timeline(design)
    working = min(_span(design, {name: seconds or 0 for name, seconds in times.items()}), design.working_life)
    life = min(working + (begun.seconds if begun else 0.0) + _ENDING.get(design.target, _ENDING_A_CLOUD), longest(design))
    usd = sum(item.charge(life) for item in known.fixed) + sum(t.usd * t.expected for t in known.traffic)
    for group in design.groups:
        nodes = known.group(group.name)
        if nodes is not None:
            extra = min(_extra(design, group, working), (group.max - group.min) * life)
            usd += (nodes.options[0].usd or 0.0) * (group.min * life + extra) / 3600
    return min(_cents_up(usd), _cents_up(known.most(longest(design)) or 0.0))


def _span(design: Design, times: dict[str, int]) -> float:
    """Seconds from the first job's start to the last one's end: the longest chain of needs, or a group's work on all its
    nodes, whichever is more."""
    ends: dict[str, float] = {}
    for job in design.jobs:
        start = max((ends[need] for need in job.needs), default=0.0)
        ends[job.name] = start + _waves(job, design.group(job.group)) * times[job.name]
    return max([*ends.values(), *(_work(design, group) / group.max for group in design.groups)])


def _waves(job: Job, group: Group) -> int:
    tasks, limit = _tasks(job)
    side_by_side = max(1, min(limit, group.max // _width(job, group)))
    return -(-tasks // side_by_side)


def _work(design: Design, group: Group) -> float:
    """Node-seconds."""
    jobs = [job for job in design.jobs if job.group == group.name]
    return sum((_seconds(job) or 0) * _tasks(job)[0] * _width(job, group) for job in jobs)


def _extra(design: Design, group: Group, working: float) -> float:
    """Node-seconds of the nodes that come and go, with the time that they idle before they go."""
    widest = max((_width(job, group) for job in design.jobs if job.group == group.name), default=0)
    more = max(0, widest - group.min)
    return max(0.0, _work(design, group) - group.min * working) + more * design.idle


def _width(job: Job, group: Group) -> int:
    """Nodes of a job, or of one task of an array; a script's own lines are not read."""
    if nodes := _option(job, "nodes"):
        return min(int(nodes), group.max)
    cpus = int(_option(job, "ntasks") or 1) * int(_option(job, "cpus-per-task") or 1)
    return min(-(-cpus // group.node.cpus), group.max)


def _seconds(job: Job) -> int | None:
    """Its time limit: sbatch's --time, in minutes."""
    minutes = _option(job, "time")
    return int(minutes) * 60 if minutes else None


def _tasks(job: Job) -> tuple[int, int]:
    """(tasks, how many at once) of an array as sbatch has it: 0-99:2%4."""
    indexes, _, limit = (_option(job, "array") or "0").partition("%")
    count = sum(_indexes(part) for part in indexes.split(","))
    return count, int(limit) if limit else count


def _indexes(part: str) -> int:
    match = re.fullmatch(r"(\d+)-(\d+)(?::(\d+))?", part)
    if match is None:
        return 1
    first, last, step = int(match[1]), int(match[2]), int(match[3] or 1)
    return max(1, (last - first) // max(1, step) + 1)


def _option(job: Job, name: str) -> str:
    begin = f"--{name}="
    return next((option.removeprefix(begin) for option in job.options if option.startswith(begin)), "")


def over_budget(design: Design) -> Iterator[Finding]:
    """limits.cost is watched while it runs; refused is only what would be ended before it could do anything."""
    known, budget = bill(design), design.budget
    if budget is None or known.free:
        return
    unpriced = _unpriced(known)
    if unpriced:
        message = f"limits.cost: no price is known of {', '.join(unpriced)}, which is not counted"
        yield warning("budget", message, "take a type that `burst catalog` has a price of, or trust limits.ttl")
    useful = min(_USEFUL, design.ttl)
    first = known.least(useful)
    total = known.most(longest(design))
    if first > budget:
        message = f"limits.cost is {budget:.2f} USD, but what is always there costs {first:.2f} USD in {show_duration(useful)}"
        yield error("budget", message, "raise limits.cost, or ask for less")
    elif total is not None and total > budget:
        message = f"limits.cost is {budget:.2f} USD, but it may cost {_cents_up(total):.2f} USD within limits.ttl"
        message += f": with every node there, jobs are cancelled after {_until(design, known, budget)}"
        yield warning("budget", message, "raise limits.cost, shorten limits.ttl, or ask for less")


def _unpriced(known: Bill) -> Sequence[str]:
    options = [option for nodes in known.nodes for option in nodes.options]
    items = [*known.fixed, *(item for option in options for item in option.items)]
    return list(dict.fromkeys(f"{item.name} ({item.what})" for item in items if item.usd is None))


def _until(design: Design, known: Bill, budget: float) -> str:
    """When the end would begin, with everything there from the first moment on."""
    seconds = budget / (known.hourly_max or 1.0) * 3600 - ending(design)
    return show_duration(max(0, int(seconds) // 60 * 60)) if seconds >= 60 else "less than a minute"
