"""What people read: events as they come, findings, and the receipt at the end."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence

import click

from provisioner.events import Event
from provisioner.findings import Finding, Level
from provisioner.jobs.model import JobResult
from provisioner.report.receipt import Attempt, Cost, Receipt
from provisioner.targets.base import UNASKED, Resource
from provisioner.targets.launching import REFUSED
from provisioner.units import count, show_duration, show_size

_COLOURS = {Level.ERROR: "red", Level.WARNING: "yellow", Level.INFO: "cyan"}
# Said in the receipt, or of no use to a person while they wait.
_QUIET = {"phase.started", "job.log", "job.staged"}
# Intents whose outcome is told a moment later.
_QUIET_STEPS = {"submit", "collect", "kept", "make", "settled"}


def finding_lines(findings: Iterable[Finding]) -> Iterator[str]:
    """`file:line: error: what [check]` and, below it, the fix; the check is what --skip takes."""
    for finding in findings:
        where = f"{finding.where}: " if finding.where else ""
        check = f" [{finding.check}]" if finding.check and finding.level is not Level.INFO else ""
        yield f"{where}{click.style(finding.level.value, fg=_COLOURS[finding.level])}: {finding.message}{check}"
        if finding.fix:
            yield f"    {finding.fix}"


class Progress:
    """A sink of events for the screen (standard error): one line each, with the seconds since the start."""

    def __init__(self) -> None:
        self._start: float | None = None

    def __call__(self, event: Event) -> None:
        if self._start is None:
            self._start = event.time
        line = _line(event)
        if line is not None:
            # A reader that has gone must not end the run.
            with contextlib.suppress(OSError):
                click.echo(f"{click.style(f'{event.time - self._start:7.2f}s', dim=True)}  {line}", err=True)


def _line(event: Event) -> str | None:
    if event.kind in _QUIET or event.data.get("step") in _QUIET_STEPS or event.data.get("state") in ("PENDING", "COMPLETING"):
        return None
    if event.kind == "phase.ended":
        return click.style(f"✓ {event.message}", fg="green") + click.style(f"  {show_duration(event.data['seconds'])}", dim=True)
    if event.kind == "finding":
        level = Level(event.data["level"])
        fix = f" ({event.data['fix']})" if event.data.get("fix") else ""
        return f"  {click.style(level.value, fg=_COLOURS[level])}: {event.message}{fix}"
    if event.kind in ("left", "stopped", "destroy.failed", "job.refused", "node.dead"):
        return click.style(f"  {event.message}", fg="red")
    return f"  {event.message}"


def show_log(label: str, line: str) -> None:
    """One line of a job's log, as it comes."""
    with contextlib.suppress(OSError):
        click.echo(f"{click.style(f'{label} |', fg='blue')} {line}", err=True)


def receipt_lines(receipt: Receipt) -> Iterator[str]:
    """The receipt for a person."""
    yield ""
    good = receipt.exit_code == 0
    title = f"{receipt.run_id} on {receipt.target}: {receipt.status}"
    yield click.style(title, fg="green" if good else "red", bold=True) + f" in {show_duration(round(receipt.seconds, 2))}"
    yield "  " + "  ".join(f"{phase.name} {show_duration(round(phase.seconds, 2))}" for phase in receipt.phases)
    for name, job in receipt.jobs.items():
        yield from _job_lines(name, job, receipt.results)
    yield f"  cost {_cost(receipt.cost)}"
    yield from _attempt_lines(receipt.attempts)
    if receipt.problem is not None:
        yield click.style(f"  {receipt.problem.message}", fg="red")
        yield from (f"    {line}" for text in (receipt.problem.why, receipt.problem.fix) for line in text.splitlines())
    yield from (f"  {line}" for line in finding_lines(f for f in receipt.findings if f.level is Level.ERROR))
    if receipt.remains:
        yield click.style(f"  LEFT: {left_in_words(receipt.remains)}", fg="red", bold=True)
        yield from (f"    {line}" for line in left_lines(receipt.remains))
        yield f"    next: burst down {receipt.run_id}"
    elif receipt.status == "detached":
        yield from (f"  {finding.message}" for finding in receipt.findings if finding.code == "detached")
        yield "  it goes on without you: " + ", ".join(f"burst {verb} {receipt.run_id}" for verb in ("status", "fetch", "down"))
    elif receipt.status == "ended-alone":
        yield f"  left: nobody has asked yet; next: burst fetch {receipt.run_id}"
    elif receipt.status != "kept":
        asked = f", asked {count(len(receipt.scans), 'time')}" if len(receipt.scans) > 1 else ""
        yield f"  left: nothing{asked}"
    yield f"  receipt {receipt.results}/receipt.json"


def _attempt_lines(attempts: Sequence[Attempt]) -> Iterator[str]:
    """Where there was no room, and what was had instead; nothing where all were had at once."""
    refused = any(not attempt.made for attempt in attempts)
    last = (attempts[-1].target, attempts[-1].zone) if attempts else None
    # What was had in a place that was left is gone.
    for attempt in (each for each in attempts if refused and (not each.made or (each.target, each.zone) == last)):
        where = attempt.target + (f" ({attempt.zone})" if attempt.zone else "")
        what = f"{count(len(attempt.nodes), 'machine')} {attempt.instance}, {attempt.market}, in {where}"
        yield f"  got {what}" if attempt.made else click.style(f"  {REFUSED[attempt.kind]} for {what}", fg="yellow")


def left_in_words(remains: Sequence[Resource]) -> str:
    """2 billed, 3 free; and where nobody could be asked, that."""
    known = [resource for resource in remains if resource.kind != UNASKED]
    billed = sum(resource.billed for resource in known)
    said = f"{billed} billed, {len(known) - billed} free" if known else ""
    return ", ".join(filter(None, (said, "" if len(known) == len(remains) else "not everything could be asked")))


def left_lines(remains: Sequence[Resource]) -> Iterator[str]:
    """A line for each thing that is left."""
    for resource in remains:
        cost = "      " if resource.kind == UNASKED else "billed" if resource.billed else "free  "
        yield f"{cost} {resource.kind} {resource.id} {resource.name}".rstrip()
        if resource.why and resource.kind != UNASKED:
            yield f"       {resource.why}"


def _cost(cost: Cost) -> str:
    """What it came to, and what it could have."""
    if not cost.items and cost.final_usd == 0:
        return "nothing"
    most = cost.estimated_usd if cost.limit_usd is None else cost.limit_usd
    final = "not known" if cost.final_usd is None else f"{cost.final_usd:.2f} USD"
    return final if most is None else f"{final} (of at most {most:.2f})"


def _job_lines(name: str, job: JobResult, results: str) -> Iterator[str]:
    colour = "green" if job.state == "COMPLETED" else "red"
    number = f" job {job.slurm_id}" if job.slurm_id is not None else ""
    nodes = f" on {', '.join(job.nodes)}" if job.nodes else ""
    time = f", {show_duration(job.seconds)}" if job.seconds else ""
    tasks = f", {count(len(job.tasks), 'task')}" if job.tasks else ""
    code = f", exit code {job.exit_code}" if job.exit_code else ""
    reason = f", {job.reason}" if job.state != "COMPLETED" and job.reason not in ("", "None") else ""
    again = f", requeued {count(job.restarts, 'time')}" if job.restarts else ""
    yield f"  {click.style(job.state, fg=colour)} {name}{number}{nodes}{tasks}{time}{code}{reason}{again}"
    for output in job.outputs[:10]:
        yield f"    {results}/{name}/{output.path}  {show_size(output.bytes)}  {output.sha256[:12]}"
    if len(job.outputs) > 10:
        total = sum(output.bytes for output in job.outputs)
        yield f"    … {len(job.outputs)} files, {show_size(total)} in all"
    for missing in job.missing:
        yield click.style(f"    missing: {missing}", fg="red")
    if job.log_tail:
        yield click.style("    the end of its log:", dim=True)
        yield from (f"    | {line}" for line in job.log_tail.splitlines())
