"""burst doctor"""

from __future__ import annotations

import json

import click

from provisioner.cli.options import output_option


@click.command("doctor")
@output_option
@click.pass_context
def command(ctx: click.Context, output: str) -> None:
    """Say what is missing on this machine, and the command that installs it."""
    from provisioner.errors import ExitCode
    from provisioner.findings import errors
    from provisioner.lifecycle.overview import health
    from provisioner.report.terminal import finding_lines

    findings = health()
    if output == "json":
        click.echo(json.dumps({"findings": [f.model_dump(mode="json") for f in findings]}, indent=2))
    else:
        for line in finding_lines(findings):
            click.echo(line)
        if not errors(findings):
            click.echo("this machine can run clusters (target local)")
    ctx.exit(int(ExitCode.REFUSED) if errors(findings) else 0)
