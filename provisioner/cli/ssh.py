"""burst ssh"""

from __future__ import annotations

import click


@click.command("ssh", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.argument("run", required=False)
@click.argument("argv", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def command(ctx: click.Context, run: str | None, argv: tuple[str, ...]) -> None:
    """Open a shell on the head of RUN, or run one command there: burst ssh RUN -- squeue."""
    from provisioner.lifecycle.away import fetching

    ctx.exit(fetching.standing(run).cluster.executor.shell(argv[1:] if argv[:1] == ("--",) else argv))
