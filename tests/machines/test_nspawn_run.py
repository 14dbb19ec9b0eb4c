"""A cluster of real machines: both Slurm versions, each cloud's metadata, every role, from file to receipt."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.e2e.conftest import HELLO
from tests.machines.conftest import Machines

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"

FILE = """\
version: 1
name: whole
target: {target}
login: {{nodes: 1}}
groups:
  cpu: {{needs: {{cores: 1, memory: 1GiB}}, nodes: 2}}
filesystems:
  /shared: {{size: 1GiB}}
  /my-data: {{type: lustre, size: 1200GiB}}
software: {{setup: setup.sh}}
jobs:
  mpi:
    script: job.sbatch
    nodes: 2
    inputs: [in.txt]
    env: {{SECRET: "s3cr et$x"}}
    outputs: [out.txt, "a b/**"]
  after: {{needs: [mpi], command: "cat ../mpi/out.txt /shared/from-mpi > got.txt", outputs: [got.txt]}}
"""
JOB = """\
#!/bin/bash
#SBATCH --ntasks-per-node=1
set -e
srun sh -c 'echo "$(hostname) $(id -u) $SLURMD_NODENAME $BURST_SHARED"' | sort > out.txt
srun --ntasks=1 --nodes=1 cat in.txt
[ "$SECRET" = 's3cr et$x' ]
echo shared > /shared/from-mpi
echo data > /my-data/from-mpi
mkdir -p 'a b'; echo deep > 'a b/c d'
# What the setup script left on this very node.
cat /etc/burst-setup
"""


GPU = """\
version: 1
name: gpu
target: nspawn
groups:
  gpu: {needs: {cores: 1, memory: 1GiB, gpus: 4, gpu: [L4]}, nodes: 1}
jobs:
  two: {command: "echo $CUDA_VISIBLE_DEVICES > out.txt", gpus: 2, outputs: [out.txt]}
"""


def write(burst: Machines, target: str = "nspawn") -> None:
    burst.write(
        {
            "burst.yaml": FILE.format(target=target),
            "job.sbatch": JOB,
            "in.txt": "input\n",
            "setup.sh": '#!/bin/bash\nset -e\necho "$BURST_ROLE of $BURST_RUN_ID on $BURST_TARGET" >/etc/burst-setup\n',
        }
    )


@pytest.mark.parametrize(
    ("image", "cloud"), [("bookworm", "aws/us-east-2"), ("trixie", "gcp/us-central1"), ("trixie", "azure/eastus")]
)
def test_from_file_to_receipt(burst: Machines, image: str, cloud: str) -> None:
    write(burst, cloud)
    burst.rehearse(f"image: {image}")
    receipt = burst.receipt("run", "-t", "nspawn", "--results", "r")
    results = burst.folder / "r"
    assert receipt["target"].startswith("nspawn")
    assert {name: job["state"] for name, job in receipt["jobs"].items()} == {"mpi": "COMPLETED", "after": "COMPLETED"}
    assert (results / "mpi/out.txt").read_text() == "cpu-1 5000 cpu-1 /shared\ncpu-2 5000 cpu-2 /shared\n"
    assert (results / "mpi/a b/c d").read_text() == "deep\n"
    assert (results / "after/got.txt").read_text().endswith("shared\n")
    (log,) = (results / "mpi").glob("slurm-*.out")
    assert "input\n" in log.read_text()
    assert f"node of {receipt['run_id']} on nspawn\n" in log.read_text()
    assert burst.left() == []
    told = [json.loads(line) for line in (results / "events.jsonl").read_text().splitlines()]
    (phases,) = [event["message"] for event in told if event["kind"] == "machines.phases"]
    for phase in ("boot", "name", "expiry", "packages", "exports", "filesystems", "setup", "join", "slurmctld", "login"):
        assert f" {phase} " in phases, phases


def test_lammps_by_mpi_over_two_machines(burst: Machines) -> None:
    """Written for AWS; the packages are installed on each machine as a cloud's would be."""
    shutil.copytree(EXAMPLES / "lammps", burst.folder, dirs_exist_ok=True)
    receipt = burst.receipt("run", "-t", "nspawn", "--results", "r")
    assert receipt["jobs"]["melt"]["nodes"] == ["cpu-1", "cpu-2"]
    told = json.loads((burst.folder / "r/check/check.json").read_text())
    assert all(told["checks"].values())
    assert (told["values"]["ranks"], told["values"]["nodes"]) == (2, 2)
    assert told["values"]["temperature"] == pytest.approx(0.698, abs=0.01)
    assert burst.left() == []


def test_a_stock_image_gets_slurm_from_its_user_data(burst: Machines) -> None:
    """As on a cloud: nothing of a cluster is in the image, and the phase `packages` has everything to do."""
    burst.write({"burst.yaml": HELLO.replace("nodes: 2", "nodes: 1")})
    burst.rehearse("image: bookworm\nplain: true")
    receipt = burst.receipt("run", "-t", "nspawn", "--results", "r")
    assert receipt["jobs"]["hello"]["state"] == "COMPLETED"
    assert burst.left() == []


def test_gpus_are_counted_and_handed_out(burst: Machines) -> None:
    burst.write({"burst.yaml": GPU})
    receipt = burst.receipt("run", "--results", "r")
    assert receipt["jobs"]["two"]["state"] == "COMPLETED"
    assert (burst.folder / "r/two/out.txt").read_text() == "0,1\n"
