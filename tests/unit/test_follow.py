"""What jobs write, as it comes, and harmless to the terminal that shows it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from making import task
from standing_in import FolderExecutor

from provisioner.jobs.follow import Follower
from provisioner.slurm.outcome import printable
from provisioner.slurm.states import Task


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        (b"plain text", "plain text"),
        (b"a\tb", "a       b"),
        ("größe 😀".encode(), "größe 😀"),
        (b"\x1b[31mred\x1b[0m", "�[31mred�[0m"),
        (b"\x1b]0;title\x07", "�]0;title�"),
        (b"\x9b31m", "�31m"),
        (b"bell\x07 back\x08space \x00", "bell� back�space �"),
        (b"caf\xe9", "caf�"),
        ("right\u202eleft".encode(), "right�left"),
        ("two\u2028lines".encode(), "two�lines"),
        (b"10%\r 20%\r 30%", " 30%"),
        (b"done\r", "done"),
        (b"", ""),
    ],
)
def test_a_line_cannot_move_the_cursor(line: bytes, shown: str) -> None:
    assert printable(line) == shown


@given(st.binary())
def test_nothing_that_is_not_printable_gets_through(line: bytes) -> None:
    assert printable(line).isprintable()


class Shown:
    """A follower of one folder's logs, and what it showed."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []
        self.follower = Follower(FolderExecutor(), lambda label, line: self.lines.append((label, line)))

    def look(self, *tasks: Task, name: str = "melt") -> list[tuple[str, str]]:
        """What is new."""
        before = len(self.lines)
        self.follower.read({name: tasks})
        return self.lines[before:]


@pytest.fixture
def log(folder: Path) -> Path:
    return folder / "slurm-1.out"


def running(log: Path) -> Task:
    return task(state="RUNNING", ended=None, stdout=str(log))


def test_each_line_once_and_whole(log: Path) -> None:
    shown = Shown()
    assert shown.look(running(log)) == [], "there is no file yet"
    log.write_bytes(b"one\ntwo\nthr")
    assert shown.look(running(log)) == [("melt", "one"), ("melt", "two")]
    assert shown.look(running(log)) == []
    log.write_bytes(b"one\ntwo\nthree\n")
    assert shown.look(running(log)) == [("melt", "three")]


def test_a_last_line_without_an_end_comes_when_the_job_is_over(log: Path) -> None:
    shown = Shown()
    log.write_bytes(b"one\nlast")
    assert shown.look(running(log)) == [("melt", "one")]
    assert shown.look(task(stdout=str(log))) == [("melt", "last")]
    assert shown.look(task(stdout=str(log))) == []


def test_a_character_cut_in_two_is_shown_whole(log: Path) -> None:
    shown = Shown()
    whole = "größe\n".encode()
    log.write_bytes(whole[:3])
    assert shown.look(running(log)) == []
    log.write_bytes(whole)
    assert shown.look(running(log)) == [("melt", "größe")]


@pytest.mark.parametrize("size", [(1 << 18) - 1, 1 << 18, (1 << 18) + 1, (1 << 19) + 5])
def test_a_log_that_is_longer_than_one_look(log: Path, size: int) -> None:
    lines = [f"{i:09d}" for i in range(size // 10 + 1)]
    log.write_bytes(("\n".join(lines) + "\n").encode()[:size])
    shown = Shown()
    got = [line for _, line in shown.look(task(stdout=str(log)))]
    assert "\n".join(got) == log.read_text().removesuffix("\n")


def test_a_line_that_never_ends_is_shown_all_the_same(log: Path) -> None:
    log.write_bytes(b"x" * 20_000)
    (shown,) = Shown().look(running(log))
    assert shown == ("melt", "x" * 20_000)


def test_tasks_of_an_array_have_their_index(folder: Path) -> None:
    for i in (0, 1):
        (folder / f"{i}.out").write_text(f"task {i}\n")
    tasks = [task(index=i, stdout=str(folder / f"{i}.out")) for i in (0, 1)]
    assert Shown().look(*tasks) == [("melt[0]", "task 0"), ("melt[1]", "task 1")]


def test_a_job_that_has_not_begun_has_no_log_of_its_own(log: Path) -> None:
    log.write_text("of somebody else\n")
    shown = Shown()
    assert shown.look(task(state="PENDING", stdout=str(log))) == []
    assert shown.look(task(state="CANCELLED", started=None, stdout=str(log))) == []
    assert shown.look(task(stdout="")) == []
