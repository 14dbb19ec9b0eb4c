"""The harness itself: a program's resources, calls and outputs are seen, and a wrong program fails."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from provisioner.stack.outputs import OUTPUTS
from tests.stacks import programs

PROGRAM = """
import pulumi
from beside import NAME
from provisioner.stack.outputs import OUTPUTS, publish

class Thing(pulumi.CustomResource):
    address: pulumi.Output[str]
    def __init__(self, name, opts=None):
        super().__init__("a:b/thing:Thing", name, {"given": "x", "address": None}, opts)

keys = pulumi.Config("burst").require_secret("keys")
thing = Thing(NAME)
publish({**{key: "" for key in OUTPUTS}, "head_address": thing.address})
"""


def create(type_: str, name: str, inputs: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    return f"{name}-id", {"address": "10.0.0.4"}


def run(folder: Path, text: str) -> programs.Stack:
    (folder / "__main__.py").write_text(text)
    (folder / "beside.py").write_text('NAME = "one"\n')
    return programs.run(folder, {"burst:keys": "k"}, create, lambda function, arguments: {})


def test_what_a_program_makes_is_recorded(tmp_path: Path) -> None:
    stack = run(tmp_path, PROGRAM)
    assert [(made.type, made.name, made.inputs, made.id) for made in stack.resources] == [
        ("a:b/thing:Thing", "one", {"given": "x"}, "one-id")
    ]
    assert stack.outputs["head_address"] == "10.0.0.4"
    assert stack.outputs.keys() == OUTPUTS.keys()


def test_an_output_that_is_left_out_fails(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="missing \\['head_address'\\]"):
        run(
            tmp_path,
            PROGRAM.replace(', "head_address": thing.address})', "})").replace(
                "in OUTPUTS}", 'in OUTPUTS if key != "head_address"}'
            ),
        )


def test_two_programs_with_modules_of_one_name(tmp_path: Path) -> None:
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "beside.py").write_text(f'NAME = "{name}"\n')
        (tmp_path / name / "__main__.py").write_text(PROGRAM)
        stack = programs.run(tmp_path / name, {"burst:keys": "k"}, create, lambda function, arguments: {})
        assert [made.name for made in stack.resources] == [name]
