"""Nodes that come, go and die."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.conftest import Burst

pytestmark = pytest.mark.e2e

ELASTIC = """\
version: 1
name: elastic
groups:
  cpu: {needs: {cores: 1, memory: 1GiB}, nodes: {min: 0, max: 3}}
jobs:
  wide: {nodes: 3, command: "srun sh -c 'echo $SLURMD_NODENAME' | sort > out.txt", outputs: [out.txt]}
limits: {idle: 3s}
"""


def until(what: str, done: Callable[[], bool], seconds: float = 60) -> None:
    """Ask again until it is so; the bound is for a hang, not for a machine that is slow."""
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end, f"never: {what}"
        time.sleep(0.1)


def test_elastic_nodes_come_for_a_job_and_go_when_idle(burst: Burst) -> None:
    burst.write({"burst.yaml": ELASTIC})
    run_id = burst.receipt("up")["run_id"]

    def powered() -> list[str]:
        nodes = json.loads(burst("status", "-o", "json").stdout)["nodes"]
        return [name for name, node in nodes.items() if node["powered"] and node["state"] in ("idle", "allocated", "mixed")]

    def daemons() -> int:
        return sum("slurmd" in command_of(line) for line in burst.left(run_id) if line.startswith("process "))

    # The file's job is foreseen, so its nodes were asked for before anything was submitted.
    assert burst("submit", run_id, "burst.yaml", "--wait").returncode == 0
    launched = (burst.runtime / run_id / "log").glob("cpu-*.console")
    assert sorted(path.name for path in launched) == ["cpu-1.console", "cpu-2.console", "cpu-3.console"]
    until("suspended", lambda: powered() == [] and daemons() == 0, 90)
    receipt = burst.receipt("down", run_id)
    assert Path(receipt["results"], "wide", "out.txt").read_text().split() == ["cpu-1", "cpu-2", "cpu-3"]
    assert burst.left() == []


def test_a_node_that_dies_in_the_middle_of_a_job(burst: Burst) -> None:
    """Its job is requeued on it once it is made anew; the run goes on and ends well."""
    file = """\
version: 1
name: death
groups:
  cpu: {needs: {cores: 1, memory: 1GiB}, nodes: 2}
jobs:
  long: {nodes: 2, command: "echo try >> tries.txt; [ $(wc -l < tries.txt) = 2 ] || sleep 300", outputs: [tries.txt]}
"""
    burst.write({"burst.yaml": file})
    process = burst.start("run", "--results", "r", "-o", "json")
    events = burst.folder / "r" / "events.jsonl"
    until("its first try", lambda: any(path.read_text() for path in burst.runtime.glob("death-*/work/long/tries.txt")))
    switch_off(burst, "cpu-1")
    out, err = process.communicate(timeout=200)
    assert process.returncode == 0, err
    job = json.loads(out)["jobs"]["long"]
    assert (job["state"], job["restarts"]) == ("COMPLETED", 1)
    assert (burst.folder / "r/long/tries.txt").read_text() == "try\ntry\n"
    assert "cpu-1 does not answer" in events.read_text()
    assert burst.left() == []


def command_of(line: str) -> str:
    """The command line of one of `left`'s processes; nothing where it has ended since."""
    try:
        return Path(f"/proc/{line.split()[1]}/cmdline").read_text()
    except OSError:
        return ""


def switch_off(burst: Burst, node: str) -> None:
    """What pulling the plug would do: every process that runs on the node ends at once."""
    marks = (f"BURST_NODE={node}\0".encode(), f"SLURMD_NODENAME={node}\0".encode(), f"/slurmd-{node}.log".encode())
    doomed: list[int] = []
    for line in burst.left():
        if line.startswith("process "):
            pid = line.split()[1]
            try:
                told = Path(f"/proc/{pid}/environ").read_bytes() + b"\0"
                told += b"".join(os.readlink(fd).encode() for fd in Path(f"/proc/{pid}/fd").iterdir())
            except OSError:
                continue
            if any(mark in told for mark in marks):
                doomed.append(int(pid))
    for signum in (signal.SIGSTOP, signal.SIGKILL):
        for process in doomed:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signum)


def test_a_cluster_whose_life_ends_collects_before_it_goes(burst: Burst) -> None:
    file = """\
version: 1
name: short
groups:
  cpu: {needs: {cores: 1, memory: 1GiB}, nodes: 1}
jobs:
  long: {command: "echo begun > out.txt; sleep 600", outputs: [out.txt]}
limits: {ttl: 8s}
"""
    burst.write({"burst.yaml": file})
    receipt = burst.receipt("run", "--results", "r", expect=5)
    assert receipt["jobs"]["long"]["state"] == "CANCELLED"
    assert (burst.folder / "r/long/out.txt").read_text() == "begun\n"
    assert "life ends" in (burst.folder / "r/events.jsonl").read_text()
    assert burst.left() == []


def test_slurmctld_dies_and_the_run_ends_with_what_there_is(burst: Burst) -> None:
    file = (
        ELASTIC.replace("{min: 0, max: 3}", "1")
        .replace("nodes: 3, ", "")
        .replace("srun sh -c 'echo $SLURMD_NODENAME' | sort > out.txt", "echo begun > out.txt; sleep 600")
    )
    burst.write({"burst.yaml": file})
    process = burst.start("run", "--results", "r", "-o", "json")
    until("running", lambda: (burst.folder / "r/wide/out.txt").exists() or any(burst.runtime.glob("*/work/wide/out.txt")))
    for line in burst.left():
        if line.startswith("process ") and "slurmctld" in command_of(line):
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(line.split()[1]), signal.SIGKILL)
    out, err = process.communicate(timeout=250)
    assert process.returncode in (4, 5), err
    assert (burst.folder / "r/wide/out.txt").read_text() == "begun\n"
    assert json.loads(out)["remains"] == []
    assert burst.left() == []
