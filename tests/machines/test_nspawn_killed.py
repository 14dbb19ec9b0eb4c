"""The fault matrix on real machines: each step of the journal × signal. After the next command no machine, mount, bridge,
wire or folder of the run is left, its outputs are not lost, and another cluster never noticed."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.e2e.test_killed import KILLED
from tests.machines.conftest import Machines
from tests.nothing_left import measured

FILE = """\
version: 1
name: victim
target: nspawn
groups:
  cpu: {needs: {cores: 1, memory: 1GiB}, nodes: 1}
filesystems: {/shared: {size: 1GiB}}
jobs:
  only: {command: "cat in.txt > out.txt; (setsid sleep 600 &)", inputs: [in.txt], outputs: [out.txt]}
"""
STEPS = (
    *("begin", "create.folder", "create.image", "create.network", "create.provider", "create.head", "create.nodes"),
    *("settled", "ready", "stage", "submit", "collect", "destroy"),
)


@pytest.fixture
def neighbour(burst: Machines) -> Iterator[str]:
    """A kept cluster of the same user, which must live through everything."""
    burst.write({"neighbour.yaml": FILE.replace("victim", "neighbour"), "burst.yaml": FILE, "in.txt": "precious\n"})
    run_id = burst.receipt("up", "neighbour.yaml", "--results", "n")["run_id"]
    yield run_id
    said = burst("ssh", run_id, "--", "srun", "hostname")
    assert (said.returncode, said.stdout) == (0, "cpu-1\n"), said.stderr
    assert burst("down", run_id).returncode == 0
    assert burst.left() == []


def killed(burst: Machines, step: int, signum: str, delay: float) -> subprocess.Popen[str]:
    return burst.start(str(step), signum, str(delay), "--", "run", "--results", f"r{step}", program=(sys.executable, KILLED))


def of_victims(burst: Machines) -> list[str]:
    """What is left of every victim there was, by its own run id."""
    return [line for run in burst.runs() if run.startswith("victim") for line in burst.left(run)]


def test_the_matrix_has_every_step(burst: Machines) -> None:
    burst.write({"burst.yaml": FILE, "in.txt": "precious\n"})
    assert burst("run", "--results", "r").returncode == 0
    events = [json.loads(line) for line in (burst.folder / "r/events.jsonl").read_text().splitlines()]
    assert tuple(event["data"]["step"] for event in events if event["kind"] == "step") == STEPS
    assert burst.left() == []


# Before the act; in the middle of the shorter ones; while machines boot.
@pytest.mark.parametrize("delay", [0.0, 0.02, 0.4])
def test_sigkill_at_every_step_then_sweep(burst: Machines, neighbour: str, delay: float) -> None:
    left, others, missing = 0, 0, 0
    for step, name in enumerate(STEPS, 1):
        dead = killed(burst, step, "SIGKILL", delay)
        out, err = dead.communicate(timeout=100)
        if dead.returncode == 0 and delay:
            continue  # its last act was quicker than the signal
        assert dead.returncode == -signal.SIGKILL, (name, out, err)
        if not delay and name in ("ready", "stage", "submit", "collect"):
            assert {line.split()[0] for line in of_victims(burst)} == {"folder", "state", "namespace", "group", "process"}
        swept = burst("sweep", "-o", "json")
        assert swept.returncode == 0, (name, swept.stdout, swept.stderr)
        left, others = left + len(of_victims(burst)), others + (neighbour in swept.stdout)
        missing += name in ("collect", "destroy") and not saved(burst, step)
        assert (left, others, missing) == (0, 0, 0), name
    moment = "before the act" if not delay else f"{delay * 1000:.0f} ms into it"
    measured("steps", "nspawn", f"SIGKILL {moment}, then sweep", cases=len(STEPS), left=left, others=others, lost=missing)


def saved(burst: Machines, step: int) -> bool:
    """Whether the job's output is there and whole."""
    path = burst.folder / f"r{step}/only/out.txt"
    return path.is_file() and path.read_text() == "precious\n"


@pytest.mark.parametrize("signum", ["SIGTERM", "SIGINT"])
def test_a_signal_at_every_step_is_a_clean_end(burst: Machines, neighbour: str, signum: str) -> None:
    left = missing = 0
    for step, name in enumerate(STEPS, 1):
        process = killed(burst, step, signum, 0)
        out, err = process.communicate(timeout=100)
        assert process.returncode == 130, (name, out, err)
        assert "Traceback" not in err
        receipt = json.loads((burst.folder / f"r{step}/receipt.json").read_text())
        assert (receipt["status"], receipt["exit_code"], receipt["remains"]) == ("interrupted", 130, [])
        left, missing = left + len(of_victims(burst)), missing + (name in ("collect", "destroy") and not saved(burst, step))
        assert (left, missing) == (0, 0), name
    measured("steps", "nspawn", f"{signum}, its own teardown", cases=len(STEPS), left=left, others=0, lost=missing)
