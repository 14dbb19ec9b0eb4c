"""How checks are asked (targets/checks.py): side by side, each finding by its check's name, and none that is left out."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from provisioner.findings import Finding, error, warning
from provisioner.targets import checks


def test_all_are_asked_side_by_side() -> None:
    """Each waits for the other: one after the other they would never end."""
    meeting = threading.Barrier(3, timeout=20)

    def check() -> Iterator[Finding]:
        meeting.wait()
        yield error("a", "b")

    found = checks.ask([("quota", check), ("types", check), ("quota", check)], (), lambda name, problem: None)
    assert [finding.check for finding in found] == ["quota", "types", "quota"]


def test_what_is_left_out_is_not_asked() -> None:
    asked: list[str] = []

    def check(name: str) -> Iterator[Finding]:
        asked.append(name)
        yield error(name, "b")

    listed = [("quota", lambda: check("quota")), ("types", lambda: check("types"))]
    assert [f.check for f in checks.ask(listed, {"quota"}, lambda name, problem: None)] == ["types"]
    assert asked == ["types"]
    assert checks.ask(listed, {"quota", "types"}, lambda name, problem: None) == ()


def test_a_check_that_is_refused_is_a_finding_after_what_it_found() -> None:
    def check() -> Iterator[Finding]:
        yield error("a", "first")
        raise OSError("no answer")

    found = checks.ask([("types", check)], (), lambda name, problem: warning("unchecked", f"{name}: {problem}"))
    assert [(f.message, f.check) for f in found] == [("first", "types"), ("types: no answer", "types")]
    with pytest.raises(OSError, match="no answer") as raised:
        checks.ask([("types", check)], (), lambda name, problem: None)
    assert raised.value.__notes__ == ["in the check types, which --skip types leaves out"]


def test_what_could_not_be_asked_is_a_warning_unless_nobody_is_logged_in() -> None:
    told = checks.unchecked("quota", "Throttled: later", login=None)
    assert told == warning(
        "unchecked", "quota could not be checked: Throttled: later", "allow the call, or leave it out: --skip quota"
    )
    assert checks.unchecked("quota", "expired", login="cloud login") == error(
        "unchecked", "quota could not be checked: expired", "cloud login"
    )


def test_questions_are_asked_side_by_side_and_answered_in_their_order() -> None:
    """Each waits for the others, so many as may be asked at once; whoever is refused hides no answer before its own."""
    meeting = threading.Barrier(2, timeout=20)

    def ask(number: int) -> int:
        meeting.wait()
        if number == 3:
            raise OSError("no answer")
        return -number

    assert list(checks.side_by_side(ask, [2, 1])) == [-2, -1]
    assert list(checks.side_by_side(ask, [4, 2, 1, 0], 2)) == [-4, -2, -1, 0]
    told = checks.side_by_side(ask, [1, 3])
    assert next(told) == -1
    with pytest.raises(OSError, match="no answer"):
        next(told)
    assert list(checks.side_by_side(ask, [])) == []


def test_no_more_are_asked_at_once_than_was_said() -> None:
    lock, under_way, most = threading.Lock(), [], []

    def ask(number: int) -> None:
        with lock:
            under_way.append(number)
            most.append(len(under_way))
        with lock:
            under_way.remove(number)

    list(checks.side_by_side(ask, range(50), 3))
    assert max(most) <= 3
