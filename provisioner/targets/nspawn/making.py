"""What there is before any machine boots: the run's folder, its keys, its user-data, its provider."""

from __future__ import annotations

import gzip
import json
import os
import sys
from pathlib import Path

import provisioner
from provisioner import clock, files
from provisioner.bootstrap import user_data
from provisioner.bootstrap.needs import Role
from provisioner.bootstrap.secrets import fill
from provisioner.design.model import Design, slug
from provisioner.errors import Kind, NotCreated
from provisioner.executor import process
from provisioner.launch import nspawn as launcher
from provisioner.targets import keys
from provisioner.targets.base import Tagged
from provisioner.targets.nspawn import cgroups, network, plan
from provisioner.targets.nspawn.layout import Layout

# The provider answers after some 0.1 s; a loaded machine may take seconds.
_PATIENCE = 30.0


def folder(layout: Layout, design: Design, state: Path) -> None:
    """The run's folder, with its identity first."""
    layout.root.mkdir(mode=0o700, parents=True)
    tagged = Tagged(run_id=design.run.id, owner=design.run.owner, expires=design.run.expires, state=str(state))
    files.write(layout.identity, tagged.model_dump_json(), durable=False)
    for mount in plan.folders(design):
        (layout.exports / slug(mount)).mkdir(parents=True)


def write_user_data(layout: Layout, design: Design, setup: str | None, image: str) -> None:
    """For each role, compressed, as a cloud would be given it."""
    made, site, seam = keys.make(layout.keys, layout.run_id), plan.site(image), plan.seam(design)
    roles: tuple[Role, ...] = ("head", "compute", "login") if design.login else ("head", "compute")
    for role in roles:
        text = fill(user_data.render(design, role, setup=setup, site=site, seam=seam), made, network.HEAD)
        files.write(layout.user_data(role), gzip.compress(text.encode(), 6, mtime=0), mode=0o600, durable=False)


def start_provider(layout: Layout) -> None:
    """It is in the run's network, and in a control group of its own. It goes on without us."""
    argv = [sys.executable, "-m", "provisioner.targets.nspawn.provider", str(layout.root)]
    env = {**os.environ, "PYTHONPATH": str(Path(provisioner.__file__).parent.parent)}
    argv = cgroups.inside(layout.run_id, "provider", [*network.inside(layout), *argv])
    process.daemon(argv, cwd=layout.root, env=env, log=layout.log).returncode = 0


def await_provider(layout: Layout) -> None:
    """Return when it answers. Raises NotCreated with the end of its log."""
    for _ in clock.patience(_PATIENCE, longest=0.05):
        try:
            launcher.ask(layout.endpoint, "GET", "/machines")
            return
        except launcher.Refused:
            continue
    said = layout.log.read_text(errors="replace")[-2000:] if layout.log.exists() else ""
    fix = "burst run again; if it stays so, the lines above belong into an issue"
    raise NotCreated("the provider of machines did not start", why=said.strip(), fix=fix, kind=Kind.CONFIG)


def setup_script(design: Design, folder: Path) -> str | None:
    """The text of the user's script."""
    return (folder / design.software.setup).read_text(encoding="utf-8") if design.software.setup is not None else None


def tell(layout: Layout, name: str, content: object) -> None:
    """A file of the run's folder that the provider or a later client reads."""
    files.write(layout.root / name, json.dumps(content), durable=False)
