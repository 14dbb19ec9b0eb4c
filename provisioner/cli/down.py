"""burst down"""

from __future__ import annotations

from pathlib import Path

import click

from provisioner.cli.options import output_option, results_option, run_argument


@click.command("down")
@run_argument
@results_option
@click.option("--discard", is_flag=True, help="Leave the outputs to be destroyed with the cluster.")
@output_option
@click.pass_context
def command(ctx: click.Context, run: str | None, results: Path | None, discard: bool, output: str) -> None:
    """Bring the outputs of RUN here, destroy it, and prove that nothing is left."""
    from provisioner.cli.screen import print_receipt
    from provisioner.lifecycle import kept
    from provisioner.report.terminal import Progress

    found = kept.find(run)
    receipt = kept.down(found, results or found.results, [Progress()], discard=discard)
    print_receipt(receipt, output)
    ctx.exit(receipt.exit_code)
