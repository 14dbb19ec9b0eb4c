"""A stack as `burst template export` writes it, configured by hand as docs/stacks.md says: no `burst run` is involved."""

from __future__ import annotations

import base64
import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from provisioner import files
from provisioner.lifecycle.papers import templates
from provisioner.lifecycle.prepare import decided
from provisioner.stack.outputs import OUTPUTS
from tests.stacks import programs
from tests.stacks.test_contract import NAMES, cloud_of


def by_hand(folder: Path, **more: str) -> dict[str, str]:
    told = {"file": str(folder / "burst.yaml"), "run": "mine-abc123", "expires": "1800000000", "keys": programs.KEYS.dumps()}
    return {f"burst:{key}": value for key, value in {**told, **more}.items()}


def fixed(folder: Path) -> None:
    """Two nodes that are always there, which the head must launch itself."""
    text = (folder / "burst.yaml").read_text()
    (folder / "burst.yaml").write_text(text.replace("nodes: {min: 0, max: 4}", "nodes: {min: 2, max: 4}"))


def test_an_exported_stack_makes_the_cluster_that_its_file_says(tmp_path: Path) -> None:
    for name in NAMES:
        folder, cloud = tmp_path / name, cloud_of(name)
        templates.export(name, folder)
        fixed(folder)
        stack = programs.run(folder, by_hand(folder, ssh_from=json.dumps([programs.CALLER])), cloud.create, cloud.call)
        assert stack.outputs.keys() == OUTPUTS.keys()
        assert (stack.outputs["run_id"], stack.outputs["target"]) == ("mine-abc123", name)
        told = "\n".join(user_data(made.inputs) for made in stack.resources)
        assert "/opt/burst/first" in told, f"{name}: the head launches the nodes that no client will"


def test_what_is_not_configured_is_asked_for_with_the_command(tmp_path: Path) -> None:
    for name in NAMES:
        folder, cloud = tmp_path / name, cloud_of(name)
        templates.export(name, folder)
        whole = by_hand(folder, ssh_from=json.dumps([programs.CALLER]))
        for key in ("file", "expires", "keys", "ssh_from"):
            config = {known: value for known, value in whole.items() if known != f"burst:{key}"}
            with pytest.raises(Exception, match=f"pulumi config set (--secret )?burst:{key}"):
                programs.run(folder, config, cloud.create, cloud.call)


def test_every_ready_spec_is_made_by_the_stacks_of_its_targets() -> None:
    for spec in templates.every():
        for target in spec.targets:
            name = target.partition("/")[0]
            if spec.kind == "spec" and name in NAMES:
                _, design, _ = decided(files.packaged("examples") / spec.name / "burst.yaml", target)
                stack = cloud_of(name).run(design, setup="echo setup\n")
                assert stack.outputs["attempts"].keys() == {group.name for group in design.groups}, (spec.name, target)
                assert {fs.mount for fs in design.filesystems} <= stack.outputs["mounts"].keys()


def user_data(inputs: Any) -> str:
    """Every text among a resource's inputs that is compressed user-data, unpacked."""
    if isinstance(inputs, dict):
        return "\n".join(user_data(value) for value in inputs.values())
    if isinstance(inputs, list):
        return "\n".join(user_data(value) for value in inputs)
    if isinstance(inputs, str) and inputs.startswith("H4sI"):
        return gzip.decompress(base64.b64decode(inputs)).decode()
    return ""
