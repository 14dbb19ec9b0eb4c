"""A finding: one thing noticed about a file, a design or a place, with its fix. Rules append them and never raise."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from pydantic import BaseModel, ConfigDict


class Level(StrEnum):
    """`error` stops the run before anything is created; `warning` and `info` are said and recorded."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


class Finding(BaseModel):
    """What was noticed. `code` is stable and greppable; `file` and `line` (1-based) are set where a file is meant, `check`
    where it can be left out by that name (`--skip`).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    level: Level
    code: str
    message: str
    fix: str = ""
    file: str | None = None
    line: int | None = None
    check: str = ""

    @property
    def where(self) -> str:
        """`file:line`, `file`, or an empty string."""
        if self.file is None:
            return ""
        return self.file if self.line is None else f"{self.file}:{self.line}"


def error(code: str, message: str, fix: str = "", *, file: str | None = None, line: int | None = None) -> Finding:
    """A finding that stops the run."""
    return Finding(level=Level.ERROR, code=code, message=message, fix=fix, file=file, line=line)


def warning(code: str, message: str, fix: str = "", *, file: str | None = None, line: int | None = None) -> Finding:
    """A finding that is said and recorded."""
    return Finding(level=Level.WARNING, code=code, message=message, fix=fix, file=file, line=line)


def info(code: str, message: str, fix: str = "", *, file: str | None = None, line: int | None = None) -> Finding:
    """A fact worth saying."""
    return Finding(level=Level.INFO, code=code, message=message, fix=fix, file=file, line=line)


def errors(found: Iterable[Finding]) -> tuple[Finding, ...]:
    """Only those that stop the run."""
    return tuple(f for f in found if f.level is Level.ERROR)
