"""burst run"""

from __future__ import annotations

from pathlib import Path

import click

from provisioner.cli.options import file_argument, output_option, results_option, skip_option, ssh_from_option, target_option


@click.command("run")
@file_argument
@target_option
@ssh_from_option
@skip_option
@results_option
@click.option("--follow/--no-follow", default=True, help="Show what jobs write, as they write it.")
@click.option("--detach", is_flag=True, help="Leave when the jobs are submitted: the head does the rest and ends the cluster.")
@click.option("--to", metavar="URL", help="With --detach: where results go, instead of the file's own place.")
@output_option
@click.pass_context
def command(
    ctx: click.Context,
    file: Path,
    target: str | None,
    ssh_from: tuple[str, ...],
    skip: tuple[str, ...],
    results: Path | None,
    follow: bool,
    detach: bool,
    to: str | None,
    output: str,
) -> None:
    """Make the cluster, run the work of FILE, bring the results back, destroy everything.

    Writes DIR/JOB/OUTPUTS, DIR/receipt.json and DIR/events.jsonl. Ctrl-C takes everything down.

    With --detach the results go to a bucket of yours, and come from there with `burst fetch RUN`.
    """
    from provisioner.cli.screen import print_receipt
    from provisioner.errors import Invalid
    from provisioner.lifecycle.prepare import Wanted, prepare
    from provisioner.lifecycle.run import run
    from provisioner.lifecycle.sweep import Wish, sweep
    from provisioner.report.terminal import Progress, show_log

    if to is not None and not detach:
        raise Invalid("--to is where --detach puts results", fix="add --detach; or say where they go here: --results DIR")
    progress = Progress()
    prepared = prepare(file, Wanted(target, ssh_from, skip, detach, to))
    sweep(prepared.targets, [progress], Wish(owner=prepared.design.run.owner))
    into = results or Path("results") / prepared.design.run.id
    if detach and prepared.design.target == "local":
        from provisioner.lifecycle.away.background import run_behind

        receipt = run_behind(prepared, into.absolute())
    elif detach:
        from provisioner.lifecycle.away.detach import detach as run_detached

        receipt = run_detached(prepared, into.absolute(), [progress])
    else:
        receipt = run(prepared, into, [progress], show_log if follow else None)
    print_receipt(receipt, output)
    ctx.exit(receipt.exit_code)
