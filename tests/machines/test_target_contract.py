"""What every target promises, member by member: one driver over those that need no account.

The clouds keep it by targets/cloud/target.py (tests/unit/test_cloud_target.py) over a Place each (test_place_*.py)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from provisioner import clock
from provisioner.catalog.table import bundled
from provisioner.design.decide import EMBEDDED, decide
from provisioner.design.model import Design, Run
from provisioner.events import Events
from provisioner.executor.process import CommandFailed
from provisioner.findings import errors
from provisioner.spec.load import load
from provisioner.spec.model import parse_target
from provisioner.targets.base import Target
from provisioner.targets.registry import open_target
from tests.e2e.conftest import Burst

QUIET = Events("contract", [])
FILE = """\
version: 1
name: contract
groups:
  cpu: {needs: {cores: 1, memory: 1GiB}, nodes: 1}
filesystems: {/shared: {size: 1GiB}}
"""
# What a cluster of each place is made of, as `remains` tells it.
KINDS = {"local": {"process", "folder"}, "nspawn": {"process", "folder", "network namespace", "control group"}}


def design(folder: Path, target: str) -> Design:
    (folder / "burst.yaml").write_text(FILE)
    run = Run(id="contract-abc123", owner="tester", expires=int(clock.now()) + 600)
    return decide(load(folder / "burst.yaml").spec, bundled(), run, parse_target(target))[0]


@pytest.fixture(params=EMBEDDED)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def user(request: pytest.FixtureRequest, name: str, monkeypatch: pytest.MonkeyPatch) -> Burst:
    """Somebody with the place to themselves."""
    somebody: Burst = request.getfixturevalue("local_burst" if name == "local" else "burst")
    for variable in ("BURST_RUNTIME_DIR", "BURST_MACHINES_DIR"):
        monkeypatch.setenv(variable, somebody.env[variable])
    return somebody


def answers(target: Target, asked: Callable[[], object]) -> None:
    """The head of a place that boots takes a moment."""
    for _ in clock.patience(target.patience):
        try:
            asked()
            return
        except CommandFailed:
            continue
    raise AssertionError("the head never answered")


def test_the_contract(user: Burst, name: str, tmp_path: Path) -> None:
    target = open_target(name)
    assert target.name == name
    wanted = design(user.folder, name)
    run_id, steps = wanted.run.id, []
    events = Events(run_id, [lambda event: steps.append(event.data.get("step"))])

    assert errors(target.preflight(wanted, user.folder)) == ()
    assert target.remains(run_id) == ()
    assert list(target.runs("")) == []

    inventory = target.create(wanted, events, user.folder, tmp_path)
    assert {step for step in steps if step} >= {"create.folder", "create.nodes"}
    assert (inventory.run_id, inventory.target, set(inventory.nodes)) == (run_id, name, set(wanted.fixed))
    assert type(inventory).model_validate_json(inventory.model_dump_json()) == inventory

    executor = target.connect(inventory)
    answers(target, lambda: executor.run(["sinfo"]))
    assert executor.run(["sinfo", "--noheader", "--format=%P"]).stdout.strip() == "cpu*"
    executor.run(["scontrol", "update", "partitionname=cpu", "state=DOWN"], admin=True)
    executor.run(["mkdir", "-p", inventory.workdir])
    executor.run(["sh", "-c", "printf abc > x"], cwd=inventory.workdir)
    assert executor.read(f"{inventory.workdir}/x", 1, 1) == b"b"
    assert executor.read(f"{inventory.workdir}/nothing", 0, 1) == b""

    target.launch(inventory, wanted.fixed, events)
    assert any("slurmd" in target.console(inventory, wanted.fixed[0]) for _ in clock.patience(60))

    assert [(tagged.run_id, tagged.owner, tagged.state) for tagged in target.runs("")] == [(run_id, "tester", str(tmp_path))]
    assert target.remains("contract-zzz999") == ()
    assert {resource.kind for resource in target.remains(run_id)} == KINDS[name]

    target.destroy("contract-zzz999", QUIET)
    assert target.remains(run_id) != ()
    target.destroy(run_id, QUIET)
    assert target.remains(run_id) == ()
    target.destroy(run_id, QUIET)
    assert list(target.runs("")) == []
    assert user.left() == []


def test_reap_deletes_one_by_one_what_remains(user: Burst, name: str, tmp_path: Path) -> None:
    target = open_target(name)
    wanted = design(user.folder, name)
    target.create(wanted, Events(wanted.run.id, []), user.folder, tmp_path)
    assert target.reap(target.remains(wanted.run.id)) == ()
    assert user.left() == []
