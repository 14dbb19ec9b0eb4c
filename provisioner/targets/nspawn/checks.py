"""Preflight for machines on this host: what cannot boot is refused with its reason, what differs from the cloud is said."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from provisioner import units
from provisioner.bootstrap import user_data
from provisioner.bootstrap.needs import Role
from provisioner.bootstrap.seam import Seam, shape_of
from provisioner.design.model import Design
from provisioner.executor import process
from provisioner.findings import Finding, Level, error, info, warning
from provisioner.slurm.conf import Site
from provisioner.targets import declared, host
from provisioner.targets.checks import ask
from provisioner.targets.host import Program
from provisioner.targets.nspawn import bucket, images
from provisioner.targets.nspawn.layout import images_folder, runs_folder
from provisioner.targets.nspawn.rehearsal import Rehearsal

PROGRAMS = (
    Program("systemd-nspawn", "systemd-container", "each machine"),
    Program("mmdebstrap", "mmdebstrap", "the machines' base image"),
    Program("ip", "iproute2", "the network between the machines"),
    Program("ssh", "openssh-client", "the way to the head"),
    Program("ssh-keygen", "openssh-client", "the run's own keys"),
    Program("slirp4netns", "slirp4netns", "the machines' way to package mirrors", required=False),
)
_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
# Beyond this the host is busy with daemons alone.
MAX_MACHINES = 64
# Memory in bytes: an idle node had 23 MiB of its own, the head 52 (Pss of smaps_rollup, proc(5); 2026-11); cloud-init, which
# comes before, is as large as a node.
_IDLE = 50 * units.MIB
# An idle machine had 190 files that differ from its image, which has 12,600 itself.
_FILES, _IMAGE_FILES = 300, 15_000
_OTHER = "folder: export BURST_MACHINES_DIR=… BURST_CACHE_DIR=…"
# A booted systemd has five, dbus and logind one each; udev and others have some for a moment.
_INSTANCES_EACH = 8
_INSTANCES = Path("/proc/sys/fs/inotify/max_user_instances")
_LEAST_DISK = 2 * units.GIB


@dataclass(frozen=True)
class Asked:
    """What is asked about: `setup` is the text of the user's script, `seam` what machines are told of the place."""

    design: Design
    setup: str | None
    site: Site
    seam: Seam
    rehearsal: Rehearsal


def preflight(
    design: Design, setup: str | None, site: Site, seam: Seam, asked: Rehearsal, skip: Collection[str] = ()
) -> tuple[Finding, ...]:
    """Everything at once."""
    if rights():
        return rights()
    about = Asked(design, setup, site, seam, asked)
    return ask([(name, partial(check, about)) for name, check in CHECKS], skip, lambda name, problem: None)


def rights() -> tuple[Finding, ...]:
    """Whether whoever calls may do it."""
    if os.geteuid() == 0:
        return ()
    fix = 'sudo "$(command -v burst)" run FILE -t nspawn; or rehearse with -t local'
    return (error("root", "machines under systemd-nspawn need root", fix),)


def programs(asked: Asked | None = None) -> tuple[Finding, ...]:
    """What must be installed, with the command that installs it, whatever is asked about."""
    found = list(host.missing_programs(PROGRAMS))
    if not _KEYRING.exists():
        message = "Debian's archive key is not here: the base image cannot be verified"
        found.append(error("program", message, host.install_command(["debian-archive-keyring"])))
    return tuple(found)


def _image(asked: Asked) -> list[Finding]:
    image = asked.rehearsal.image
    if images.path(image, plain=asked.rehearsal.plain).is_dir():
        return []
    return [info("image", f"the base image ({image}) is made first, once: about a minute, {images_folder()} keeps it")]


def _machines(asked: Asked) -> Iterable[Finding]:
    total = _beside(asked.design) + sum(group.max for group in asked.design.groups)
    if total > MAX_MACHINES:
        yield error("nodes", f"{total} machines: {MAX_MACHINES} is the most here", "lower groups.*.nodes for the rehearsal")
    yield from _inotify(asked.design)


def _inotify(design: Design) -> list[Finding]:
    """A systemd that gets no inotify instance ends at once; all machines share what this host's root may have."""
    limit, taken = int(_INSTANCES.read_text()), _taken()
    head = _beside(design)
    found: list[Finding] = []
    for say, machines in ((error, head + len(design.fixed)), (warning, head + sum(group.max for group in design.groups))):
        wanted = taken + machines * _INSTANCES_EACH
        if wanted > limit and not found:
            needed = f"{machines} machines need {machines * _INSTANCES_EACH} inotify instances"
            message = f"{needed}; {limit - taken} of {limit} are left"
            found.append(say("inotify", message, f"sysctl -w fs.inotify.max_user_instances={max(1024, 2 * wanted)}"))
    return found


def _taken() -> int:
    """inotify instances of root's processes (inotify(7)); those of processes that end meanwhile do not count."""
    taken = 0
    for entry in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            files = f"/proc/{entry}/fd"
            taken += sum(os.readlink(f"{files}/{name}") == "anon_inode:inotify" for name in os.listdir(files))
    return taken


def _way_out(asked: Asked) -> list[Finding]:
    found: list[Finding] = []
    if host.which("slirp4netns") is None:
        message = "machines have no way out: nothing can be installed that the image has not"
        found.append(warning("way-out", message, host.install_command(["slirp4netns"])))
    elif not Path("/dev/net/tun").exists():
        found.append(warning("way-out", "machines have no way out: there is no /dev/net/tun here", "modprobe tun"))
    return found


def _filesystems(asked: Asked) -> list[Finding]:
    fix = "leave out its id for a rehearsal: the folder is then empty"
    return [
        error("filesystem", f"filesystems: {fs.mount} is {fs.id}, which cannot be mounted on this machine", fix)
        for fs in asked.design.filesystems
        if fs.id is not None
    ]


def _disk(asked: Asked) -> Iterable[Finding]:
    """Machines are a difference to the image, which may have to be made first."""
    machines = _beside(asked.design) + sum(group.max for group in asked.design.groups)
    image = 0 if _image(asked) == [] else _IMAGE_FILES
    for folder, files in ((runs_folder(), machines * _FILES), (images_folder(), image)):
        yield from declared.disk(folder, size=_LEAST_DISK, inodes=files, fix=_OTHER)
    yield from declared.filesystems(asked.design, runs_folder(), fix=_OTHER)


def _hardware(asked: Asked) -> Iterable[Finding]:
    yield from declared.hardware(asked.design)
    yield from declared.boots(asked.design, beside=_beside(asked.design), each=_IDLE)


def _beside(design: Design) -> int:
    """Machines that are no nodes."""
    return 1 + (design.login.nodes if design.login else 0)


def _overlay(asked: Asked) -> list[Finding]:
    """Tried, not guessed: an overlay cannot lie on another one (in a container), nor on every file system."""
    if host.which("unshare") is None:
        return []
    with tempfile.TemporaryDirectory(prefix=".burst-try-", dir=declared.existing(runs_folder())) as folder:
        for name in ("lower", "upper", "work", "root"):
            (Path(folder) / name).mkdir()
        options = f"lowerdir={folder}/lower,upperdir={folder}/upper,workdir={folder}/work"
        argv = ["unshare", "--mount", "mount", "-t", "overlay", "overlay", "-o", options, f"{folder}/root"]
        done = process.call(argv, check=False)
    if done.status == 0:
        return []
    message = f"{runs_folder()} cannot hold machines' disks: {done.stderr.strip()}"
    return [error("overlay", message, "name a folder on ext4, xfs or tmpfs: export BURST_MACHINES_DIR=/dev/shm/burst")]


def _user_data(asked: Asked) -> list[Finding]:
    design = asked.design
    roles: tuple[Role, ...] = ("head", "compute", "login") if design.login else ("head", "compute")
    found: list[Finding] = []
    for role in roles:
        text = user_data.render(design, role, setup=asked.setup, site=asked.site, seam=asked.seam)
        found.extend(user_data.size_findings(text, shape_of(design)))
    return sorted(found, key=lambda finding: finding.level is not Level.ERROR)[:1]


def _results(asked: Asked) -> list[Finding]:
    """A folder that is named must be there, as a bucket must; another cloud's bucket is stood in for."""
    design = asked.design
    if design.results is None:
        return []
    folder = bucket.folder(design.results)
    if not design.results.startswith("file:"):
        return [info("results", f"{design.results} is stood in for by {folder}")]
    if folder.is_dir() and os.access(folder, os.W_OK | os.X_OK):
        return []
    return [error("results", f"{folder} is no folder that results can be put into", f"mkdir -p {folder}; or --to another")]


def _faults(about: Asked) -> list[Finding]:
    design, asked = about.design, about.rehearsal
    known = {"head", *(design.login.names if design.login else ())}
    known |= {f"{group.name}-{i}" for group in design.groups for i in range(1, group.max + 1)}
    wrong = sorted({*asked.faults, *asked.notices} - known)
    fix = f"there are: {', '.join(sorted(known)[:8])}"
    found = [error("rehearsal", f"BURST_REHEARSAL: no machine is called {name}", fix) for name in wrong]
    if asked != Rehearsal():
        told = asked.model_dump_json(exclude_defaults=True)
        found.append(info("rehearsal", f"as BURST_REHEARSAL has it: {told}"))
    return found


# Name → check, which is asked about a design and what its machines would be told.
CHECKS: tuple[tuple[str, Callable[[Asked], Iterable[Finding]]], ...] = (
    ("programs", programs),
    ("images", _image),
    ("machines", _machines),
    ("hardware", _hardware),
    ("network", _way_out),
    ("filesystems", _filesystems),
    ("disk", _disk),
    ("folders", _overlay),
    ("user-data", _user_data),
    ("rehearsal", _faults),
    ("results", _results),
)
