"""plan and render for the clouds: no credentials, no engine, no network, no SDK; conftest's guards would raise."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from provisioner.cli.main import burst
from provisioner.errors import Invalid
from provisioner.files import packaged
from provisioner.lifecycle.prepare import _range

SDKS = ("pulumi", "pulumi_aws", "pulumi_gcp", "pulumi_azure_native", "boto3", "google.auth", "azure.identity")
LAMMPS = str(packaged("examples") / "lammps")


@pytest.fixture(autouse=True)
def _nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in SDKS:
        # Importing it raises ImportError.
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setenv("PATH", "/nowhere")


@pytest.mark.parametrize("target", ["aws", "gcp", "azure"])
def test_plan_shows_what_would_be_made(target: str) -> None:
    done = CliRunner().invoke(burst, ["plan", "-t", target, LAMMPS])
    assert done.exit_code == 0, done.output
    assert done.output.startswith(f"lj-melt on {target}/")
    for line in ("network", "way in", "way out", "identity", "image"):
        assert f"\n{line}" in done.output
    assert "USD an hour" in done.output
    told = json.loads(CliRunner().invoke(burst, ["plan", "-t", target, LAMMPS, "-o", "json"]).output)
    assert told["design"]["target"] == target


@pytest.mark.parametrize("target", ["aws", "gcp", "azure"])
def test_render_shows_what_machines_would_be_told(target: str) -> None:
    done = CliRunner().invoke(burst, ["render", "-t", target, LAMMPS])
    assert done.exit_code == 0, done.output
    assert f"metadata.py {target}" in done.output
    assert "NodeName=cpu-[1-2]" in done.output


def test_a_folder_stands_for_the_file_in_it(folder: Path) -> None:
    assert CliRunner().invoke(burst, ["validate", LAMMPS]).exit_code == 0
    assert CliRunner().invoke(burst, ["validate", str(folder)]).exit_code != 0


def test_ranges_that_ssh_is_opened_to() -> None:
    assert _range("198.51.100.7") == "198.51.100.7/32"
    with pytest.raises(Invalid, match="no range of IPv4 addresses"):
        _range("everybody")
