"""The caller's sessions, one for each region, and a new one where the credentials of the last have ended meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, TypeVar

from provisioner.errors import BurstError, Kind

T = TypeVar("T")


class Sessions:
    """`opened` answers the session of a region, or raises Refused with the command that logs in. Threads may share it."""

    def __init__(self, opened: Callable[[str], Any]) -> None:
        self._opened = opened
        self._open: dict[str, Any] = {}
        self._lock = threading.Lock()
        # Two regions are opened side by side, one region once.
        self._opening: dict[str, threading.Lock] = {}

    def of(self, region: str) -> Any:
        """Raises Refused."""
        with self._lock:
            own = self._opening.setdefault(region, threading.Lock())
        with own:
            try:
                return self._open[region]
            except KeyError:
                made = self._open[region] = self._opened(region)
                return made

    def asked(self, region: str, ask: Callable[[Any], T]) -> T:
        """What `ask` answers with a session; where that is denied it is asked once more with another one.

        Raises what the cloud refuses; where nobody is logged in any more, Refused with the command that logs in.
        """
        session = self.of(region)
        try:
            return ask(session)
        except Exception as problem:
            if getattr(problem, "kind", None) not in (Kind.AUTH, Kind.AUTH.name):
                raise
            self._drop(region, session)
        return ask(self.of(region))

    def renewed(self, region: str) -> bool:
        """Whether there is another session than the last one."""
        self._drop(region, self._open.get(region))
        try:
            self.of(region)
        except BurstError:
            return False
        return True

    def _drop(self, region: str, session: Any) -> None:
        """Many threads may be denied at once: the first takes it away, and none takes away the next one."""
        with self._lock:
            if self._open.get(region) is session:
                self._open.pop(region, None)
