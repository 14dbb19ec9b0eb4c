"""Design + role + Site → user-data, and whether it is small enough."""

from __future__ import annotations

import gzip

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from provisioner.bootstrap import embed
from provisioner.bootstrap.needs import Role, exported, packages, pmix
from provisioner.design.model import Design
from provisioner.files import packaged
from provisioner.findings import Finding, error, warning
from provisioner.slurm import conf
from provisioner.units import KIB, show_size

# What a target puts in their places: the run's munge key in base64, and the head's private address where the Site
# has none. Neither is known to a Design, and the key never may be.
MUNGE_KEY = "@MUNGE_KEY@"
HEAD_ADDRESS = "@HEAD_ADDRESS@"

# EC2 takes 16 KiB before base64, and cloud-init unpacks gzip itself (EC2 user guide, "Run commands on your Linux
# instance at launch"). GCP and Azure take more (256 and 64 KiB).
LIMIT = 16 * KIB
# What takes the placeholders' place is random and cannot shrink: a key of at most 1 KiB (munged(8)), in base64.
_FILLED_IN = 1536
_NEAR = LIMIT * 3 // 4


def render(design: Design, role: Role, *, setup: str | None, site: conf.Site) -> str:
    """The user-data of the head, or of every compute node: those differ by their machines' names alone.

    `setup` is the text of the script that `design.software.setup` names.
    """
    environment = _environment()
    context = {
        "design": design,
        "role": role,
        "site": site,
        "packages": list(packages(design, role, site)),
        "pmix": pmix(site),
        "mounts": list(exported(design, site)),
        "software": list(design.software.packages),
        "setup": None if setup is None else _script(setup),
        "variables": _variables(design, role),
        "elastic": any(group.max > group.min for group in design.groups),
        "slurm": conf.render(design, site),
        "munge_key": MUNGE_KEY,
        "head_address": HEAD_ADDRESS,
    }
    environment.globals["template"] = lambda name: environment.get_template(name).render(context)
    return environment.get_template(f"{role}.yaml.j2").render(context)


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(packaged("cloud-init")),
        autoescape=select_autoescape(enabled_extensions=()),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(quoted=embed.quoted, listed=embed.listed, octal=embed.octal)
    environment.globals.update(file=embed.file, phase=_phase, program=_program, shipped=_shipped)
    return environment


def _shipped(name: str) -> str:
    """A file of cloud-init/ as it is: shell is no template, `${#array[@]}` would open a comment in one."""
    return (packaged("cloud-init") / name).read_text(encoding="utf-8")


def _program(name: str) -> str:
    return embed.file(f"/opt/burst/{name}", _shipped(name), mode="0755")


def _phase(name: str, command: list[str]) -> str:
    return embed.listed(["/opt/burst/phase.sh", name, *command])


def _script(setup: str) -> str:
    """Executable as it stands: a script that names no interpreter is bash's, on every target."""
    text = setup if setup.startswith("#!") else f"#!/bin/bash\n{setup}"
    return text if text.endswith("\n") else f"{text}\n"


def _variables(design: Design, role: Role) -> list[str]:
    """What the setup script finds in its environment: the same on every target."""
    part = "head" if role == "head" else "node"
    return [f"BURST_ROLE={part}", f"BURST_RUN_ID={design.run.id}", f"BURST_TARGET={design.target}"]


def size_findings(text: str) -> tuple[Finding, ...]:
    """Whether user-data fits where the limit is lowest, compressed and with the placeholders filled in."""
    size = len(gzip.compress(text.encode(), mtime=0)) + _FILLED_IN
    said = f"user-data is {show_size(size)} compressed, EC2 takes {show_size(LIMIT)}"
    fix = "shorten software.setup: keep what is long in an archive or a package that the script fetches"
    if size > LIMIT:
        return (error("user-data-size", said, fix),)
    return (warning("user-data-size", said, fix),) if size > _NEAR else ()
