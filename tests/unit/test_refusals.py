"""What is remembered of who had no room: a file that anybody may have spoilt, on a clock that may be set back."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest
from making import RUN, Still, spec

from provisioner import clock
from provisioner.catalog.table import bundled
from provisioner.design.decide import decide
from provisioner.lifecycle.refusals import A_WHILE, Answer, recent, remember, said
from provisioner.spec.model import parse_target


@pytest.fixture
def still() -> Iterator[Still]:
    made = Still()
    with clock.use(made):
        yield made


def no(still: Still, instance: str = "c7a.large") -> Answer:
    return Answer("aws", "us-east-2", "us-east-2a", instance, "spot", still.now())


def kept() -> Path:
    path = Path(os.environ["XDG_STATE_HOME"]) / "burst" / "refusals.jsonl"
    path.parent.mkdir(exist_ok=True)
    return path


def line(still: Still, **other: object) -> bytes:
    return json.dumps({**asdict(no(still)), **other}).encode()


@pytest.mark.parametrize(
    "spoilt",
    [b'{"target": "aw', b"5", b"[]", b"\xff\xfe\x00", b"[" * 100_000, b'{"zone": "b"}', b'{"at": 1, "since": 2}'],
    ids=["cut", "number", "list", "bytes", "deep", "less", "more"],
)
def test_a_line_that_is_no_answer_hides_no_other(still: Still, spoilt: bytes) -> None:
    kept().write_bytes(spoilt + b"\n")
    remember(no(still))
    assert [answer.instance for answer in recent().values()] == ["c7a.large"]


@pytest.mark.parametrize("value", ["yesterday", None, [], float("nan"), float("inf"), 10**400])
def test_a_time_that_is_none_tells_nothing(still: Still, value: object) -> None:
    kept().write_bytes(line(still, at=value) + b"\n")
    remember(no(still, "c7i.large"))
    assert [answer.instance for answer in recent().values()] == ["c7i.large"]


def test_a_name_that_is_none_tells_nothing(still: Still) -> None:
    kept().write_bytes(line(still, zone=["us-east-2a"]) + b"\n" + line(still, market={}) + b"\n")
    assert recent() == {}


def test_a_clock_that_was_set_back_forgets_too(still: Still) -> None:
    """What was refused a year from now was not refused lately."""
    kept().write_bytes(line(still, at=still.now() + A_WHILE + 1) + b"\n")
    assert recent() == {}


def test_what_another_run_was_refused_is_not_this_ones_reason(still: Still) -> None:
    """The last no of the region was to a type that this design has not."""
    text = "version: 1\nname: a\ngroups: {cpu: {instance: c7a.large, nodes: 1, spot: only}}\n"
    design, _ = decide(spec(text), bundled(), RUN, parse_target("aws/us-east-2"))
    remember(no(still))
    still.sleep(60)
    remember(no(still, "p5.48xlarge"))
    assert said(design, recent()) == "no room for c7a.large 1m ago in us-east-2a"
