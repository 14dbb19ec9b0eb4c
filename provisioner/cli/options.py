"""Options that commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

Function = TypeVar("Function", bound=Callable[..., Any])


def _file(context: click.Context, parameter: click.Parameter, path: Path) -> Path:
    """A folder stands for the burst.yaml in it."""
    return path / "burst.yaml" if (path / "burst.yaml").is_file() else path


file_argument = click.argument("file", type=click.Path(path_type=Path), default="burst.yaml", callback=_file)
run_argument = click.argument("run", required=False)


def output_option(function: Function) -> Function:
    """`-o json` for programs; people get text."""
    return click.option(
        "-o",
        "--output",
        type=click.Choice(["text", "json"]),
        default="text",
        show_default=True,
        help="What is printed on standard output.",
    )(function)


def target_option(function: Function) -> Function:
    """`-t local` over what the file says."""
    return click.option("-t", "--target", metavar="TARGET", help="Where, instead of the file's own target; several by commas.")(
        function
    )


def results_option(function: Function) -> Function:
    """Where outputs and the receipt go."""
    return click.option(
        "--results",
        type=click.Path(path_type=Path, file_okay=False),
        metavar="DIR",
        help="Where outputs and the receipt go; results/RUN by default.",
    )(function)


def ssh_from_option(function: Function) -> Function:
    """`--ssh-from 198.51.100.0/24` over what the file says."""
    return click.option(
        "--ssh-from",
        multiple=True,
        metavar="RANGE",
        help="Who may reach a cloud's head by SSH, instead of your own address alone; may be given more than once.",
    )(function)


def skip_option(function: Function) -> Function:
    """`--skip quota`: what a check says, without that check."""
    return click.option(
        "--skip",
        multiple=True,
        metavar="CHECK",
        help="Leave out a check by the name that its finding ends with (docs/preflight.md); may be given more than once.",
    )(function)
