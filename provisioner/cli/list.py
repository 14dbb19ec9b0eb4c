"""burst list"""

from __future__ import annotations

import json

import click

from provisioner.cli.options import output_option


@click.command("list")
@click.option("--all-regions", is_flag=True, help="Look into every region that the account may use.")
@output_option
def command(all_regions: bool, output: str) -> None:
    """List the runs that exist: kept ones, those that go on, and dead ones that `burst sweep` would end."""
    from provisioner.lifecycle.overview import overview
    from provisioner.report.tables import print_rows

    rows = overview(everywhere=all_regions)
    if output == "json":
        click.echo(json.dumps(rows, indent=2))
    elif rows:
        print_rows(rows, ("run_id", "target", "state", "expires", "results"))
    else:
        click.echo("no runs")
