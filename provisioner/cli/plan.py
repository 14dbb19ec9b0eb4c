"""burst plan"""

from __future__ import annotations

from pathlib import Path

import click

from provisioner.cli.options import file_argument, output_option, skip_option, target_option


@click.command("plan")
@file_argument
@target_option
@click.option("--offline", is_flag=True, help="Ask nobody: what the file and the catalogue say.")
@skip_option
@click.option("--bill", "items", is_flag=True, help="Show each thing that is billed, too.")
@click.option("--timeline", is_flag=True, help="Show instead how long each part takes to make, and what it waits for.")
@output_option
@click.pass_context
def command(
    ctx: click.Context,
    file: Path,
    target: str | None,
    offline: bool,
    skip: tuple[str, ...],
    items: bool,
    timeline: bool,
    output: str,
) -> None:
    """Show what FILE would make, where, at what cost, how soon, and whether the account may have it. Nothing is created.

    A cloud is asked where credentials for it are found here.
    """
    from provisioner.design.timeline import timeline as modelled
    from provisioner.errors import ExitCode
    from provisioner.lifecycle.prepare import Wanted, considered, may_be_asked
    from provisioner.lifecycle.price_age import priced
    from provisioner.report.plan import Plan, plan_json, print_plan
    from provisioner.report.terminal import finding_lines
    from provisioner.report.timeline import print_timeline

    work = considered(file, Wanted(target, skip=skip), ask=lambda name: not (offline or timeline) and may_be_asked(name))
    first, found = work.ranked[0], modelled(work.design) if timeline else None
    wrong = "the file is wrong for it" if not first.fits else "no credentials for it were found: burst doctor"
    unasked = "" if first.asked else "--offline" if offline else wrong
    plan = Plan(work.design, work.choices, first.zones, work.findings, unasked, skip, priced(work.design))
    if output == "json":
        click.echo(plan_json(plan, found))
    else:
        if timeline:
            print_timeline(work.design, found)
        else:
            print_plan(plan, items=items)
        for line in finding_lines(work.findings):
            click.echo(line)
    ctx.exit(0 if first.fits else int(ExitCode.REFUSED))
