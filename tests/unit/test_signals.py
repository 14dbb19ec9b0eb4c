"""The first signal asks for a clean end, the second one ends at once."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator

import pytest
from making import Still

from provisioner import clock
from provisioner.errors import ExitCode, Interrupted
from provisioner.lifecycle.signals import catching

SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


class Gone(BaseException):
    """What stands for the end of the process."""


@pytest.fixture(autouse=True)
def _no_end(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(status: int) -> None:
        raise Gone(status)

    monkeypatch.setattr(os, "_exit", gone)


@pytest.fixture(autouse=True)
def _clock() -> Iterator[None]:
    with clock.use(Still()):
        yield


@pytest.mark.parametrize("signum", SIGNALS)
def test_the_first_one_interrupts(signum: int) -> None:
    with pytest.raises(Interrupted) as caught, catching(lambda: "last words") as signals:
        signal.raise_signal(signum)
    assert (caught.value.signum, signals.received) == (signum, signum)


def test_nothing_but_the_lifecycle_can_catch_it() -> None:
    assert not issubclass(Interrupted, Exception)


@pytest.mark.parametrize("second", SIGNALS)
def test_the_second_one_ends_at_once_and_says_what_is_left(second: int, capfd: pytest.CaptureFixture[str]) -> None:
    with catching(lambda: "left of run-1: burst sweep") as signals:
        with pytest.raises(Interrupted):
            signal.raise_signal(signal.SIGINT)
        clock.sleep(2)
        with pytest.raises(Gone) as gone, signals.shielded():
            signal.raise_signal(second)
    assert gone.value.args == (ExitCode.INTERRUPTED,)
    assert capfd.readouterr().err == "\nleft of run-1: burst sweep\n"


def test_behind_the_shield_the_first_one_is_remembered_and_breaks_nothing_off(capfd: pytest.CaptureFixture[str]) -> None:
    done = []
    with catching(lambda: "last words") as signals:
        with signals.shielded():
            signal.raise_signal(signal.SIGTERM)
            done.append("teardown")
        assert (done, signals.received) == (["teardown"], signal.SIGTERM)
        assert "again to stop at once" in capfd.readouterr().err
        clock.sleep(2)
        with pytest.raises(Gone):
            signal.raise_signal(signal.SIGTERM)


def test_one_that_comes_twice_at_once_is_one(capfd: pytest.CaptureFixture[str]) -> None:
    """A Ctrl-C reaches the whole process group, and a wrapper forwards it as well."""
    with catching(lambda: "last words") as signals:
        with pytest.raises(Interrupted):
            signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGTERM)
        assert signals.received == signal.SIGINT
    assert capfd.readouterr().err == ""


def test_after_the_block_signals_are_as_they_were() -> None:
    before = [signal.getsignal(signum) for signum in SIGNALS]
    with contextlib.suppress(ZeroDivisionError), catching(lambda: ""):
        assert [signal.getsignal(signum) for signum in SIGNALS] != before
        raise ZeroDivisionError
    assert [signal.getsignal(signum) for signum in SIGNALS] == before
