"""Preflight for machines on this host: each thing that can be wrong with it, alone."""

from __future__ import annotations

import os
import platform
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from making import design

from provisioner import units
from provisioner.bootstrap import user_data
from provisioner.executor import process
from provisioner.executor.process import Completed
from provisioner.findings import Finding, Level, error, warning
from provisioner.targets import capacity, declared, host
from provisioner.targets.capacity import Capacity, Room
from provisioner.targets.nspawn import checks, images, plan
from provisioner.targets.nspawn.layout import images_folder, runs_folder
from provisioner.targets.nspawn.rehearsal import Notice, Rehearsal

FILE = "version: 1\nname: a\ngroups: {cpu: {nodes: 2, needs: {cores: 2, memory: 1GiB}}}\n"


class Mounts:
    """What stands for `process.call`: mount(8), which says this."""

    def __init__(self, says: str = "") -> None:
        self.says = says
        self.argv: list[str] = []

    def __call__(self, argv: Sequence[str], **_: Any) -> Completed:
        self.argv = list(argv)
        options = dict(part.split("=") for part in argv[-2].split(","))
        assert all(Path(folder).is_dir() for folder in (*options.values(), argv[-1]))
        return Completed(tuple(argv), 32 if self.says else 0, "", f"{self.says}\n")


@pytest.fixture
def mounts(monkeypatch: pytest.MonkeyPatch) -> Mounts:
    mounts = Mounts()
    monkeypatch.setattr(process, "call", mounts)
    return mounts


@pytest.fixture(autouse=True)
def _machine(monkeypatch: pytest.MonkeyPatch, folder: Path, mounts: Mounts) -> None:
    """A machine on which nothing is wrong: root, 8 cores, 16 GiB, every program, an image, room."""
    monkeypatch.setenv("BURST_MACHINES_DIR", str(folder / "machines"))
    monkeypatch.setenv("BURST_CACHE_DIR", str(folder / "images"))
    for name in ("machines", "images"):
        (folder / name).mkdir()
    (folder / "keyring").touch()
    (folder / "instances").write_text("1000\n")
    monkeypatch.setattr(checks, "_INSTANCES", folder / "instances")
    monkeypatch.setattr(checks, "_KEYRING", folder / "keyring")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(host, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(host, "gpus", lambda: 0)
    monkeypatch.setattr(capacity, "look", lambda: Capacity(8, 16 * units.GIB, 12 * units.GIB))
    monkeypatch.setattr(capacity, "free", lambda _: Room(1024 * units.GIB, 1_000_000))
    monkeypatch.setattr(images, "path", lambda suite, *, plain: folder)
    exists = Path.exists
    monkeypatch.setattr(Path, "exists", lambda path: str(path) == "/dev/net/tun" or exists(path))


def found(more: str = "", *, setup: str | None = None, asked: Rehearsal | None = None) -> tuple[Finding, ...]:
    decided, asked = design(FILE + more, "nspawn"), asked or Rehearsal()
    return checks.preflight(decided, setup, plan.site(asked.image), plan.seam(decided), asked)


def only(*args: Any, **known: Any) -> Finding:
    (finding,) = found(*args, **known)
    return finding


def test_nothing_is_wrong(mounts: Mounts) -> None:
    assert found() == ()
    assert mounts.argv[:3] == ["unshare", "--mount", "mount"]
    assert list(runs_folder().iterdir()) == [], "what was tried is gone"


def test_who_is_not_root_is_told_so_and_nothing_else(monkeypatch: pytest.MonkeyPatch, mounts: Mounts) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    finding = only("software: {setup: setup.sh}\n", setup=random.Random(1).randbytes(30_000).hex())
    assert (finding.code, finding.level) == ("root", Level.ERROR)
    assert "sudo" in finding.fix
    assert mounts.argv == [], "nothing was tried"


@pytest.mark.parametrize("program", [program.name for program in checks.PROGRAMS if program.required])
def test_a_missing_program_is_told_with_its_package(monkeypatch: pytest.MonkeyPatch, program: str) -> None:
    monkeypatch.setattr(host, "which", lambda name: None if name == program else name)
    finding = only()
    assert (finding.code, finding.level) == ("program", Level.ERROR)
    assert finding.message.startswith(f"{program} is not installed")
    package = next(p.package for p in checks.PROGRAMS if p.name == program)
    assert finding.fix == f"apt-get install -y --no-install-recommends {package}"


def test_machines_without_a_way_out_are_warned_of(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setattr(host, "which", lambda name: None if name == "slirp4netns" else name)
    told = found()
    assert {finding.level for finding in told} == {Level.WARNING}
    assert {finding.code for finding in told} == {"program", "way-out"}


def test_so_they_are_without_a_tun_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "exists", lambda path: str(path) != "/dev/net/tun")
    finding = only()
    assert (finding.code, finding.level, finding.fix) == ("way-out", Level.WARNING, "modprobe tun")


def test_the_archives_key_is_needed(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setattr(checks, "_KEYRING", folder / "nowhere")
    finding = only()
    assert (finding.code, finding.level) == ("program", Level.ERROR)
    assert finding.fix.endswith(" debian-archive-keyring")


def test_an_image_that_must_be_made_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    there: list[tuple[str, bool]] = []

    def path(suite: str, *, plain: bool) -> Path:
        there.append((suite, plain))
        return Path("/nowhere")

    monkeypatch.setattr(images, "path", path)
    finding = found(asked=Rehearsal(image="bookworm", plain=True))[0]
    assert (finding.code, finding.level, set(there)) == ("image", Level.INFO, {("bookworm", True)})
    assert str(images_folder()) in finding.message


@pytest.mark.parametrize(("nodes", "logins", "refused"), [(63, 0, False), (62, 1, False), (64, 0, True), (61, 3, True)])
def test_so_many_machines_and_no_more(monkeypatch: pytest.MonkeyPatch, nodes: int, logins: int, refused: bool) -> None:
    monkeypatch.setattr(declared, "hardware", lambda _: [])
    login = f"login: {{nodes: {logins}}}\n" if logins else ""
    text = f"version: 1\nname: a\n{login}groups: {{cpu: {{nodes: {{max: {nodes}}}}}}}\n"
    decided = design(text, "nspawn")
    told = checks.preflight(decided, None, plan.site("trixie"), plan.seam(decided), Rehearsal())
    assert [finding.code for finding in told] == (["nodes"] if refused else [])
    assert all(f"{1 + nodes + logins} machines" in finding.message for finding in told)


def test_a_filesystem_that_exists_elsewhere_cannot_be_mounted() -> None:
    finding = only("filesystems: {/shared: {}, /fsx: {type: lustre}, /old: {id: fs-0123}}\n")
    assert (finding.code, finding.level) == ("filesystem", Level.ERROR)
    assert "/old is fs-0123" in finding.message


def test_a_systemd_without_inotify_does_not_boot(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setattr(checks, "_taken", lambda: 100)
    (folder / "instances").write_text("128\n")
    finding = only("login: {nodes: 1}\n")
    assert (finding.code, finding.level) == ("inotify", Level.ERROR)
    assert "4 machines need 32 inotify instances; 28 of 128 are left" in finding.message
    assert finding.fix == "sysctl -w fs.inotify.max_user_instances=1024"
    assert found() == (), "24 are enough for three"


def test_elastic_nodes_may_never_be_needed_all_at_once(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setattr(checks, "_taken", lambda: 105)
    (folder / "instances").write_text("128\n")
    asked, decided = Rehearsal(), design(FILE.replace("nodes: 2", "nodes: {min: 0, max: 2}"), "nspawn")
    (finding,) = checks.preflight(decided, None, plan.site(asked.image), plan.seam(decided), asked)
    assert (finding.code, finding.level) == ("inotify", Level.WARNING)


@pytest.mark.parametrize("full", ["machines", "images"])
def test_a_full_disk(monkeypatch: pytest.MonkeyPatch, full: str) -> None:
    monkeypatch.setattr(capacity, "free", lambda folder: Room((1 if folder.name == full else 2) * units.GIB, None))
    finding = only()
    assert (finding.code, finding.level) == ("disk", Level.ERROR)
    assert f"{full}: 1GiB free, 2GiB needed" in finding.message
    assert "BURST_MACHINES_DIR" in finding.fix


def test_a_folder_that_takes_no_overlay(mounts: Mounts) -> None:
    mounts.says = "mount: wrong fs type, bad option, bad superblock on overlay"
    finding = only()
    assert (finding.code, finding.level) == ("overlay", Level.ERROR)
    assert finding.message == f"{runs_folder()} cannot hold machines' disks: {mounts.says}"
    assert list(runs_folder().iterdir()) == []


def test_a_setup_script_that_is_too_long_for_a_cloud() -> None:
    noise = random.Random(1).randbytes(20_000).hex()
    finding = only("software: {setup: setup.sh}\n", setup=noise)
    assert (finding.code, finding.level) == ("user-data-size", Level.ERROR)


def test_it_is_said_once_and_as_the_worst_of_the_roles(monkeypatch: pytest.MonkeyPatch) -> None:
    """One role's warning does not hide another one's error."""
    monkeypatch.setattr(user_data, "render", lambda decided, role, **_: role)
    says = {"head": (warning("user-data-size", "head"),), "compute": (error("user-data-size", "compute"),)}
    monkeypatch.setattr(user_data, "size_findings", lambda role, cloud: says[role])
    assert only().message == "compute"
    says["compute"] = (warning("user-data-size", "compute"),)
    assert only().message == "head"
    says["head"] = ()
    assert only().message == "compute"


def test_a_machine_that_there_is_not_cannot_be_broken() -> None:
    asked = Rehearsal(
        faults={"cpu-2": "no-way-out", "cpu-3": "no-metadata"}, notices={"gpu-1": Notice(after=1), "head": Notice(after=1)}
    )
    told = found(asked=asked)
    assert [(finding.code, finding.level) for finding in told] == [("rehearsal", Level.ERROR)] * 2 + [("rehearsal", Level.INFO)]
    assert [finding.message.rpartition(" ")[2] for finding in told[:2]] == ["cpu-3", "gpu-1"]
    assert told[0].fix == "there are: cpu-1, cpu-2, head"
    assert '"cpu-2":"no-way-out"' in told[-1].message


def test_what_a_rehearsal_asks_for_is_said() -> None:
    finding = only("login: {nodes: 1}\n", asked=Rehearsal(throttle=2, faults={"login-1": "never-boots"}))
    assert (finding.level, finding.message) == (
        Level.INFO,
        'as BURST_REHEARSAL has it: {"throttle":2,"faults":{"login-1":"never-boots"}}',
    )


def test_everything_is_told_at_once(monkeypatch: pytest.MonkeyPatch, mounts: Mounts, folder: Path) -> None:
    mounts.says = "mount: no"
    monkeypatch.setattr(checks, "_KEYRING", folder / "nowhere")
    monkeypatch.setattr(capacity, "free", lambda _: Room(0, None))
    told = found("filesystems: {/old: {id: fs-0123}}\n", asked=Rehearsal(faults={"x-1": "no-metadata"}))
    codes = {finding.code for finding in told if finding.level is Level.ERROR}
    assert codes == {"program", "filesystem", "disk", "overlay", "rehearsal"}
