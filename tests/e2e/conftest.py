"""The CLI as a user calls it, in folders of the test's own, on a real Slurm cluster on this machine."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

BURST = str(Path(sys.executable).with_name("burst"))
# Long enough for a loaded machine; only ever reached by a hang.
PATIENCE = 120


class Burst:
    """One user's `burst`: where it keeps its state and its clusters, and what is left of them."""

    # Seconds that a command may take; only ever reached by a hang.
    patience: float = PATIENCE

    def __init__(self, folder: Path, runtime: Path, state: Path) -> None:
        self.folder = folder
        self.runtime = runtime
        self.state = state
        # Machines of other tests are not this one's.
        own = {"BURST_RUNTIME_DIR": str(runtime), "BURST_MACHINES_DIR": f"{state}-machines", "XDG_STATE_HOME": str(state)}
        self.env = {**os.environ, **own, "NO_COLOR": "1"}

    def write(self, files: Mapping[str, str | bytes]) -> None:
        """Files of the user's folder."""
        for name, content in files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)

    def __call__(self, *arguments: str, timeout: float | None = None) -> subprocess.CompletedProcess[str]:
        """Call it and wait."""
        return subprocess.run(
            [BURST, *arguments],
            cwd=self.folder,
            env=self.env,
            capture_output=True,
            text=True,
            timeout=timeout or self.patience,
            stdin=subprocess.DEVNULL,
            check=False,
        )

    def start(self, *arguments: str, program: tuple[str, ...] = (BURST,)) -> subprocess.Popen[str]:
        """Call it and do not wait; a process group of its own, as a terminal would give it."""
        return subprocess.Popen(
            [*program, *arguments],
            cwd=self.folder,
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def receipt(self, *arguments: str, expect: int = 0) -> dict[str, Any]:
        """Call it with `-o json` and read the receipt."""
        done = self(*arguments, "-o", "json")
        assert done.returncode == expect, f"{done.returncode}\n{done.stdout}\n{done.stderr}"
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    def left(self, run_id: str = "") -> list[str]:
        """Whatever on this machine still tells of a run (of any, by default): found without the program's own help."""
        mark = f"{self.runtime}/{run_id}"
        found = []
        for pid in (entry for entry in os.listdir("/proc") if entry.isdigit() and int(entry) != os.getpid()):
            try:
                told = Path(f"/proc/{pid}/cmdline").read_bytes() + b"\0" + Path(f"/proc/{pid}/environ").read_bytes()
                told += b"\0" + os.readlink(f"/proc/{pid}/cwd").encode()
            except OSError:
                continue
            if mark.encode() in told:
                found.append(f"process {pid} of {mark + told.decode(errors='replace').partition(mark)[2][:60]!r}")
        found += [f"folder {path}" for path in self.runtime.glob(f"{run_id or ''}*")] if self.runtime.is_dir() else []
        found += [f"state {path}" for path in (self.state / "burst" / "runs").glob(f"{run_id}*")]
        return found


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Of two of them at once each would take ports that the other's elastic nodes need later."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.xdist_group("local"))


@pytest.fixture
def burst(tmp_path: Path) -> Iterator[Burst]:
    """A user of the test's own."""
    yield from local_user(tmp_path)


def local_user(tmp_path: Path) -> Iterator[Burst]:
    """Whatever a failed test leaves is ended."""
    # A socket's path must be short, and every folder above munge's executable by others: not below tmp_path.
    runtime = Path(tempfile.mkdtemp(prefix="b-", dir="/tmp"))
    runtime.chmod(0o711)
    folder = tmp_path / "work"
    folder.mkdir()
    user = Burst(folder, runtime, tmp_path / "state")
    yield user
    for line in user.left():
        if line.startswith("process "):
            try:
                os.kill(int(line.split()[1]), signal.SIGKILL)
            except ProcessLookupError:
                continue
    shutil.rmtree(runtime, ignore_errors=True)


HELLO = """\
version: 1
name: hello
groups:
  cpu: {needs: {cores: 1, memory: 1GiB}, nodes: 2}
jobs:
  hello: {command: "echo hello > out.txt", outputs: [out.txt]}
"""
