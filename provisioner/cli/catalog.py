"""burst catalog"""

from __future__ import annotations

import dataclasses
import json

import click

from provisioner.cli.options import output_option


@click.command("catalog")
@click.option("--cloud", type=click.Choice(["aws", "gcp", "azure"]), help="Only that cloud's.")
@output_option
def command(cloud: str | None, output: str) -> None:
    """List the instance types that are known, cheapest first, with the day of each figure (its source too with -o json)."""
    from provisioner.catalog.table import bundled
    from provisioner.report.tables import print_rows

    rows = [dataclasses.asdict(t) for t in bundled().types if cloud in (None, t.cloud)]
    if output == "json":
        click.echo(json.dumps(rows, indent=2))
    else:
        print_rows(rows, ("cloud", "name", "region", "cores", "memory_mib", "gpus", "gpu", "on_demand", "spot", "as_of"))
