"""burst fetch"""

from __future__ import annotations

from pathlib import Path

import click

from provisioner.cli.options import output_option, results_option, run_argument


@click.command("fetch")
@run_argument
@results_option
@output_option
@click.pass_context
def command(ctx: click.Context, run: str | None, results: Path | None, output: str) -> None:
    """Bring the outputs of RUN's jobs that are over here, checked by checksum."""
    from provisioner.cli.screen import print_receipt
    from provisioner.lifecycle import kept
    from provisioner.report.terminal import Progress

    found = kept.find(run)
    receipt = kept.fetch(found, results or found.results, [Progress()])
    print_receipt(receipt, output)
    ctx.exit(receipt.exit_code)
