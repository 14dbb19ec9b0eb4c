"""The one place that writes a file, the locks, and the journal that stands on both."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from provisioner import files
from provisioner.events import Events
from provisioner.lifecycle.journal import Journal


def test_write_makes_folders_and_sets_permissions(folder: Path) -> None:
    path = files.write(folder / "a" / "b" / "key", b"\x00\xff", mode=0o600)
    assert path.read_bytes() == b"\x00\xff"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in path.parent.iterdir()] == ["key"]


@pytest.mark.parametrize("broken", ["fsync", "replace"])
def test_a_write_that_fails_leaves_what_was_there(folder: Path, monkeypatch: pytest.MonkeyPatch, broken: str) -> None:
    path = files.write(folder / "f", "old")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, broken, full)
    with pytest.raises(OSError, match="No space left"):
        files.write(path, "new")
    assert path.read_text() == "old"
    assert [entry.name for entry in folder.iterdir()] == ["f"]


def test_a_write_that_is_interrupted_leaves_what_was_there(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = files.write(folder / "f", "old")

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        files.write(path, "new")
    assert (path.read_text(), len(list(folder.iterdir()))) == ("old", 1)


def test_write_is_on_the_disk_before_it_has_its_name(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []

    def noting(name: str) -> Callable[..., Any]:
        real = getattr(os, name)

        def noted(*args: Any) -> Any:
            done.append(name)
            return real(*args)

        return noted

    for name in ("fsync", "replace"):
        monkeypatch.setattr(os, name, noting(name))
    files.write(folder / "f", "new")
    assert done == ["fsync", "replace"]


def test_a_link_is_replaced_and_not_followed(folder: Path) -> None:
    (folder / "target").write_text("theirs")
    (folder / "f").symlink_to("target")
    files.write(folder / "f", "ours")
    assert (folder / "target").read_text() == "theirs"
    assert not (folder / "f").is_symlink()


def test_a_lock_is_held_by_one(folder: Path) -> None:
    with files.locked(folder, wait=False):
        with pytest.raises(files.Busy), files.locked(folder, wait=False):
            pass
    with files.locked(folder, wait=False):
        assert list(folder.iterdir()) == [], "a lock leaves no file"


def test_a_lock_ends_with_its_block_however_that_ends(folder: Path) -> None:
    with pytest.raises(RuntimeError), files.locked(folder):
        raise RuntimeError
    with files.locked(folder, wait=False):
        pass


def test_no_folder_no_lock(folder: Path) -> None:
    with pytest.raises(FileNotFoundError), files.locked(folder / "none"):
        pass


def test_a_step_is_on_the_disk_when_it_returns(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal(folder / "journal.jsonl")
    synced: list[bytes] = []
    monkeypatch.setattr(os, "fsync", lambda _: synced.append(journal.path.read_bytes()))
    Events("run-1", [journal]).step("create.nodes", "start 2 nodes", nodes=["cpu-1", "cpu-2"])
    (line,) = synced
    assert line.endswith(b"\n"), "the whole line is there when it is synced"
    assert json.loads(line) | {"time": 0} == {"time": 0, "step": "create.nodes", "nodes": ["cpu-1", "cpu-2"]}


def test_a_step_that_cannot_be_kept_is_not_taken(folder: Path) -> None:
    told: list[str] = []
    events = Events("run-1", [Journal(folder / "none" / "journal.jsonl"), lambda event: told.append(event.kind)])
    with pytest.raises(FileNotFoundError):
        events.step("destroy", "destroy run-1")
    assert told == []


def test_a_journal_keeps_intents_only(folder: Path) -> None:
    journal = Journal(folder / "journal.jsonl")
    events = Events("run-1", [journal])
    assert (journal.steps(), journal.last("begin")) == ([], None)
    events.say("job.log", "hello")
    events.step("submit", "submit a", job="a")
    events.step("submit", "submit b", job="b")
    assert [step["job"] for step in journal.steps()] == ["a", "b"]
    assert (journal.last("submit") or {})["job"] == "b"
    assert journal.last("kept") is None


def test_a_last_line_cut_anywhere_is_no_intent(folder: Path) -> None:
    journal = Journal(folder / "journal.jsonl")
    events = Events("run-1", [journal])
    for i in range(3):
        events.step("submit", "…", job=f"größe\u2028{i}")
    whole = journal.path.read_bytes()
    last = whole[:-1].rindex(b"\n") + 1
    for cut in range(last, len(whole) - 1):
        journal.path.write_bytes(whole[:cut])
        assert [step["job"] for step in journal.steps()] == ["größe\u20280", "größe\u20281"]
