"""burst catalog"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from provisioner.cli.options import output_option

if TYPE_CHECKING:
    from provisioner.catalog.search import Wanted

_SHOWN = 20


@click.group("catalog", invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--cloud", type=click.Choice(["aws", "gcp", "azure"]), help="Only that cloud's.")
@click.option("--all-regions", is_flag=True, help="In every region of which a price is known, not in the default one alone.")
@output_option
@click.pass_context
def command(context: click.Context, cloud: str | None, all_regions: bool, output: str) -> None:
    """List the instance types that are known, cheapest first, with the day of each price (its source too with -o json)."""
    if context.invoked_subcommand is not None:
        return
    from provisioner.catalog.cache import known
    from provisioner.report import catalogue as report

    found = known()
    report.warn(found)
    kinds = [kind for kind in (found.types if all_regions else found.once) if cloud in (None, kind.cloud)]
    if output == "json":
        click.echo(report.types_json(kinds))
    else:
        report.print_types(kinds)


@command.command("search")
@click.option("--cores", type=click.IntRange(min=1), default=1, help="Physical cores, at least.")
@click.option("--memory", metavar="SIZE", default="1", help="Memory, at least: GiB as a number, or 300GiB.")
@click.option("--gpus", type=click.IntRange(min=0), default=0, help="GPUs, at least; without any, machines have none.")
@click.option("--gpu", "models", multiple=True, metavar="MODEL", help="A model of GPU; any of them, where given more than once.")
@click.option("-t", "--target", "targets", multiple=True, metavar="TARGETS", help="aws,gcp/us-central1: where to look.")
@click.option("--fabric", is_flag=True, help="Only what has a fabric for MPI: EFA, Tier_1, RDMA, InfiniBand.")
@click.option("--spot", is_flag=True, help="Only what is sold on the spot market, by its price there where it is known.")
@click.option("--arch", type=click.Choice(["x86_64", "arm64"]), default="x86_64", show_default=True, help="The architecture.")
@click.option("--limit", type=click.IntRange(min=1), default=_SHOWN, show_default=True, help="So many lines.")
@output_option
def search_(
    cores: int,
    memory: str,
    gpus: int,
    models: tuple[str, ...],
    targets: tuple[str, ...],
    fabric: bool,
    spot: bool,
    arch: str,
    limit: int,
    output: str,
) -> None:
    """List what has at least this, the cheapest first, with what a core and a GPU of it cost."""
    from provisioner.catalog.cache import known
    from provisioner.catalog.search import Wanted, search
    from provisioner.report import catalogue as report

    wanted = Wanted(
        cores=cores,
        memory_mib=_memory(memory),
        gpus=gpus,
        models=models,
        fabric=fabric,
        spot=spot,
        arch=arch,
        places=_places(targets),
    )
    catalogue = known()
    report.warn(catalogue)
    found = search(catalogue, wanted)
    if not found:
        raise _nothing(wanted)
    if output == "json":
        click.echo(report.types_json(found[:limit], spot=spot))
    else:
        report.print_types(found[:limit], spot=spot, more=max(0, len(found) - limit))


@command.command("refresh")
@click.option("-t", "--target", "targets", multiple=True, metavar="TARGET", help="aws/us-east-2; may be given more than once.")
@output_option
def refresh_(targets: tuple[str, ...], output: str) -> None:
    """Ask the clouds for the prices of now, and keep them; the bundled ones stay where a cloud cannot be asked.

    Without a target: every cloud that there are credentials for, and Azure, which needs none, in the region of your own
    configuration.
    """
    from provisioner.catalog import cache
    from provisioner.errors import ExitCode, Refused
    from provisioner.lifecycle.refresh import refresh
    from provisioner.report import catalogue as report
    from provisioner.targets.pricing import PRICING

    done = refresh(targets)
    if output == "json":
        click.echo(report.refreshed_json(done))
    else:
        report.print_refreshed(done, cache.read(cache.folder()))
        if not targets:
            left = [cloud for cloud in PRICING if cloud not in {each.cloud for each in done}]
            click.echo(f"not asked, for want of credentials: {', '.join(left)}" if left else "every cloud was asked")
    if all(each.problem is not None for each in done):
        if output == "json":
            raise click.exceptions.Exit(int(ExitCode.REFUSED))
        why = "; ".join(f"{each.cloud}/{each.region}: {each.problem.message}" for each in done if each.problem)
        raise Refused("no prices came", why=why or "nobody was asked", fix="burst catalog lists those that are known")


def _memory(text: str) -> int:
    """MiB of "300" (GiB) or "300GiB". Raises Invalid."""
    from provisioner.errors import Invalid
    from provisioner.units import MIB, parse_size

    try:
        return parse_size(text if text[-1:].isalpha() else f"{text}GiB") // MIB
    except ValueError as problem:
        raise Invalid(f"--memory: {problem}", fix="--memory 300, or --memory 300GiB") from problem


def _places(targets: tuple[str, ...]) -> tuple[tuple[str, str | None], ...]:
    """Of "aws,gcp/us-central1". Raises Invalid."""
    from provisioner.catalog.regions import REGIONS
    from provisioner.errors import Invalid
    from provisioner.targets.registry import referenced

    places = []
    for meant in referenced(",".join(targets), fix="--target aws,gcp/us-central1") if targets else ():
        if meant.name not in REGIONS:
            raise Invalid(f"{meant.name} sells no machines", why=f"these do: {', '.join(REGIONS)}", fix="--target aws,gcp")
        places.append((meant.name, meant.region))
    return tuple(places)


def _nothing(wanted: Wanted) -> Exception:
    """Why nothing fits: a model that nobody has, else what comes nearest."""
    from provisioner.catalog.cache import known
    from provisioner.catalog.search import nearest, unknown_model
    from provisioner.errors import Invalid

    if unknown := unknown_model(known(), wanted.models):
        model, meant = unknown
        hint = f"did you mean {meant}?" if meant else ""
        return Invalid(f"no type has a GPU {model!r}", why=hint, fix=f"--gpu one of: {', '.join(known().models)}")
    near = nearest(known(), wanted)
    if near is None:
        return Invalid("nothing fits", why="no such machine is sold there as far as is known", fix="burst catalog refresh")
    kind, lacking = near
    why = f"the nearest is {kind.name} in {kind.cloud}/{kind.region}: {lacking}"
    elsewhere = ", or look in more places: --target aws,gcp,azure" if wanted.places else ""
    return Invalid("nothing fits", why=why, fix=f"ask for less{elsewhere}")
