"""burst plan"""

from __future__ import annotations

from pathlib import Path

import click

from provisioner.cli.options import file_argument, output_option, target_option


@click.command("plan")
@file_argument
@target_option
@output_option
def command(file: Path, target: str | None, output: str) -> None:
    """Show what FILE would make, where, and at what cost. Nothing is created, no account is asked."""
    from provisioner.lifecycle.prepare import decided
    from provisioner.report.tables import plan_json, print_plan
    from provisioner.report.terminal import finding_lines

    _, design, findings = decided(file, target)
    if output == "json":
        click.echo(plan_json(design, findings))
        return
    print_plan(design)
    for line in finding_lines(findings):
        click.echo(line)
