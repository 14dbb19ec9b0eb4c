"""Printing an answer, to a reader that may have gone."""

from __future__ import annotations

import os
import sys

import click

from provisioner.report.receipt import Receipt
from provisioner.report.terminal import receipt_lines


def print_receipt(receipt: Receipt, output: str) -> None:
    """The receipt as text or JSON. Where nobody reads it any more, the exit status still tells how it went."""
    try:
        click.echo(receipt.model_dump_json(indent=2) if output == "json" else "\n".join(receipt_lines(receipt)))
        sys.stdout.flush()
    except OSError:
        # The interpreter flushes once more at its end, which must not fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
