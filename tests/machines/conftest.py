"""Real machines under systemd-nspawn: the CLI as a user calls it, with a folder for machines of the test's own."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from provisioner.launch import nspawn as launcher
from tests.e2e.conftest import Burst, local_user

_NEEDED = {"systemd-nspawn": "systemd-container", "mmdebstrap": "mmdebstrap", "slirp4netns": "slirp4netns", "ip": "iproute2"}


def why_not() -> str:
    """Why no machine can boot here; empty where they can."""
    if os.geteuid() != 0:
        return "machines under systemd-nspawn need root"
    lacking = [package for program, package in _NEEDED.items() if shutil.which(program) is None]
    return f"not installed: {' '.join(lacking)}" if lacking else ""


class Machines(Burst):
    """One user's `burst` with `-t nspawn`, and what is left of its machines."""

    # A base image may have to be made first.
    patience = 280.0

    def __init__(self, folder: Path, machines: Path, state: Path) -> None:
        super().__init__(folder, machines, state)
        self.machines = machines
        self.env["BURST_MACHINES_DIR"] = str(machines)
        self.env.pop("BURST_REHEARSAL", None)

    def rehearse(self, text: str) -> None:
        """From now on as this YAML has it."""
        self.write({"rehearsal.yaml": text})
        self.env["BURST_REHEARSAL"] = str(self.folder / "rehearsal.yaml")

    def provider(self, method: str, path: str, **body: Any) -> Any:
        """A call to the provider of the only run there is."""
        (socket,) = self.machines.glob("*/provider.sock")
        return launcher.ask(f"unix:{socket}", method, path, body)

    def pull_the_plug(self, *names: str) -> None:
        """Those machines are off, without a word."""
        self.provider("DELETE", "/machines", names=list(names))

    def names(self) -> set[str]:
        """The machines that there are."""
        return {machine["name"] for machine in self.provider("GET", "/machines")["machines"]}

    def runs(self) -> list[str]:
        """Ids of this test's runs that have, or had, a folder."""
        known = [path.name for path in (self.machines, self.state / "burst" / "runs") if path.is_dir() for path in path.iterdir()]
        return sorted({name for name in known if not name.startswith(".")} | self._seen())

    def _seen(self) -> set[str]:
        """Run ids of every results folder: what is gone from the folders may still be somewhere else."""
        ids = set()
        for events in self.folder.glob("*/events.jsonl"):
            first = events.read_text().splitlines()[:1]
            ids |= {line.split('"run_id": "')[1].split('"')[0] for line in first if '"run_id": "' in line}
        return ids

    def left(self, run_id: str = "") -> list[str]:
        """Whatever this machine still has of a run (of all this test's, by default), found without the program's help."""
        found = [f"folder {path}" for path in self.machines.glob(f"{run_id}*")] if self.machines.is_dir() else []
        found += [f"state {path}" for path in (self.state / "burst" / "runs").glob(f"{run_id}*")]
        found += [f"mount {line}" for line in Path("/proc/self/mountinfo").read_text().splitlines() if str(self.machines) in line]
        for run in [run_id] if run_id else self.runs():
            found += [f"namespace {path}" for path in Path("/run/netns").glob(f"*{run}*")]
            found += [f"group {path}" for path in _groups(run)]
            found += [f"process {pid}" for pid in processes(f"{run}/")]
        return found


def _groups(run: str) -> list[Path]:
    """A run's control groups, where any version has them: below the top, or below one of the hierarchies."""
    return [path for pattern in (f"*{run}*", f"*/*{run}*") for path in Path("/sys/fs/cgroup").glob(pattern)]


def processes(mark: str) -> Iterator[int]:
    """Those in a control group whose path has the mark in it."""
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            state = Path(f"/proc/{entry}/stat").read_text(errors="replace").rpartition(")")[2].split()[0]
            if state != "Z" and mark in Path(f"/proc/{entry}/cgroup").read_text().replace("\n", "/\n"):
                yield int(entry)
        except OSError:
            continue


@pytest.fixture
def local_burst(tmp_path: Path) -> Iterator[Burst]:
    """A user of the target local."""
    yield from local_user(tmp_path)


@pytest.fixture
def burst(tmp_path: Path) -> Iterator[Machines]:
    """A user of the test's own. Whatever a failed test leaves is ended."""
    if why := why_not():
        pytest.skip(why)
    # A socket's path must be short.
    machines = Path(tempfile.mkdtemp(prefix="bm-", dir="/var/tmp"))
    folder = tmp_path / "work"
    folder.mkdir()
    user = Machines(folder, machines, tmp_path / "state")
    yield user
    for run in user.runs():
        for pid in processes(f"{run}/"):
            os.kill(pid, signal.SIGKILL)
        for space in Path("/run/netns").glob(f"*{run}*"):
            subprocess.run(["ip", "netns", "delete", space.name], check=False, capture_output=True)
        for top in _groups(run):
            for group, _, _ in os.walk(top, topdown=False):
                with contextlib.suppress(OSError):
                    os.rmdir(group)
    shutil.rmtree(machines, ignore_errors=True)


def until(what: str, done: Callable[[], object], seconds: float = 60) -> None:
    """Wait for something; AssertionError where it does not come."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if done():
            return
        time.sleep(0.1)
    raise AssertionError(f"after {seconds:g} s: not {what}")
