"""Many mistakes in one file: each is told once, at its own line; none hides another, none brings one of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from making import found_in, marked, write
from pydantic import BaseModel

from provisioner.spec.load import check
from provisioner.spec.mend import STAND_INS
from provisioner.spec.model import Elastic, Group, Output, Spec


def all_on_marked_lines(folder: Path, text: str) -> list[str]:
    """The codes, one for each marked line."""
    found = found_in(folder, text)
    assert [f.line for f in found] == marked(text), [(f.line, f.message) for f in found]
    return [f.code for f in found]


def test_an_unknown_key_a_wrong_unit_and_an_undefined_group(folder: Path) -> None:
    text = """\
    version: 1
    name: several
    tagret: local  # <<<
    groups:
      cpu:
        nodes: 2
        needs: {memory: 4 gigs}  # <<<
    jobs:
      melt:
        group: gpu  # <<<
        command: ls
    """
    assert all_on_marked_lines(folder, text) == ["unknown-key", "value", "group"]


def test_one_of_each_kind(folder: Path) -> None:
    text = """\
    version: 2  # <<<
    name: Several Things  # <<<
    target:
    - local
    - ec2  # <<<
    - gcp/  # <<<
    head: {instnace: auto}  # <<<
    groups:
      CPU: {nodes: 1}  # <<<
      gpu:
        nodes: 0  # <<<
        needs: {gpu: [L4]}  # <<<
      large:
        instance: [a]
        needs: {cores: 2}  # <<<
        nodes: 1
    filesystems:
      shared: {}  # <<<
      /data: {}
      /data/in: {}  # <<<
    limits: {ttl: 2 hours}  # <<<
    jobs:
      first:
        group: CPU
        command: ls
        time: 9h
      second:
        group: GPU  # <<<
        script: none.sh  # <<<
        nodes: 4
      third:
        command: ls
        needs: [first, forth]  # <<<
        inputs:
        - ../a  # <<<
        - b  # <<<
        - /c  # <<<
        - d  # <<<
      fourth:
        command: "ls"
        needs: fifth  # <<<
        outputs: [{pth: a}]  # <<<
      fifth:
        command: ls
        needs: fourth
    """
    codes = all_on_marked_lines(folder, text)
    assert codes.count("inputs") == 2
    assert {"value", "unknown-key", "group", "mount", "needs", "script", "cycle"} <= set(codes)


@pytest.mark.parametrize(
    "text",
    [
        # The only group is wrong: there are groups all the same, and one of that name.
        "version: 1\nname: a\ngroups:\n  cpu: {spot: never}  # <<<\njobs:\n  a: {group: cpu, command: ls, nodes: 9}\n",
        "version: 1\nname: a\ngroups:\n  cpu:  # <<<\njobs:\n  a: {group: cpu, command: ls}\n",
        "version: 1\nname: a\ngroups:\n  CPU: {nodes: 1}  # <<<\njobs:\n  a: {group: CPU, command: ls}\n",
        "version: 1\nname: a\ngropus:  # <<<\n  cpu: {nodes: 1}\njobs:\n  a: {group: cpu, command: ls}\n",
        "version: 1\nname: a\ngroups: [cpu]  # <<<\njobs:\n  a: {group: cpu, command: ls}\n",
        # The first group is wrong: a job that names none is not held against the second one.
        "version: 1\nname: a\ngroups:\n  big: {nodes: x}  # <<<\n  small: {nodes: 1}\njobs:\n  a: {command: ls, nodes: 3}\n",
        # A job is wrong: those that need it need something that stands there.
        "version: 1\nname: a\ngroups: {cpu: {nodes: 1}}\njobs:\n  a: ls  # <<<\n  b: {command: ls, needs: a}\n",
        "version: 1\nname: a\ngroups: {cpu: {nodes: 1}}\njobs:\n  A: {command: ls}  # <<<\n  b: {command: ls, needs: A}\n",
        # It has a script, if a wrong one; or meant to have one.
        "version: 1\nname: a\ngroups: {cpu: {nodes: 1}}\njobs:\n  a: {script: /a.sh}  # <<<\n",
        "version: 1\nname: a\ngroups: {cpu: {nodes: 1}}\njobs:\n  a: {comand: ls}  # <<<\n",
        "version: 1\nname: a\ngroups: {cpu: {nodes: 1}}\njobs:\n  a: {command: 7}  # <<<\n",
        # The default that stands in for a wrong value is not the user's.
        "version: 1\nname: a\ngroups: {cpu: {nodes: 1}}\nlimits: {ttl: 99}  # <<<\njobs:\n  a: {command: ls, time: 20h}\n",
        "version: 1\nname: a\ngroups:\n  g: {nodes: 1, needs: {gpus: some, gpu: L4}}  # <<<\n",
        "version: 1\nname: a\ngroups:\n  g: {nodes: {min: 2, mxa: 4}}  # <<<\njobs:\n  a: {command: ls, nodes: 4}\n",
    ],
)
def test_one_mistake_is_one_finding(folder: Path, text: str) -> None:
    all_on_marked_lines(folder, text)


def test_every_wrong_variable_is_told(folder: Path) -> None:
    text = """\
    version: 1
    name: several
    groups: {cpu: {nodes: 1}}
    jobs:
      a:
        command: ls
        env:
          GOOD: 1
          BAD: true  # <<<
          w-rong: x  # <<<
          WORSE: [1]  # <<<
    """
    assert all_on_marked_lines(folder, text) == ["value"] * 3


def test_lines_stay_right_when_items_of_a_list_are_wrong(folder: Path) -> None:
    text = """\
    version: 1
    name: several
    groups: {cpu: {nodes: 1}}
    jobs:
      a:
        command: ls
        needs:
        - 1  # <<<
        - b  # <<<
        outputs:
        - 5  # <<<
        - good
        - {path: x, zzz: 1}  # <<<
        - .  # <<<
        - ../c  # <<<
    """
    all_on_marked_lines(folder, text)


def test_findings_are_told_in_the_order_of_their_lines(folder: Path) -> None:
    text = "jobs: {a: {command: ls, group: b}}\nlimits: {ttl: 1}\ngroups: {c: {nodes: 0}}\nname: 1\nversion: 1\n"
    assert [f.line for f in found_in(folder, text)] == [1, 2, 3, 4]


def test_what_stands_in_is_never_loaded(folder: Path) -> None:
    spec, _, found = check(write(folder, "name: a\n"))
    assert spec is not None
    assert [f.message for f in found] == ["'version' is missing", "'groups' is missing"]


@pytest.mark.parametrize("model", [Spec, Group, Elastic, Output])
def test_every_required_value_has_something_that_stands_in(model: type[BaseModel]) -> None:
    required: dict[str, Any] = {name: STAND_INS[name] for name, field in model.model_fields.items() if field.is_required()}
    assert required
    model.model_validate(required)


def test_there_are_no_other_required_values() -> None:
    having: list[type[BaseModel]] = [Spec, Group, Elastic, Output]
    known = {name for model in having for name, f in model.model_fields.items() if f.is_required()}
    assert known == set(STAND_INS)
    parts: list[type[BaseModel]] = [Spec, *_below(Spec)]
    assert {name for part in parts for name, f in part.model_fields.items() if f.is_required()} - known == set()


def _below(model: type[BaseModel]) -> list[type[BaseModel]]:
    """The models of a model's fields, and theirs. A TargetRef is made from text and never from a mapping."""
    from typing import get_args

    found: list[type[BaseModel]] = []

    def walk(annotation: Any) -> None:
        if isinstance(annotation, type) and issubclass(annotation, BaseModel) and annotation.__name__ != "TargetRef":
            found.append(annotation)
            found.extend(_below(annotation))
        for argument in get_args(annotation):
            walk(argument)

    for field in model.model_fields.values():
        walk(field.annotation)
    return found
