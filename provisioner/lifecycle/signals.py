"""Signals: the first one asks for a clean end, the second one ends at once and says what is left."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from provisioner import clock
from provisioner.errors import ExitCode, Interrupted

# A wrapper that forwards a signal which the whole process group got (make, CI runners) sends it twice at once:
# only a signal this many seconds after the first is a person's second one.
_SAME = 1.0
_CAUGHT = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Signals:
    """Where the signals of one run end up. `received` has the first one, if there was any."""

    def __init__(self, last_words: Callable[[], str]) -> None:
        self.received: int | None = None
        self._at = 0.0
        self._shielded = False
        self._last_words = last_words

    def _handle(self, signum: int, frame: FrameType | None) -> None:
        if self.received is not None and clock.monotonic() - self._at < _SAME:
            return
        if self.received is not None:
            # Whatever becomes of the words: a terminal may have gone.
            with contextlib.suppress(Exception):
                os.write(sys.stderr.fileno(), f"\n{self._last_words()}\n".encode())
            os._exit(ExitCode.INTERRUPTED)
        self.received, self._at = signum, clock.monotonic()
        if self._shielded:
            with contextlib.suppress(OSError, ValueError):
                os.write(sys.stderr.fileno(), b"\nburst: already taking everything down; again to stop at once\n")
            return
        raise Interrupted(signum)

    @contextmanager
    def shielded(self) -> Iterator[None]:
        """Here a first signal is remembered and nothing is broken off."""
        self._shielded = True
        try:
            yield
        finally:
            self._shielded = False


@contextmanager
def catching(last_words: Callable[[], str]) -> Iterator[Signals]:
    """Catch SIGINT, SIGTERM and SIGHUP for as long as the block lasts. `last_words` are printed on a second one."""
    signals = Signals(last_words)
    before = {signum: signal.signal(signum, signals._handle) for signum in _CAUGHT}
    try:
        yield signals
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)
