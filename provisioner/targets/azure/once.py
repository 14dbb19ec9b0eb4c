"""Answers that several want: each is asked for once, whoever wants it first."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

Answer = TypeVar("Answer")


class Once:
    """By name. Checks run side by side: whoever comes second waits for the first one's answer (a cached_property does not),
    and is refused with it. With `again` a refusal is forgotten after that: it may have been a moment's.
    """

    def __init__(self, *, again: bool = False) -> None:
        self._again, self._lock, self._answers = again, threading.Lock(), dict[str, Future[Any]]()

    def __call__(self, name: str, ask: Callable[[], Answer]) -> Answer:
        with self._lock:
            mine = name not in self._answers
            answer: Future[Answer] = self._answers.setdefault(name, Future())
        if mine:
            try:
                answer.set_result(ask())
            except BaseException as problem:
                if self._again:
                    with self._lock:
                        del self._answers[name]
                answer.set_exception(problem)
        return answer.result()
