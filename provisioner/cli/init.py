"""burst init"""

from __future__ import annotations

from pathlib import Path

import click


@click.command("init")
@click.argument("template", default="hello")
@click.option("--into", type=click.Path(path_type=Path, file_okay=False), default=".", help="The folder to write to.")
@click.option("--list", "listing", is_flag=True, help="List the templates.")
def command(template: str, into: Path, listing: bool) -> None:
    """Write a file to start from, with what it needs: burst init lammps --into melt"""
    from provisioner.lifecycle.papers.templates import copy_template, templates

    if listing:
        for name, about in templates().items():
            click.echo(f"{name:<12} {about}")
        return
    for path in copy_template(template, into):
        click.echo(path)
    click.echo(f"next: burst run {into / 'burst.yaml'} -t local")
