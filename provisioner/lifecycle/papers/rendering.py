"""The files that a cluster would be made from, as text: what `burst render` prints."""

from __future__ import annotations

from pathlib import Path

from provisioner.bootstrap import user_data
from provisioner.bootstrap.needs import Role
from provisioner.bootstrap.seam import over_nfs
from provisioner.design.decide import EMBEDDED
from provisioner.lifecycle.prepare import decided
from provisioner.slurm import conf
from provisioner.stack.site import SITE


def rendered(file: Path, target: str | None) -> dict[str, str]:
    """File name → content: slurm.conf and its companions, and user-data for each role, as a machine would get them.

    On `local` the daemons' paths and ports differ, because they are chosen when the cluster is made.
    """
    loaded, design, _ = decided(file, target, run_id=f"{file.stem}-render")
    script = design.software.setup
    setup = (loaded.source.folder / script).read_text(encoding="utf-8") if script is not None else None
    site = conf.Site() if design.target in EMBEDDED else SITE
    files = conf.render(design, site)
    seam = over_nfs(design, site.controller)
    roles: tuple[Role, ...] = ("head", "compute", "login") if design.login else ("head", "compute")
    for role in roles:
        files[f"user-data.{role}"] = user_data.render(design, role, setup=setup, site=site, seam=seam)
    return files
