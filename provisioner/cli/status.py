"""burst status"""

from __future__ import annotations

import click

from provisioner.cli.options import output_option, run_argument


@click.command("status")
@run_argument
@output_option
def command(run: str | None, output: str) -> None:
    """Show the nodes and jobs of RUN (its id or name; the only one when left out)."""
    from provisioner.cli.screen import print_receipt
    from provisioner.lifecycle import kept
    from provisioner.lifecycle.away import fetching, keeping
    from provisioner.report.tables import print_status, status_json

    if (receipt := fetching.over(run)) is not None:
        print_receipt(receipt, output)
        return
    found = kept.find(run)
    nodes, tasks, watched = kept.nodes(found), kept.tasks(found), keeping.read(found.cluster)
    if output == "json":
        click.echo(status_json(found.design, nodes, tasks, watched))
    else:
        print_status(found.design, nodes, tasks, watched, fetching.of_the_head(found))
