"""What a run's record makes of what happened: the exit code, the receipt, the streams of events."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from making import Still, catalogue, design, instance

from provisioner import clock
from provisioner.errors import BurstError, ExitCode, Interrupted, Invalid, Leftover, NotCreated, OutputsWrong
from provisioner.events import Event
from provisioner.findings import Finding, error, warning
from provisioner.jobs.model import JobResult
from provisioner.lifecycle import record as records
from provisioner.lifecycle.record import Record, claim
from provisioner.lifecycle.state import RunState
from provisioner.targets.base import Resource

DESIGN = design("version: 1\nname: a\ngroups: {cpu: {nodes: 1}}\njobs: {melt: {command: ls}}\n")
LEFT = (Resource(kind="process", id="42"),)


def result(**known: Any) -> JobResult:
    plain: dict[str, Any] = {
        "slurm_id": 1,
        "state": "COMPLETED",
        "reason": "",
        "exit_code": 0,
        "nodes": ("cpu-1",),
        "restarts": 0,
    }
    return JobResult(**(plain | {"queued_seconds": 0.0, "seconds": 1.0} | known))


@pytest.fixture
def record(folder: Path) -> Record:
    (folder / "state").mkdir()
    return Record(DESIGN, RunState(folder / "state"), claim(folder / "results"), [])


FAILED, MISSING, FINE = result(state="FAILED", exit_code=1), result(missing=("log",)), result()
WRONG = error("output", "log was not collected")


@pytest.mark.parametrize(
    ("remains", "problem", "job", "finding", "code"),
    [
        ((), None, FINE, None, ExitCode.DONE),
        ((), None, FINE, warning("output", "an optional one"), ExitCode.DONE),
        ((), None, FINE, error("slurm", "could not be asked"), ExitCode.DONE),
        ((), None, MISSING, None, ExitCode.OUTPUTS),
        ((), None, FINE, WRONG, ExitCode.OUTPUTS),
        ((), None, FAILED, WRONG, ExitCode.JOB_FAILED),
        ((), None, result(state="NOT_SUBMITTED"), None, ExitCode.JOB_FAILED),
        ((), None, result(state="UNKNOWN"), None, ExitCode.JOB_FAILED),
        ((), None, result(state="RUNNING"), None, ExitCode.JOB_FAILED),
        ((), RuntimeError("bug"), FAILED, WRONG, ExitCode.BUG),
        ((), NotCreated("no capacity"), FAILED, WRONG, ExitCode.NOT_CREATED),
        ((), OutputsWrong("…"), FINE, None, ExitCode.OUTPUTS),
        ((), Interrupted(2), FAILED, WRONG, ExitCode.INTERRUPTED),
        (LEFT, None, FINE, None, ExitCode.LEFTOVER),
        (LEFT, RuntimeError("bug"), FAILED, WRONG, ExitCode.LEFTOVER),
        (LEFT, NotCreated("no capacity"), FAILED, WRONG, ExitCode.LEFTOVER),
        (LEFT, Interrupted(2), FAILED, WRONG, ExitCode.LEFTOVER),
    ],
)
def test_what_is_worse_comes_first(
    record: Record,
    remains: tuple[Resource, ...],
    problem: BaseException | None,
    job: JobResult,
    finding: Finding | None,
    code: ExitCode,
) -> None:
    record.remains, record.jobs["melt"] = remains, job
    if problem is not None:
        record.stopped(problem)
    if finding is not None:
        record.found(finding)
    assert record.exit_code() is code
    receipt = record.receipt()
    assert receipt.exit_code == code
    assert json.loads((record.results / "receipt.json").read_text())["status"] == receipt.status


@pytest.mark.parametrize("name", ["file", "file/below"])
def test_results_that_cannot_be_written_are_refused_before_anything_exists(folder: Path, name: str) -> None:
    (folder / "file").write_text("")
    with pytest.raises(Invalid, match="cannot be written to"):
        claim(folder / name)


def test_the_numbers_are_frozen() -> None:
    assert {code.name: int(code) for code in ExitCode} == {
        "DONE": 0,
        "BUG": 1,
        "INVALID": 2,
        "REFUSED": 3,
        "NOT_CREATED": 4,
        "JOB_FAILED": 5,
        "OUTPUTS": 6,
        "LEFTOVER": 7,
        "INTERRUPTED": 130,
    }


def test_the_first_problem_is_the_one_that_is_told(record: Record) -> None:
    record.stopped(NotCreated("munged did not start", why="its key", fix="burst doctor"))
    record.stopped(Interrupted(15))
    problem = record.receipt().problem
    assert problem is not None
    assert (problem.message, problem.why, problem.fix) == ("munged did not start", "its key", "burst doctor")


@pytest.mark.parametrize(
    ("problem", "again"), [(RuntimeError("x"), True), (Leftover("x"), False), (BurstError("x"), True), (Interrupted(2), False)]
)
def test_only_a_bug_is_raised_again(record: Record, problem: BaseException, again: bool) -> None:
    record.stopped(problem)
    if again:
        with pytest.raises(type(problem)):
            record.reraise_bug()
    else:
        record.reraise_bug()


def test_a_phase_counts_however_it_ends(record: Record) -> None:
    with clock.use(Still(1_000.0)):
        with record.phase("create"):
            clock.sleep(2.5)
        with contextlib.suppress(NotCreated), record.phase("ready"):
            clock.sleep(1)
            raise NotCreated("no")
    assert [(phase.name, phase.seconds, phase.started_at) for phase in record.phases] == [
        ("create", 2.5, "1970-01-01T00:16:40.000Z"),
        ("ready", 1.0, "1970-01-01T00:16:42.500Z"),
    ]


def test_events_reach_the_journal_before_the_file_and_the_file_before_the_screen(folder: Path) -> None:
    seen: list[tuple[int, int]] = []

    def screen(event: Event) -> None:
        paths = (folder / "state" / "journal.jsonl", folder / "results" / "events.jsonl")
        journal, file = (len(path.read_text().splitlines()) if path.exists() else 0 for path in paths)
        seen.append((journal, file))

    (folder / "state").mkdir()
    record = Record(DESIGN, RunState(folder / "state"), claim(folder / "results"), [screen])
    record.events.step("destroy", "…")
    record.events.say("job.log", "a line of a job's own")
    record.events.say("destroyed", "größe")
    assert seen == [(1, 1), (1, 1), (1, 2)]
    assert "größe" in (folder / "results" / "events.jsonl").read_text(encoding="utf-8")


def test_this_machine_costs_nothing_in_the_end(record: Record) -> None:
    cost = record.receipt().cost
    assert (cost.estimated_usd, cost.final_usd, cost.items) == (0, 0, ())


def test_a_cloud_costs_what_there_was_of_it(folder: Path) -> None:
    text = "version: 1\nname: a\ntarget: aws/us-east-1\ngroups: {cpu: {nodes: 1, instance: c7i.large}}\nhead: {instance: c7i.large}\n"
    (folder / "state").mkdir()
    with clock.use(Still()):
        record = Record(design(text, "aws/us-east-1"), RunState(folder / "state"), claim(folder / "results"), [])
        assert record.receipt().cost.final_usd == 0, "nothing was made"
        record.events.step("create.stack", "…")
        record.events.say("launched", "…", nodes=["cpu-1"], instance="c7i.large", market="on-demand")
        clock.sleep(3600)
        record.events.say("destroyed", "nothing is left")
        clock.sleep(3600)
        receipt = record.receipt()
    assert receipt.target == "aws/us-east-1"
    assert receipt.cost.estimated_usd is not None
    head = 0.08925 + 50 * 0.08 / 730 + 0.005
    assert receipt.cost.final_usd == round(head + 0.08925 + 32 * 0.08 / 730, 2)
    assert [(line.name, line.count, line.amount, line.unit) for line in receipt.cost.items] == [
        (name, 1, 1.0, "h") for name in ("head", "head disk", "public address", "cpu", "cpu disk")
    ]


def test_what_has_no_known_price_makes_no_sum(folder: Path) -> None:
    text = "version: 1\nname: a\ngroups: {cpu: {nodes: 1, instance: free}}\n"
    (folder / "state").mkdir()
    known = catalogue(instance("free", on_demand=None), instance("head"))
    record = Record(design(text, "aws", known), RunState(folder / "state"), claim(folder / "results"), [])
    record.events.step("create.stack", "…")
    record.events.say("launched", "…", nodes=["cpu-1"], instance="free", market="on-demand")
    assert record.receipt().cost.final_usd is None


def test_every_way_to_end_has_a_status() -> None:
    assert set(records._STATUS) == set(ExitCode)
