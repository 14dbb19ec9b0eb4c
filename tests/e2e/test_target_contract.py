"""What every target promises, member by member: one driver over all that the registry has."""

from __future__ import annotations

from pathlib import Path

import pytest

from provisioner import clock
from provisioner.catalog.table import bundled
from provisioner.design.decide import decide
from provisioner.design.model import Design, Run
from provisioner.events import Events
from provisioner.findings import errors
from provisioner.spec.load import load
from provisioner.spec.model import parse_target
from provisioner.targets.registry import REGISTRY, open_target
from tests.e2e.conftest import Burst

pytestmark = pytest.mark.e2e

FILE = """\
version: 1
name: contract
groups:
  cpu: {needs: {cores: 1, memory: 1GiB}, nodes: 1}
filesystems: {/shared: {size: 1GiB}}
"""


def design(folder: Path, target: str) -> Design:
    (folder / "burst.yaml").write_text(FILE)
    run = Run(id="contract-abc123", owner="tester", expires=int(clock.now()) + 600)
    return decide(load(folder / "burst.yaml").spec, bundled(), run, parse_target(target))[0]


@pytest.mark.parametrize("name", REGISTRY)
def test_the_contract(burst: Burst, name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("BURST_RUNTIME_DIR", str(burst.runtime))
    target = open_target(name)
    assert target.name == name
    wanted = design(burst.folder, name)
    run_id, steps = wanted.run.id, []
    events = Events(run_id, [lambda event: steps.append(event.data.get("step"))])

    assert errors(target.preflight(wanted)) == ()
    assert target.remains(run_id) == ()
    assert list(target.runs()) == []

    inventory = target.create(wanted, events, burst.folder, tmp_path)
    assert {step for step in steps if step} >= {"create.folder", "create.nodes"}
    assert (inventory.run_id, inventory.target, set(inventory.nodes)) == (run_id, name, set(wanted.fixed))
    assert type(inventory).model_validate_json(inventory.model_dump_json()) == inventory

    executor = target.connect(inventory)
    assert executor.run(["sinfo", "--noheader", "--format=%P"]).stdout.strip() == "cpu*"
    executor.run(["mkdir", "-p", inventory.workdir])
    executor.run(["sh", "-c", "printf abc > x"], cwd=inventory.workdir)
    assert executor.read(f"{inventory.workdir}/x", 1, 1) == b"b"
    assert executor.read(f"{inventory.workdir}/nothing", 0, 1) == b""

    target.launch(inventory, wanted.fixed)
    assert any("slurmd" in target.console(inventory, wanted.fixed[0]) for _ in clock.patience(30))

    assert [(tagged.run_id, tagged.owner, tagged.state) for tagged in target.runs()] == [(run_id, "tester", str(tmp_path))]
    assert target.remains("contract-zzz999") == ()
    there = target.remains(run_id)
    assert {resource.kind for resource in there} == {"process", "folder"}

    target.destroy("contract-zzz999")
    assert target.remains(run_id) != ()
    target.destroy(run_id)
    assert target.remains(run_id) == ()
    target.destroy(run_id)
    assert list(target.runs()) == []
    assert burst.left() == []


@pytest.mark.parametrize("name", REGISTRY)
def test_reap_deletes_one_by_one_what_remains(burst: Burst, name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("BURST_RUNTIME_DIR", str(burst.runtime))
    target = open_target(name)
    wanted = design(burst.folder, name)
    target.create(wanted, Events(wanted.run.id, []), burst.folder, tmp_path)
    assert target.reap(target.remains(wanted.run.id)) == ()
    assert burst.left() == []
