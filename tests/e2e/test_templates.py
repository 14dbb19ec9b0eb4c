"""`burst template`, `burst keys` and `burst init` as a user calls them; nothing here makes a cluster."""

from __future__ import annotations

import json
import stat
import subprocess

import pexpect
import pytest

from provisioner.bootstrap.secrets import Keys
from tests.e2e.conftest import BURST, Burst

pytestmark = pytest.mark.e2e


def test_a_template_is_listed_exported_and_valid(burst: Burst) -> None:
    rows = json.loads(burst("template", "list", "-o", "json").stdout)
    assert {"mpi-cpu", "gpu-train", "param-sweep", "lustre-io"} <= {row["name"] for row in rows}
    done = burst("template", "export", "mpi-cpu", "mine")
    assert done.returncode == 0
    assert done.stdout.endswith("next: read mine/README.md\n")
    assert burst("validate", "mine/burst.yaml").returncode == 0
    again = burst("template", "export", "mpi-cpu", "mine")
    assert again.returncode == 2
    assert "nothing is written over" in again.stderr


def test_init_writes_a_spec_here(burst: Burst) -> None:
    assert burst("init", "mpi-cpu").returncode == 0
    assert (burst.folder / "burst.yaml").is_file()
    assert burst("init", "no-such").returncode == 2


def test_keys_are_made_for_a_pipe_and_never_twice(burst: Burst) -> None:
    done = burst("keys", "keys")
    assert done.returncode == 0
    made = Keys.loads(done.stdout)
    folder = burst.folder / "keys"
    assert {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {
        "client": 0o600,
        "client.pub": 0o644,
        "known_hosts": 0o600,
    }
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert (folder / "client.pub").read_text().strip() == made.authorized_key
    assert (folder / "known_hosts").read_text() == f"burst-head {made.host_key_public}\n"
    assert len(made.munge_key) == 128
    derived = subprocess.run(["ssh-keygen", "-y", "-f", folder / "client"], capture_output=True, text=True, check=True).stdout
    assert derived.split()[:2] == made.authorized_key.split()[:2]
    again = burst("keys", "keys")
    assert (again.returncode, again.stdout) == (2, "")
    assert "already there" in again.stderr
    assert (folder / "client.pub").read_text().strip() == made.authorized_key


def test_keys_are_not_printed_to_a_terminal(burst: Burst) -> None:
    child = pexpect.spawn(BURST, ["keys", "keys"], cwd=str(burst.folder), env=burst.env, encoding="utf-8", timeout=30)
    said = child.read()
    child.close()
    assert child.exitstatus == 2
    assert "burst keys keys | pulumi config set --secret burst:keys" in said
    assert "munge_key" not in said
    assert not (burst.folder / "keys").exists()
