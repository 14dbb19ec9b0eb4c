"""The probe's count of GPUs, as sh runs it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from provisioner.lifecycle import readiness


@pytest.mark.parametrize(("devices", "status"), [(8, 0), (7, 1), (0, 1)])
def test_a_node_that_lacks_a_gpu_fails_its_probe(tmp_path: Path, devices: int, status: int) -> None:
    (tmp_path / "nvidia-smi").write_text(f"#!/bin/sh\nfor i in $(seq {devices}); do echo GPU $i; done\n")
    (tmp_path / "nvidia-smi").chmod(0o755)
    done = subprocess.run(
        ["sh", "-c", readiness._GPUS.format(gpus=8)],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
        timeout=10,
    )
    assert (done.returncode, done.stderr) == (status, f"{devices} of 8 GPUs\n" if status else "")
