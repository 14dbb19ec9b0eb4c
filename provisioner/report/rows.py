"""A table for people, as text that stays whole where there is no terminal."""

from __future__ import annotations

from collections.abc import Sequence

import click
from rich.console import Console
from rich.table import Table


def print_table(rows: Sequence[Sequence[str]], columns: Sequence[str]) -> None:
    """Rows of text under these titles."""
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*row)
    # Off a terminal nothing is cut to a width that nobody has.
    console = Console(highlight=False, markup=False)
    if not console.is_terminal:
        console = Console(highlight=False, markup=False, width=500)
    for line in console.render_lines(table, pad=False):
        click.echo("".join(segment.text for segment in line).rstrip())
