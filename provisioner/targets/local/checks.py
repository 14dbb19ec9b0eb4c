"""Preflight on this machine: what cannot run is refused with its reason, what differs from the cloud is said."""

from __future__ import annotations

import shutil
from collections.abc import Collection

from provisioner import units
from provisioner.design.model import Design
from provisioner.findings import Finding, error, info, warning
from provisioner.targets import host
from provisioner.targets.checks import Check, ask
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

# A slurmd idles at some 10 MB and a few threads; beyond this the machine is busy with daemons alone.
MAX_NODES = 128
# For the daemons' logs and state; what jobs write is theirs to know.
_LEAST_DISK = 200 * units.MIB
_SOCKET_PATH = 108


def preflight(design: Design, skip: Collection[str] = ()) -> tuple[Finding, ...]:
    """Everything at once."""
    asked: tuple[tuple[str, Check], ...] = (
        ("programs", programs),
        ("packages", lambda: _packages(design)),
        ("machines", lambda: _nodes(design)),
        ("hardware", lambda: host.shared(design)),
        ("filesystems", lambda: _filesystems(design)),
        ("disk", _disk),
        ("folders", lambda: _socket(design)),
        ("user-data", lambda: (*_setup(design), *_login(design))),
    )
    return ask(asked, skip, lambda name, problem: None)


def programs() -> tuple[Finding, ...]:
    """What must be installed, with the command that installs it."""
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


def _disk() -> list[Finding]:
    folder = runtime_folder()
    free = shutil.disk_usage(folder).free
    if free >= _LEAST_DISK:
        return []
    message = f"{folder}: {units.show_size(free)} free, {units.show_size(_LEAST_DISK)} needed"
    return [error("disk", message, "make room, or name another folder: export BURST_RUNTIME_DIR=/path")]


def _login(design: Design) -> list[Finding]:
    if design.login is None:
        return []
    return [info("login", "login: this machine is the login node too")]


def _setup(design: Design) -> list[Finding]:
    if design.software.setup is None:
        return []
    message = f"software.setup: {design.software.setup} runs on this machine, as you"
    return [info("setup", message)]
