"""Design + role + Site + Seam → the text of user-data, and whether it is small enough."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING

from provisioner import clock
from provisioner.bootstrap import embed, phases, secrets, shipped
from provisioner.bootstrap.needs import Role, packages, pmix
from provisioner.bootstrap.seam import UID, USER, Seam
from provisioner.design.model import Design
from provisioner.files import packaged
from provisioner.findings import Finding, error, warning
from provisioner.slurm import conf
from provisioner.units import KIB, show_size

if TYPE_CHECKING:
    from jinja2 import Environment

# What each takes, compressed: cloud-init unpacks gzip itself. EC2 16 KiB before base64 (EC2 user guide, "Run commands on your
# Linux instance at launch"), Compute Engine 256 KiB of base64 ("VM metadata", limits of a value), Azure 64 KiB of base64
# ("Custom data and cloud-init on Azure VMs").
LIMITS = {"aws": 16 * KIB, "gcp": 192 * KIB, "azure": 48 * KIB}
LIMIT = LIMITS["aws"]
# What takes the placeholders' place is random and cannot shrink: a munge key of 128 bytes in base64, an Ed25519 key pair
# and a public key (targets/keys.py).
_FILLED_IN = 172 + 700


def render(design: Design, role: Role, *, setup: str | None, site: conf.Site, seam: Seam) -> str:
    """The user-data of the head, of every compute node or of every login node: those differ by their names alone.

    `setup` is the text of the script that `design.software.setup` names. `secrets.fill` makes it whole.
    """
    environment = _environment()
    context = {
        "design": design,
        "role": role,
        "site": site,
        "seam": seam,
        "user": USER,
        "uid": UID,
        "packages": list(packages(role, site, seam)),
        "pmix": pmix(site),
        "software": list(design.software.packages),
        "setup": None if setup is None else _script(setup),
        "variables": _variables(design, role),
        "spot": any(group.spot != "never" for group in design.groups),
        "slurm": conf.render(design, site),
        "launcher": None if seam.launcher is None else json.dumps(dict(seam.launcher.told), indent=1),
        "ending": None if seam.launcher is None or seam.launcher.ending is None else json.dumps(dict(seam.launcher.ending)),
        "hosts": ",".join(conf.hostlist(group.name, 1, group.max) for group in design.groups),
        "fixed": ",".join(_always(design)),
        "mounts": seam.mounted(role),
        "clients": list(dict.fromkeys(mount.client for mount in seam.mounted(role) if mount.client)),
        "behind_head": bool(seam.behind_head) and role == "compute",
        # systemd.time(7), "CALENDAR EVENTS".
        "expires": clock.utc(design.run.expires)[:19].replace("T", " ") + " UTC",
        "reports": phases.FOLDER,
        "secrets": secrets,
    }
    environment.globals["template"] = lambda name: environment.get_template(name).render(context)
    return environment.get_template(f"{role}.yaml.j2").render(context)


def _environment() -> Environment:
    # Here: `list` and `sweep` open every target, and render nothing.
    from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

    environment = Environment(
        loader=FileSystemLoader(packaged("cloud-init")),
        autoescape=select_autoescape(enabled_extensions=()),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(quoted=embed.quoted, listed=embed.listed, octal=embed.octal)
    environment.globals.update(file=embed.file, phase=_phase, program=_program, shipped=_shipped, python=_python)
    return environment


def _shipped(name: str) -> str:
    """A file of cloud-init/ as it is: shell is no template, `${#array[@]}` would open a comment in one."""
    return (packaged("cloud-init") / name).read_text(encoding="utf-8")


def _program(name: str) -> str:
    lines = _shipped(name).splitlines(keepends=True)
    # Who wants to know why reads it here; on the machine each byte counts against the limit.
    code = [line for i, line in enumerate(lines) if i == 0 or not line.lstrip().startswith("#")]
    return embed.file(f"/opt/burst/{name}", "".join(code), mode="0755")


def _python(name: str, table: str = "", key: str = "") -> str:
    return embed.file(f"/opt/burst/launch/{name}.py", shipped.source(name, table, key))


def _phase(name: str, command: list[str]) -> str:
    return embed.listed(["/opt/burst/phase.sh", name, *command])


def _script(setup: str) -> str:
    """Executable as it stands: a script that names no interpreter is bash's, on every target."""
    text = setup if setup.startswith("#!") else f"#!/bin/bash\n{setup}"
    return text if text.endswith("\n") else f"{text}\n"


def _always(design: Design) -> list[str]:
    """Hostlists of the machines that are always there beside the head."""
    groups = [conf.hostlist(group.name, 1, group.min) for group in design.groups if group.min]
    return [*groups, *([conf.hostlist("login", 1, design.login.nodes)] if design.login else [])]


def _variables(design: Design, role: Role) -> list[str]:
    """What the setup script finds in its environment: the same on every target."""
    part = "node" if role == "compute" else role
    return [f"BURST_ROLE={part}", f"BURST_RUN_ID={design.run.id}", f"BURST_TARGET={design.target}"]


def packed(text: str) -> bytes:
    """As machines are given it: cloud-init unpacks gzip itself. The same text is always the same bytes."""
    return gzip.compress(text.encode(), 9, mtime=0)


def size_findings(text: str, cloud: str = "aws") -> tuple[Finding, ...]:
    """Whether user-data fits on a cloud, compressed and with the placeholders filled in."""
    size, limit = len(gzip.compress(text.encode(), mtime=0)) + _FILLED_IN, LIMITS[cloud]
    said = f"user-data is {show_size(size)} compressed, {cloud} takes {show_size(limit)}"
    fix = "shorten software.setup: keep what is long in an archive or a package that the script fetches"
    if size > limit:
        return (error("user-data-size", said, fix),)
    return (warning("user-data-size", said, fix),) if size > limit * 63 // 64 else ()
