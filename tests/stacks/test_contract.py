"""The contract of contract.py over every cloud's program, and each of its rules shown to fail."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest
from making import design

from tests.stacks.contract import CONTRACT, Cloud, Rule, mutated
from tests.stacks.programs import stacks_folder

NAMES = [name for name in ("aws", "gcp", "azure") if stacks_folder(name).is_dir()]


def cloud_of(name: str) -> Cloud:
    cloud: Cloud = importlib.import_module(f"tests.stacks.{name}").CLOUD
    return cloud


def found(cloud: Cloud, rule: Rule, folder: Path | None = None) -> list[str]:
    decided = design(rule.text or cloud.text, cloud.name)
    return rule.check(cloud.run(decided, folder), decided)


@pytest.mark.parametrize("name", NAMES)
def test_a_cloud_has_every_rule(name: str) -> None:
    assert cloud_of(name).rules.keys() == CONTRACT.keys()


@pytest.mark.parametrize("rule", CONTRACT)
@pytest.mark.parametrize("name", NAMES)
def test_the_program_keeps_the_rule(name: str, rule: str) -> None:
    cloud = cloud_of(name)
    assert found(cloud, cloud.rules[rule]) == []


@pytest.mark.parametrize("rule", CONTRACT)
@pytest.mark.parametrize("name", NAMES)
def test_the_rule_can_fail(name: str, rule: str, tmp_path: Path) -> None:
    cloud = cloud_of(name)
    wrong = mutated(cloud.folder, tmp_path, cloud.rules[rule].mutation)
    assert found(cloud, cloud.rules[rule], wrong) != []
