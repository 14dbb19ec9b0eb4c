"""What is looked at on this machine before a cloud is asked to make anything; the clouds' own checks are beside their places."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path

from provisioner.bootstrap import user_data
from provisioner.bootstrap.needs import Role
from provisioner.bootstrap.seam import Launcher, over_nfs
from provisioner.design.attempts import order
from provisioner.design.model import Design
from provisioner.findings import Finding
from provisioner.stack.site import SITE
from provisioner.targets.checks import ask
from provisioner.targets.cloud import engine


def here(design: Design, folder: Path, skip: Collection[str]) -> tuple[Finding, ...]:
    """All of it; `folder` is the file's."""
    return ask([(name, partial(check, design, folder)) for name, check in CHECKS], skip, lambda name, problem: None)


def setup(design: Design, folder: Path) -> str:
    """The text of the user's script, where there is one."""
    return (folder / str(design.software.setup)).read_text(encoding="utf-8")


def programs(design: Design, folder: Path) -> tuple[Finding, ...]:
    """Pulumi's engine and what belongs to it."""
    return tuple(engine.findings())


def fits(design: Design, folder: Path) -> tuple[Finding, ...]:
    """Whether user-data fits: with all that a stack adds, whose ids are as long as these."""
    script = setup(design, folder) if design.software.setup else None
    tried = {
        g.name: [{"market": m, "template": {"id": "x" * 64, "type": n.instance}} for m, n in order(g, design.target)]
        for g in design.groups
    }
    ending = {"run": design.run.id, "things": ["x" * 20 for fs in design.filesystems if fs.type != "nfs" and fs.id is None]}
    launcher = Launcher(design.target, {"launcher": design.target, "scontrol": ["scontrol"], "groups": tried}, ending=ending)
    seam = replace(over_nfs(design, SITE.controller), launcher=launcher, behind_head="10.0.0.0/8")
    roles: tuple[Role, ...] = ("head", "compute")
    found = [
        f
        for role in roles
        for f in user_data.size_findings(user_data.render(design, role, setup=script, site=SITE, seam=seam), design.target)
    ]
    return tuple(found[:1])


# Name → check, which is asked of a design and the folder of its file.
CHECKS: tuple[tuple[str, Callable[[Design, Path], Iterable[Finding]]], ...] = (("engine", programs), ("user-data", fits))
