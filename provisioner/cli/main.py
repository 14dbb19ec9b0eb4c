"""`burst`: the list of commands. Imports Click and nothing else of weight, so that `--help` answers at once."""

from __future__ import annotations

import gc
import os
import sys
from importlib import import_module

import click

# name → what `--help` says of it; the command itself is `provisioner.cli.<name>:command`.
COMMANDS: dict[str, str] = {
    "run": "Make the cluster, run the work, bring the results back, destroy everything.",
    "up": "Make a cluster and keep it.",
    "submit": "Submit the jobs of a file to a kept cluster.",
    "status": "Show a kept cluster's nodes and jobs.",
    "cost": "Show what a run has cost so far.",
    "logs": "Show what a job wrote.",
    "ssh": "Open a shell on a kept cluster's head, or run one command there.",
    "fetch": "Bring a kept cluster's outputs here.",
    "down": "Bring the outputs here, destroy a kept cluster, prove that nothing is left.",
    "list": "List the runs that exist.",
    "sweep": "End what dead and expired runs left behind.",
    "init": "Write a file to start from.",
    "template": "List, or write to a folder, what to start from: specs and Pulumi stacks.",
    "keys": "Make the keys of a cluster that Pulumi alone makes.",
    "validate": "Check a file.",
    "plan": "Show what would be made, and what it would cost.",
    "render": "Print the files that the cluster would be made from.",
    "catalog": "List and search the machine types that are known, and ask the clouds for their prices of now.",
    "schema": "Print the file's JSON Schema, for editors.",
    "doctor": "Say what is missing here, and the command that installs it.",
    "completion": "Print the shell's completion script.",
}


class Commands(click.Group):
    """Commands by name, imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        command = import_module(f"provisioner.cli.{name}").command
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name not in COMMANDS and not name.startswith("-"):
            import difflib

            near = difflib.get_close_matches(name, COMMANDS, n=1)
            hint = f" Did you mean '{near[0]}'?" if near else ""
            ctx.fail(f"There is no command '{name}'.{hint}")
        return super().resolve_command(ctx, args)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]}, invoke_without_command=True)
@click.option("--version", is_flag=True, is_eager=True, help="Print the version.")
@click.pass_context
def burst(ctx: click.Context, version: bool) -> None:
    """One YAML file in, results out, nothing left behind."""
    if version:
        from provisioner import __version__

        click.echo(__version__)
        ctx.exit()
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


def main() -> None:
    """The program's entry; the exit status is one of docs/exit-codes.md."""
    # Thousands of objects are made while modules load, and none of them is garbage.
    gc.set_threshold(100_000, 50, 50)
    # pydantic asks every installed distribution whether it has a plugin for it.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    try:
        status = burst.main(standalone_mode=False)
    except click.exceptions.Exit as done:
        status = done.exit_code
    except click.UsageError as problem:
        problem.show()
        status = 2
    except click.Abort:
        status = 130
    except KeyboardInterrupt:
        status = 130
    except BaseException as problem:
        if isinstance(problem, SystemExit):
            raise
        from provisioner.cli.boundary import told

        status = told(problem)
    # What goes with the process need not be searched for cycles first: that took as long as a job's start.
    gc.freeze()
    sys.exit(status if isinstance(status, int) else 0)
