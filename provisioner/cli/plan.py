"""burst plan"""

from __future__ import annotations

from pathlib import Path

import click

from provisioner.cli.options import file_argument, output_option, target_option


@click.command("plan")
@file_argument
@target_option
@click.option("--timeline", is_flag=True, help="Show instead how long each part takes to make, and what it waits for.")
@output_option
def command(file: Path, target: str | None, timeline: bool, output: str) -> None:
    """Show what FILE would make, where, and at what cost. Nothing is created, no account is asked."""
    from provisioner.design.timeline import timeline as modelled
    from provisioner.lifecycle.prepare import decided
    from provisioner.report.tables import plan_json, print_plan, print_timeline
    from provisioner.report.terminal import finding_lines

    _, design, findings = decided(file, target)
    found = modelled(design) if timeline else None
    if output == "json":
        click.echo(plan_json(design, findings, found))
        return
    if timeline:
        print_timeline(design, found)
    else:
        print_plan(design)
    for line in finding_lines(findings):
        click.echo(line)
