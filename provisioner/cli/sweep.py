"""burst sweep"""

from __future__ import annotations

import json

import click

from provisioner.cli.options import output_option


@click.command("sweep")
@click.option("-t", "--target", "names", multiple=True, metavar="TARGET", help="Only there; every target by default.")
@click.option("-n", "--dry-run", is_flag=True, help="Only say what would be ended.")
@output_option
@click.pass_context
def command(ctx: click.Context, names: tuple[str, ...], dry_run: bool, output: str) -> None:
    """End what dead and expired runs left behind, after saving the outputs their jobs had made.

    Runs that go on, and kept clusters that have not expired, are not touched.
    """
    from provisioner.errors import ExitCode
    from provisioner.lifecycle.sweep import sweep
    from provisioner.report.terminal import Progress
    from provisioner.targets.registry import REGISTRY, open_target

    done = sweep([open_target(name) for name in names or REGISTRY], [Progress()], dry_run=dry_run)
    if output == "json":
        rows = [
            {"run_id": s.run_id, "reason": s.reason, "saved": s.saved, "remains": [r.model_dump() for r in s.remains]}
            for s in done
        ]
        click.echo(json.dumps(rows, indent=2))
    else:
        for swept in done:
            saved = f", {swept.saved} outputs saved" if swept.saved else ""
            left = f"{len(swept.remains)} {'to end' if dry_run else 'LEFT'}" if swept.remains else "nothing is left"
            click.echo(f"{swept.run_id}: {swept.reason}; {left}{saved}")
            for resource in swept.remains:
                click.echo(f"  {resource.kind} {resource.id} {resource.name}")
        if not done:
            click.echo("nothing to sweep")
    left_over = any(swept.remains for swept in done) and not dry_run
    ctx.exit(int(ExitCode.LEFTOVER) if left_over else 0)
