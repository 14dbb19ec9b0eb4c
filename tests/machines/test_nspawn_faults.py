"""What goes wrong with machines, for real: each ends as it should, and says which machine and why."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from tests.machines.conftest import Machines, processes, until

FILE = """\
version: 1
name: fault
target: nspawn
groups:
  cpu: {needs: {cores: 1, memory: 1GiB}, nodes: 2}
jobs:
  first: {command: "echo precious > out.txt", outputs: [out.txt]}
  work: {needs: [first], command: "echo begun; sleep 5; srun hostname > out.txt", outputs: [out.txt]}
"""


def receipt_of(burst: Machines) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads((burst.folder / "r/receipt.json").read_text())
    return answer


def events(burst: Machines) -> str:
    path = burst.folder / "r/events.jsonl"
    return path.read_text() if path.exists() else ""


def node_of(burst: Machines, job: str) -> str:
    """Where a job runs, once it does."""

    def told() -> list[str]:
        lines = [json.loads(line) for line in events(burst).splitlines()]
        return [e["data"]["nodes"] for e in lines if e["kind"] == "job.state" and e["data"]["job"] == job and e["data"]["nodes"]]

    until(f"{job} running", told)
    return told()[-1]


@pytest.mark.parametrize("image", ["bookworm", "trixie"])
def test_a_machine_dies_in_the_middle_of_a_job(burst: Machines, image: str) -> None:
    burst.write({"burst.yaml": FILE.replace("nodes: 2", "nodes: 1").replace("sleep 5", "sleep 15")})
    burst.rehearse(f"image: {image}")
    process = burst.start("run", "--results", "r")
    node = node_of(burst, "work")
    burst.pull_the_plug(node)
    out, err = process.communicate(timeout=200)
    assert process.returncode == 0, out + err
    receipt = receipt_of(burst)
    assert receipt["jobs"]["work"]["restarts"] == 1
    assert (burst.folder / "r/work/out.txt").read_text() == f"{node}\n"
    assert "does not answer" in events(burst)
    assert burst.left() == []


SPOT = """\
version: 1
name: fault
target: CLOUD
groups:
  cpu: {needs: {cores: 1, memory: 1GiB}, nodes: 1, spot: only}
jobs:
  work: {script: work.sbatch, outputs: [out.txt, told.txt]}
"""
# Told that it has to go it says so, and ends as if all were well: it runs again all the same.
WORK = """\
#!/bin/bash
trap 'echo told >>told.txt; exit 0' TERM
if [ -z "$SLURM_RESTART_COUNT" ]; then sleep 300 & wait; fi
hostname >out.txt
"""


@pytest.mark.parametrize("cloud", ["aws/us-east-2", "gcp/us-central1", "azure/eastus"])
def test_a_spot_notice_requeues_the_job_onto_a_new_machine(burst: Machines, cloud: str) -> None:
    """It comes over the cloud's own metadata service, and is found by the machine itself."""
    burst.write({"burst.yaml": SPOT.replace("CLOUD", cloud), "work.sbatch": WORK})
    process = burst.start("run", "-t", "nspawn", "--results", "r")
    node = node_of(burst, "work")
    launched = {m["name"]: m["launched"] for m in burst.provider("GET", "/machines")["machines"]}[node]
    burst.provider("POST", "/notice", name=node, warning=60)
    until(
        "the machine taken away", lambda: launched not in [m["launched"] for m in burst.provider("GET", "/machines")["machines"]]
    )
    assert time.time() < launched + 60, "it went by itself, before it was taken"
    out, err = process.communicate(timeout=200)
    assert process.returncode == 0, out + err
    assert receipt_of(burst)["jobs"]["work"]["restarts"] == 1
    assert (burst.folder / "r/work/out.txt").read_text() == f"{node}\n"
    assert (burst.folder / "r/work/told.txt").read_text() == "told\n"
    assert burst.left() == []


def refused(burst: Machines, *words: str) -> None:
    """The run could not be made: exit code 4, these words told, the console saved, nothing left."""
    done = burst("run", "--results", "r")
    assert done.returncode == 4, done.stdout + done.stderr
    problem = receipt_of(burst)["problem"]
    for word in words:
        assert word in problem["message"] + problem["why"], problem
    assert (burst.folder / "r/consoles/cpu-2.log").exists()
    assert problem["fix"] == "read r/consoles/cpu-2.log"
    assert burst.left() == []


def test_a_machine_that_never_boots(burst: Machines) -> None:
    burst.write({"burst.yaml": FILE})
    burst.rehearse("ready: 20s\nfaults: {cpu-2: never-boots}")
    refused(burst, "cpu-2 did not become ready within 20 s", "cpu-2 has not booted")


def test_a_machine_whose_packages_cannot_be_installed(burst: Machines) -> None:
    burst.write({"burst.yaml": FILE + "software: {packages: [hello]}\n"})
    burst.rehearse("faults: {cpu-2: no-way-out}")
    refused(burst, "cpu-2: its phase software failed with 100", "does not have a Release file")


def test_a_package_that_there_is_not(burst: Machines) -> None:
    burst.write({"burst.yaml": FILE + "software: {packages: [no-such-package]}\n"})
    done = burst("run", "--results", "r")
    assert done.returncode == 4
    assert "its phase software failed" in done.stderr + done.stdout
    assert "Unable to locate package no-such-package" in json.dumps(receipt_of(burst)["problem"])
    assert burst.left() == []


def test_a_machine_whose_mount_fails(burst: Machines) -> None:
    burst.write({"burst.yaml": FILE})
    burst.rehearse("ready: 25s\nfaults: {cpu-2: no-exports}")
    refused(burst, "cpu-2 did not become ready", "cpu-2 is in its phase filesystems", "/var/lib/burst/exports/home")


def test_a_machine_that_is_not_told_its_name(burst: Machines) -> None:
    burst.write({"burst.yaml": FILE})
    burst.rehearse("faults: {cpu-2: no-metadata}")
    refused(burst, "cpu-2: its phase name failed with 1", "HTTP 503")


def test_a_setup_script_that_fails_is_told_with_its_last_lines(burst: Machines) -> None:
    burst.write(
        {
            "burst.yaml": FILE + "software: {setup: s.sh}\n",
            "s.sh": '#!/bin/sh\n[ "$BURST_ROLE" = head ] && exit 0\necho "no licence"\nexit 9\n',
        }
    )
    done = burst("run", "--results", "r")
    assert done.returncode == 4
    problem = receipt_of(burst)["problem"]
    assert "its phase setup failed with 9" in problem["message"]
    assert "no licence" in problem["why"]
    assert burst.left() == []


def test_the_head_dies(burst: Machines) -> None:
    burst.write({"burst.yaml": FILE.replace("sleep 5", "sleep 300")})
    process = burst.start("run", "--results", "r")
    node_of(burst, "work")
    until("the first job's outputs", (burst.folder / "r/first/out.txt").exists)
    burst.pull_the_plug("head")
    out, err = process.communicate(timeout=200)
    assert process.returncode in (4, 5), out + err
    assert (burst.folder / "r/first/out.txt").read_text() == "precious\n"
    assert receipt_of(burst)["jobs"]["first"]["outputs"] != []
    assert receipt_of(burst)["remains"] == []
    assert burst.left() == []


def test_the_machines_end_themselves_where_the_provider_does_not(burst: Machines) -> None:
    """Each machine's own timer: the provider is stopped before the expiry, and the client has gone."""
    burst.write({"burst.yaml": FILE.replace("sleep 5", "sleep 300") + "limits: {ttl: 40s}\n"})
    burst.receipt("up", "--results", "r")
    (root,) = burst.machines.iterdir()
    provider = next(pid for pid in processes(f"{root.name}/provider/") if "provider" in _command(pid))
    os.kill(provider, signal.SIGSTOP)
    until("the nodes off", lambda: not [pid for name in ("cpu-1", "cpu-2") for pid in processes(f"{root.name}/{name}/")], 90)
    expires = json.loads((root / "identity.json").read_text())["expires"]
    assert expires <= time.time() < expires + 20, "before the provider would have"
    for name in ("cpu-1", "cpu-2"):
        assert "Power" in (root / f"consoles/{name}.log").read_text(errors="replace"), "its last words are systemd's"
    assert burst("sweep").returncode == 0
    assert burst.left() == []


def _command(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
