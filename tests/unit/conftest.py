"""Guards for every unit test: no network, no other process, nobody's home folder."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("burst", deadline=None, max_examples=100, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("burst")


class Forbidden(BaseException):
    """A unit test reached out of itself. Not an Exception: no code under test may catch it."""


def _forbidding(what: str) -> Callable[..., NoReturn]:
    def forbidden(*args: Any, **kwargs: Any) -> NoReturn:
        raise Forbidden(f"a unit test must not call {what}")

    return forbidden


@pytest.fixture(autouse=True)
def _nothing_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Connections and new processes raise."""
    for name in ("connect", "connect_ex", "sendto"):
        monkeypatch.setattr(socket.socket, name, _forbidding(f"socket.{name}"))
    monkeypatch.setattr(socket, "getaddrinfo", _forbidding("socket.getaddrinfo"))
    monkeypatch.setattr(subprocess, "Popen", _forbidding("subprocess.Popen"))
    for name in ("posix_spawn", "posix_spawnp", "execv", "execve", "fork", "system"):
        monkeypatch.setattr(os, name, _forbidding(f"os.{name}"))


@pytest.fixture(autouse=True)
def _nobodys_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """State, home and the runs' folder lie in the test's own folder."""
    for name, folder in (
        ("HOME", "home"),
        ("XDG_STATE_HOME", "state"),
        ("XDG_DATA_HOME", "data"),
        ("XDG_CACHE_HOME", "cache"),
        ("BURST_RUNTIME_DIR", "runtime"),
    ):
        (tmp_path / ".around" / folder).mkdir(parents=True)
        monkeypatch.setenv(name, str(tmp_path / ".around" / folder))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty folder with nothing of the guards' in it."""
    made = tmp_path / "here"
    made.mkdir()
    return made
