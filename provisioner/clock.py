"""The one clock. Tests turn it with `clock.use(...)`; nothing else reads the time or sleeps."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol


class Clock(Protocol):
    """`now` in epoch seconds, `monotonic` in seconds from an arbitrary start, `sleep` in seconds."""

    def now(self) -> float: ...
    def monotonic(self) -> float: ...
    def sleep(self, seconds: float) -> None: ...


class SystemClock:
    """The machine's own."""

    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


_clock: Clock = SystemClock()


@contextmanager
def use(clock: Clock) -> Iterator[Clock]:
    """Turn to another clock for as long as the block lasts."""
    global _clock
    before, _clock = _clock, clock
    try:
        yield clock
    finally:
        _clock = before


def now() -> float:
    """Epoch seconds."""
    return _clock.now()


def monotonic() -> float:
    """Seconds from an arbitrary start; never goes back."""
    return _clock.monotonic()


def sleep(seconds: float) -> None:
    """Wait for that many seconds."""
    _clock.sleep(seconds)


def utc(epoch: float) -> str:
    """RFC 3339 in UTC with milliseconds, as the receipt and the events have it."""
    millis = int(epoch * 1000)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(millis // 1000)) + f".{millis % 1000:03d}Z"


def patience(seconds: float, *, first: float = 0.004, longest: float = 0.25) -> Iterator[float]:
    """Waits that grow by a fifth, for a loop that asks again: yields the seconds that are left, ends when none are."""
    until = monotonic() + seconds
    pause = first
    while (left := until - monotonic()) > 0:
        yield left
        sleep(min(pause, left))
        pause = min(pause * 1.2, longest)
