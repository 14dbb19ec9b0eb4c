"""burst completion"""

from __future__ import annotations

import click


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    """Print SHELL's completion script: eval "$(burst completion bash)" in ~/.bashrc."""
    from click.shell_completion import get_completion_class

    from provisioner.cli.main import burst

    completion = get_completion_class(shell)
    assert completion is not None
    click.echo(completion(burst, {}, "burst", "_BURST_COMPLETE").source())
