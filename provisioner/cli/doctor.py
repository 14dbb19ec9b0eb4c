"""burst doctor"""

from __future__ import annotations

import json

import click

from provisioner.cli.options import output_option


@click.command("doctor")
@click.option("--fix", is_flag=True, help="Install the Pulumi engine with Pulumi's own installer, for you alone.")
@output_option
@click.pass_context
def command(ctx: click.Context, fix: bool, output: str) -> None:
    """Say what is missing on this machine, and the command that installs it."""
    from provisioner.errors import ExitCode
    from provisioner.findings import errors
    from provisioner.lifecycle.overview import health
    from provisioner.report.terminal import finding_lines

    if fix:
        _fix()
    found = health()
    if output == "json":
        told = {target: [f.model_dump(mode="json") for f in findings] for target, findings in found.items()}
        click.echo(json.dumps({"findings": told["local"], "targets": told}, indent=2))
    else:
        for target, findings in found.items():
            can = "cannot run clusters yet" if errors(findings) else "can run clusters"
            click.echo(f"this machine {can} (target {target})")
            for line in finding_lines(findings):
                click.echo(f"  {line}")
    # The others are for whoever wants them.
    ctx.exit(int(ExitCode.REFUSED) if errors(found["local"]) else 0)


def _fix() -> None:
    """Install the engine where there is none. What is done is said first, on standard error."""
    from provisioner.targets.cloud import installation

    if not installation.unusable():
        engine = installation.find()
        click.echo(f"the Pulumi engine is here: {engine.path}, {engine.version}", err=True)
        return
    click.echo(f"$ {installation.command()}", err=True)
    engine = installation.install()
    click.echo(f"installed the Pulumi engine {engine.version}: {engine.path}", err=True)
