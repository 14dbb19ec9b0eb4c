"""Ports that no other run has."""

from __future__ import annotations

import json
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioner import files
from provisioner.errors import Kind, NotCreated
from provisioner.targets.local import ports


@pytest.fixture
def runtime(folder: Path) -> Path:
    return folder


@pytest.fixture
def all_free(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if nobody else on the machine had any."""
    monkeypatch.setattr(ports, "_free", lambda port: True)


def run(runtime: Path, name: str) -> Path:
    (runtime / name).mkdir(exist_ok=True)
    return runtime / name


def test_what_is_reserved_is_recorded_and_in_the_range(runtime: Path) -> None:
    first = ports.reserve(runtime, run(runtime, "a"), 5)
    assert first >= ports.FIRST
    assert first + 5 <= ports.LAST
    assert json.loads((runtime / "a" / ports.RECORD).read_text()) == [first, 5]


@given(counts=st.lists(st.integers(1, 129), min_size=2, max_size=12))
def test_no_two_runs_share_a_port(counts: list[int], tmp_path_factory: pytest.TempPathFactory) -> None:
    runtime = tmp_path_factory.mktemp("runtime")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ports, "_free", lambda port: True)
        taken = [
            range(first, first + n) for i, n in enumerate(counts) for first in [ports.reserve(runtime, run(runtime, f"r{i}"), n)]
        ]
    assert len({port for one in taken for port in one}) == sum(counts)


@pytest.mark.usefixtures("all_free")
def test_not_even_when_they_ask_at_once(runtime: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        firsts = list(pool.map(lambda i: ports.reserve(runtime, run(runtime, f"r{i}"), 7), range(40)))
    assert len({port for first in firsts for port in range(first, first + 7)}) == 40 * 7


def test_a_choice_is_made_and_recorded_under_the_lock(runtime: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    locked: list[bool] = []

    def probing(port: int) -> bool:
        try:
            with files.locked(runtime, wait=False):
                locked.append(False)
        except files.Busy:
            locked.append(True)
        return True

    monkeypatch.setattr(ports, "_free", probing)
    ports.reserve(runtime, run(runtime, "a"), 3)
    assert locked == [True] * 3


def test_a_port_that_a_stranger_has_is_left_to_them(runtime: Path) -> None:
    count = 3
    wanted = ports.reserve(runtime, run(runtime, "a"), count)
    (runtime / "a" / ports.RECORD).unlink()
    with socket.socket() as stranger:
        stranger.bind(("127.0.0.1", wanted + count - 1))
        stranger.listen()
        got = ports.reserve(runtime, run(runtime, "a"), count)
    assert wanted + count - 1 not in range(got, got + count)


@pytest.mark.usefixtures("all_free")
def test_the_ports_of_a_run_that_is_gone_are_free_again(runtime: Path) -> None:
    first = ports.reserve(runtime, run(runtime, "a"), 4)
    (runtime / "a" / ports.RECORD).unlink()
    assert ports.reserve(runtime, run(runtime, "a"), 4) == first


@pytest.mark.usefixtures("all_free")
def test_a_record_that_cannot_be_read_is_nobodys(runtime: Path) -> None:
    (run(runtime, "broken") / ports.RECORD).write_text('{"half": ')
    assert ports.reserve(runtime, run(runtime, "a"), 4) >= ports.FIRST


def test_none_left(runtime: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "_free", lambda port: False)
    with pytest.raises(NotCreated, match="no 5 free ports in a row") as refused:
        ports.reserve(runtime, run(runtime, "a"), 5)
    assert refused.value.kind is Kind.CAPACITY
    assert not (runtime / "a" / ports.RECORD).exists()
