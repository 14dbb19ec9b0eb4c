"""Which places a plan has, in which order, and what it says of each: before anything is begun (test_fallback.py)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from making import Still
from market import Market, Seller, opened, written

from provisioner import clock
from provisioner.cli import plan
from provisioner.errors import Refused
from provisioner.lifecycle.prepare import Wanted, considered
from provisioner.targets.base import Zone

FILE = """\
version: 1
name: walk
target: [aws/us-east-2, aws/us-west-2, gcp/us-central1]
rank: listed
groups:
  cpu: {needs: {cores: 16, memory: 32GiB}, nodes: 2}
limits: {ttl: 4h}
"""


@pytest.fixture
def still() -> Iterator[Still]:
    made = Still()
    with clock.use(made):
        yield made


@pytest.mark.parametrize("problem", [KeyError("ZoneId"), Refused("AWS refused to list its zones", why="throttled", fix="again")])
def test_zones_that_are_not_understood_are_said_and_end_no_plan(
    problem: Exception, folder: Path, still: Still, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither of the place that answered so nor of the others: it is tried without a zone."""

    def zones(seller: Seller, session: str, design: Any) -> tuple[Zone, ...]:
        if session == "us-east-2":
            raise problem
        return (Zone("z"),)

    monkeypatch.setattr(Seller, "zones", zones)
    opened(monkeypatch, Market(still, lambda *_: True))
    work = considered(written(folder, FILE.replace(", gcp/us-central1", "")))
    assert [each.design.zone for each in work.tries()] == [None, "z"]
    (found,) = [finding for finding in work.findings if finding.code == "zones"]
    assert found.message.startswith("which zones have room could not be asked: ")
    assert found.fix


@pytest.mark.parametrize(
    ("target", "once"),
    [
        ("aws,gcp,aws/us-east-2", ["aws/us-east-2", "gcp/us-central1"]),
        ("gcp/us-central1,aws,gcp,aws", ["gcp/us-central1", "aws/us-east-2"]),
        ("local,local", ["local"]),
    ],
)
def test_a_place_that_is_listed_twice_is_tried_once(
    target: str, once: list[str], folder: Path, still: Still, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With its region and without one, or word for word."""
    opened(monkeypatch, Market(still, lambda *_: True))
    work = considered(written(folder, FILE), Wanted(target=target), ask=lambda _: False)
    assert [choice.target for choice in work.choices] == once
    assert len(work.tries()) == len(once)


@pytest.mark.parametrize(
    ("skip", "said"),
    [
        ((), "allowed: yes (aws/us-east-2 was asked)"),
        (("quota", "budget", "quota"), "allowed: yes (aws/us-east-2 was asked, but for budget, quota (--skip))"),
    ],
)
def test_a_plan_does_not_say_yes_to_what_was_left_out(
    skip: tuple[str, ...], said: str, folder: Path, still: Still, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened(monkeypatch, Market(still, lambda *_: True))
    file = written(folder, FILE.replace(", gcp/us-central1", ""))
    done = CliRunner().invoke(plan.command, [str(file), *(word for name in skip for word in ("--skip", name))])
    assert done.exit_code == 0, done.output
    assert [line for line in done.output.splitlines() if line.startswith("allowed")] == [said]


@pytest.mark.parametrize(
    ("listed", "first"),
    [
        ("local, aws/us-east-2, gcp/us-central1", "local"),
        ("gcp/us-central1, aws/us-east-2, local", ""),
        ("aws/us-east-2, local, gcp", "aws/us-east-2"),
    ],
)
def test_this_machine_keeps_its_place(
    listed: str, first: str, folder: Path, still: Still, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened(monkeypatch, Market(still, lambda *_: True))
    work = considered(
        written(
            folder, FILE.replace("rank: listed", "rank: cost").replace("aws/us-east-2, aws/us-west-2, gcp/us-central1", listed)
        ),
        ask=lambda _: False,
    )
    order = [choice.target for choice in work.choices]
    assert order.index("local") == [name.strip() for name in listed.split(",")].index("local")
    assert not first or order[0] == first
