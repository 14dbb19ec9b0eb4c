"""What is known of a job while it runs, and what the receipt says of it afterwards."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Part(BaseModel):
    """Frozen and closed."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class OutputFile(Part):
    """A file that came back: its path below DIR/<job>, size in bytes, SHA-256 in hex."""

    path: str
    bytes: int
    sha256: str


class TaskResult(Part):
    """One task of an array. Times in seconds."""

    index: int
    state: str
    exit_code: int
    nodes: tuple[str, ...]
    queued_seconds: float | None
    seconds: float | None


class JobResult(Part):
    """How a job ended. `state` is Slurm's (squeue(1), "JOB STATE CODES"), or NOT_SUBMITTED, or UNKNOWN.

    `exit_code` is the shell's, the highest of an array's tasks. `queued_seconds` from submit to start, `seconds`
    from start to end, in Slurm's whole seconds; None where it did not come to that. `logs` are paths below DIR/<job>;
    `log_tail` is there when it failed. `missing` has the required patterns that brought nothing, or not what was sent.
    """

    slurm_id: int | None
    state: str
    reason: str
    exit_code: int | None
    nodes: tuple[str, ...]
    restarts: int
    queued_seconds: float | None
    seconds: float | None
    outputs: tuple[OutputFile, ...] = ()
    missing: tuple[str, ...] = ()
    logs: tuple[str, ...] = ()
    log_tail: str = ""
    tasks: tuple[TaskResult, ...] = ()


class Submitted(Part):
    """A job that sbatch took: its number, and the folder it runs in (on the head)."""

    name: str
    slurm_id: int
    folder: str
