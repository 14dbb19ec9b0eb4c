"""The contract of contract.py over every cloud's program, and each of its rules shown to fail."""

from __future__ import annotations

import importlib
from functools import cache
from pathlib import Path

import pytest
from making import design

from tests.stacks.contract import CONTRACT, Cloud, Rule, mutated
from tests.stacks.programs import Stack, stacks_folder

NAMES = [name for name in ("aws", "gcp", "azure") if stacks_folder(name).is_dir()]


def cloud_of(name: str) -> Cloud:
    cloud: Cloud = importlib.import_module(f"tests.stacks.{name}").CLOUD
    return cloud


@cache
def made(name: str, text: str) -> Stack:
    """What the program as it is makes of a file: most rules look at the same."""
    return cloud_of(name).run(design(text, name))


def complaints(cloud: Cloud, rule: Rule, folder: Path | None = None) -> list[str]:
    decided = design(rule.text or cloud.text, cloud.name)
    stack = made(cloud.name, rule.text or cloud.text) if folder is None else cloud.run(decided, folder)
    return rule.check(stack, decided)


@pytest.mark.parametrize("name", NAMES)
def test_a_cloud_has_every_rule(name: str) -> None:
    assert cloud_of(name).rules.keys() == CONTRACT.keys()


@pytest.mark.parametrize("rule", CONTRACT)
@pytest.mark.parametrize("name", NAMES)
def test_the_program_keeps_the_rule(name: str, rule: str) -> None:
    cloud = cloud_of(name)
    assert complaints(cloud, cloud.rules[rule]) == []


@pytest.mark.parametrize("rule", CONTRACT)
@pytest.mark.parametrize("name", NAMES)
def test_the_rule_can_fail(name: str, rule: str, tmp_path: Path) -> None:
    cloud = cloud_of(name)
    wrong = mutated(cloud.folder, tmp_path, cloud.rules[rule].mutation)
    assert complaints(cloud, cloud.rules[rule], wrong) != []
