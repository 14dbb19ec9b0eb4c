"""What a rehearsal may ask for, key by key, and how it is told that it is wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, get_args

import pytest
from making import write

from provisioner.errors import Invalid
from provisioner.targets.nspawn import images, machines, rehearsal
from provisioner.targets.nspawn.rehearsal import Notice, Rehearsal, asked


def rehearsed(folder: Path, text: str | bytes, monkeypatch: pytest.MonkeyPatch) -> Rehearsal:
    monkeypatch.setenv("BURST_REHEARSAL", str(write(folder, text, "rehearsal.yaml")))
    return asked()


@pytest.mark.parametrize("named", [None, ""])
def test_nothing_is_asked_for_by_default(monkeypatch: pytest.MonkeyPatch, named: str | None) -> None:
    monkeypatch.delenv("BURST_REHEARSAL", raising=False)
    if named is not None:
        monkeypatch.setenv("BURST_REHEARSAL", named)
    told = asked()
    assert (told, told.image, told.ready, told.capacity, told.notices) == (Rehearsal(), images.DEFAULT, 120.0, {}, {})


@pytest.mark.parametrize(
    ("text", "key", "value"),
    [
        ("", "throttle", 0),
        ("# nothing\n", "faults", {}),
        ("image: bookworm", "image", "bookworm"),
        ("plain: true", "plain", True),
        ("capacity: {spot: 0, c7a.xlarge: 3}", "capacity", {"spot": 0, "c7a.xlarge": 3}),
        ("throttle: 2", "throttle", 2),
        ("delay: 1.5", "delay", 1.5),
        ("delay: 20s", "delay", 20),
        ("ready: 2m", "ready", 120),
        ("ready: 30", "ready", 30),
        ("faults: {cpu-2: no-way-out}", "faults", {"cpu-2": "no-way-out"}),
        ("notices: {cpu-1: {after: 5s}}", "notices", {"cpu-1": Notice(after=5, warning=120.0)}),
        ("notices: {cpu-1: {after: 0, warning: 1m}}", "notices", {"cpu-1": Notice(after=0, warning=60)}),
    ],
)
def test_each_key(folder: Path, monkeypatch: pytest.MonkeyPatch, text: str, key: str, value: Any) -> None:
    told = rehearsed(folder, text, monkeypatch)
    assert getattr(told, key) == value
    json.dumps(told.model_dump())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("surprise: 1", "surprise: Extra inputs"),
        ("notices: {cpu-1: {after: 1s, before: 2s}}", "notices.cpu-1.before"),
        ("notices: {cpu-1: {}}", "notices.cpu-1.after"),
        ("delay: -1", "delay"),
        ("delay: 20x", "delay"),
        ("throttle: -1", "throttle"),
        ("capacity: {spot: many}", "capacity.spot"),
        ("image: jammy", "image"),
        ("faults: {cpu-1: burns}", "faults.cpu-1"),
        ("[1]", "dictionary"),
        ("a: [", ""),
        ("delay: 1\ndelay: 2", "duplicate key"),
        (b"\xff\xfe\xfa", ""),
        (b"a: \x00", ""),
    ],
)
def test_what_is_wrong_is_told_with_the_files_name(
    folder: Path, monkeypatch: pytest.MonkeyPatch, text: str | bytes, words: str
) -> None:
    with pytest.raises(Invalid, match=r"BURST_REHEARSAL: .*/rehearsal\.yaml") as caught:
        rehearsed(folder, text, monkeypatch)
    assert words in caught.value.why
    assert caught.value.fix


@pytest.mark.parametrize(("name", "words"), [("nowhere.yaml", "No such file"), ("", "Is a directory")])
def test_a_file_that_cannot_be_read(folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, words: str) -> None:
    monkeypatch.setenv("BURST_REHEARSAL", str(folder / name))
    with pytest.raises(Invalid, match=words) as caught:
        asked()
    assert str(folder / name) in caught.value.message


def test_a_rehearsal_knows_what_machines_know() -> None:
    faults = get_args(rehearsal.Rehearsal.model_fields["faults"].annotation)[1]
    assert set(get_args(faults)) == set(machines.FAULTS)
    assert set(get_args(rehearsal.Rehearsal.model_fields["image"].annotation)) == set(images.SLURM)
