"""burst up"""

from __future__ import annotations

import contextlib
from pathlib import Path

import click

from provisioner.cli.options import file_argument, output_option, results_option, skip_option, ssh_from_option, target_option


@click.command("up")
@file_argument
@target_option
@ssh_from_option
@skip_option
@results_option
@output_option
@click.pass_context
def command(
    ctx: click.Context,
    file: Path,
    target: str | None,
    ssh_from: tuple[str, ...],
    skip: tuple[str, ...],
    results: Path | None,
    output: str,
) -> None:
    """Make the cluster of FILE and keep it, until `burst down` or limits.ttl. Its jobs wait for `burst submit`."""
    from provisioner.cli.screen import print_receipt
    from provisioner.lifecycle.kept import up
    from provisioner.lifecycle.prepare import Wanted, prepare
    from provisioner.lifecycle.sweep import Wish, sweep
    from provisioner.report.terminal import Progress

    progress = Progress()
    prepared = prepare(file, Wanted(target, ssh_from, skip))
    sweep(prepared.targets, [progress], Wish(owner=prepared.design.run.owner))
    into = results or Path("results") / prepared.design.run.id
    receipt = up(prepared, into.absolute(), [progress])
    print_receipt(receipt, output)
    if output == "text" and receipt.status == "kept":
        with contextlib.suppress(OSError):
            click.echo(f"\nnext: burst submit {receipt.run_id} {file}\n      burst down {receipt.run_id}")
    ctx.exit(receipt.exit_code)
