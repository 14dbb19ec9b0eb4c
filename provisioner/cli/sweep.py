"""burst sweep"""

from __future__ import annotations

import click

from provisioner.cli.options import output_option


@click.command("sweep")
@click.argument("runs", nargs=-1, metavar="[RUN]...")
@click.option("-t", "--target", "names", multiple=True, metavar="TARGET", help="Only there; every target by default.")
@click.option("--all-regions", is_flag=True, help="Look into every region that the account may use.")
@click.option("--expired", is_flag=True, help="Only what has outlived its limits.ttl.")
@click.option("--owner", default="", metavar="NAME", help="Only the runs of this user, as their tags have it.")
@click.option("-n", "--dry-run", is_flag=True, help="Only say what would be ended.")
@output_option
@click.pass_context
def command(
    ctx: click.Context,
    runs: tuple[str, ...],
    names: tuple[str, ...],
    all_regions: bool,
    expired: bool,
    owner: str,
    dry_run: bool,
    output: str,
) -> None:
    """End what dead and expired runs left behind, after saving the outputs their jobs had made; all of it, or these RUNs.

    It needs no record of a run: tags are enough, so that it works from any machine. Runs that go on, kept clusters that have
    not expired, and runs of other machines before their expiry are not touched; `burst down RUN` ends such a one.
    """
    from provisioner.cli.screen import print_swept
    from provisioner.errors import ExitCode
    from provisioner.lifecycle.sweep import Wish, sweep
    from provisioner.report.terminal import Progress
    from provisioner.targets.registry import chosen

    wish = Wish(dry_run=dry_run, expired=expired, owner=owner, everywhere=all_regions, runs=runs)
    done = [swept for targets, region in chosen(names) for swept in sweep(targets, [Progress()], wish, region)]
    print_swept(done, output, dry_run=dry_run)
    left_over = any(swept.remains for swept in done) and not dry_run
    ctx.exit(int(ExitCode.LEFTOVER) if left_over else 0)
