"""Nodes that come and go, and a provider that has no room: asked by the client, and by Slurm on the head."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.machines.conftest import Machines, until

FILE = """\
version: 1
name: elastic
target: nspawn
groups:
  cpu: {needs: {cores: 1, memory: 1GiB}, nodes: {min: 0, max: 2}}
jobs:
  pair: {command: "srun hostname | sort > out.txt", nodes: 2, outputs: [out.txt]}
limits: {idle: 4s}
"""
# Types that this machine plays, both written for EC2.
TYPED = """\
version: 1
name: typed
target: aws/us-east-2
groups:
  cpu: {instance: [c7a.48xlarge, c7i.48xlarge], nodes: 2, spot: SPOT}
jobs:
  pair: {command: "srun hostname | sort > out.txt", nodes: 2, outputs: [out.txt]}
"""


def told(burst: Machines, kind: str) -> list[dict[str, Any]]:
    lines = (burst.folder / "r/events.jsonl").read_text().splitlines()
    return [event for event in map(json.loads, lines) if event["kind"] == kind]


@pytest.mark.parametrize("image", ["bookworm", "trixie"])
def test_a_job_has_its_machines_made_and_idle_ones_are_ended(burst: Machines, image: str) -> None:
    burst.write({"burst.yaml": FILE})
    burst.rehearse(f"image: {image}")
    burst.receipt("up", "--results", "r")
    until("the head alone", lambda: burst.names() >= {"head"})
    assert burst("submit", "elastic", "burst.yaml", "--wait").returncode == 0
    assert burst.names() == {"head", "cpu-1", "cpu-2"}
    until("idle machines ended", lambda: burst.names() == {"head"})
    # And once more, now that Slurm has seen them go.
    until("powered down", lambda: "idle~" in burst("ssh", "elastic", "--", "sinfo", "-h", "-o", "%T").stdout)
    burst.write({"again.yaml": FILE.replace("pair:", "again:")})
    assert burst("submit", "elastic", "again.yaml", "--wait").returncode == 0
    assert burst.receipt("down", "--results", "r")["jobs"]["again"]["nodes"] == ["cpu-1", "cpu-2"]
    assert (burst.folder / "r/again/out.txt").read_text() == "cpu-1\ncpu-2\n"
    assert burst.left() == []


def test_no_room_for_spot_is_room_on_demand_where_the_file_allows_it(burst: Machines) -> None:
    burst.write({"burst.yaml": TYPED.replace("SPOT", "prefer")})
    burst.rehearse("capacity: {spot: 0}")
    receipt = burst.receipt("run", "-t", "nspawn", "--results", "r")
    assert receipt["jobs"]["pair"]["state"] == "COMPLETED"
    assert len(told(burst, "launch.refused")) == 2
    assert told(burst, "launched")[-1]["data"] == {"nodes": ["cpu-1", "cpu-2"], "instance": "c7a.48xlarge", "market": "on-demand"}
    assert burst.left() == []


def test_half_of_the_nodes_of_one_type_is_none_of_them(burst: Machines) -> None:
    burst.write({"burst.yaml": TYPED.replace("SPOT", "never")})
    burst.rehearse("capacity: {c7a.48xlarge: 1}\nthrottle: 2\ndelay: 1s")
    burst.receipt("run", "-t", "nspawn", "--results", "r")
    (refused,) = told(burst, "launch.refused")
    assert "room for 1" in refused["message"]
    assert told(burst, "launched")[-1]["data"]["instance"] == "c7i.48xlarge"


@pytest.mark.parametrize("spot", ["only", "never"])
def test_no_room_at_all_ends_the_run_and_leaves_nothing(burst: Machines, spot: str) -> None:
    burst.write({"burst.yaml": TYPED.replace("SPOT", spot)})
    burst.rehearse("capacity: {on-demand: 1, spot: 1}")
    receipt = burst.receipt("run", "-t", "nspawn", "--results", "r", expect=4)
    assert receipt["problem"]["kind"] == "CAPACITY"
    assert "InsufficientInstanceCapacity" in receipt["problem"]["why"]
    assert "spot" in receipt["problem"]["fix"]
    assert burst.left() == []


def test_no_room_for_an_elastic_node_is_said_on_it_and_its_job_waits(burst: Machines) -> None:
    burst.write({"burst.yaml": FILE})
    burst.rehearse("capacity: {on-demand: 1}")
    process = burst.start("run", "--results", "r")
    until("a run", lambda: list(burst.machines.glob("*/provider.sock")))
    until("submitted", lambda: (burst.folder / "r/events.jsonl").exists() and told(burst, "job.submitted"))

    until("the reason on the node", lambda: _reason(burst))
    burst.provider("PUT", "/rehearsal", capacity={})
    out, err = process.communicate(timeout=150)
    assert process.returncode == 0, out + err
    assert (burst.folder / "r/pair/out.txt").read_text() == "cpu-1\ncpu-2\n"
    assert burst.left() == []


def _reason(burst: Machines) -> bool:
    """What slurmctld's nodes say, read from its own log on the head's disk: a run that goes on lets nobody else in."""
    logs = burst.machines.glob("*/machines/head/upper/var/log/slurm/launch.log")
    return any("CAPACITY: InsufficientInstanceCapacity" in log.read_text() for log in logs)
