"""Machines on this host, as far as it goes without one: addresses, what everybody is told, where groups are made."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from making import design

from provisioner.bootstrap import user_data
from provisioner.bootstrap.needs import Role
from provisioner.bootstrap.seam import HOME
from provisioner.design.model import Filesystem, Group, Login, Node
from provisioner.errors import Kind, NotCreated
from provisioner.events import Event, Events
from provisioner.findings import Level
from provisioner.launch import nspawn as launcher
from provisioner.launch.nspawn import Refused
from provisioner.targets.base import Inventory
from provisioner.targets.nspawn import cgroups, images, network, plan
from provisioner.targets.nspawn.layout import EXPORTS, Layout, prefix, role_of, runs_folder
from provisioner.targets.nspawn.target import NspawnTarget

FILE = """\
version: 1
name: a
login: {nodes: 2}
groups:
  cpu: {nodes: {min: 1, max: 4}, needs: {cores: 2, memory: 1GiB}}
  big: {nodes: 2, needs: {cores: 2, memory: 1GiB}}
filesystems:
  /shared: {}
  /home/data: {}
  /scratch: {type: lustre, size: 2TiB}
  /old data: {id: fs-0123}
  /fsx: {type: lustre, id: fs-4567}
"""
DESIGN = design(FILE, "nspawn")
NODE = Node(instance="", cpus=2, cores=2, memory_mib=1024)


# --- addresses -------------------------------------------------------------------------------------------------------


def test_addresses_are_where_the_network_says() -> None:
    assert network.addresses(DESIGN) == {
        "head": "10.77.0.10",
        "login-1": "10.77.0.11",
        "login-2": "10.77.0.12",
        "cpu-1": "10.77.1.1",
        "cpu-2": "10.77.1.2",
        "cpu-3": "10.77.1.3",
        "cpu-4": "10.77.1.4",
        "big-1": "10.77.1.5",
        "big-2": "10.77.1.6",
    }


@given(st.integers(0, 30), st.lists(st.integers(1, 600), min_size=1, max_size=4))
def test_no_two_machines_have_the_same_address(logins: int, sizes: list[int]) -> None:
    groups = tuple(Group(name=f"g{i}", min=0, max=size, node=NODE, spot="never", fabric="auto") for i, size in enumerate(sizes))
    many = DESIGN.model_copy(update={"groups": groups, "login": Login(nodes=logins, node=NODE) if logins else None})
    known = network.addresses(many)
    assert len(known) == 1 + logins + sum(sizes) == len(set(known.values()))
    assert not {network.BRIDGE, network.GATEWAY, network.RESOLVER} & set(known.values())
    assert all(0 < int(part) < 255 for address in known.values() for part in address.split(".")[3:])
    assert network.addresses(many) == known


# --- layout ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("head", "head"),
        ("login-1", "login"),
        ("login-12", "login"),
        ("cpu-1", "compute"),
        # Groups with such names are right ones.
        ("login-big-1", "compute"),
        ("head-1", "compute"),
        ("logins-1", "compute"),
    ],
)
def test_a_machines_name_tells_its_role(name: str, role: str) -> None:
    assert role_of(name) == role


def test_the_prefix_tells_the_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("BURST_MACHINES_DIR", raising=False)
    assert runs_folder() == Path("/var/lib/burst/machines")
    known = {prefix()}
    for name in ("a", "b"):
        monkeypatch.setenv("BURST_MACHINES_DIR", str(tmp_path / name))
        assert prefix() == prefix()
        assert runs_folder() == tmp_path / name
        known.add(prefix())
    assert len(known) == 3
    layout = Layout(runs_folder() / "a-abc234")
    assert layout.namespace == f"{prefix()}a-abc234"
    assert layout.namespace_of("cpu-1") == f"{layout.namespace}.cpu-1"


def test_the_longest_names_leave_room_for_a_socket() -> None:
    layout = Layout(Path("/var/lib/burst/machines") / f"{'n' * 20}-abc234")
    # ssh(1) makes ControlPath with a suffix of 17 characters first.
    assert max(len(str(layout.socket)), len(str(layout.control)) + 17) < 108, "unix(7)"


# --- plan ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spot", "tried"),
    [
        ("never", [("on-demand", "a"), ("on-demand", "b")]),
        ("prefer", [("spot", "a"), ("spot", "b"), ("on-demand", "a"), ("on-demand", "b")]),
        ("only", [("spot", "a"), ("spot", "b")]),
    ],
)
def test_every_type_is_tried_on_spot_before_any_on_demand(spot: str, tried: list[tuple[str, str]]) -> None:
    kinds = tuple(NODE.model_copy(update={"instance": name}) for name in "ab")
    group = Group(name="cpu", min=1, max=1, node=kinds[0], alternatives=kinds, spot=spot, fabric="auto")
    attempts = plan.attempts(group, "unix:/x")
    assert [(attempt["market"], attempt["template"]["kind"]) for attempt in attempts] == tried
    assert {attempt["template"]["endpoint"] for attempt in attempts} == {"unix:/x"}
    alone = plan.attempts(group.model_copy(update={"alternatives": ()}), "unix:/x")
    assert {attempt["template"]["kind"] for attempt in alone} == {"a"}


def test_home_is_shared_first_and_once() -> None:
    assert plan.folders(DESIGN)[0] == HOME
    assert sorted(plan.folders(DESIGN)) == sorted(["/home", "/shared", "/home/data", "/scratch", "/old data", "/fsx"])
    homes = (Filesystem(mount="/shared", type="nfs", size=1, id=None), Filesystem(mount=HOME, type="lustre", size=1, id=None))
    assert plan.folders(DESIGN.model_copy(update={"filesystems": homes})) == (HOME, "/shared")
    assert plan.folders(DESIGN.model_copy(update={"filesystems": ()})) == (HOME,)


def test_every_folder_has_a_place_of_its_own(folder: Path) -> None:
    layout = Layout(folder)
    told = plan.provider(layout, DESIGN, Path("/base"), way_out=True)
    assert set(told["served"]) == set(plan.folders(DESIGN))
    assert len(set(told["served"].values())) == 6
    sources = {mount.folder: mount.source for mount in plan.seam(DESIGN).mounts}
    for mount, served in told["served"].items():
        assert sources[mount] == f"{EXPORTS}/{Path(served).relative_to(layout.exports)}"
    json.dumps(told)


@pytest.mark.parametrize(
    ("cloud", "region", "shape", "expected"),
    [(None, None, "aws", "us-east-2"), ("gcp", None, "gcp", "us-central1"), ("azure", "westeurope", "azure", "westeurope")],
)
def test_machines_meet_the_habits_of_the_files_cloud(
    folder: Path, cloud: str | None, region: str | None, shape: str, expected: str
) -> None:
    told = plan.provider(
        Layout(folder), DESIGN.model_copy(update={"cloud": cloud, "region": region}), Path("/base"), way_out=False
    )
    assert (told["shape"], told["region"]) == (shape, expected)


@pytest.mark.parametrize("image", images.SLURM)
@pytest.mark.parametrize("role", ["head", "compute", "login"])
def test_user_data_of_every_kind_of_filesystem_fits_a_cloud(role: Role, image: str) -> None:
    text = user_data.render(DESIGN, role, setup="echo hello\n", site=plan.site(image), seam=plan.seam(DESIGN))
    assert not [found for found in user_data.size_findings(text) if found.level is Level.ERROR]
    if role != "head":
        for mount in plan.folders(DESIGN):
            assert f"{mount.replace(' ', chr(92) + '040')} none bind 0 0" in text
    assert "nfs-kernel-server" not in text


def test_what_exists_once_everything_was_launched(folder: Path) -> None:
    inventory = plan.inventory(Layout(folder), DESIGN, "bookworm")
    assert inventory.nodes == {"cpu-1": "10.77.1.1", "big-1": "10.77.1.5", "big-2": "10.77.1.6"}
    assert inventory.logins == {"login-1": "10.77.0.11", "login-2": "10.77.0.12"}
    assert inventory.mounts[HOME] == "/home/burst"
    assert inventory.mounts["/shared"] == "/shared"
    assert (inventory.slurm_version, inventory.reports) == ("22.05", True)
    assert json.loads(inventory.place["environment"])["BURST_SHARED"] == "/shared"


# --- control groups --------------------------------------------------------------------------------------------------

AROUND = """\
22 28 0:20 / /proc rw,nosuid,nodev,noexec,relatime shared:12 - proc proc rw
28 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw,errors=remount-ro
"""
V2 = "31 23 0:27 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime shared:9 - cgroup2 cgroup2 rw,nsdelegate,memory_recursiveprot\n"
V1 = """\
31 23 0:27 / /sys/fs/cgroup ro,nosuid,nodev,noexec shared:9 - tmpfs tmpfs ro,mode=755
33 31 0:29 / /sys/fs/cgroup/systemd rw,nosuid,nodev,noexec,relatime shared:11 - cgroup cgroup rw,xattr,name=systemd
36 31 0:32 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid,nodev,noexec,relatime shared:15 - cgroup cgroup rw,cpu,cpuacct
37 31 0:33 / /sys/fs/cgroup/memory rw,nosuid,nodev,noexec,relatime shared:16 - cgroup cgroup rw,memory
"""
UNIFIED = "32 31 0:28 / /sys/fs/cgroup/unified rw,nosuid,nodev,noexec,relatime shared:10 - cgroup2 cgroup2 rw\n"
# Inside a container: no propagation, the root of the mount is the container's own group, mounted twice.
INNER = "801 800 0:27 /docker/abc /sys/fs/cgroup ro - cgroup2 cgroup rw\n802 800 0:27 /docker/abc /sys/fs/cgroup rw - cgroup2 cgroup rw\n"
ODD = (
    "40 28 0:40 / /mnt/my\\040groups\\134here rw - cgroup2 none rw\n"
    "41 28 0:41 / /mnt/cgroup2\\040-\\040cgroup2 rw - tmpfs cgroup2\\040x rw\n"
    "42 28 0:42 / /mnt/v1 rw - cgroup  rw,none,name=systemd\n"
    "43 28 0:43 / /mnt/other rw - cgroup cgroup rw,name=systemd-too\n"
)


@pytest.mark.parametrize(
    ("mounts", "found"),
    [
        (V2, ["/sys/fs/cgroup"]),
        (V1 + UNIFIED, ["/sys/fs/cgroup/systemd", "/sys/fs/cgroup/unified"]),
        (V1, ["/sys/fs/cgroup/systemd"]),
        (INNER, ["/sys/fs/cgroup"]),
        (ODD, ["/mnt/my groups\\here", "/mnt/v1"]),
        ("", []),
    ],
)
def test_where_groups_are_made(monkeypatch: pytest.MonkeyPatch, mounts: str, found: list[str]) -> None:
    monkeypatch.setattr(Path, "read_text", lambda path: AROUND + mounts)
    assert [str(path) for path in cgroups.hierarchies()] == found


def test_a_machine_goes_into_its_groups_before_it_begins(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setattr(cgroups, "hierarchies", lambda: (folder / "v1", folder / "v2"))
    argv = cgroups.inside("a-abc234", "cpu-1", ["echo", "$1"])
    groups = [folder / version / f"{prefix()}a-abc234" / "cpu-1" for version in ("v1", "v2")]
    assert argv[:2] == ["sh", "-c"]
    assert argv[3:] == ["sh", *(f"{group}/cgroup.procs" for group in groups), "--", "echo", "$1"]
    assert all(group.is_dir() for group in groups)
    assert cgroups.runs() == {"a-abc234"}
    assert set(cgroups.existing("a-abc234", "cpu-1")) == set(groups)
    cgroups.remove("a-abc234")
    assert (cgroups.runs(), list(cgroups.existing("a-abc234"))) == (set(), [])


# --- launching -------------------------------------------------------------------------------------------------------


class Place:
    """What stands for the launcher: refuses these types, each for its reason."""

    def __init__(self, **refused: str) -> None:
        self.calls: list[tuple[tuple[str, ...], str, str]] = []
        self._refused = refused

    def __call__(self, names: Any, template: dict[str, Any], market: str = "on-demand") -> dict[str, str]:
        self.calls.append((tuple(names), template["kind"], market))
        if template["kind"] in self._refused:
            raise Refused(self._refused[template["kind"]], f"no {template['kind']} today")
        return {}


@pytest.fixture
def inventory(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Inventory:
    monkeypatch.setenv("BURST_MACHINES_DIR", str(folder))
    layout = Layout(folder / DESIGN.run.id)
    layout.root.mkdir()
    tried = [{"market": "spot", "template": {"kind": kind}} for kind in ("small", "big")]
    layout.attempts.write_text(json.dumps({"a": tried, "a-1": tried}))
    return plan.inventory(layout, DESIGN, "trixie")


def launched(monkeypatch: pytest.MonkeyPatch, inventory: Inventory, place: Place, *names: str) -> list[Event]:
    told: list[Event] = []
    monkeypatch.setattr(launcher, "launch", place)
    NspawnTarget().launch(inventory, names, Events("a", [told.append]))
    return told


def test_nodes_are_launched_a_group_at_a_time(monkeypatch: pytest.MonkeyPatch, inventory: Inventory) -> None:
    place = Place(small="CAPACITY")
    told = launched(monkeypatch, inventory, place, "a-1", "a-1-1", "a-10")
    together, alone = ("a-1", "a-10"), ("a-1-1",)
    assert place.calls == [(names, kind, "spot") for names in (together, alone) for kind in ("small", "big")]
    assert [event.kind for event in told] == ["launch.refused", "launched"] * 2
    assert "no small today" in told[0].message
    assert (told[1].data["instance"], told[1].data["nodes"]) == ("big", ["a-1", "a-10"])


@pytest.mark.parametrize("kind", ["CAPACITY", "QUOTA", "AUTH"])
def test_a_refusal_says_why_and_what_to_do(monkeypatch: pytest.MonkeyPatch, inventory: Inventory, kind: str) -> None:
    with pytest.raises(NotCreated, match="a-1 could not be launched") as caught:
        launched(monkeypatch, inventory, Place(small="CAPACITY" if kind != "QUOTA" else kind, big=kind), "a-1")
    assert (caught.value.why, caught.value.kind) == ("no small today" if kind == "QUOTA" else "no big today", Kind(kind))
    assert ("spot: prefer" in caught.value.fix) is (kind == "CAPACITY")


def test_a_console_that_is_not_there_is_empty(inventory: Inventory) -> None:
    assert NspawnTarget().console(inventory, "cpu-1") == ""
    console = Layout(runs_folder() / DESIGN.run.id).console("cpu-1")
    console.parent.mkdir()
    console.write_bytes(b"Welcome to \xff")
    assert NspawnTarget().console(inventory, "cpu-1") == "Welcome to \N{REPLACEMENT CHARACTER}"
