"""The whole target `aws`: the real program under the real engine, nodes by the real launcher, on an AWS served by moto."""

from __future__ import annotations

from pathlib import Path

import pytest
from making import design

from provisioner.events import Event, Events
from provisioner.lifecycle import teardown
from provisioner.targets.aws.target import AwsTarget
from provisioner.targets.cloud.layout import runs_folder
from tests.engine.driving import Around

FILE = "version: 1\nname: whole\ngroups: {cpu: {instance: c7i.large, nodes: {min: 2, max: 4}}}\nfilesystems: {/shared: {size: 20GiB}}\n"


@pytest.mark.timeout(600)
def test_made_and_ended(aws: Around, tmp_path: Path) -> None:
    decided, told, target = design(FILE, "aws"), list[Event](), AwsTarget()
    run_id, events = decided.run.id, Events(decided.run.id, [told.append])
    inventory = target.create(decided, events, tmp_path, tmp_path / "state")
    assert set(inventory.nodes) == {"cpu-1", "cpu-2"}
    assert inventory.address
    steps = [e.data["step"] for e in told if e.kind == "step"]
    assert [step for step in steps if step != "make"] == ["create.folder", "create.stack", "create.nodes"]
    assert "2 machines: c7i.large, on-demand" in [event.message for event in told]
    made = aws.ledger.left()
    assert len([event for event in told if event.kind == "resource"]) == len(made) == steps.count("make")
    instances = [each for each in target.remains(run_id) if each.kind.endswith("instance")]
    assert len(instances) == 3, "the head and two nodes"
    assert [tagged.run_id for tagged in target.runs("us-east-2")] == [run_id]
    # A node that died is made anew under its name.
    target.launch(inventory, ["cpu-2"], events)

    assert teardown.destroy(target, run_id, events).remains == ()
    assert aws.ledger.left() == {}
    assert target.remains(run_id) == ()
    assert list(target.runs("us-east-2")) == []
    assert not (runs_folder() / run_id).exists()


@pytest.mark.timeout(600)
def test_another_machine_ends_it_by_its_tags_alone(aws: Around, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    decided = design(FILE, "aws")
    run_id, quiet = decided.run.id, Events(decided.run.id, [])
    AwsTarget().create(decided, quiet, tmp_path, tmp_path / "state")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "elsewhere"))
    stranger = AwsTarget()
    assert [tagged.run_id for tagged in stranger.runs("us-east-2")] == [run_id]
    assert len(stranger.remains(run_id)) > 10
    assert teardown.destroy(stranger, run_id, quiet).remains == ()
    assert stranger.remains(run_id) == ()
