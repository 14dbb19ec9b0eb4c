"""burst fetch"""

from __future__ import annotations

from pathlib import Path

import click

from provisioner.cli.options import output_option, results_option, run_argument


@click.command("fetch")
@run_argument
@results_option
@click.option("--from", "source", metavar="URL", help="Where a detached run's results are, on another machine.")
@output_option
@click.pass_context
def command(ctx: click.Context, run: str | None, results: Path | None, source: str | None, output: str) -> None:
    """Bring the outputs of RUN's jobs that are over here, checked by checksum.

    Of a detached run that has ended, this also proves that nothing is left of it, and ends what is.
    """
    from provisioner.cli.screen import print_receipt
    from provisioner.lifecycle.away import fetching
    from provisioner.report.terminal import Progress

    receipt = fetching.fetch(run, results, [Progress()], source)
    print_receipt(receipt, output)
    ctx.exit(receipt.exit_code)
