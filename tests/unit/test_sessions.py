"""Credentials that end in the middle: a new session once, and then how to log in."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from provisioner.errors import Kind, Refused
from provisioner.launch.azure import Refused as Denied
from provisioner.targets.cloud.sessions import Sessions


class Login:
    """Each session is a number; those up to `ended` are denied. `out`: nobody is logged in any more."""

    def __init__(self) -> None:
        self.opened, self.ended, self.out = 0, 0, False

    def __call__(self, region: str) -> int:
        if self.out:
            raise Refused("nobody is logged in", fix="log in", kind=Kind.AUTH)
        self.opened += 1
        return self.opened

    def ask(self, session: int) -> str:
        if session <= self.ended:
            raise Denied("AUTH", "ExpiredToken")
        return f"answered to {session}"


def test_one_session_for_a_region() -> None:
    sessions = Sessions(login := Login())
    assert [sessions.asked(region, login.ask) for region in ("a", "b", "a")] == [
        "answered to 1",
        "answered to 2",
        "answered to 1",
    ]


def test_regions_are_opened_side_by_side_and_each_once() -> None:
    """Each opening waits for the other: one after the other they would never end."""
    meeting, opened = threading.Barrier(2, timeout=20), list[str]()

    def login(region: str) -> str:
        meeting.wait()
        opened.append(region)
        return region

    sessions = Sessions(login)
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(sessions.of, ["a", "b", "a", "b"])) == ["a", "b", "a", "b"]
    assert sorted(opened) == ["a", "b"]


def test_what_is_denied_is_asked_once_more_with_another_session() -> None:
    sessions = Sessions(login := Login())
    sessions.of("a")
    login.ended = 1
    assert sessions.asked("a", login.ask) == "answered to 2"
    login.ended = 9
    with pytest.raises(Denied):
        sessions.asked("a", login.ask)
    assert login.opened == 3


def test_who_cannot_log_in_is_told_how() -> None:
    sessions = Sessions(login := Login())
    sessions.of("a")
    login.ended, login.out = 9, True
    with pytest.raises(Refused) as caught:
        sessions.asked("a", login.ask)
    assert caught.value.fix == "log in"
    assert not sessions.renewed("a")
    login.ended, login.out = 0, False
    assert sessions.renewed("a")


@pytest.mark.parametrize("problem", [Denied("QUOTA", "no"), Refused("no", kind=Kind.CONFIG), KeyError("x")])
def test_nothing_else_is_asked_again(problem: Exception) -> None:
    sessions = Sessions(login := Login())

    def ask(session: int) -> None:
        raise problem

    with pytest.raises(type(problem)):
        sessions.asked("a", ask)
    assert login.opened == 1


def test_threads_that_are_denied_together_open_one_session() -> None:
    sessions = Sessions(login := Login())
    sessions.of("a")
    login.ended = 1
    each: Callable[[int], str] = lambda number: sessions.asked("a", login.ask)  # noqa: E731
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(each, range(16))) == {"answered to 2"}
    assert login.opened == 2
