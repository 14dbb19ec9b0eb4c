"""burst down"""

from __future__ import annotations

from pathlib import Path

import click

from provisioner.cli.options import output_option, results_option, run_argument


@click.command("down")
@run_argument
@click.option("-t", "--target", metavar="TARGET", help="Where RUN is, when another machine made it: aws, aws/us-east-2 …")
@results_option
@click.option("--discard", is_flag=True, help="Leave the outputs to be destroyed with the cluster.")
@output_option
@click.pass_context
def command(ctx: click.Context, run: str | None, target: str | None, results: Path | None, discard: bool, output: str) -> None:
    """Bring the outputs of RUN here, destroy it, and prove that nothing is left.

    RUN may also be one whose client died, or with --target one that another machine made: its tags are enough, and it is
    ended whether it has expired or not.
    """
    from provisioner.cli.screen import print_receipt, print_swept
    from provisioner.errors import ExitCode
    from provisioner.lifecycle import sweep
    from provisioner.lifecycle.away import fetching
    from provisioner.report.terminal import Progress
    from provisioner.targets.registry import chosen

    progress = Progress()
    ((targets, region),) = chosen([target]) if target else [([], None)]
    swept = sweep.down(run, next(iter(targets), None), region, [progress], discard=discard) if run else None
    if swept is not None:
        print_swept([swept], output)
        ctx.exit(int(ExitCode.LEFTOVER) if swept.remains else 0)
    receipt = fetching.down(run, results, [progress], discard=discard)
    print_receipt(receipt, output)
    ctx.exit(receipt.exit_code)
