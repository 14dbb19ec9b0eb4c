"""burst cost"""

from __future__ import annotations

import click

from provisioner.cli.options import output_option, run_argument


@click.command("cost")
@run_argument
@output_option
def command(run: str | None, output: str) -> None:
    """Show what RUN has cost so far, by the published prices, line by line, and what it will at most."""
    from provisioner.lifecycle.spending import so_far
    from provisioner.report.costs import cost_json, print_cost

    found = so_far(run)
    if output == "json":
        click.echo(cost_json(found.design, found.lines, found.spent, found.rate, found.unpriced))
    else:
        print_cost(found.design, found.lines, found.spent, found.rate, found.unpriced)
        if found.design.estimate.total_max and not found.asked and found.design.groups:
            click.echo("the nodes are those that were last seen: the cluster was not asked now")
