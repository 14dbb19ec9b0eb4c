"""The errors a user can meet, their classes, and the exit codes. The only file in which those are written.

Every error says what happened, why, and the next command to type. `cli.boundary` is the one place that
turns an error into text and an exit status.
"""

from __future__ import annotations

from enum import Enum, IntEnum


class ExitCode(IntEnum):
    """What the shell sees. Frozen: a number is never given a second meaning."""

    DONE = 0
    BUG = 1
    INVALID = 2
    REFUSED = 3
    NOT_CREATED = 4
    JOB_FAILED = 5
    OUTPUTS = 6
    LEFTOVER = 7
    INTERRUPTED = 130


EXIT_MEANINGS: dict[ExitCode, str] = {
    ExitCode.DONE: "done: every job succeeded, every output is here, nothing is left",
    ExitCode.BUG: "our bug: the report on the screen can be pasted into an issue",
    ExitCode.INVALID: "the file or the command line is wrong; nothing was created",
    ExitCode.REFUSED: "preflight refused; nothing was created",
    ExitCode.NOT_CREATED: "the cluster could not be created or did not become ready; what there was of it is gone",
    ExitCode.JOB_FAILED: "a job failed; the outputs it made were collected",
    ExitCode.OUTPUTS: "an output is missing or its checksum differs",
    ExitCode.LEFTOVER: "something is left; its ids are listed, `burst down RUN` ends them",
    ExitCode.INTERRUPTED: "interrupted, and torn down",
}


class Kind(Enum):
    """Why a provider said no.

    CAPACITY is tried elsewhere, THROTTLE and TRANSIENT again; QUOTA, AUTH and CONFIG stop with the provider's words.
    """

    CAPACITY = "CAPACITY"
    QUOTA = "QUOTA"
    THROTTLE = "THROTTLE"
    AUTH = "AUTH"
    CONFIG = "CONFIG"
    TRANSIENT = "TRANSIENT"


class BurstError(Exception):
    """What happened (`message`), why (`why`), the next command (`fix`), and the exit status it means."""

    exit_code: ExitCode = ExitCode.BUG

    def __init__(self, message: str, *, why: str = "", fix: str = "", kind: Kind | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.why = why
        self.fix = fix
        self.kind = kind


class Invalid(BurstError):
    """The file or the command line is wrong."""

    exit_code = ExitCode.INVALID


class Refused(BurstError):
    """A check before creation said no."""

    exit_code = ExitCode.REFUSED


class NotCreated(BurstError):
    """The cluster could not be created, or did not become ready."""

    exit_code = ExitCode.NOT_CREATED


class OutputsWrong(BurstError):
    """An output is missing, or what arrived is not what was sent."""

    exit_code = ExitCode.OUTPUTS


class Leftover(BurstError):
    """Something of the run still exists after its teardown."""

    exit_code = ExitCode.LEFTOVER


class Interrupted(BaseException):
    """A signal asked for the end. Not an Exception: nothing but the lifecycle may catch it.

    `signum` is the signal's number (signal(7)).
    """

    def __init__(self, signum: int) -> None:
        super().__init__(signum)
        self.signum = signum
