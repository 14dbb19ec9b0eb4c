"""Follow: what jobs write to their logs, line by line, as it comes."""

from __future__ import annotations

from collections.abc import Callable

from provisioner.executor.base import Executor
from provisioner.slurm.outcome import printable
from provisioner.slurm.states import Task

# At most this much of one log at one look; the rest comes with the next.
_LIMIT = 1 << 18
_BLOCKS = 64
# Where a log has no line's end for so long, it is shown all the same.
_LONGEST = 1 << 14

Show = Callable[[str, str], None]


class Follower:
    """`show` is called with a label (job, or job[index]) and a line without its end."""

    def __init__(self, executor: Executor, show: Show) -> None:
        self._executor = executor
        self._show = show
        self._offsets: dict[str, int] = {}
        self._rest: dict[str, bytes] = {}

    def read(self, tasks: dict[str, tuple[Task, ...]]) -> None:
        """Show what is new in every log of a job that runs or ran."""
        for name, known in tasks.items():
            for task in known:
                if task.started is None or not task.stdout or task.state == "PENDING":
                    continue
                label = name if task.index is None else f"{name}[{task.index}]"
                self._advance(label, task.stdout, last=task.over)

    def _advance(self, label: str, path: str, *, last: bool) -> None:
        for _ in range(_BLOCKS):
            block = self._executor.read(path, self._offsets.get(path, 0), _LIMIT)
            self._offsets[path] = self._offsets.get(path, 0) + len(block)
            *lines, rest = (self._rest.get(path, b"") + block).split(b"\n")
            if rest and (len(rest) > _LONGEST or (last and len(block) < _LIMIT)):
                lines, rest = [*lines, rest], b""
            self._rest[path] = rest
            for line in lines:
                self._show(label, printable(line))
            if len(block) < _LIMIT:
                return
