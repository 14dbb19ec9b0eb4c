"""burst schema"""

from __future__ import annotations

import json

import click


@click.command("schema")
def command() -> None:
    """Print the file's JSON Schema: editors check and complete with it (docs/file.md says how)."""
    from provisioner.spec.schema import json_schema

    click.echo(json.dumps(json_schema(), indent=2))
