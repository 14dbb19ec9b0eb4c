"""What a shape cannot say. Each rule takes the Spec and returns findings; none raises, and load calls every one."""

from __future__ import annotations

import difflib
import graphlib
import os
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from provisioner.findings import Finding, error, warning
from provisioner.manifest import matches
from provisioner.spec.model import Spec
from provisioner.spec.source import Loc, Source


@dataclass(frozen=True)
class Known:
    """The names that stand in the file, those of parts that are themselves wrong included; and what is `wrong`.

    A rule says nothing of a value that is wrong already: what the Spec has there is a default or a stand-in.
    """

    groups: frozenset[str]
    jobs: frozenset[str]
    wrong: frozenset[Loc] = frozenset()

    def lost(self, *loc: str | int) -> bool:
        """Whether the value at `loc` is not the file's."""
        return any(loc[: len(place)] == place for place in self.wrong)

    def touched(self, *loc: str | int) -> bool:
        """Whether the value at `loc`, or something in it, is not the file's."""
        return self.lost(*loc) or any(place[: len(loc)] == loc for place in self.wrong)


Rule = Callable[[Spec, Source, Known], Iterable[Finding]]
RULES: list[Rule] = []


def _rule(rule: Rule) -> Rule:
    RULES.append(rule)
    return rule


def _at(source: Source, loc: Loc, code: str, message: str, fix: str = "") -> Finding:
    return error(code, message, fix, file=str(source.path), line=source.line(loc))


def _nearest(name: str, names: Iterable[str]) -> str:
    names = sorted(names)
    near = difflib.get_close_matches(name, names, n=1)
    return f"did you mean {near[0]!r}?" if near else f"defined: {', '.join(names) or 'none'}"


@_rule
def group_is_defined(spec: Spec, source: Source, known: Known) -> Iterator[Finding]:
    """A job's group stands under groups."""
    for name, job in spec.jobs.items():
        if job.group is not None and job.group not in known.groups and not known.lost("groups"):
            message = f"jobs.{name}.group: nobody defined the group {job.group!r}"
            yield _at(source, ("jobs", name, "group"), "group", message, _nearest(job.group, known.groups))


@_rule
def needed_jobs_are_defined(spec: Spec, source: Source, known: Known) -> Iterator[Finding]:
    """What a job needs stands under jobs."""
    for name, job in spec.jobs.items():
        for i, need in enumerate(job.needs):
            if need not in known.jobs and not known.lost("jobs"):
                message = f"jobs.{name}.needs: nobody defined the job {need!r}"
                yield _at(source, ("jobs", name, "needs", i), "needs", message, _nearest(need, known.jobs - {name}))


@_rule
def needs_have_no_cycle(spec: Spec, source: Source, known: Known) -> Iterator[Finding]:
    """Some job can be the first."""
    graph = {name: [n for n in job.needs if n in spec.jobs] for name, job in spec.jobs.items()}
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as problem:
        circle = list(reversed(problem.args[1]))
        message = f"jobs need each other in a circle: {' → '.join(circle)}"
        yield _at(source, ("jobs", circle[0], "needs"), "cycle", message, "take one of these needs out")


@_rule
def script_or_command(spec: Spec, source: Source, known: Known) -> Iterator[Finding]:
    """A job has one of the two, and a command has something in it."""
    for name, job in spec.jobs.items():
        if known.lost("jobs", name, "script") or known.lost("jobs", name, "command"):
            continue
        if (job.script is None) == (job.command is None):
            both = "has both a script and a command" if job.script else "has neither a script nor a command"
            yield _at(source, ("jobs", name), "script", f"jobs.{name} {both}", "give it exactly one")
        elif job.command is not None and (not job.command.strip() or "\0" in job.command):
            yield _at(source, ("jobs", name, "command"), "script", f"jobs.{name}.command is empty")


@_rule
def scripts_are_there(spec: Spec, source: Source, known: Known) -> Iterator[Finding]:
    """Scripts can be read, and start as sbatch wants them to."""
    named: list[tuple[Loc, str]] = [
        (("jobs", name, "script"), job.script) for name, job in spec.jobs.items() if job.script is not None
    ]
    if spec.software.setup is not None:
        named.append((("software", "setup"), spec.software.setup))
    for loc, script in named:
        dotted = ".".join(str(step) for step in loc)
        problem = _unreadable(source.folder / script)
        if problem:
            fix = _similar_file(source.folder, script)
            yield _at(source, loc, "script", f"{dotted}: {script}: {problem}", fix)
        elif not (source.folder / script).read_bytes().startswith(b"#!"):
            fix = "begin it with #!/bin/bash"
            yield _at(source, loc, "script", f"{dotted}: {script} does not begin with #!, and sbatch refuses such a script", fix)


def _unreadable(path: Path) -> str:
    try:
        if not path.exists():
            return "there is no such file"
        if not path.is_file():
            return "it is not a file"
        return "" if os.access(path, os.R_OK) else "it cannot be read"
    except OSError as problem:
        return problem.strerror or str(problem)


def _similar_file(folder: Path, name: str) -> str:
    try:
        here = [entry.name for entry in os.scandir(folder) if entry.name != name]
    except OSError:
        return ""
    near = difflib.get_close_matches(name, here, n=1)
    return f"did you mean {near[0]!r}?" if near else f"paths start from {folder.resolve()}"


@_rule
def inputs_are_there(spec: Spec, source: Source, known: Known) -> Iterator[Finding]:
    """Every input pattern finds something, and what it finds can be read."""
    for name, job in spec.jobs.items():
        for i, pattern in enumerate(job.inputs):
            if _is_the_folder(pattern):
                continue
            loc, found = ("jobs", name, "inputs", i), False
            for path in matches(source.folder, pattern, follow=True):
                found = True
                problem = _unreadable(source.folder / path)
                if problem:
                    yield _at(source, loc, "inputs", f"jobs.{name}.inputs: {path}: {problem}", "take it away, or leave it out")
                    break
            if not found:
                message = f"jobs.{name}.inputs: nothing matches {pattern!r}"
                yield _at(source, loc, "inputs", message, _similar_file(source.folder, pattern))


def _is_the_folder(pattern: str) -> bool:
    return os.path.normpath(pattern) == "."


@_rule
def inputs_are_not_everything(spec: Spec, source: Source, known: Known) -> Iterator[Finding]:
    """No pattern is the folder itself."""
    for name, job in spec.jobs.items():
        for loc, pattern in (
            *((("jobs", name, "inputs", i), p) for i, p in enumerate(job.inputs)),
            *((("jobs", name, "outputs", i), o.path) for i, o in enumerate(job.outputs)),
        ):
            if _is_the_folder(pattern):
                fix = "write ** for everything in it, or name what is needed"
                yield _at(source, loc, "pattern", f"jobs.{name}: {pattern!r} is the folder itself", fix)


@_rule
def jobs_fit_their_group(spec: Spec, source: Source, known: Known) -> Iterator[Finding]:
    """A job asks for no more nodes than its group can have: it would wait for ever."""
    for name, job in spec.jobs.items():
        if known.touched("groups", *([job.group, "nodes"] if job.group is not None else [])):
            continue
        if known.lost("jobs", name, "group"):
            continue
        group = spec.groups.get(job.group if job.group is not None else next(iter(spec.groups)))
        if group is not None and job.nodes is not None and job.nodes > group.nodes.max:
            message = f"jobs.{name}.nodes: {job.nodes} nodes, but its group has at most {group.nodes.max}"
            fix = f"ask for at most {group.nodes.max}, or give the group more"
            yield _at(source, ("jobs", name, "nodes"), "nodes", message, fix)


@_rule
def groups_say_what_they_are(spec: Spec, source: Source, known: Known) -> Iterator[Finding]:
    """A group names types or needs, not both; and holds a node at some time."""
    for name, group in spec.groups.items():
        if group.instance and group.needs is not None:
            message = f"groups.{name} has both instance and needs"
            yield _at(source, ("groups", name, "needs"), "group", message, "keep one: types by name, or what a node must have")
        if known.touched("groups", name, "needs"):
            continue
        if group.needs is not None and group.needs.gpu and not group.needs.gpus:
            message = f"groups.{name}.needs names GPU models but no number of them"
            yield _at(source, ("groups", name, "needs"), "group", message, "add gpus: 1")


@_rule
def time_fits_the_life(spec: Spec, source: Source, known: Known) -> Iterator[Finding]:
    """A job that may run longer than the cluster lives is said; its limit is clipped."""
    for name, job in spec.jobs.items():
        if job.time is not None and job.time > spec.limits.ttl and not known.lost("limits", "ttl"):
            yield warning(
                "time",
                f"jobs.{name}.time is longer than limits.ttl; it is clipped to what is left for jobs",
                "raise limits.ttl",
                file=str(source.path),
                line=source.line(("jobs", name, "time")),
            )


_RESERVED_GROUPS = re.compile(r"head|login|all|default", re.ASCII)


@_rule
def group_names_are_free(spec: Spec, source: Source, known: Known) -> Iterator[Finding]:
    """`head` and `login` are machines; ALL and DEFAULT mean something to Slurm (slurm.conf(5))."""
    for name in spec.groups:
        if _RESERVED_GROUPS.fullmatch(name):
            yield _at(source, ("groups", name), "group", f"groups.{name}: the name is taken", "call it otherwise, such as cpu")


@_rule
def mounts_do_not_nest(spec: Spec, source: Source, known: Known) -> Iterator[Finding]:
    """One mount inside another would depend on the order in which they come."""
    for inner in spec.filesystems:
        for outer in spec.filesystems:
            if inner != outer and Path(inner).is_relative_to(outer):
                message = f"filesystems: {inner} lies inside {outer}"
                yield _at(source, ("filesystems", inner), "mount", message, "mount them side by side")


@_rule
def subnet_of_a_network(spec: Spec, source: Source, known: Known) -> Iterator[Finding]:
    """A subnet is one of a network that is named too."""
    if spec.network.subnet is not None and spec.network.id is None and not known.touched("network"):
        message = f"network.subnet is {spec.network.subnet}, but network.id does not say of which network"
        yield _at(source, ("network", "subnet"), "network", message, "add id: the VPC (AWS, GCP) or VNet (Azure) that it is in")


@_rule
def a_tunnel_has_no_ranges(spec: Spec, source: Source, known: Known) -> Iterator[Finding]:
    """Whom a tunnel lets in is the cloud's affair: the ranges say nothing there."""
    if spec.network.access == "tunnel" and spec.network.ssh_from and not known.touched("network"):
        yield warning(
            "network",
            "network.ssh_from is not used with access: tunnel: who may open it is said by the cloud's own permissions",
            "leave ssh_from out, or write access: public",
            file=str(source.path),
            line=source.line(("network", "ssh_from")),
        )
