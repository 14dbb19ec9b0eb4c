"""burst submit"""

from __future__ import annotations

import json
from pathlib import Path

import click

from provisioner.cli.options import output_option


@click.command("submit")
@click.argument("run")
@click.argument("file", type=click.Path(path_type=Path), default="burst.yaml")
@click.option("--wait", is_flag=True, help="Return when the jobs are over, and show what they write.")
@output_option
@click.pass_context
def command(ctx: click.Context, run: str, file: Path, wait: bool, output: str) -> None:
    """Submit the jobs of FILE that RUN has not had yet."""
    from provisioner.errors import ExitCode
    from provisioner.lifecycle import kept
    from provisioner.report.terminal import Progress, show_log

    found = kept.find(run)
    jobs = kept.submit(found, file, [Progress()], wait=wait, show=show_log if wait else None)
    if output == "json":
        click.echo(json.dumps({name: job.model_dump() for name, job in jobs.items()}, indent=2))
    else:
        for name, job in jobs.items():
            click.echo(f"{name}\tjob {job.slurm_id}\t{job.folder}")
    if wait:
        states = kept.tasks(found)
        failed = any(task.state != "COMPLETED" for name in jobs for task in states[name])
        ctx.exit(int(ExitCode.JOB_FAILED) if failed else 0)
