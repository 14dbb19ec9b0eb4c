"""Money for people, and the same as JSON: a bill before anything exists, and what a run has cost so far."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict

import click

from provisioner.cost.bill import Bill, Item, Nodes
from provisioner.cost.ledger import Line
from provisioner.design.model import Design, Estimate, Market
from provisioner.report.rows import print_table
from provisioner.units import show_duration

# Prices that nobody found, and what rests on an assumption, are marked so.
_GUESS = "~"
# So many names are said.
_NAMED = 4


def print_costs(estimate: Estimate, budget: float | None, ttl: int) -> None:
    """What that makes: a line for each market, then what it rests on; seven lines at most. `ttl` in seconds."""
    if not estimate.markets:
        click.echo(f"cost: nothing ({estimate.basis})")
        return
    columns = ["cost", "USD an hour", "expected", f"at most, in {show_duration(ttl)} and its end"]
    print_table([_market_row(market, assumed=bool(estimate.assumed)) for market in estimate.markets], columns)
    if estimate.hourly is None:
        click.echo("not known: a type has no price in the catalogue")
    if estimate.assumed:
        click.echo(f"{_GUESS} assumed: {_taken(estimate.assumed)}")
    beside = f"; not counted: {', '.join(estimate.uncounted)}" if estimate.uncounted else ""
    click.echo(f"counted: {estimate.basis}{beside}")
    if budget is not None and (estimate.total_max is None or estimate.total_max > budget):
        click.echo(f"limit: {budget:.2f} USD (limits.cost); the run is ended before")


def _market_row(market: Market, *, assumed: bool) -> list[str]:
    low, high = market.hourly, market.hourly_max
    hourly = "not known" if low is None or high is None else f"{low:.2f}" if low == high else f"{low:.2f} to {high:.2f}"
    expected = "" if market.expected is None else f"{market.expected:.2f}{_GUESS if assumed else ''}"
    return [market.market, hourly, expected, "" if market.total_max is None else f"{market.total_max:.2f}"]


def _taken(assumed: Mapping[str, int]) -> str:
    """The time that was taken for jobs that have none, and the first of them."""
    names = list(assumed)
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    each = show_duration(max(assumed.values()))
    said = f"{each} for each job, or task of an array, of which the file says no time (scripts are not read)"
    return f"{said}: {', '.join(names[:_NAMED])}{more}"


def print_bill(bill: Bill) -> None:
    """What is billed, line by line; nothing where nothing is."""
    if bill.free:
        return
    print_table(
        [*(_item_row(item) for item in bill.fixed), *_node_rows(bill.nodes), *_traffic_rows(bill)],
        ["billed", "what", "how many", "USD each"],
    )


def _item_row(item: Item) -> list[str]:
    return [item.name, item.what, str(item.count), _each(item.usd, item.basis, "h")]


def _node_rows(nodes: Sequence[Nodes]) -> Iterator[list[str]]:
    """A line for each type and market that is tried; what comes with a node is told once."""
    for group in nodes:
        count = str(group.least) if group.least == group.most else f"{group.least} to {group.most}"
        told: set[tuple[str, str]] = set()
        for option in group.options:
            for item in option.items:
                if (item.name, item.what) not in told:
                    told.add((item.name, item.what))
                    yield [item.name, item.what, count, _each(item.usd, item.basis, "h")]


def _traffic_rows(bill: Bill) -> Iterator[list[str]]:
    for traffic in bill.traffic:
        count = f"{traffic.expected:g} to {traffic.most:g} GiB, a guess" if traffic.most else "not counted"
        yield [traffic.name, traffic.what, count, _each(traffic.usd, traffic.basis, "GiB")]


def _each(usd: float | None, basis: str, unit: str) -> str:
    return "not known" if usd is None else f"{usd:.4f}/{unit}{_GUESS if basis == 'estimate' else ''}"


def print_cost(design: Design, lines: Sequence[Line], spent: float, rate: float, unpriced: Sequence[str]) -> None:
    """What was billed so far."""
    if not lines:
        click.echo(f"{design.run.id}: nothing was billed")
        return
    rows = [[line.name, line.what, str(line.count), _amount(line), f"{line.usd:.2f}"] for line in lines]
    print_table(rows, ["billed", "what", "how many", "in all", "USD"])
    click.echo(f"{design.run.id}: {spent:.2f} USD so far, {rate:.2f} USD an hour now; {_most(design)}")
    for what in unpriced:
        click.echo(f"not counted: {what} has no known price")


def _amount(line: Line) -> str:
    return show_duration(round(line.hours * 3600)) if line.unit == "h" else f"{line.hours:.3f} {line.unit}"


def _most(design: Design) -> str:
    estimate, budget = design.estimate.total_max, design.budget
    said = "at most an amount that nobody knows" if estimate is None else f"{estimate:.2f} USD at most"
    return said if budget is None else f"{said}, ended before {budget:.2f} USD (limits.cost)"


def cost_json(design: Design, lines: Sequence[Line], spent: float, rate: float, unpriced: Sequence[str]) -> str:
    """The same for programs."""
    body = {
        "run_id": design.run.id,
        "spent_usd": round(spent, 4),
        "hourly_usd": round(rate, 4),
        "estimated_usd": design.estimate.total_max,
        "limit_usd": design.budget,
        "not_counted": list(unpriced),
        "items": [asdict(line) for line in lines],
    }
    return json.dumps(body, indent=2)
