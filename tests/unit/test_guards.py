"""The guards themselves: without them a test that reaches out would pass unnoticed."""

from __future__ import annotations

import os
import socket
import subprocess
from pathlib import Path

import pytest
from conftest import Forbidden

from provisioner.executor import process
from provisioner.lifecycle import state
from provisioner.targets.local.layout import runtime_folder


def test_connections_raise() -> None:
    with socket.socket() as probe, pytest.raises(Forbidden):
        probe.connect(("127.0.0.1", 1))
    with pytest.raises(Forbidden):
        socket.create_connection(("127.0.0.1", 1))


def test_processes_raise() -> None:
    with pytest.raises(Forbidden):
        process.call(["true"])
    with pytest.raises(Forbidden):
        subprocess.run(["true"], check=False)
    with pytest.raises(Forbidden):
        os.posix_spawn("/bin/true", ["true"], {})
    with pytest.raises(Forbidden):
        os.execv("/bin/true", ["true"])
    with pytest.raises(Forbidden):
        os.system("true")


def test_state_lies_in_the_tests_own_folder(tmp_path: Path) -> None:
    assert state.runs_folder().is_relative_to(tmp_path)
    assert runtime_folder().is_relative_to(tmp_path)
    assert Path.home().is_relative_to(tmp_path)
