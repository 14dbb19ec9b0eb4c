"""cloud-init/name.sh as it is, in a mount and UTS namespace of its own: what a machine does until it knows its name."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from provisioner.files import packaged

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="namespaces need root")

# What it writes to is laid over; `metadata` answers with a line of `answers` each time: STATUS WORD.
INSIDE = """\
set -eu
for path in /opt /run; do mount -t tmpfs tmpfs $path; done
mkdir -p /opt/burst /run/burst
touch "$1/hostname" "$1/hosts"
mount --bind "$1/hostname" /etc/hostname
mount --bind "$1/hosts" /etc/hosts
cat >/opt/burst/metadata <<'END'
#!/bin/sh
read -r status word <"$ANSWERS"
[ "$(wc -l <"$ANSWERS")" -eq 1 ] || sed -i 1d "$ANSWERS"
[ "$status" -ne 0 ] || echo "$word"
exit "$status"
END
chmod +x /opt/burst/metadata
status=0
bash "$2" melt-abc234 || status=$?
cp /run/burst/name "$1/name" 2>/dev/null || true
exit $status
"""


@dataclass
class Named:
    status: int
    name: str
    hosts: str
    left: int


def named(folder: Path, *answers: str) -> Named:
    """Run it until it ends; `left` is how many answers nobody asked for."""
    (folder / "answers").write_text("".join(f"{answer}\n" for answer in answers))
    done = subprocess.run(
        ["unshare", "--mount", "--uts", "sh", "-c", INSIDE, "sh", str(folder), str(packaged("cloud-init") / "name.sh")],
        env={**os.environ, "ANSWERS": str(folder / "answers")},
        check=False,
        timeout=60,
    )
    name = (folder / "name").read_text().strip() if (folder / "name").exists() else ""
    left = len((folder / "answers").read_text().splitlines()) - 1
    return Named(done.returncode, name, (folder / "hosts").read_text(), left)


def test_a_machine_takes_its_nodes_name(tmp_path: Path) -> None:
    found = named(tmp_path, "0 melt-abc234-cpu-1")
    assert (found.status, found.name) == (0, "cpu-1")
    assert found.hosts.endswith(" cpu-1\n")
    assert (tmp_path / "hostname").read_text() == "cpu-1\n"


def test_a_name_that_comes_late_is_waited_for(tmp_path: Path) -> None:
    """EC2 has no names for a fleet's machines: they get their tag once they are there, and may have a template's before."""
    found = named(tmp_path, "3 none", "0 melt-abc234", "0 something-else", "0 melt-abc234-cpu-2")
    assert (found.status, found.name, found.left) == (0, "cpu-2", 0)


def test_a_service_that_denies_is_believed(tmp_path: Path) -> None:
    found = named(tmp_path, "1 HTTP-503", "0 melt-abc234-cpu-1")
    assert (found.status, found.name, found.left) == (1, "", 0)
