"""burst validate"""

from __future__ import annotations

import json
from pathlib import Path

import click

from provisioner.cli.options import file_argument, output_option


@click.command("validate")
@file_argument
@output_option
def command(file: Path, output: str) -> None:
    """Check FILE: every finding at once, each with file and line."""
    from provisioner.lifecycle.prepare import decided
    from provisioner.report.terminal import finding_lines
    from provisioner.units import count

    _, design, findings = decided(file)
    if output == "json":
        click.echo(json.dumps({"valid": True, "findings": [f.model_dump(mode="json") for f in findings]}, indent=2))
        return
    for line in finding_lines(findings):
        click.echo(line)
    click.echo(f"{file}: fine; {count(len(design.groups), 'group')}, {count(len(design.jobs), 'job')}")
