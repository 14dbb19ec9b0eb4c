"""A run's record while it goes on: its events, its phases, what became of its jobs. It ends as the Receipt."""

from __future__ import annotations

import contextlib
import errno
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from provisioner import clock, files
from provisioner.design.model import Design
from provisioner.errors import BurstError, ExitCode, Interrupted, Invalid
from provisioner.events import Event, Events, Sink
from provisioner.findings import Finding, errors
from provisioner.jobs.model import JobResult
from provisioner.lifecycle import refusals
from provisioner.lifecycle.budget import Meter
from provisioner.lifecycle.candidates import Candidate
from provisioner.lifecycle.state import RunState
from provisioner.report.receipt import Attempt, Choice, Cost, Course, Phase, Problem, Receipt, Scan, Spent, Status
from provisioner.targets.base import Resource, Target

_STATUS: dict[ExitCode, Status] = {
    ExitCode.DONE: "done",
    ExitCode.BUG: "bug",
    ExitCode.INVALID: "invalid",
    ExitCode.REFUSED: "refused",
    ExitCode.NOT_CREATED: "not-created",
    ExitCode.JOB_FAILED: "job-failed",
    ExitCode.OUTPUTS: "outputs-missing",
    ExitCode.LEFTOVER: "left-over",
    ExitCode.INTERRUPTED: "interrupted",
}


class Record:
    """What happened so far. `events` goes to the journal first, then to DIR/events.jsonl, then to the screen."""

    def __init__(self, design: Design, state: RunState, results: Path, sinks: Sequence[Sink]) -> None:
        self.design = design
        self.state = state
        self.results = results
        self.jobs: dict[str, JobResult] = {}
        self.findings: list[Finding] = []
        self.remains: tuple[Resource, ...] = ()
        self.scans: tuple[Scan, ...] = ()
        self.phases: list[Phase] = []
        self._problem: BaseException | None = None
        self._started, self._at = clock.monotonic(), clock.now()
        self.events = Events(design.run.id, [state.journal, _to_file(results / "events.jsonl"), *sinks])
        # Where it is, once it has begun; it may begin anew elsewhere (acquire.py).
        self.target: Target | None = None
        # Of a kept cluster, or of one whose client died, as that client knew it.
        self.course = state.course()
        self.meter = Meter(design, state.folder, self.found)
        self.events.listen(self.meter)
        self.events.listen(self._attempted)
        self.events.listen(refusals.listening(lambda: self.design))

    def placed(self, candidate: Candidate) -> None:
        """It is there, and nowhere else."""
        self.design, self.target = candidate.design, candidate.target
        self.meter.follow(candidate.design)

    def chose(self, choices: Sequence[Choice]) -> None:
        """Keep which targets there were, and tell it where there was more than one."""
        self._keep(self.course.model_copy(update={"choices": tuple(choices)}))
        if len(choices) > 1:
            for choice in choices:
                self.events.say("choice", f"{choice.target}: {choice.why}", **choice.model_dump())

    def _attempted(self, event: Event) -> None:
        """As a sink of events: who was asked for machines, and had room or not."""
        if event.kind not in ("launched", "launch.refused"):
            return
        made, data = event.kind == "launched", event.data
        attempt = Attempt(
            target=self.design.place,
            zone=self.design.zone or "",
            nodes=tuple(data["nodes"]),
            instance=data["instance"],
            market=data["market"],
            at=clock.utc(event.time),
            made=made,
            kind="" if made else data["refusal"],
            why="" if made else event.message,
        )
        self._keep(self.course.model_copy(update={"attempts": (*self.course.attempts, attempt)}))

    def _keep(self, course: Course) -> None:
        self.course = course
        # What cannot be written is in this receipt all the same.
        with contextlib.suppress(OSError):
            self.state.save_course(course)

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Time a stretch, and tell of its beginning and end; it counts however it ends."""
        started, at = clock.monotonic(), clock.now()
        self.events.say("phase.started", name, phase=name)
        try:
            yield
        finally:
            seconds = round(clock.monotonic() - started, 3)
            self.phases.append(Phase(name=name, started_at=clock.utc(at), seconds=seconds))
            self.events.say("phase.ended", name, phase=name, seconds=seconds)

    def found(self, *findings: Finding) -> None:
        """Keep what was noticed, and tell it."""
        for finding in findings:
            self.findings.append(finding)
            self.events.say("finding", finding.message, level=finding.level.value, code=finding.code, fix=finding.fix)

    def stopped(self, problem: BaseException) -> None:
        """Keep what ended the run early; the first such thing is what the receipt tells."""
        if self._problem is None:
            self._problem = problem
            message = problem.message if isinstance(problem, BurstError) else _name(problem)
            self.events.say("stopped", message)

    def reraise_bug(self) -> None:
        """What nobody foresaw goes on to the boundary, now that everything is taken down."""
        known = isinstance(self._problem, BurstError) and self._problem.exit_code is not ExitCode.BUG
        if self._problem is not None and not known and not isinstance(self._problem, Interrupted):
            raise self._problem

    def exit_code(self) -> ExitCode:
        """What is left comes before what was interrupted, that before what failed, that before what is missing."""
        if self.remains:
            return ExitCode.LEFTOVER
        if isinstance(self._problem, Interrupted):
            return ExitCode.INTERRUPTED
        if isinstance(self._problem, BurstError):
            return self._problem.exit_code
        if self._problem is not None:
            return ExitCode.BUG
        if any(job.state != "COMPLETED" for job in self.jobs.values()):
            return ExitCode.JOB_FAILED
        wrong = any(job.missing for job in self.jobs.values()) or any(f.code == "output" for f in errors(self.findings))
        return ExitCode.OUTPUTS if wrong else ExitCode.DONE

    def receipt(self, *, status: Status | None = None) -> Receipt:
        """As it stands now, also written to DIR/receipt.json."""
        code = self.exit_code()
        receipt = Receipt(
            run_id=self.design.run.id,
            name=self.design.name,
            target=self.design.place,
            status=status or _STATUS[code],
            exit_code=int(code),
            started_at=self.phases[0].started_at if self.phases else clock.utc(self._at),
            seconds=round(clock.monotonic() - self._started + self._before(), 3),
            results=str(self.results),
            phases=tuple(self.phases),
            jobs=self.jobs,
            cost=self._cost(),
            remains=self.remains,
            choices=self.course.choices,
            attempts=self.course.attempts,
            scans=self.scans,
            findings=tuple(self.findings),
            problem=_problem(self._problem),
        )
        try:
            files.write(self.results / "receipt.json", receipt.model_dump_json(indent=2) + "\n")
        except OSError as problem:
            self.events.say("stopped", f"{self.results}/receipt.json could not be written: {problem.strerror}")
        return receipt

    def _cost(self) -> Cost:
        lines = tuple(
            Spent(
                name=line.name,
                what=line.what,
                count=line.count,
                amount=round(line.hours, 4),
                unit=line.unit,
                usd=round(line.usd, 4),
            )
            for line in self.meter.lines()
        )
        return Cost(
            estimated_usd=self.design.estimate.total_max,
            final_usd=None if self.meter.ledger.unpriced() else round(self.meter.spent(), 2),
            limit_usd=self.design.budget,
            items=lines,
        )

    def _before(self) -> float:
        """What came before the record: preflight."""
        return sum(phase.seconds for phase in self.phases if phase.name == "preflight")


def claim(results: Path) -> Path:
    """Make the results' folder, before anything else exists. Raises Invalid where it cannot be written to."""
    try:
        results.mkdir(parents=True, exist_ok=True)
        if not os.access(results, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, "Permission denied")
        for name in ("events.jsonl", "receipt.json"):
            if (results / name).is_dir():
                raise IsADirectoryError(errno.EISDIR, f"{name} in it is a folder")
        (results / "events.jsonl").open("a").close()
    except OSError as problem:
        why = problem.strerror or str(problem)
        raise Invalid(f"{results} cannot be written to", why=why, fix="name another folder: --results DIR") from problem
    return results


def _name(problem: BaseException) -> str:
    return "interrupted" if isinstance(problem, Interrupted) else f"{type(problem).__name__}: {problem}"


def _problem(problem: BaseException | None) -> Problem | None:
    if problem is None:
        return None
    if isinstance(problem, BurstError):
        kind = problem.kind.value if problem.kind else None
        return Problem(message=problem.message, why=problem.why, fix=problem.fix, kind=kind)
    if isinstance(problem, Interrupted):
        return Problem(message=f"interrupted by signal {problem.signum}", why="everything was taken down")
    return Problem(message=_name(problem), why="a bug of ours")


def _to_file(path: Path) -> Sink:
    """Every event but the jobs' own output, which is in their logs."""

    def sink(event: Event) -> None:
        if event.kind != "job.log":
            # A full disk, or a folder that somebody took away, ends no run: the journal is what must be written.
            with contextlib.suppress(OSError), path.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps(event.model_dump(mode="json"), ensure_ascii=False) + "\n")

    return sink
