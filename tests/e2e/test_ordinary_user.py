"""The same run by a user without any rights: what `local` promises."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.conftest import BURST, PATIENCE, Burst

pytestmark = pytest.mark.e2e

NOBODY = 65534
FILE = """\
version: 1
name: plain
groups:
  cpu: {needs: {cores: 1, memory: 1GiB}, nodes: 2}
  more: {needs: {cores: 1, memory: 1GiB, gpus: 1, gpu: [L4]}, nodes: {min: 0, max: 1}}
filesystems:
  /shared: {size: 1GiB}
jobs:
  a: {group: cpu, nodes: 2, command: "srun sh -c 'id -u > $BURST_SHARED/$SLURMD_NODENAME'; cat $BURST_SHARED/cpu-* > out.txt", outputs: [out.txt]}
  b: {group: more, gpus: 1, needs: [a], command: "cat $BURST_SHARED/cpu-1 > out.txt", outputs: [out.txt]}
"""


def command(repository: Path) -> list[str]:
    """`burst` as nobody. The checkout may lie where nobody may go, so it is shown to them somewhere else."""
    if os.getuid() != 0:
        return [BURST]
    shown = "/mnt/burst"
    python = f"{shown}/{Path(sys.prefix).relative_to(repository)}/bin/python"
    return [
        *("bwrap", "--dev-bind", "/", "/", "--tmpfs", "/mnt", "--bind", str(repository), shown, "--setenv", "PYTHONPATH", shown),
        *("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--no-new-privs"),
        *(python, "-c", "from provisioner.cli.main import main; main()"),
    ]


def on_a_machine_with(cgroups: str) -> list[str]:
    """The same machine with other control groups: version 2's, as Debian and Ubuntu have them, or none."""
    if cgroups == "this machine's":
        return []
    if os.getuid() != 0:
        pytest.skip("only root can mount other control groups")
    return ["unshare", "--mount", "sh", "-c", f'mount -t {cgroups} none /sys/fs/cgroup && exec "$@"', "sh"]


@pytest.mark.parametrize("cgroups", ["this machine's", "cgroup2", "tmpfs"])
def test_an_ordinary_user_needs_no_rights(burst: Burst, cgroups: str) -> None:
    owner = NOBODY if os.getuid() == 0 else os.getuid()
    home = burst.runtime / "home"
    home.mkdir()
    (home / "burst.yaml").write_text(FILE)
    for folder in (burst.runtime, home):
        os.chown(folder, owner, -1)
    env = {**burst.env, "HOME": str(home), "XDG_STATE_HOME": str(home / "state"), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [*on_a_machine_with(cgroups), *command(Path(__file__).resolve().parents[2]), "run", "--results", "r", "-o", "json"],
        cwd=home,
        env=env,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    receipt = json.loads(done.stdout)
    assert receipt["remains"] == []
    assert (home / "r/a/out.txt").read_text().split() == [str(owner)] * 2
    assert (home / "r/b/out.txt").read_text().split() == [str(owner)]
    assert not any((home / "state/burst/runs").iterdir())
    shutil.rmtree(home)
    assert burst.left() == []
