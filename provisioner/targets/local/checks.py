"""Preflight on this machine: what cannot run is refused with its reason, what differs from the cloud is said."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from functools import partial

from provisioner import units
from provisioner.design.model import Design
from provisioner.findings import Finding, error, info, warning
from provisioner.targets import declared, host
from provisioner.targets.checks import ask
from provisioner.targets.local import mounts
from provisioner.targets.local.layout import Layout, runtime_folder

PROGRAMS = (
    host.Program("slurmctld", "slurmctld", "the controller of the cluster"),
    host.Program("slurmd", "slurmd", "each node of the cluster"),
    host.Program("sbatch", "slurm-client", "submitting jobs"),
    host.Program("munged", "munge", "authentication between the daemons"),
    host.Program("mpirun", "openmpi-bin", "MPI jobs", required=False),
    host.Program("bwrap", "bubblewrap", "mounting /shared and the like at their own paths", required=False),
)

# Beyond this the machine is busy with daemons alone.
MAX_NODES = 128
# Memory in bytes: an idle slurmd had 3 MiB of its own (Pss of smaps_rollup, proc(5); 2026-11), a slurmstepd for each step comes
# beside it. Files: an idle cluster had 37, and 8 more for each node.
_DAEMON, _FILES = 10 * units.MIB, 50
# For the daemons' logs and state; what jobs write is theirs to know.
_LEAST_DISK = 200 * units.MIB
_SOCKET_PATH = 108


def preflight(design: Design, skip: Collection[str] = ()) -> tuple[Finding, ...]:
    """Everything at once."""
    return ask([(name, partial(check, design)) for name, check in CHECKS], skip, lambda name, problem: None)


def programs(design: Design | None = None) -> tuple[Finding, ...]:
    """What must be installed, with the command that installs it, whatever the design."""
    found = list(host.missing_programs(PROGRAMS))
    if not host.has_pmix():
        message = "Slurm's PMIx plugin finds no library: `srun` cannot start MPI programs, `mpirun` can"
        found.append(warning("pmix", message, host.install_command([host.PMIX_PACKAGE])))
    return tuple(found)


def _packages(design: Design) -> list[Finding]:
    missing = host.missing_packages(design.software.packages)
    if not missing:
        return []
    message = f"software.packages: not installed on this machine: {', '.join(missing)}"
    return [error("packages", message, host.install_command(missing))]


def _nodes(design: Design) -> list[Finding]:
    total = sum(group.max for group in design.groups)
    if total <= MAX_NODES:
        return []
    message = f"{total} nodes: every one of them is a slurmd here, and {MAX_NODES} is the most"
    return [error("nodes", message, "lower groups.*.nodes for the rehearsal")]


def _filesystems(design: Design) -> list[Finding]:
    found: list[Finding] = []
    for fs in design.filesystems:
        if fs.id is not None:
            message = f"filesystems: {fs.mount} is {fs.id}, which cannot be mounted on this machine"
            found.append(error("filesystem", message, "leave out its id for a rehearsal: the folder is then empty"))
    named = [fs.variable for fs in design.filesystems]
    for fs in design.filesystems:
        if named.count(fs.variable) > 1:
            message = f"filesystems: {fs.mount} and another one would both be ${fs.variable}"
            found.append(error("filesystem", message, "give them names that differ in more than punctuation"))
    if design.filesystems and not mounts.usable():
        names = ", ".join(f"{fs.mount} as ${fs.variable}" for fs in design.filesystems)
        message = f"folders cannot be mounted here without bwrap and user namespaces: jobs find {names}"
        found.append(warning("mounts", message, host.install_command(["bubblewrap"])))
    return found


def _socket(design: Design) -> list[Finding]:
    path = str(Layout(runtime_folder() / design.run.id).munge_socket)
    if len(path.encode()) < _SOCKET_PATH:
        return []
    message = f"{path} is too long for a socket, which may have {_SOCKET_PATH - 1} bytes (unix(7))"
    return [error("socket", message, "name a shorter folder: export BURST_RUNTIME_DIR=/tmp/my-burst")]


def _disk(design: Design) -> Iterable[Finding]:
    folder, fix = runtime_folder(), "folder: export BURST_RUNTIME_DIR=/path"
    nodes = sum(group.max for group in design.groups)
    yield from declared.disk(folder, size=_LEAST_DISK, inodes=_FILES * (1 + nodes), fix=fix)
    yield from declared.filesystems(design, folder, fix=fix)


def _hardware(design: Design) -> Iterable[Finding]:
    yield from declared.hardware(design)
    yield from declared.boots(design, beside=1, each=_DAEMON)


def _told(design: Design) -> list[Finding]:
    return [*_setup(design), *_login(design)]


def _login(design: Design) -> list[Finding]:
    if design.login is None:
        return []
    return [info("login", "login: this machine is the login node too")]


def _setup(design: Design) -> list[Finding]:
    if design.software.setup is None:
        return []
    message = f"software.setup: {design.software.setup} runs on this machine, as you"
    return [info("setup", message)]


# Name → check, which is asked of a design.
CHECKS: tuple[tuple[str, Callable[[Design], Iterable[Finding]]], ...] = (
    ("programs", programs),
    ("packages", _packages),
    ("machines", _nodes),
    ("hardware", _hardware),
    ("filesystems", _filesystems),
    ("disk", _disk),
    ("folders", _socket),
    ("user-data", _told),
)
