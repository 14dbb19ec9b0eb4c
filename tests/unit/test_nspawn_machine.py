"""One machine's disk, its command line and its end, without a process."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from provisioner.targets.nspawn import cgroups, machines, network
from provisioner.targets.nspawn.layout import EXPORTS, Layout
from provisioner.targets.nspawn.machines import Machine

ADDRESSES = {"head": network.HEAD} | {f"cpu-{i}": f"10.77.1.{i}" for i in range(1, 5)}


@pytest.fixture
def layout(folder: Path) -> Layout:
    return Layout(folder / "a-abc234")


class Booting:
    """What stands for subprocess.Popen."""

    def __init__(self) -> None:
        self.argv: list[str] = []

    def __call__(self, argv: list[str], **_: Any) -> object:
        self.argv = argv
        return object()


@pytest.fixture
def booting(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> Booting:
    booting = Booting()
    for role in ("head", "compute"):
        layout.user_data(role).parent.mkdir(parents=True, exist_ok=True)
        layout.user_data(role).write_bytes(role.encode())
    monkeypatch.setattr(subprocess, "Popen", booting)
    monkeypatch.setattr(cgroups, "inside", lambda run_id, name, argv: ["in", name, *argv])
    monkeypatch.setattr(network, "attach", lambda layout, name, address, *, way_out: booting.argv.extend([address, str(way_out)]))
    return booting


SERVED = {"/home": "/x/home", "/a:b": "/x/a:b"}


def booted(layout: Layout, booting: Booting, name: str, fault: str = "", *, way_out: bool = True) -> tuple[str, list[str]]:
    """Whether it has a way out, and its command line."""
    ways: list[str] = []
    booting.argv = ways
    machines.boot(layout, Machine(name, ADDRESSES[name], "big", "spot", fault), Path("/base"), SERVED, 2, way_out=way_out)
    assert ways[0] == ADDRESSES[name]
    return ways[1], booting.argv


def test_a_node_boots_from_what_a_cloud_would_give_it(layout: Layout, booting: Booting) -> None:
    way_out, argv = booted(layout, booting, "cpu-1")
    disk = layout.machine("cpu-1")
    assert (way_out, argv[:2], argv[-1]) == ("True", ["in", "cpu-1"], "--boot")
    assert {f"--directory={disk}/root", "--machine=a-abc234-cpu-1", f"--bind={layout.exports}:{EXPORTS}"} <= set(argv)
    assert f"--network-namespace-path=/run/netns/{layout.namespace_of('cpu-1')}" in argv
    seed = disk / "upper/var/lib/cloud/seed/nocloud-net"
    assert (seed / "user-data").read_bytes() == b"compute"
    assert (seed / "user-data").stat().st_mode & 0o777 == 0o600, "secrets are in it"
    assert "local-hostname: a-abc234-cpu-1\n" in (seed / "meta-data").read_text()
    assert (disk / "upper/etc/resolv.conf").read_text() == "nameserver 10.77.0.3\n"
    assert layout.console("cpu-1").exists()


def test_the_head_has_the_folders_themselves(layout: Layout, booting: Booting) -> None:
    _, argv = booted(layout, booting, "head")
    shared = [part for part in argv if part.startswith("--bind=/x")]
    assert shared == ["--bind=/x/home:/home", "--bind=/x/a:b:/a\\:b"]
    assert "--bind=/dev/null:/dev/nvidia1" in argv
    assert (layout.machine("head") / "upper/var/lib/cloud/seed/nocloud-net/user-data").read_bytes() == b"head"


def test_what_is_to_be_broken_is(layout: Layout, booting: Booting) -> None:
    assert booted(layout, booting, "cpu-1", "no-way-out")[0] == "False"
    assert not [
        part for part in booted(layout, booting, "cpu-2", "no-exports")[1] if part.startswith("--bind=") and "nvidia" not in part
    ]
    assert booted(layout, booting, "cpu-3", "never-boots")[1][-2:] == ["sleep", "infinity"]
    way_out, argv = booted(layout, booting, "cpu-4", "no-metadata")
    assert (way_out, argv[-1]) == ("True", "--boot")


def test_without_a_way_out_nobody_has_one(layout: Layout, booting: Booting) -> None:
    assert booted(layout, booting, "cpu-1", way_out=False)[0] == "False"


def test_all_stop_before_any_ends(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[tuple[int, int]] = []
    alive = {11, 12}

    def kill(pid: int, signum: int) -> None:
        sent.append((pid, signum))
        if signum == signal.SIGKILL:
            alive.discard(pid)
            raise ProcessLookupError

    layout.machine("cpu-1").mkdir(parents=True)
    monkeypatch.setattr(os, "kill", kill)
    monkeypatch.setattr(cgroups, "processes", lambda run_id, name: sorted(alive))
    gone: list[str] = []
    monkeypatch.setattr(network, "detach", lambda layout, name: gone.append(f"network {name}"))
    monkeypatch.setattr(cgroups, "remove", lambda run_id, name: gone.append(f"groups {name}"))
    machines.end(layout, "cpu-1")
    assert sent == [(pid, signum) for signum in (signal.SIGSTOP, signal.SIGKILL) for pid in (11, 12)]
    assert gone == ["network cpu-1", "groups cpu-1"]
    assert not layout.machine("cpu-1").exists()
