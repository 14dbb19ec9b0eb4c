"""What a design declares, against what this machine has, which all its nodes share: what a quota is in a cloud."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from pathlib import Path

from provisioner import units
from provisioner.design.model import Design
from provisioner.findings import Finding, error, info, warning
from provisioner.targets import capacity, host


def hardware(design: Design) -> Iterator[Finding]:
    """Cores, memory, GPUs, architecture."""
    has = capacity.look()
    yield from _oversubscribed(design, has)
    yield from _too_much_memory(design, has)
    wanted = sum(group.max * group.node.gpus for group in design.groups)
    if wanted > host.gpus():
        message = f"{wanted} GPUs are counted and handed out; this machine has {host.gpus()}"
        yield warning("gpus", message, "a job that uses a GPU fails here; what it asks of Slurm is accepted")
    arch = {"aarch64": "arm64"}.get(platform.machine(), platform.machine())
    for group in design.groups:
        if group.node.arch != arch:
            message = f"groups.{group.name}: {group.node.instance} is {group.node.arch}, this machine is {arch}"
            yield warning("arch", message, "programs built for one do not run on the other")


def _oversubscribed(design: Design, has: capacity.Capacity) -> Iterator[Finding]:
    cpus = sum(group.max * group.node.cpus for group in design.groups)
    memory = sum(group.max * group.node.memory_mib for group in design.groups) * units.MIB
    if cpus > has.cores or memory > has.memory:
        yield info("oversubscribed", f"{cpus} CPUs and {units.show_size(memory)} are declared; {_has(has)}: work shares them")


def _too_much_memory(design: Design, has: capacity.Capacity) -> Iterator[Finding]:
    """Slurm is told not to mind (slurm.conf(5), config_overrides), and nothing here holds a job to what it asked for."""
    more = {g.name: g.node.memory_mib * units.MIB for g in design.groups if g.node.memory_mib * units.MIB > has.memory}
    if more:
        largest = units.show_size(max(more.values()))
        named = ", ".join(f"groups.{name}" for name in more)
        message = f"{named}: one node declares up to {largest}; {_has(has)}: a job that really uses as much is killed here"
        yield warning(
            "memory", message, "jobs start all the same: rehearse with inputs that fit, or declare less (needs: memory)"
        )


def _has(has: capacity.Capacity) -> str:
    limited = f" ({', '.join(has.limits)})" if has.limits else ""
    return f"this machine has {has.cores:g} CPUs and {units.show_size(has.memory)}{limited}"


def boots(design: Design, *, beside: int, each: int) -> Iterator[Finding]:
    """Memory that nodes take before they do any work: `beside` machines and every node, `each` so many bytes.

    An error where those that are always there find no room, a warning where all would not.
    """
    has = capacity.look()
    some, most = beside + len(design.fixed), beside + sum(group.max for group in design.groups)
    for say, count, room in ((error, some, has.available + has.swap), (warning, most, has.available)):
        if count * each > room:
            needed, left = units.show_size(count * each), units.show_size(room)
            message = f"{units.count(count, 'machine')}: {needed} of memory before any work, {left} are available; {_has(has)}"
            yield say("boot-memory", message, "lower groups.*.nodes for the rehearsal, or end other programs")
            return


def disk(folder: Path, *, size: int, inodes: int, fix: str) -> Iterator[Finding]:
    """Whether a folder has room for `size` bytes and `inodes` files; the nearest that is there above it, as nothing is made."""
    there = capacity.free(existing(folder))
    if there.size < size:
        message = f"{folder}: {units.show_size(there.size)} free, {units.show_size(size)} needed"
        yield error("disk", message, f"make room, or name another {fix}")
    if there.inodes is not None and there.inodes < inodes:
        message = f"{folder}: {there.inodes} more files can be made there, {inodes} are needed (inodes: df -i {existing(folder)})"
        yield error("inodes", message, f"delete files, or name another {fix}")


def filesystems(design: Design, folder: Path, *, fix: str) -> Iterator[Finding]:
    """Here they are folders of one disk, which nothing holds to the size that the file says."""
    sizes = {fs.mount: fs.size for fs in design.filesystems if fs.id is None}
    there = capacity.free(existing(folder))
    if sum(sizes.values()) > there.size:
        named, wanted = ", ".join(sizes), units.show_size(sum(sizes.values()))
        message = f"filesystems: {named} would have {wanted}, {folder} has {units.show_size(there.size)} free for all of them"
        yield warning("disk-size", message, f"write less here, or name a larger {fix}")


def existing(folder: Path) -> Path:
    """The folder, or the nearest one above that is there."""
    return next(path for path in (folder, *folder.parents) if path.is_dir())
