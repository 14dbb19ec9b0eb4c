"""This machine as a target, as far as it goes without a single process: folders, tags, launching all or none."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path
from typing import Any

import pytest
from making import design

from provisioner import files
from provisioner.design.model import Filesystem
from provisioner.errors import Refused
from provisioner.events import Events
from provisioner.findings import Level
from provisioner.launch import local as launcher
from provisioner.targets import capacity, declared, host
from provisioner.targets.base import Resource, Tagged
from provisioner.targets.capacity import Capacity, Room
from provisioner.targets.local import checks, mounts, processes
from provisioner.targets.local.layout import Layout, runtime_folder
from provisioner.targets.local.target import LocalTarget
from provisioner.units import GIB

DESIGN = "version: 1\nname: a\ngroups: {cpu: {nodes: 2, needs: {cores: 2, memory: 1GiB}}}\n"


@pytest.fixture
def runtime() -> Path:
    return runtime_folder()


def made(runtime: Path, run_id: str, *, age: float = 0) -> Path:
    """A run's folder as `create` leaves it."""
    root = runtime / run_id
    for folder in (root, *Layout(root).folders()):
        folder.mkdir()
    files.write(Layout(root).identity, Tagged(run_id=run_id, owner="ada", expires=9, state="/s").model_dump_json())
    os.utime(root, (root.stat().st_mtime - age,) * 2)
    return root


def test_the_folder_of_all_runs_must_be_ours_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    (tmp_path / "real").mkdir(mode=0o700)
    (tmp_path / "link").symlink_to("real")
    for name in ("open", "link"):
        monkeypatch.setenv("BURST_RUNTIME_DIR", str(tmp_path / name))
        with pytest.raises(Refused, match="not safe to use"):
            runtime_folder()
    monkeypatch.setenv("BURST_RUNTIME_DIR", str(tmp_path / "new" / "one"))
    assert runtime_folder().stat().st_mode & 0o777 == 0o711


def test_the_longest_name_leaves_room_for_a_socket() -> None:
    longest = Layout(Path(f"/tmp/burst-{2**32}") / f"{'n' * 20}-abc234").munge_socket
    assert len(str(longest)) < 108, "unix(7)"


def test_runs_are_found_by_their_tags(runtime: Path, tmp_path: Path) -> None:
    made(runtime, "a-abc234")
    (runtime / "link").symlink_to(tmp_path)
    (runtime / "file").write_text("")
    assert [(tagged.run_id, tagged.state) for tagged in LocalTarget().runs("")] == [("a-abc234", "/s")]


def test_a_folder_without_a_tag_is_a_strangers_run_once_it_is_old(runtime: Path) -> None:
    (made(runtime, "young-abc234") / "identity.json").unlink()
    old = made(runtime, "old-abc234")
    (old / "identity.json").write_text("{")
    os.utime(old, (1, 1))
    assert [(tagged.run_id, tagged.state) for tagged in LocalTarget().runs("")] == [("old-abc234", "")]


def test_nothing_remains_of_what_is_destroyed(runtime: Path) -> None:
    target, root, other = LocalTarget(), made(runtime, "a-abc234"), made(runtime, "b-abc234")
    locked = root / "work" / "job" / "inner"
    locked.mkdir(parents=True)
    locked.parent.chmod(0)
    assert target.remains("a-abc234") == (Resource(kind="folder", id=str(root), name="a-abc234"),)
    target.destroy("a-abc234", Events("a", []))
    target.destroy("a-abc234", Events("a", []))
    assert target.remains("a-abc234") == ()
    assert target.remains("b-abc234") == (Resource(kind="folder", id=str(other), name="b-abc234"),)


def test_reap_deletes_folders_of_runs_and_no_others(runtime: Path, tmp_path: Path) -> None:
    target = LocalTarget()
    made(runtime, "a-abc234")
    (tmp_path / "precious").mkdir()
    elsewhere = Resource(kind="folder", id=str(tmp_path / "precious"))
    assert target.reap([*target.remains("a-abc234"), elsewhere]) == ()
    assert target.remains("a-abc234") == ()
    assert (tmp_path / "precious").is_dir()


def test_a_process_belongs_to_the_run_that_its_environment_names(runtime: Path) -> None:
    assert processes.of(runtime / "a-abc234") == ()
    assert [process for process in processes.under(runtime) if process.pid == os.getpid()] == []


class Slurmds:
    """What stands for subprocess.Popen: the third machine is one too many."""

    def __init__(self) -> None:
        self.started: list[tuple[list[str], str]] = []

    def __call__(self, argv: list[str], *, env: dict[str, str], **_: Any) -> Any:
        if len(self.started) == 2:
            raise OSError(11, "Resource temporarily unavailable")
        self.started.append((argv, env["BURST_NODE"]))
        return type("Child", (), {"pid": 1000 + len(self.started)})()


@pytest.fixture
def slurmds(monkeypatch: pytest.MonkeyPatch) -> Slurmds:
    slurmds = Slurmds()
    monkeypatch.setattr(subprocess, "Popen", slurmds)
    return slurmds


def template(folder: Path) -> launcher.Template:
    return {
        "slurmd": ["slurmd", "-N", "{node}"],
        "env": {"A": "1"},
        "logs": str(folder),
        "root": str(folder),
        "scontrol": ["scontrol"],
    }


def test_nodes_are_launched_by_name(folder: Path, slurmds: Slurmds) -> None:
    assert launcher.launch(["cpu-1", "cpu-2"], template(folder)) == {"cpu-1": 1001, "cpu-2": 1002}
    assert slurmds.started == [(["slurmd", "-N", "cpu-1"], "cpu-1"), (["slurmd", "-N", "cpu-2"], "cpu-2")]
    assert {path.name for path in (folder / "spool").iterdir()} == {"cpu-1", "cpu-2"}


def test_all_or_nothing(folder: Path, slurmds: Slurmds, monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[list[str]] = []
    monkeypatch.setattr(launcher, "end", lambda names, _: ended.append(list(names)))
    with pytest.raises(OSError, match="temporarily unavailable"):
        launcher.launch(["cpu-1", "cpu-2", "cpu-3"], template(folder))
    assert ended == [["cpu-1", "cpu-2", "cpu-3"], ["cpu-1", "cpu-2"]], "what was there before, and what was begun"


@pytest.mark.parametrize(("mount", "variable"), [("/shared", "BURST_SHARED"), ("/data/in-1", "BURST_DATA_IN_1")])
def test_a_mount_has_a_variable(mount: str, variable: str) -> None:
    assert Filesystem(mount=mount, type="nfs", size=1, id=None).variable == variable


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that has everything: 8 cores, 16 GiB, no GPU."""
    monkeypatch.setattr(host, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(host, "has_pmix", lambda: True)
    monkeypatch.setattr(host, "missing_packages", lambda names: tuple(n for n in names if n == "lammps"))
    monkeypatch.setattr(host, "gpus", lambda: 0)
    monkeypatch.setattr(capacity, "look", lambda: Capacity(8, 16 * GIB, 12 * GIB))
    monkeypatch.setattr(capacity, "free", lambda folder: Room(100 * GIB, 1_000_000))
    monkeypatch.setattr(mounts, "usable", lambda: True)
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    # The tests' own folders are deep ones.
    monkeypatch.setattr(checks, "_SOCKET_PATH", 4096)


@pytest.mark.usefixtures("machine")
def test_preflight_refuses_a_folder_too_deep_for_a_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "_SOCKET_PATH", 108)
    monkeypatch.setattr(checks, "runtime_folder", lambda: Path("/tmp") / ("x" * 80))
    monkeypatch.setattr(declared, "existing", lambda folder: Path("/tmp"))
    (found,) = (f for f in checks.preflight(design("version: 1\nname: a\ngroups: {cpu: {nodes: 1}}\n")) if f.code == "socket")
    assert "BURST_RUNTIME_DIR" in found.fix


@pytest.mark.usefixtures("machine")
@pytest.mark.parametrize(
    ("more", "told"),
    [
        ("", set()),
        ("software: {packages: [lammps, python3]}\n", {("packages", Level.ERROR)}),
        ("filesystems: {/shared: {id: fs-1}}\n", {("filesystem", Level.ERROR)}),
        ("software: {setup: setup.sh}\n", {("setup", Level.INFO)}),
    ],
)
def test_preflight(more: str, told: set[tuple[str, Level]]) -> None:
    assert {(found.code, found.level) for found in checks.preflight(design(DESIGN + more))} == told


@pytest.mark.usefixtures("machine")
def test_preflight_tells_how_this_machine_differs() -> None:
    text = """\
    version: 1
    name: a
    target: aws
    groups:
      gpu: {instance: g6.xlarge, nodes: {max: 129}}
      arm: {instance: hpc7g.16xlarge, nodes: 1}
    """
    told = {(found.code, found.level) for found in checks.preflight(design(text))}
    assert told == {
        ("nodes", Level.ERROR),
        ("gpus", Level.WARNING),
        ("memory", Level.WARNING),
        ("arch", Level.WARNING),
        ("oversubscribed", Level.INFO),
    }


@pytest.mark.usefixtures("machine")
def test_preflight_names_the_package_that_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "which", lambda name: None if name in ("slurmd", "mpirun") else name)
    found = {f.message.split(" ")[0]: f for f in checks.preflight(design(DESIGN))}
    assert {name: f.level for name, f in found.items()} == {"slurmd": Level.ERROR, "mpirun": Level.WARNING}
    assert found["slurmd"].fix.endswith("apt-get install -y --no-install-recommends slurmd")
