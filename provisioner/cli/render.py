"""burst render"""

from __future__ import annotations

import json
from pathlib import Path

import click

from provisioner.cli.options import file_argument, output_option, target_option


@click.command("render")
@file_argument
@target_option
@click.option("--only", metavar="NAME", help="One file alone, such as slurm.conf.")
@output_option
def command(file: Path, target: str | None, only: str | None, output: str) -> None:
    """Print the files that the cluster of FILE would be made from: slurm.conf and its companions, user-data by role."""
    from provisioner.errors import Invalid
    from provisioner.lifecycle.papers.rendering import rendered

    files = rendered(file, target)
    if only is not None:
        if only not in files:
            raise Invalid(f"there is no {only!r}", why=f"there are: {', '.join(files)}", fix=f"burst render {file}")
        files = {only: files[only]}
    if output == "json":
        click.echo(json.dumps(files, indent=2))
    elif only is not None:
        click.echo(files[only], nl=False)
    else:
        for name, text in files.items():
            click.secho(f"# ---- {name}", fg="cyan")
            click.echo(text)
