"""Printing an answer, to a reader that may have gone."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict

import click

from provisioner.lifecycle.finishing import Swept
from provisioner.report.receipt import Receipt
from provisioner.report.terminal import left_in_words, left_lines, receipt_lines


def print_receipt(receipt: Receipt, output: str) -> None:
    """The receipt as text or JSON. Where nobody reads it any more, the exit status still tells how it went."""
    try:
        click.echo(receipt.model_dump_json(indent=2) if output == "json" else "\n".join(receipt_lines(receipt)))
        sys.stdout.flush()
    except OSError:
        # The interpreter flushes once more at its end, which must not fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def print_swept(done: Sequence[Swept], output: str, *, dry_run: bool = False) -> None:
    """What was ended: a line for each run, and below it what is left of it; or as JSON."""
    if output == "json":
        click.echo(json.dumps([{**asdict(s), "remains": [r.model_dump() for r in s.remains]} for s in done], indent=2))
        return
    for swept in done:
        saved = f", {swept.saved} outputs saved" if swept.saved else ""
        left = f"{'to end' if dry_run else 'LEFT'}: {left_in_words(swept.remains)}" if swept.remains else "nothing is left"
        click.echo(f"{swept.run_id}: {swept.reason}; {left}{saved}")
        for line in left_lines(swept.remains):
            click.echo(f"  {line}")
    if not done:
        click.echo("nothing to sweep")
