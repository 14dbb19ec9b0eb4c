"""burst template"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import click

from provisioner.cli.options import output_option


@click.group("template", context_settings={"help_option_names": ["-h", "--help"]})
def command() -> None:
    """What to start from: specs (a burst.yaml with its work) and stacks (a cloud's Pulumi program, to be your own)."""


@command.command("list")
@output_option
def list_(output: str) -> None:
    """List the templates, with the targets that each is written for."""
    from provisioner.lifecycle.papers.templates import every
    from provisioner.report.tables import print_rows

    rows = [dataclasses.asdict(template) for template in every()]
    if output == "json":
        click.echo(json.dumps(rows, indent=2))
    else:
        print_rows([{**row, "targets": ", ".join(row["targets"])} for row in rows], ("name", "kind", "targets", "about"))


@command.command("export")
@click.argument("name")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path, file_okay=False))
def export_(name: str, folder: Path) -> None:
    """Write the template NAME to DIR, for you to change; nothing that stands there is written over."""
    from provisioner.lifecycle.papers.templates import export

    paths = export(name, folder)
    for path in paths:
        click.echo(path)
    click.echo(f"next: read {folder / 'README.md'}")
