"""burst run"""

from __future__ import annotations

from pathlib import Path

import click

from provisioner.cli.options import file_argument, output_option, results_option, ssh_from_option, target_option


@click.command("run")
@file_argument
@target_option
@ssh_from_option
@results_option
@click.option("--follow/--no-follow", default=True, help="Show what jobs write, as they write it.")
@output_option
@click.pass_context
def command(
    ctx: click.Context, file: Path, target: str | None, ssh_from: tuple[str, ...], results: Path | None, follow: bool, output: str
) -> None:
    """Make the cluster, run the work of FILE, bring the results back, destroy everything.

    Writes DIR/JOB/OUTPUTS, DIR/receipt.json and DIR/events.jsonl. Ctrl-C takes everything down.
    """
    from provisioner.cli.screen import print_receipt
    from provisioner.lifecycle.prepare import prepare
    from provisioner.lifecycle.run import run
    from provisioner.lifecycle.sweep import sweep
    from provisioner.report.terminal import Progress, show_log

    progress = Progress()
    prepared = prepare(file, target, ssh_from)
    sweep([prepared.target], [progress])
    into = results or Path("results") / prepared.design.run.id
    receipt = run(prepared, into, [progress], show_log if follow else None)
    print_receipt(receipt, output)
    ctx.exit(receipt.exit_code)
