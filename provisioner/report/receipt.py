"""The receipt: a documented, versioned contract. A key is never removed or given another meaning within a version."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from provisioner.findings import Finding
from provisioner.jobs.model import JobResult
from provisioner.targets.base import Resource

Status = Literal[
    "done",
    "job-failed",
    "outputs-missing",
    "not-created",
    "interrupted",
    "left-over",
    "invalid",
    "refused",
    "bug",
    "kept",
    "detached",
    "ended-alone",
    "swept",
]


class Part(BaseModel):
    """Frozen and closed."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Phase(Part):
    """One stretch of the way: `started_at` is RFC 3339 in UTC."""

    name: str
    started_at: str
    seconds: float


class Spent(Part):
    """All of one kind that was billed: `amount` in `unit`, hours of all of them together or GiB of traffic. `count` is how
    many there were."""

    name: str
    what: str
    count: int
    amount: float
    unit: str
    usd: float


class Cost(Part):
    """USD; null where a price is not known. `final_usd` is what `items` come to by the published prices, of a kept cluster
    up to now; `estimated_usd` the most that it was thought to cost, `limit_usd` the file's limits.cost.
    """

    estimated_usd: float | None
    final_usd: float | None
    limit_usd: float | None = None
    items: tuple[Spent, ...] = ()


class Scan(Part):
    """The place was asked what it still has of the run: when (RFC 3339 in UTC), whether it answered, and how many things
    that are billed and that are free it told of.
    """

    at: str
    answered: bool
    billed: int
    free: int


class Attempt(Part):
    """Machines were asked for: where, of which type, on which market, for which `nodes`, and when (RFC 3339 in UTC). `made` is
    whether they were to be had; where not, `kind` is why (CAPACITY, QUOTA), and `why` has the provider's own words.
    """

    target: str
    zone: str = ""
    nodes: tuple[str, ...]
    instance: str
    market: str
    at: str
    made: bool
    kind: str = ""
    why: str = ""


class Choice(Part):
    """One target of the file, and why it was or was not `chosen`, which is what is tried first; `fits` is whether nothing speaks
    against it, `fix` what to do where something does. USD; null where a price is not known; `assumed` where jobs without a time
    were taken to have one, or a price stands for another. `ready_s` is when the first node is ready, by typical figures, in
    seconds; `zones` in the order in which they are tried.
    """

    target: str
    chosen: bool
    fits: bool
    why: str
    fix: str = ""
    expected_usd: float | None
    assumed: bool = False
    hourly_usd: float | None
    at_most_usd: float | None
    ready_s: float
    zones: tuple[str, ...] = ()


class Course(Part):
    """What a receipt tells of where a run went: kept beside its journal, for whoever writes the last receipt."""

    choices: tuple[Choice, ...] = ()
    attempts: tuple[Attempt, ...] = ()


class Problem(Part):
    """What stopped it: what happened, why, and what to type next. `kind` is an error class of the providers'."""

    message: str
    why: str = ""
    fix: str = ""
    kind: str | None = None


class Receipt(Part):
    """A run, from its beginning to the proof that nothing is left."""

    receipt_version: Literal[1] = Field(1, description="The version of this contract.")
    run_id: str = Field(description="The run's id; every resource carried it.")
    name: str = Field(description="`name` of the file.")
    target: str = Field(description="The target it ran on, with its region.")
    status: Status = Field(
        description="How it ended, in a word. `detached`: it goes on without its client. `ended-alone`: the head's own receipt "
        "of such a run; `exit_code` tells how the work ended, and what is left nobody has asked yet."
    )
    exit_code: int = Field(description="What the shell saw (docs/exit-codes.md).")
    started_at: str = Field(description="RFC 3339, UTC.")
    seconds: float = Field(description="From begin to end.")
    results: str = Field(description="The folder with the outputs, as it was given.")
    phases: tuple[Phase, ...] = Field(description="What took how long, in order.")
    jobs: dict[str, JobResult] = Field(description="Each job by its name.")
    cost: Cost = Field(description="What it was thought to cost at most, and what it did.")
    remains: tuple[Resource, ...] = Field(description="What still exists. Must be empty.")
    choices: tuple[Choice, ...] = Field((), description="The file's targets in the order in which they are tried, and why.")
    attempts: tuple[Attempt, ...] = Field((), description="Each time that machines were asked for: where there was room.")
    scans: tuple[Scan, ...] = Field((), description="Each time that the place was asked what remains: the last one is the proof.")
    findings: tuple[Finding, ...] = Field(description="What was noticed.")
    problem: Problem | None = Field(None, description="What stopped it, if anything did.")
