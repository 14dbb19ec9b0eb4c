"""What a cluster on this machine does at its limits with nobody calling anything: its outputs are saved, and it is gone."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from provisioner.targets.local.keeper import LocalKeeper
from tests.e2e.conftest import HELLO, Burst

pytestmark = pytest.mark.e2e

SLOW = HELLO.replace("echo hello > out.txt", "echo hello > out.txt; sleep SECONDS && echo whole >> out.txt")


def until(what: str, done: Callable[[], object], seconds: float = 90) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if done():
            return
        time.sleep(0.05)
    raise AssertionError(f"after {seconds:g} s: not {what}")


def expires(burst: Burst, run_id: str) -> int:
    at: int = json.loads((burst.runtime / run_id / "identity.json").read_text())["expires"]
    return at


def told(burst: Burst, step: str) -> bool:
    events = burst.folder / "r" / "events.jsonl"
    return events.exists() and step in events.read_text()


def only_run(burst: Burst) -> str:
    (run_id,) = (path.name for path in (burst.state / "burst" / "runs").iterdir())
    return run_id


def gone(burst: Burst) -> None:
    """By itself. What a helper of the keeper's still has to do after the folder is part of the end."""
    until("gone", lambda: burst.left() == [])


def test_a_kept_cluster_ends_itself_at_its_expiry(burst: Burst) -> None:
    burst.write({"burst.yaml": SLOW.replace("SECONDS", "300") + "limits: {ttl: 25s}\n"})
    run_id = burst.receipt("up", "--results", "r")["run_id"]
    at = expires(burst, run_id)
    assert burst("submit", run_id, "burst.yaml").returncode == 0
    gone(burst)
    assert time.time() >= at
    # What it had made by then.
    assert (burst.folder / "r/hello/out.txt").read_text() == "hello\n"
    assert json.loads((burst.folder / "r/receipt.json").read_text())["remains"] == []


def test_a_run_whose_client_is_dead_ends_itself_at_its_expiry(burst: Burst) -> None:
    burst.write({"burst.yaml": SLOW.replace("SECONDS", "300") + "limits: {ttl: 25s}\n"})
    client = burst.start("run", "--results", "r")
    until("running", lambda: told(burst, "RUNNING"))
    at = expires(burst, only_run(burst))
    os.killpg(client.pid, signal.SIGKILL)
    client.communicate()
    assert burst.left() != []
    gone(burst)
    assert time.time() >= at
    assert (burst.folder / "r/hello/out.txt").read_text() == "hello\n"


def test_what_nobody_uses_ends_itself_and_what_somebody_uses_does_not(burst: Burst) -> None:
    # Both are longer than what is allowed without use, by more than the keeper's looks are apart.
    burst.write({"burst.yaml": SLOW.replace("SECONDS", "10") + "limits: {ttl: 10m, unused: 4s}\n"})
    run_id = burst.receipt("up", "--results", "r")["run_id"]
    assert burst("submit", run_id, "burst.yaml").returncode == 0
    out = burst.runtime / run_id / "work" / "hello" / "out.txt"
    until("the job's end", lambda: out.exists() and "whole" in out.read_text())
    inside = burst("ssh", run_id, "--", "sh", "-c", "sleep 10; echo done")
    assert (inside.returncode, inside.stdout) == (0, "done\n")
    gone(burst)
    assert (burst.folder / "r/hello/out.txt").read_text() == "hello\nwhole\n"


def test_where_the_keeper_is_killed_the_next_burst_sweeps(burst: Burst) -> None:
    burst.write({"burst.yaml": HELLO + "limits: {ttl: 15s}\n"})
    run_id = burst.receipt("up", "--results", "r")["run_id"]
    assert burst("submit", run_id, "burst.yaml", "--wait").returncode == 0
    os.kill(the_keeper(burst, run_id), signal.SIGKILL)
    dry = burst("sweep", "--dry-run")
    while "expired" not in dry.stdout:
        dry = burst("sweep", "--dry-run")
    assert "to end" in dry.stdout
    assert burst.left(run_id) != []
    assert "1 outputs saved" in burst("sweep").stdout
    assert (burst.folder / "r/hello/out.txt").read_text() == "hello\n"
    assert burst.left() == []


def the_keeper(burst: Burst, run_id: str) -> int:
    """Its process id."""
    pids = (line.split()[1] for line in burst.left(run_id) if line.startswith("process "))
    (pid,) = (pid for pid in pids if b"targets.local.keeper" in Path(f"/proc/{pid}/cmdline").read_bytes())
    return int(pid)


@pytest.mark.parametrize("early", [0.2, -0.3])
def test_down_at_the_moment_of_the_expiry(burst: Burst, early: float) -> None:
    """Whoever is first ends it; the other one says so, or does nothing."""
    burst.write({"burst.yaml": HELLO + "limits: {ttl: 15s}\n"})
    run_id = burst.receipt("up", "--results", "r")["run_id"]
    at = expires(burst, run_id)
    assert burst("submit", run_id, "burst.yaml", "--wait").returncode == 0
    time.sleep(max(0.0, at - early - time.time()))
    down = burst("down", run_id)
    assert down.returncode in (0, 2), down.stderr
    gone(burst)
    assert (burst.folder / "r/hello/out.txt").read_text() == "hello\n"


def test_a_client_that_lives_is_left_alone_until_it_is_much_too_late(burst: Burst) -> None:
    burst.write({"burst.yaml": SLOW.replace("SECONDS", "300")})
    client = burst.start("run", "--results", "r")
    until("running", lambda: told(burst, "RUNNING"))
    root = burst.runtime / only_run(burst)
    known = json.loads((root / "keeper.json").read_text()) | {"state": str(burst.folder / "state")}
    # As a terminal's Ctrl-Z leaves it.
    os.kill(client.pid, signal.SIGSTOP)
    until("stopped", lambda: _state(client.pid) == "T")
    LocalKeeper(root, known | {"expires": time.time() - 60}).end("limits.ttl")
    late = LocalKeeper(root, known | {"expires": time.time() - 600})
    assert _state(client.pid) == "T", "not told yet"
    late.end("limits.ttl")
    # A second signal would be the end of a clean end.
    late.end("limits.ttl")
    out, err = client.communicate(timeout=60)
    assert client.returncode == 130, out + err
    assert (burst.folder / "r/hello/out.txt").read_text() == "hello\n"
    assert burst.left() == []


def test_silence_is_not_idleness(burst: Burst) -> None:
    """A real slurmctld that is silent for a while."""
    burst.write({"burst.yaml": HELLO + "limits: {ttl: 10m, unused: 9m}\n"})
    run_id = burst.receipt("up", "--results", "r")["run_id"]
    root = burst.runtime / run_id
    known = json.loads((root / "keeper.json").read_text())
    # We are in its place.
    os.kill(the_keeper(burst, run_id), signal.SIGKILL)
    watching = LocalKeeper(root, known | {"state": str(burst.folder / "state")})

    def used() -> str:
        watching.look()
        words: str = watching.known["used"]
        return words

    until("nobody uses it", lambda: not used())
    until("time goes by", lambda: not used() and watching.known["idle"] > 0)
    (controller,) = (p for p in burst.left(run_id) if p.startswith("process") and _comm(p.split()[1]) == "slurmctld")
    pid = int(controller.split()[1])
    os.kill(pid, signal.SIGSTOP)
    assert (used(), watching.known["idle"]) == ("slurmctld does not answer", 0.0)
    os.kill(pid, signal.SIGCONT)
    until("it answers again", lambda: not used())
    assert burst("down", run_id).returncode == 0
    assert burst.left() == []


def _state(pid: int) -> str:
    """As proc(5) has it: T for what is stopped."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def _comm(pid: str) -> str:
    return Path(f"/proc/{pid}/comm").read_text().strip()
