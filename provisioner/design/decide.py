"""Spec + catalogue + run → Design. One function; the rest of the file is its parts in the order of use."""

from __future__ import annotations

import difflib
import graphlib
from collections.abc import Iterator
from dataclasses import dataclass

from provisioner import units
from provisioner.catalog.regions import REGIONS
from provisioner.catalog.table import Catalogue, InstanceType
from provisioner.design import estimate, model, rules
from provisioner.findings import Finding, error, warning
from provisioner.spec.model import Group, Job, Needs, Spec, TargetRef

EMBEDDED = ("local", "nspawn")
# What a group is that says nothing of itself, and the least head.
_PLAIN = Needs()
_HEAD = Needs.model_validate({"cores": 2, "memory": "8GiB"})
# Slurm reserves it for the system; a machine never has what its type is sold as.
_MEMORY_SHARE = 0.95


@dataclass(frozen=True)
class _At:
    """Where types are chosen: of `cloud` (None: of none, a rehearsal of a file without one) in `region`, for `target`."""

    catalogue: Catalogue
    cloud: str | None
    region: str | None
    target: TargetRef
    found: list[Finding]


def decide(
    spec: Spec, catalogue: Catalogue, run: model.Run, target: TargetRef, *, rehearsed: float | None = None
) -> tuple[model.Design, tuple[Finding, ...]]:
    """Decide everything. With an error among the findings the Design stands but may not be created.

    `rehearsed` is what a machine is to cost where none is billed, in USD an hour.
    """
    found: list[Finding] = []
    native = target.name not in EMBEDDED
    meant = target if native else _cloud_of(spec)
    cloud = meant.name if meant is not None else None
    region = (meant.region if meant is not None else None) or REGIONS.get(cloud or "")
    at = _At(catalogue, cloud, region, target, found)
    found.extend(_unpriced(catalogue, target.name, region))
    groups = tuple(_group(name, group, at) for name, group in spec.groups.items())
    by_name = {group.name: group for group in groups}
    design = model.Design(
        run=run,
        name=spec.name,
        target=target.name,
        region=region if native else target.region,
        cloud=cloud,
        head=_head(spec.head.instance, "head", at),
        head_disk=spec.head.disk,
        login=_login(spec, at),
        groups=groups,
        filesystems=tuple(
            model.Filesystem(mount=mount, type=fs.type, size=fs.size, id=fs.id) for mount, fs in spec.filesystems.items()
        ),
        image=spec.image,
        network=model.Network(**dict(spec.network)),
        identity=model.Identity(**dict(spec.identity)),
        software=model.Software(packages=spec.software.packages, setup=spec.software.setup),
        jobs=tuple(_job(name, spec, by_name, found) for name in _order(spec)),
        ttl=spec.limits.ttl,
        idle=spec.limits.idle,
        unused=spec.limits.unused,
        budget=float(spec.limits.cost) if spec.limits.cost is not None else None,
        rehearsed=None if native else rehearsed,
        estimate=estimate.NOTHING,
    )
    design = design.model_copy(update={"estimate": estimate.estimated(design)})
    found.extend(finding.model_copy(update={"check": "budget"}) for finding in estimate.over_budget(design))
    found.extend(rules.check(design))
    return design, tuple(found)


def _cloud_of(spec: Spec) -> TargetRef | None:
    """The cloud that a file was written for, when it is rehearsed on this machine."""
    return next((t for t in spec.target if t.name not in EMBEDDED), None)


def _unpriced(catalogue: Catalogue, cloud: str, region: str | None) -> list[Finding]:
    """What is to be known of the prices of a cloud's region before any of them is believed."""
    refresh = f"burst catalog refresh --target {cloud}/{region}"
    found = [warning("catalogue", problem, "burst catalog refresh writes it anew") for problem in catalogue.problems]
    if cloud in REGIONS and region is not None and not catalogue.sells(cloud, region):
        said = f"no price of {cloud}/{region} is known: machines are priced as in {REGIONS[cloud]}, and may not be sold there"
        found.append(warning("price", said, refresh))
    return found


def _group(name: str, group: Group, at: _At) -> model.Group:
    nodes = tuple(_named(f"groups.{name}", t, at) for t in group.instance) or (_fitting(name, group, at),)
    if len({node.arch for node in nodes if node is not None}) > 1:
        at.found.append(error("instance", f"groups.{name}: its types differ in architecture", "make a group for each"))
    known = tuple(node for node in nodes if node is not None) or (_declared(group.needs or _PLAIN),)
    return model.Group(
        name=name,
        min=group.nodes.min,
        max=group.nodes.max,
        node=_least(known),
        alternatives=known,
        spot=group.spot,
        fabric=group.fabric,
        image=group.image,
    )


def _named(where: str, name: str, at: _At) -> model.Node | None:
    kind = at.catalogue.named(name, at.region)
    if kind is not None and at.target.name not in (*EMBEDDED, kind.cloud):
        fix = "give a list of types for each cloud a file of its own, or say what a node needs: {cores: …, memory: …}"
        at.found.append(error("instance", f"{where}: {name} is a type of {kind.cloud}, not of {at.target.name}", fix))
        return None
    if kind is None:
        near = difflib.get_close_matches(name, at.catalogue.names, n=1)
        meant = f"{near[0]}? " if near else ""
        fix = f"{meant}`burst catalog` has the known ones; or say what a node needs: {{cores: …, memory: …}}"
        at.found.append(error("instance", f"{where}: the type {name!r} is not in the catalogue", fix))
        return None
    if kind.basis == "guess" and at.target.name == kind.cloud:
        said = f"{where}: {name} may not be sold in {kind.cloud}/{kind.region}; its price is that of {kind.priced_in}"
        at.found.append(warning("price", said, f"burst catalog refresh --target {kind.cloud}/{kind.region}"))
    return _node(kind)


def _fitting(name: str, group: Group, at: _At) -> model.Node | None:
    """On a cloud the cheapest type that fits; a rehearsal of a file without a cloud is declared as it asks."""
    needs = group.needs or _PLAIN
    if at.cloud is None:
        return _declared(needs)
    least: dict[str, int] = {"cores": needs.cores, "memory_mib": needs.memory // units.MIB, "gpus": needs.gpus}
    kind = at.catalogue.fits(at.cloud, at.region, **least, models=needs.gpu, spot=group.spot != "never")
    if kind is not None:
        at.found.extend(_unknown_models(name, needs, at.catalogue))
        return _node(kind)
    what = f"groups.{name}: no type of {at.cloud} in the catalogue has {needs.cores} cores, {units.show_size(needs.memory)}"
    what += f", {needs.gpus} GPUs {' or '.join(needs.gpu)}".rstrip() if needs.gpus else ""
    if at.target.name not in EMBEDDED:
        at.found.append(
            error("instance", what, f"ask for less, or name a type; {_search(needs)} --target {at.cloud} tells what comes near")
        )
        return None
    at.found.append(warning("instance", what, "declared here as the file asks"))
    return _declared(needs)


def _unknown_models(name: str, needs: Needs, catalogue: Catalogue) -> Iterator[Finding]:
    """GPUs that are asked for beside one that there is."""
    known = {each.lower() for each in catalogue.models}
    for asked in needs.gpu:
        if asked.lower() not in known:
            said = f"groups.{name}: no type has a GPU {asked!r}: it is left out"
            yield warning("instance", said, f"there are: {', '.join(catalogue.models)}")


def _search(needs: Needs) -> str:
    """The command that looks for the same."""
    gpus = f" --gpus {needs.gpus}" + "".join(f" --gpu '{model}'" for model in needs.gpu) if needs.gpus else ""
    return f"burst catalog search --cores {needs.cores} --memory {units.show_size(needs.memory)}{gpus}"


def _node(kind: InstanceType) -> model.Node:
    return model.Node(
        instance=kind.name,
        cpus=kind.vcpus,
        cores=kind.cores,
        memory_mib=int(kind.memory_mib * _MEMORY_SHARE),
        gpus=kind.gpus,
        gpu=gres_type(kind.gpu),
        price=kind.on_demand,
        spot_price=kind.spot,
        arch=kind.arch,
        fabric=kind.fabric,
        cards=kind.cards,
    )


def gres_type(model_name: str) -> str:
    """A GPU model as Slurm's gres type: one word, lower case, as `--gpus=l4:1` is written."""
    return model_name.lower().replace(" ", "_")


def _declared(needs: Needs) -> model.Node:
    """Exactly what was asked for."""
    gpu = gres_type(needs.gpu[0]) if needs.gpus and needs.gpu else ""
    return model.Node(
        instance="as declared",
        cpus=needs.cores,
        cores=needs.cores,
        memory_mib=needs.memory // units.MIB,
        gpus=needs.gpus,
        gpu=gpu,
        price=0.0,
        spot_price=0.0,
    )


def _least(nodes: tuple[model.Node, ...]) -> model.Node:
    """What is true of every type of a group: Slurm must never be promised more than the machine it may get."""
    first = nodes[0]
    return first.model_copy(
        update={
            "cpus": min(n.cpus for n in nodes),
            "cores": min(n.cores for n in nodes),
            "memory_mib": min(n.memory_mib for n in nodes),
            "gpus": min(n.gpus for n in nodes),
            "gpu": first.gpu if len({n.gpu for n in nodes}) == 1 else "",
            # And never promised cheaper: "at most" is an upper bound whichever type is to be had.
            "price": _dearest([n.price for n in nodes]),
            "spot_price": _dearest([n.spot_price for n in nodes]),
        }
    )


def _dearest(prices: list[float | None]) -> float | None:
    known = [price for price in prices if price is not None]
    return max(known) if len(known) == len(prices) else None


def _head(instance: str, where: str, at: _At) -> model.Node:
    """The head's machine, or a login node's: what runs no jobs."""
    if instance != "auto":
        return _named(where, instance, at) or _declared(_HEAD)
    if at.cloud is not None:
        kind = at.catalogue.fits(at.cloud, at.region, cores=_HEAD.cores, memory_mib=_HEAD.memory // units.MIB, gpus=0, models=())
        if kind is not None:
            return _node(kind)
    return _declared(_HEAD)


def _login(spec: Spec, at: _At) -> model.Login | None:
    if spec.login is None:
        return None
    return model.Login(nodes=spec.login.nodes, node=_head(spec.login.instance, "login", at))


def _order(spec: Spec) -> tuple[str, ...]:
    """Each job after what it needs; otherwise as the file has them."""
    graph = {name: job.needs for name, job in spec.jobs.items()}
    return tuple(graphlib.TopologicalSorter(graph).static_order())


def _job(name: str, spec: Spec, groups: dict[str, model.Group], found: list[Finding]) -> model.Job:
    job = spec.jobs[name]
    group = groups[job.group if job.group is not None else next(iter(groups))]
    found.extend(_asks_too_much(name, job, group))
    return model.Job(
        name=name,
        group=group.name,
        script=job.script,
        command=job.command,
        needs=job.needs,
        options=_options(job, group.name, model.working_life(spec.limits.ttl)),
        env=dict(job.env),
        inputs=job.inputs,
        outputs=tuple(model.Output(path=o.path, optional=o.optional) for o in job.outputs),
    )


def _options(job: Job, group: str, longest: int) -> tuple[str, ...]:
    """sbatch's options for what the file says; what it leaves out is the script's own affair (sbatch(1))."""
    asked: dict[str, int | str | None] = {
        "partition": group,
        "array": job.array,
        "nodes": job.nodes,
        "ntasks": job.tasks,
        "ntasks-per-node": job.tasks_per_node,
        "cpus-per-task": job.cpus_per_task,
        "gpus": job.gpus,
        "gpus-per-node": job.gpus_per_node,
        "mem": f"{-(-job.memory // units.MIB)}M" if job.memory is not None else None,
        "time": units.slurm_time(min(job.time, longest)) if job.time is not None else None,
    }
    return tuple(f"--{option}={value}" for option, value in asked.items() if value is not None)


def _asks_too_much(name: str, job: Job, group: model.Group) -> list[Finding]:
    """What one node of the group could never give: the job would wait for ever."""
    node, found = group.node, []
    per_node = (job.tasks_per_node or 1) * (job.cpus_per_task or 1)
    if per_node > node.cpus:
        found.append(f"{per_node} CPUs on a node, a node of {group.name} has {node.cpus}")
    if (job.tasks or 1) * (job.cpus_per_task or 1) > node.cpus * (job.nodes or group.max):
        total = (job.tasks or 1) * (job.cpus_per_task or 1)
        found.append(f"{total} CPUs, {job.nodes or group.max} nodes of {group.name} have {node.cpus * (job.nodes or group.max)}")
    if job.memory is not None and -(-job.memory // units.MIB) > node.memory_mib:
        found.append(f"{units.show_size(job.memory)}, a node of {group.name} has {units.show_size(node.memory_mib * units.MIB)}")
    if (job.gpus_per_node or 0) > node.gpus:
        found.append(f"{job.gpus_per_node} GPUs on a node, a node of {group.name} has {node.gpus}")
    if (job.gpus or 0) > node.gpus * (job.nodes or group.max):
        found.append(
            f"{job.gpus} GPUs, {job.nodes or group.max} nodes of {group.name} have {node.gpus * (job.nodes or group.max)}"
        )
    fix = "ask for less, or give the group bigger nodes"
    return [error("too-much", f"jobs.{name} asks for {text}", fix) for text in found]
