"""burst keys"""

from __future__ import annotations

import sys
from pathlib import Path

import click


@click.command("keys")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
def command(folder: Path) -> None:
    """Make a cluster's keys for a plain `pulumi up`: burst keys keys | pulumi config set --secret burst:keys

    DIR, which must not exist, gets the client's SSH key (client, client.pub) and the head's pinned one (known_hosts).
    What the machines need is printed as JSON, for Pulumi's encrypted configuration alone.
    """
    from provisioner.errors import Invalid
    from provisioner.lifecycle.papers import keys

    if sys.stdout.isatty():
        raise Invalid(
            "what is printed here is secret, and this is a terminal",
            why="nothing was made",
            fix=f"burst keys {folder} | pulumi config set --secret burst:keys",
        )
    click.echo(keys.make(folder))
