"""What a design declares against what a machine has: each finding with its figures, its check and what to do."""

from __future__ import annotations

import platform
from pathlib import Path

import pytest
from making import design

from provisioner.design.model import Design
from provisioner.findings import Finding, Level
from provisioner.targets import capacity, declared, host
from provisioner.targets.capacity import Capacity, Room
from provisioner.targets.local import checks as local
from provisioner.targets.nspawn import checks as nspawn
from provisioner.units import GIB, MIB


@pytest.fixture(autouse=True)
def _machine(monkeypatch: pytest.MonkeyPatch) -> None:
    has(monkeypatch, Capacity(8, 16 * GIB, 12 * GIB))
    monkeypatch.setattr(host, "gpus", lambda: 0)
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(capacity, "free", lambda _: Room(100 * GIB, 1_000_000))


def has(monkeypatch: pytest.MonkeyPatch, found: Capacity) -> None:
    monkeypatch.setattr(capacity, "look", lambda: found)


def nodes(count: str, needs: str = "cores: 4, memory: 2GiB", more: str = "") -> Design:
    return design(f"version: 1\nname: a\n{more}groups: {{cpu: {{nodes: {count}, needs: {{{needs}}}}}}}\n")


def told(found: Finding) -> tuple[Level, str]:
    assert found.fix or found.level is Level.INFO, "each problem has what to do"
    return found.level, f"{found.code}: {found.message}"


def test_nodes_that_fit_are_not_mentioned() -> None:
    assert list(declared.hardware(nodes("2"))) == []


def test_cores_are_shared_which_is_only_said() -> None:
    """Also where all nodes together declare more memory than there is."""
    (found,) = declared.hardware(nodes("3"))
    assert told(found) == (
        Level.INFO,
        "oversubscribed: 12 CPUs and 6GiB are declared; this machine has 8 CPUs and 16GiB: work shares them",
    )
    (found,) = declared.hardware(nodes("2", "cores: 1, memory: 15GiB"))
    assert told(found)[0] is Level.INFO


def test_a_node_that_is_larger_than_the_machine_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    """The limits of a container are what counts."""
    has(monkeypatch, Capacity(1.5, 2 * GIB, GIB, 0, ("a control group's quota of 1.5 CPUs", "a control group's limit on memory")))
    limited = "this machine has 1.5 CPUs and 2GiB (a control group's quota of 1.5 CPUs, a control group's limit on memory)"
    shared, memory = declared.hardware(nodes("1", "cores: 1, memory: 4GiB"))
    assert told(shared) == (Level.INFO, f"oversubscribed: 1 CPUs and 4GiB are declared; {limited}: work shares them")
    said = f"memory: groups.cpu: one node declares up to 4GiB; {limited}: a job that really uses as much is killed here"
    assert told(memory) == (Level.WARNING, said)


def test_slurm_schedules_by_what_is_declared() -> None:
    """Where it would not, a slurmd that finds less registers with that, and its node is drained (slurm.conf(5))."""
    from provisioner.slurm.conf import Site, render

    for contained in (True, False):
        lines = render(nodes("1", "cores: 64, memory: 4TiB"), Site(contained=contained))["slurm.conf"].splitlines()
        assert ("SlurmdParameters=config_overrides" in lines) is contained
        assert any("CPUs=64" in line and "RealMemory=4194304" in line for line in lines)


@pytest.mark.parametrize(
    ("count", "available", "swap", "level", "said"),
    [
        ("{min: 4, max: 8}", 900 * MIB, 0, None, ""),
        ("{min: 4, max: 8}", 899 * MIB, 0, Level.WARNING, "9 machines: 900MiB of memory before any work, 899MiB are available"),
        ("{min: 4, max: 8}", 499 * MIB, 0, Level.ERROR, "5 machines: 500MiB of memory before any work, 499MiB are available"),
        # What it boots into may be swap: slow, but it is there.
        (
            "{min: 4, max: 4}",
            400 * MIB,
            100 * MIB,
            Level.WARNING,
            "5 machines: 500MiB of memory before any work, 400MiB are available",
        ),
    ],
)
def test_machines_need_memory_to_boot(
    monkeypatch: pytest.MonkeyPatch, count: str, available: int, swap: int, level: Level | None, said: str
) -> None:
    has(monkeypatch, Capacity(8, 16 * GIB, available, swap))
    found = list(declared.boots(nodes(count), beside=1, each=100 * MIB))
    assert [each.level for each in found] == ([level] if level else [])
    if found:
        assert found[0].message == f"{said}; this machine has 8 CPUs and 16GiB"
        assert (found[0].code, found[0].fix) == ("boot-memory", "lower groups.*.nodes for the rehearsal, or end other programs")


def test_a_disk_needs_room_for_bytes_and_for_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Of a folder that is not there yet, the nearest one above counts. Some file systems have no number of files."""
    asked: list[Path] = []

    def free(folder: Path) -> Room:
        asked.append(folder)
        return rooms.pop(0)

    monkeypatch.setattr(capacity, "free", free)
    folder = tmp_path / "not" / "there"
    rooms = [Room(GIB, 99), Room(GIB - 1, 100), Room(GIB, 100), Room(GIB, None)]
    found = [list(declared.disk(folder, size=GIB, inodes=100, fix="export X=/path")) for _ in range(4)]
    assert [[each.code for each in some] for some in found] == [["inodes"], ["disk"], [], []]
    assert set(asked) == {tmp_path}
    inodes, size = found[0][0], found[1][0]
    assert told(inodes) == (
        Level.ERROR,
        f"inodes: {folder}: 99 more files can be made there, 100 are needed (inodes: df -i {tmp_path})",
    )
    assert size.fix == "make room, or name another export X=/path"
    assert size.level is Level.ERROR


def test_filesystems_are_folders_of_one_disk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    text = "filesystems: {/shared: {size: 60GiB}, /scratch: {type: lustre, size: 41GiB}, /old: {id: fs-1, size: 9TiB}}\n"
    whole = design(f"version: 1\nname: a\n{text}groups: {{cpu: {{nodes: 1}}}}\n")
    (found,) = declared.filesystems(whole, tmp_path, fix="folder: export X=/path")
    said = f"disk-size: filesystems: /shared, /scratch would have 101GiB, {tmp_path} has 100GiB free for all of them"
    assert (told(found), found.fix) == ((Level.WARNING, said), "write less here, or name a larger folder: export X=/path")
    monkeypatch.setattr(capacity, "free", lambda _: Room(101 * GIB, None))
    assert list(declared.filesystems(whole, tmp_path, fix="")) == []


def test_both_places_ask_for_all_of_it(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """By the names that `--skip` takes."""
    from provisioner.targets.nspawn import plan
    from provisioner.targets.nspawn.rehearsal import Rehearsal

    monkeypatch.setenv("BURST_MACHINES_DIR", str(folder))
    monkeypatch.setenv("BURST_CACHE_DIR", str(folder))
    has(monkeypatch, Capacity(1, GIB, 9 * MIB))
    monkeypatch.setattr(capacity, "free", lambda _: Room(MIB, 1))
    whole = nodes("{min: 1, max: 2}", "cores: 4, memory: 2GiB", "filesystems: {/shared: {}}\n")
    asked = nspawn.Asked(whole, None, plan.site("trixie"), plan.seam(whole), Rehearsal())
    codes = {"hardware": {"oversubscribed", "memory", "boot-memory"}, "disk": {"disk", "inodes", "disk-size"}}
    for name, wanted in codes.items():
        assert {found.code for each, check in local.CHECKS if each == name for found in check(whole)} == wanted
        assert {found.code for each, check in nspawn.CHECKS if each == name for found in check(asked)} == wanted
