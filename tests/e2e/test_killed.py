"""The fault matrix on `local`: each step of the journal × signal. After the next command nothing of the run is left,
its outputs are not lost, and another run never noticed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.e2e.conftest import Burst
from tests.nothing_left import measured

pytestmark = pytest.mark.e2e

FILE = """\
version: 1
name: victim
groups:
  cpu: {needs: {cores: 1, memory: 1GiB}, nodes: 1}
  more: {needs: {cores: 1, memory: 1GiB}, nodes: {min: 0, max: 1}}
filesystems:
  /shared: {size: 1GiB}
jobs:
  first: {group: cpu, command: "cat in.txt > out.txt; (sleep 600 & ) ; env -i sleep 600 & (cd /; env -i setsid sleep 600 &)", inputs: [in.txt], outputs: [out.txt]}
  second: {group: more, needs: [first], command: "cat ../first/out.txt > out.txt", outputs: [out.txt]}
"""
STEPS = (
    *("begin", "create.folder", "create.configuration", "create.munged", "create.slurmctld", "create.nodes", "settled"),
    *("ready", "stage", "submit", "submit", "collect", "collect", "destroy"),
)
KILLED = str(Path(__file__).with_name("killed.py"))


@pytest.fixture
def neighbour(burst: Burst) -> Iterator[str]:
    """A kept cluster of the same user, which must live through everything."""
    burst.write({"neighbour.yaml": FILE.replace("victim", "neighbour"), "burst.yaml": FILE, "in.txt": "precious\n"})
    run_id = burst.receipt("up", "neighbour.yaml", "--results", "n")["run_id"]
    yield run_id
    said = burst("ssh", run_id, "--", "srun", "--partition=cpu", "hostname")
    assert said.returncode == 0, said.stderr
    assert burst("down", run_id).returncode == 0
    assert burst.left() == []


def killed(burst: Burst, step: int, signum: str, delay: float, *arguments: str) -> subprocess.Popen[str]:
    return burst.start(
        str(step), signum, str(delay), "--", "run", "--results", f"r{step}", *arguments, program=(sys.executable, KILLED)
    )


def victims(burst: Burst) -> list[str]:
    return [line for line in burst.left() if "victim" in line]


def test_the_matrix_has_every_step(burst: Burst) -> None:
    burst.write({"burst.yaml": FILE, "in.txt": "precious\n"})
    assert burst("run", "--results", "r").returncode == 0
    events = [json.loads(line) for line in (burst.folder / "r/events.jsonl").read_text().splitlines()]
    assert tuple(event["data"]["step"] for event in events if event["kind"] == "step") == STEPS
    assert burst.left() == []


def lost(folder: Path, jobs: Sequence[str]) -> int:
    """How many of these jobs' outputs are not what they were."""
    found = [folder / job / "out.txt" for job in jobs]
    return sum(not path.is_file() or path.read_text() != "precious\n" for path in found)


# Before the act; in the middle of the shorter ones and of the longer ones.
@pytest.mark.parametrize("delay", [0.0, 0.004, 0.015, 0.03])
def test_sigkill_at_every_step_then_sweep(burst: Burst, neighbour: str, delay: float) -> None:
    left, others, missing = 0, 0, 0
    for step in range(1, len(STEPS) + 1):
        dead = killed(burst, step, "SIGKILL", delay)
        out, err = dead.communicate(timeout=100)
        if dead.returncode == 0 and delay:
            continue  # its last act was quicker than the signal
        assert dead.returncode == -signal.SIGKILL, (step, out, err)
        swept = burst("sweep", "-o", "json")
        assert swept.returncode == 0, (step, swept.stdout, swept.stderr)
        left, others = left + len(victims(burst)), others + (neighbour in swept.stdout)
        # A job that was over when the client died: the sweep has saved what the run had not.
        missing += lost(burst.folder / f"r{step}", ("first", "second")[: STEPS[:step].count("collect")])
        assert (left, others, missing) == (0, 0, 0), step
    moment = "before the act" if not delay else f"{delay * 1000:.0f} ms into it"
    measured("steps", "local", f"SIGKILL {moment}, then sweep", cases=len(STEPS), left=left, others=others, lost=missing)


def test_the_next_run_sweeps_too(burst: Burst, neighbour: str) -> None:
    killed(burst, STEPS.index("stage") + 1, "SIGKILL", 0).communicate(timeout=100)
    assert victims(burst) != []
    assert burst("run", "--results", "again").returncode == 0
    assert victims(burst) == []


def test_down_finishes_what_a_dead_client_began(burst: Burst, neighbour: str) -> None:
    killed(burst, STEPS.index("destroy") + 1, "SIGKILL", 0).communicate(timeout=100)
    (run_id,) = {line.rpartition("/")[2] for line in victims(burst) if line.startswith("state ")}
    ended = burst("down", run_id)
    assert ended.returncode == 0, ended.stderr
    assert f"{run_id}: its client died; nothing is left" in ended.stdout
    assert victims(burst) == []
    assert burst("down", run_id).returncode == 2, "there is no such run any more"


@pytest.mark.parametrize("signum", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_at_every_step_is_a_clean_end(burst: Burst, neighbour: str, signum: str) -> None:
    left = missing = 0
    for step in range(1, len(STEPS) + 1):
        process = killed(burst, step, signum, 0)
        out, err = process.communicate(timeout=100)
        assert process.returncode == 130, (step, out, err)
        assert "Traceback" not in err
        receipt = json.loads((burst.folder / f"r{step}" / "receipt.json").read_text())
        assert (receipt["status"], receipt["exit_code"], receipt["remains"]) == ("interrupted", 130, [])
        left += len(victims(burst))
        missing += lost(burst.folder / f"r{step}", ("first", "second")[: STEPS[:step].count("collect")])
        assert (left, missing) == (0, 0), step
    measured("steps", "local", f"{signum}, its own teardown", cases=len(STEPS), left=left, others=0, lost=missing)


def test_ctrl_c_in_the_middle_of_a_job_keeps_what_it_made(burst: Burst) -> None:
    burst.write({"burst.yaml": FILE.replace("cat in.txt > out.txt", "cat in.txt > out.txt; sleep 300"), "in.txt": "so far\n"})
    process = burst.start("run", "--results", "r")
    wait_for(burst, "RUNNING")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "left: nothing" in out
    assert (burst.folder / "r/first/out.txt").read_text() == "so far\n"
    assert burst.left() == []


def test_a_second_ctrl_c_says_what_is_left_and_how_to_end_it(burst: Burst) -> None:
    # A job that will not be told keeps the teardown busy long enough for the second signal.
    stubborn = "trap '' TERM; cat in.txt > out.txt; while :; do sleep 1; done"
    burst.write({"burst.yaml": FILE.replace("cat in.txt > out.txt", stubborn), "in.txt": "x\n"})
    process = burst.start("run", "--results", "r")
    wait_for(burst, "RUNNING")
    process.send_signal(signal.SIGINT)
    wait_for(burst, '"phase": "collect"')
    # A second signal counts from a second after the first on; Slurm gives the job two before it kills it.
    while process.poll() is None:
        process.send_signal(signal.SIGINT)
        time.sleep(0.2)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    (command,) = [line.split() for line in err.splitlines() if line.startswith("  burst down ")]
    assert "the folder " in err
    assert burst(*command[1:]).returncode == 0
    assert burst.left() == []
    measured("signals", "local", "a second signal, then the command it printed", cases=1, left=0)


def test_a_ci_runners_cancel(burst: Burst, neighbour: str) -> None:
    """SIGINT, 7.5 s, SIGTERM, 2.5 s, SIGKILL (GitHub Actions, "Workflow cancellation reference"), with everything slow:
    a head that has stopped answers nobody.
    """
    stubborn = "cat in.txt > out.txt; sleep 300"
    burst.write({"burst.yaml": FILE.replace("cat in.txt > out.txt", stubborn, 1)})
    process = burst.start("run", "--results", "r")
    wait_for(burst, "RUNNING")
    for line in victims(burst):
        if line.startswith("process ") and "slurmctld" in _command(line):
            os.kill(int(line.split()[1]), signal.SIGSTOP)
    for signum, seconds in ((signal.SIGINT, 7.5), (signal.SIGTERM, 2.5), (signal.SIGKILL, 0)):
        if process.poll() is None:
            os.kill(process.pid, signum)
            time.sleep(seconds)
    process.communicate(timeout=60)
    assert process.returncode in (130, -signal.SIGKILL)
    assert victims(burst) != [], "it was cut off"
    assert burst("sweep").returncode == 0
    assert victims(burst) == []
    missing = lost(burst.folder / "r", ("first",))
    assert missing == 0
    measured("signals", "local", "a CI runner's cancel: SIGINT, SIGTERM, SIGKILL", cases=1, left=0, others=0, lost=missing)


def _command(line: str) -> str:
    return Path(f"/proc/{line.split()[1]}/cmdline").read_bytes().replace(b"\0", b" ").decode()


def wait_for(burst: Burst, told: str) -> None:
    """Until the run has said so in its events."""
    events = burst.folder / "r" / "events.jsonl"
    for _ in range(600):
        if events.exists() and told in events.read_text():
            return
        time.sleep(0.05)
    raise AssertionError(f"{told} was never said")
