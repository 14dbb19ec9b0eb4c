"""Design → what it will cost, from its bill; and what limits.cost has to say to that."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from provisioner.cost.bill import Bill
from provisioner.design.bill import bill, uncounted
from provisioner.design.model import Design, Estimate, Market
from provisioner.design.schedule import assumed, schedule
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
    return design.ttl - design.working_life + _ending_seconds(design)


def longest(design: Design) -> int:
    """Seconds for which something of it may be billed: its life, and its end where that begins with the expiry."""
    return design.ttl + _ending_seconds(design)


def _ending_seconds(design: Design) -> int:
    return _ENDING.get(design.target, _ENDING_A_CLOUD)


def estimated(design: Design) -> Estimate:
    """Rounded to what a person reads."""
    known = bill(design)
    if known.free:
        return NOTHING
    # Of all the markets alike.
    begun = timeline(design)
    ready = begun.seconds if begun is not None else 0.0
    whole, taken = _market(design, "", known, ready), assumed(design)
    return Estimate(
        hourly=whole.hourly,
        hourly_max=whole.hourly_max,
        total_max=whole.total_max,
        # With assumptions it is in `markets` alone.
        expected=None if taken else whole.expected,
        basis=_basis(design, known),
        markets=_markets(design, known, ready),
        assumed=taken if design.jobs else {},
        uncounted=uncounted(design),
    )


def _basis(design: Design, known: Bill) -> str:
    if design.rehearsed is not None:
        return f"a rehearsal: {design.rehearsed:g} USD a machine and hour"
    options = [option for nodes in known.nodes for option in nodes.options if option.market == "spot"]
    unknown = dict.fromkeys(option.instance for option in options if option.items[0].basis == "estimate")
    said = f"; no spot price is known of {', '.join(unknown)}, on demand's stands for it" if unknown else ""
    return f"everything that is billed, by published prices; the outputs are a guess{said}"


def _markets(design: Design, known: Bill, ready: float) -> tuple[Market, ...]:
    """With spot machines first; one where the file leaves no choice, or none of its types has one."""
    spot, on_demand = known.on("spot"), known.on("on-demand")
    if spot != on_demand:
        return _market(design, "spot", spot, ready), _market(design, "on-demand", on_demand, ready)
    some = any(option.market == "spot" for nodes in spot.nodes for option in nodes.options)
    return (_market(design, "spot" if some else "on-demand", spot, ready),)


def _market(design: Design, name: str, known: Bill, ready: float) -> Market:
    most = known.most(longest(design))
    return Market(
        market=name,
        hourly=_rounded(known.hourly),
        hourly_max=_rounded(known.hourly_max),
        expected=_expected(design, known, ready),
        # Up, since nothing may be above it.
        total_max=None if most is None else _cents_up(most),
    )


def _rounded(usd: float | None) -> float | None:
    return None if usd is None else round(usd, 4)


def _cents_up(usd: float) -> float:
    return -(-round(usd * 100, 6) // 1) / 100


def _expected(design: Design, known: Bill, ready: float) -> float | None:
    """With the types that are tried first, for as long as the jobs take; None where there are none, or no price is known."""
    planned, first = schedule(design), [nodes.options[0].usd for nodes in known.nodes]
    if planned is None or None in first or known.hourly is None:
        return None
    wanted = planned.span + ready + _ending_seconds(design)
    life = min(wanted, longest(design))
    usd = sum(item.charge(life) for item in known.fixed) + sum(t.usd * t.expected for t in known.traffic)
    for group, each in zip(design.groups, first, strict=True):
        usd += (each or 0.0) * (group.min * life + planned.elastic(group, wanted, life)) / 3600
    return min(_cents_up(usd), _cents_up(known.most(longest(design)) or 0.0))


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
    elif (likely := design.estimate.markets[0].expected if design.estimate.markets else None) is not None and likely > budget:
        message = f"limits.cost is {budget:.2f} USD, but the jobs' own time is expected to cost {likely:.2f} USD"
        yield warning("budget", f"{message}: those that are left by then are cancelled", "raise limits.cost, or ask for less")
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
