"""`up` cut short in each way, and what a fresh process then leaves: nothing, or what the engine never knew of."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

import pytest

from tests.engine.driving import RUN, Around, until


def made(around: Around) -> list[str]:
    return [entry["name"] for entry in around.ledger.entries() if entry["did"] == "create"]


def under_way(around: Around, delay: float = 1.5) -> int:
    """A client in the middle of `up`: two resources are made, three are being made. Answers its process's number."""
    around.order(delay=delay)
    around.clients.append(client := around.client("create"))
    until(lambda: len(made(around)) == 5)
    return client.pid


def ended_anew(around: Around) -> dict[str, str]:
    """What the cloud still has after a fresh process has destroyed the run."""
    client = around.client("destroy")
    _, err = client.communicate(timeout=120)
    assert client.returncode == 0, err
    return around.ledger.left()


def engines(around: Around) -> list[int]:
    return [pid for pid, line in around.processes().items() if "/pulumi --non-interactive" in line]


@pytest.mark.parametrize(
    ("name", "send", "status"),
    [
        ("SIGTERM to the client", lambda pid: os.kill(pid, signal.SIGTERM), 128 + signal.SIGTERM),
        ("Ctrl-C on the terminal", lambda pid: os.killpg(pid, signal.SIGINT), 128 + signal.SIGINT),
    ],
)
def test_interrupted(around: Around, name: str, send: Callable[[int], None], status: int) -> None:
    """The engine waits for what is in flight, writes its state, and is gone before the client is."""
    send(under_way(around))
    around.clients[0].communicate(timeout=60)
    assert around.clients[0].returncode == status
    assert around.processes() == {}
    assert len(around.ledger.left()) == 5
    assert ended_anew(around) == {}


def test_the_client_killed(around: Around) -> None:
    """The engine goes on; whoever destroys the run asks it to end first."""
    pid = under_way(around)
    os.kill(pid, signal.SIGKILL)
    around.clients[0].communicate(timeout=60)
    assert engines(around) != []
    assert ended_anew(around) == {}


def test_the_client_killed_while_it_waits_for_the_engine_to_end(around: Around) -> None:
    """A second Ctrl-C does that: the engine has been asked already, and a second time would cost what is in flight."""
    pid = under_way(around, delay=3.0)
    os.kill(pid, signal.SIGINT)
    until(lambda: (around.layout.lock.read_text() or "-") == f"{engines(around)[0]}\n")
    os.kill(pid, signal.SIGKILL)
    around.clients[0].communicate(timeout=60)
    assert ended_anew(around) == {}


def test_the_client_killed_and_the_engine_done_before_anybody_looks(around: Around) -> None:
    os.kill(under_way(around, delay=0.5), signal.SIGKILL)
    around.clients[0].communicate(timeout=60)
    until(lambda: not around.processes())
    assert ended_anew(around) == {}


@pytest.mark.parametrize("plugin_too", [True, False])
def test_everything_killed(around: Around, plugin_too: bool) -> None:
    """What was in flight is in no state: `remains` has to ask the provider. Measured: the three of five in flight."""
    under_way(around)
    for pid, line in around.processes().items():
        if plugin_too or "pulumi-resource" not in line:
            os.kill(pid, signal.SIGKILL)
    around.clients[0].communicate(timeout=60)
    left = ended_anew(around)
    assert set(left.values()) == {f"{RUN}-one", f"{RUN}-two", f"{RUN}-three"}
    # The state is gone: a second time there is nothing for the engine to do, and no error.
    assert ended_anew(around) == left


def test_destroy_killed_and_begun_again(around: Around) -> None:
    around.create()
    around.order(delete_delay=1.0)
    around.clients.append(client := around.client("destroy"))
    until(lambda: len(around.ledger.left()) < 5)
    for pid in around.processes():
        os.kill(pid, signal.SIGKILL)
    client.communicate(timeout=60)
    around.order()
    assert ended_anew(around) == {}
