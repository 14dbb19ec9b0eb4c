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
    from provisioner.lifecycle.prepare import considered
    from provisioner.report.terminal import finding_lines
    from provisioner.units import count

    work = considered(file, ask=lambda _: False)
    design, findings = work.design, work.findings
    not_on = {choice.target: choice.why for choice in work.choices if not choice.fits}
    if output == "json":
        told = {"valid": True, "findings": [f.model_dump(mode="json") for f in findings], "not_on": not_on}
        click.echo(json.dumps(told, indent=2))
        return
    for line in finding_lines(findings):
        click.echo(line)
    for target, why in not_on.items():
        click.echo(f"not on {target}: {why}")
    click.echo(f"{file}: fine; {count(len(design.groups), 'group')}, {count(len(design.jobs), 'job')}")
