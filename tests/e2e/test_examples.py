"""The examples as a user runs them: `burst run` on a copy of each folder, on a real Slurm cluster on this machine."""

from __future__ import annotations

import csv
import hashlib
import json
import math
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.e2e

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
BURST = Path(sys.executable).with_name("burst")
# Where Debian's packages put what the system's own Python imports.
PACKAGES = Path("/usr/lib/python3/dist-packages")


@dataclass(frozen=True)
class Ran:
    """A run that is over: its receipt, and the folder with what came back."""

    receipt: dict[str, Any]
    results: Path

    def text(self, output: str) -> str:
        return (self.results / output).read_text(encoding="utf-8")

    def table(self, output: str) -> list[dict[str, str]]:
        return list(csv.DictReader(self.text(output).splitlines()))


@pytest.fixture
def runtime() -> Iterator[Path]:
    """A folder for the cluster: below /tmp, since a socket's path has 108 bytes; 0711, as munged wants it."""
    folder = Path(tempfile.mkdtemp(prefix="b-", dir="/tmp"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def example(tmp_path: Path, runtime: Path) -> Callable[[str], Ran]:
    """Run one, check what is true of every run, and answer the rest."""

    def run(name: str) -> Ran:
        folder, results = tmp_path / name, tmp_path / "results"
        shutil.copytree(EXAMPLES / name, folder)
        done = subprocess.run(
            [BURST, "run", "burst.yaml", "-t", "local", "-o", "json", "--results", results],
            cwd=folder,
            env={**os.environ, "XDG_STATE_HOME": str(tmp_path / "state"), "BURST_RUNTIME_DIR": str(runtime)},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr + done.stdout
        ran = Ran(json.loads(done.stdout), results)
        assert ran.receipt["status"] == "done"
        assert ran.receipt["target"] == "local"
        assert ran.receipt["remains"] == []
        assert not runtime.exists() or os.listdir(runtime) == []
        assert json.loads(ran.text("receipt.json")) == ran.receipt
        for job, told in ran.receipt["jobs"].items():
            assert told["outputs"]
            for output in told["outputs"]:
                data = (results / job / output["path"]).read_bytes()
                assert (len(data), hashlib.sha256(data).hexdigest()) == (output["bytes"], output["sha256"])
        return ran

    return run


def test_hello(example: Callable[[str], Ran]) -> None:
    ran = example("hello")
    jobs = ran.receipt["jobs"]
    assert (jobs["estimate"]["nodes"], jobs["report"]["nodes"]) == (["cpu-1"], ["big-1"])
    counts = [json.loads(ran.text(f"estimate/counts/{task}.json")) for task in range(4)]
    pi = 4 * sum(count["inside"] for count in counts) / sum(count["throws"] for count in counts)
    said = re.search(r"^pi = (\S+) ± (\S+), from 1000000 throws by 4 tasks\.$", ran.text("report/report.md"), re.MULTILINE)
    assert said is not None
    assert float(said[1]) == pytest.approx(pi, abs=5e-5)
    assert float(said[2]) == pytest.approx(4 * math.sqrt(math.pi / 4 * (1 - math.pi / 4) / 1_000_000), rel=0.05)
    assert abs(pi - math.pi) < 5 * float(said[2])


@pytest.mark.skipif(shutil.which("lmp") is None, reason="lammps is not installed")
def test_lammps(example: Callable[[str], Ran]) -> None:
    ran = example("lammps")
    assert ran.receipt["jobs"]["melt"]["nodes"] == ["cpu-1", "cpu-2"]
    told = json.loads(ran.text("check/check.json"))
    assert all(told["checks"].values())
    values = told["values"]
    assert (values["ranks"], values["nodes"]) == (2, 2)
    assert values["start_temperature"] == pytest.approx(1.44)
    # The bounds are check.py's, which says why.
    assert values["temperature"] == pytest.approx(0.698, abs=0.01)
    assert values["energy_drift"] < 1e-4
    assert values["diffusion"] == pytest.approx(0.03, abs=0.01)
    # An atom of the perfect crystal has -6.3328 (potential cut at 2.5 and shifted), and 3/2 T.
    assert values["energy"] == pytest.approx(-6.3328 + 1.5 * 1.44 * 3999 / 4000, abs=1e-3)


@pytest.mark.skipif(not (PACKAGES / "matplotlib").is_dir(), reason="python3-matplotlib is not installed")
def test_sweep(example: Callable[[str], Ran]) -> None:
    ran = example("sweep")
    assert [task["state"] for task in ran.receipt["jobs"]["sweep"]["tasks"]] == ["COMPLETED"] * 8
    picture = (ran.results / "gather/lyapunov.png").read_bytes()
    assert picture.startswith(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR")
    assert struct.unpack(">II", picture[16:24]) == (1200, 675)
    exponents = {float(row["r"]): float(row["exponent"]) for row in ran.table("gather/lyapunov.csv")}
    assert len(exponents) == 480
    assert exponents[4.0] == pytest.approx(math.log(2), abs=1e-2)
    # No chaos before Feigenbaum's point; a cycle of three from 1 + √8 on, until it doubles at 3.8415.
    assert all(exponent <= 0 for r, exponent in exponents.items() if r < 3.5699)
    assert all(exponent < 0 for r, exponent in exponents.items() if 1 + math.sqrt(8) < r < 3.8415)


@pytest.mark.skipif(not (PACKAGES / "sklearn").is_dir(), reason="python3-sklearn is not installed")
def test_python_ml(example: Callable[[str], Ran]) -> None:
    ran = example("python-ml")
    metrics = json.loads(ran.text("evaluate/metrics.json"))
    grid = json.loads(ran.text("train/grid.json"))
    assert len(grid["grid"]) == 12
    assert metrics["parameters"] == grid["best"]
    assert metrics["accuracy"] > 0.97 > metrics["baseline_accuracy"]
    rows = [[int(count) for count in list(row.values())[1:]] for row in ran.table("evaluate/confusion.csv")]
    assert sum(map(sum, rows)) == metrics["tested"] == 450
    assert sum(rows[digit][digit] for digit in range(10)) / 450 == pytest.approx(metrics["accuracy"])


def compiles_mpi() -> bool:
    program = "#include <mpi.h>\nint main(void) { return 0; }\n"
    argv = ["mpicc", "-x", "c", "-", "-o", "/dev/null"]
    return shutil.which("mpicc") is not None and subprocess.run(argv, input=program.encode(), capture_output=True).returncode == 0


@pytest.mark.skipif(not compiles_mpi(), reason="gcc or libopenmpi-dev is not installed")
def test_mpi_cpu(example: Callable[[str], Ran]) -> None:
    """Several ranks on each of two nodes, which are one machine here."""
    ran = example("mpi-cpu")
    assert ran.receipt["jobs"]["measure"]["nodes"] == ["cpu-1", "cpu-2"]
    rows = ran.table("measure/measure.csv")
    assert [(row["test"], row["bytes"]) for row in rows] == [
        (test, str(size)) for size in (8, 1024, 65536, 4194304) for test in ("ping-pong", "allreduce")
    ]
    assert {(row["ranks"], row["nodes"], row["errors"]) for row in rows} == {("4", "2", "0")}
    assert all(float(row["microseconds"]) > 0 for row in rows)


def test_param_sweep(example: Callable[[str], Ran]) -> None:
    ran = example("param-sweep")
    assert [task["state"] for task in ran.receipt["jobs"]["ising"]["tasks"]] == ["COMPLETED"] * 12
    rows = {float(row["temperature"]): (float(row["energy"]), float(row["exact"])) for row in ran.table("gather/energies.csv")}
    assert len(rows) == 12
    # The ground state is two bonds for each spin; at T = 1.5 hardly a spin has left it (exactly -1.9509...).
    assert rows[1.5][1] == pytest.approx(-1.951, abs=1e-3)
    assert rows[1.5][0] == pytest.approx(rows[1.5][1], abs=0.02)
    assert sorted(energy for energy, _ in rows.values()) == [rows[t][0] for t in sorted(rows)], "it rises with the temperature"


@pytest.mark.skipif(shutil.which("fio") is None, reason="fio is not installed")
def test_lustre_io(example: Callable[[str], Ran]) -> None:
    ran = example("lustre-io")
    rows = {(row["direction"], row["node"]): row for row in ran.table("report/bandwidth.csv")}
    assert rows.keys() == {(direction, node) for direction in ("write", "read") for node in ("cpu-1", "cpu-2", "all")}
    # Two nodes, four files each, of 8 MiB.
    assert {row["bytes"] for (_, node), row in rows.items() if node == "all"} == {str(2 * 4 * 8 * 2**20)}
    assert all(float(row["MiB/s"]) > 0 for row in rows.values())


@pytest.mark.skipif(not (PACKAGES / "numpy").is_dir(), reason="python3-numpy is not installed")
def test_gpu_train(example: Callable[[str], Ran]) -> None:
    ran = example("gpu-train")
    history = ran.table("train/metrics.csv")
    assert [int(row["epoch"]) for row in history] == list(range(1, 41))
    assert float(history[-1]["accuracy"]) > 0.95
    assert ran.text("train/gpu.txt") == "none\n" or shutil.which("nvidia-smi")


@pytest.mark.skipif(not (PACKAGES / "numpy").is_dir(), reason="python3-numpy is not installed")
def test_gpu_train_goes_on_from_its_checkpoint(tmp_path: Path) -> None:
    """A requeued job is in the same folder: two runs of three epochs are one of six."""
    accuracies = []
    for name, runs in (("cut", ["3", "6"]), ("whole", ["6"])):
        shutil.copytree(EXAMPLES / "gpu-train", tmp_path / name)
        for epochs in runs:
            env = {**os.environ, "EPOCHS": epochs}
            done = subprocess.run(["/usr/bin/python3", "train.py"], cwd=tmp_path / name, env=env, capture_output=True, text=True)
            assert done.returncode == 0, done.stderr
            assert ("goes on after epoch 3" in done.stdout) == (runs == ["3", "6"] and epochs == "6")
        with (tmp_path / name / "metrics.csv").open(newline="") as stream:
            accuracies.append([row["accuracy"] for row in csv.DictReader(stream)])
    assert accuracies[0] == accuracies[1]
    assert len(accuracies[0]) == 6
