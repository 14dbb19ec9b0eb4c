"""burst logs"""

from __future__ import annotations

import click

from provisioner.cli.options import output_option


@click.command("logs")
@click.argument("run")
@click.argument("job")
@click.option("-f", "--follow", is_flag=True, help="Go on until the job is over.")
@output_option
def command(run: str, job: str, follow: bool, output: str) -> None:
    """Show what JOB of RUN wrote."""
    import json

    from provisioner.lifecycle import kept
    from provisioner.lifecycle.away import fetching

    def show(label: str, line: str) -> None:
        if output == "json":
            click.echo(json.dumps({"job": label, "line": line}, ensure_ascii=False))
        else:
            click.echo(line if label == job else f"{label} | {line}")

    kept.logs(fetching.standing(run), job, show, follow=follow)
