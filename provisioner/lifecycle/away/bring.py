"""The way back of a detached run: out of the bucket, file by file by checksum, and then the proof that nothing is left."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from provisioner import clock, files, manifest
from provisioner.alone import store
from provisioner.errors import BurstError, ExitCode, Invalid, Kind, Refused
from provisioner.events import Events, Sink
from provisioner.findings import Finding, error
from provisioner.jobs.collect import PARTIAL, into_place
from provisioner.lifecycle import kept, state, teardown, work
from provisioner.lifecycle.record import Record, claim
from provisioner.lifecycle.state import RunState
from provisioner.report.receipt import Phase, Receipt, Status
from provisioner.slurm import outcome
from provisioner.spec.fields import NAME_PATTERN, inside
from provisioner.spec.results import Where, parse
from provisioner.targets import results as places
from provisioner.targets.registry import open_target

_STATUS: dict[int, Status] = {0: "done", 5: "job-failed", 6: "outputs-missing"}
_AT_ONCE = 4
_TRIES = 3


@dataclass(frozen=True)
class Bucket:
    """A run's folder in a bucket, as the caller may read it."""

    run_id: str
    where: Where
    store: store.Store

    def json(self, name: str) -> Any:
        """A document, None where there is none. Raises Refused."""
        with _reading(self.where):
            return store.get_json(self.store, name)


@contextmanager
def _reading(where: Where) -> Iterator[None]:
    try:
        yield
    except store.Refused as problem:
        kind = Kind[problem.kind] if problem.kind in Kind.__members__ else Kind.CONFIG
        fix = "log in as somebody who may read it" if kind is Kind.AUTH else "burst fetch again"
        raise Refused(f"{where} could not be read", why=str(problem), fix=fix, kind=kind) from problem


def detached(remembered: RunState) -> Bucket | None:
    """Where a run that was handed over to its head puts its results; None for any other. Raises Refused."""
    handed, design = remembered.journal.last("detached"), remembered.design()
    if handed is None or design is None:
        return None
    where = parse(handed["to"]).below(remembered.run_id)
    return Bucket(remembered.run_id, where, places.opened(where, design.target, design.region))


def ended(remembered: RunState) -> Receipt | None:
    """The receipt of a detached run that has ended by itself; None for one that goes on, or is kept. Raises Refused."""
    bucket = detached(remembered)
    told = bucket.json("receipt.json") if bucket is not None else None
    return Receipt.model_validate(told) if told is not None else None


def fetch_from(run_id: str, source: str, into: Path | None, sinks: Sequence[Sink]) -> Receipt:
    """Bring what there is of a run that nothing is known of but where its results are. Raises Invalid, Refused."""
    bucket = _named(run_id, source)
    return _whole(bucket, into, sinks, None) or _so_far(bucket, into, sinks)


def fetch(run_id: str, into: Path | None, sinks: Sequence[Sink]) -> Receipt:
    """Bring what there is of a detached run. Where it has ended, also end what is left of it, and forget it.

    Raises Invalid, Refused.
    """
    with state.reopen(run_id) as held:
        found = detached(held)
        assert found is not None, "whoever calls has looked"
        into = into or Path((held.journal.last("begin") or {})["results"])
        return _whole(found, into, sinks, held) or _by_ssh(found, into, sinks, held)


def _named(run_id: str, source: str) -> Bucket:
    try:
        where = parse(source).below(run_id)
    except ValueError as problem:
        raise Invalid(str(problem), fix=f"burst fetch {run_id} --from s3://BUCKET/PREFIX") from problem
    return Bucket(run_id, where, places.opened(where))


def _whole(bucket: Bucket, into: Path | None, sinks: Sequence[Sink], held: RunState | None) -> Receipt | None:
    """All of a run that has ended; None where it has not."""
    told = bucket.json("receipt.json")
    if told is None:
        return None
    receipt = Receipt.model_validate(told)
    if receipt.run_id != bucket.run_id:
        # What is ended afterwards is what was asked for, whatever somebody has put there.
        raise Invalid(
            f"{bucket.where} has the receipt of {receipt.run_id}", why="it is another run's", fix="burst fetch RUN --from URL"
        )
    into = claim(into or Path("results") / bucket.run_id)
    events = Events(bucket.run_id, [*([held.journal] if held else []), *sinks])
    phases, found = list(receipt.phases), [each for each in receipt.findings if each.code not in ("unproven", "detached")]
    with _phase(phases, events, "fetch"):
        found += download(bucket, receipt, into, events)
    with _phase(phases, events, "destroy"):
        ended = _destroyed(receipt, events)
    if held is not None and not ended.remains:
        held.forget()
    return _written(receipt, into, phases, found, ended)


@contextmanager
def _phase(phases: list[Phase], events: Events, name: str) -> Iterator[None]:
    started, at = clock.monotonic(), clock.now()
    yield
    seconds = round(clock.monotonic() - started, 3)
    phases.append(Phase(name=name, started_at=clock.utc(at), seconds=seconds))
    events.say("phase.ended", name, phase=name, seconds=seconds)


def _destroyed(receipt: Receipt, events: Events) -> teardown.Ended:
    """The head has ended what is billed; what is free of charge, and Pulumi's own state, goes from here."""
    name, _, region = receipt.target.partition("/")
    target = open_target(name)
    if region:
        target.found_in(receipt.run_id, region)
    return teardown.destroy(target, receipt.run_id, events, settled=True)


def _written(receipt: Receipt, into: Path, phases: Sequence[Phase], found: Sequence[Finding], ended: teardown.Ended) -> Receipt:
    """The run's own receipt, now that what is left is known."""
    jobs = [job.model_dump(mode="json") for job in receipt.jobs.values()]
    code = outcome.exit_code(jobs, [each.model_dump(mode="json") for each in found])
    proven = receipt.model_copy(
        update={
            "status": "left-over" if ended.remains else _STATUS[code],
            "exit_code": int(ExitCode.LEFTOVER) if ended.remains else code,
            "results": str(into),
            "phases": tuple(phases),
            "findings": tuple(found),
            "remains": ended.remains,
            "scans": ended.scans,
        }
    )
    files.write(into / "receipt.json", proven.model_dump_json(indent=2) + "\n")
    return proven


def _so_far(bucket: Bucket, into: Path | None, sinks: Sequence[Sink]) -> Receipt:
    """What the head has put there of a run that goes on, or whose head is dead. Raises Invalid where there is nothing."""
    begun, told = bucket.json("begun.json"), bucket.json("status.json") or {}
    if begun is None or "receipt" not in begun:
        raise Invalid(f"{bucket.where} has nothing of a run", why="there is no begun.json", fix="burst fetch RUN --from URL")
    into, events = claim(into or Path("results") / bucket.run_id), Events(bucket.run_id, list(sinks))
    brought = {name: bucket.json(f"{name}.json")["result"] for name in told.get("kept", ())}
    receipt = Receipt.model_validate({**begun["receipt"], "jobs": {**begun["receipt"]["jobs"], **brought}})
    found = (*receipt.findings, *download(bucket, receipt, into, events))
    events.say("detached", f"{bucket.run_id} goes on; told {clock.utc(told.get('time', begun['began']))}: {_states(told)}")
    code = outcome.exit_code([job.model_dump(mode="json") for job in receipt.jobs.values()], [f.model_dump() for f in found])
    update = {"results": str(into), "findings": found, "exit_code": code, "status": "detached"}
    done = receipt.model_copy(update=update)
    files.write(into / "receipt.json", done.model_dump_json(indent=2) + "\n")
    return done


def _states(told: dict[str, Any]) -> str:
    return ", ".join(f"{name} {' '.join(dict.fromkeys(states))}" for name, states in told.get("jobs", {}).items())


def _by_ssh(bucket: Bucket, into: Path, sinks: Sequence[Sink], held: RunState) -> Receipt:
    """Of a run that goes on: what is over, from its head; from the bucket where the head does not answer."""
    try:
        found = kept.find(held.run_id)
        record = Record(found.design, held, claim(into), sinks)
        with record.phase("collect"):
            work.gather(found.cluster, record, running=True)
    except BurstError as problem:
        # It may have ended in this very moment.
        Events(held.run_id, list(sinks)).say("detached", f"its head does not answer: {problem.why or problem.message}")
        return _whole(bucket, into, sinks, held) or _so_far(bucket, into, sinks)
    record.events.say("detached", f"{bucket.run_id} goes on; its results will be in {bucket.where}")
    return record.receipt(status="detached")


def salvage(held: RunState, sinks: Sequence[Sink]) -> int | None:
    """Bring what a detached run left in its bucket before it is swept; the number of files, None where it has no receipt."""
    bucket = detached(held)
    told = bucket.json("receipt.json") if bucket is not None else None
    if bucket is None:
        return None
    if told is None:
        # Its head died before it came to that: what it had put there by then.
        begun = bucket.json("begun.json")
        into = Path((held.journal.last("begin") or {})["results"])
        brought = _so_far(bucket, into, sinks).jobs.values() if begun and begun.get("receipt") else ()
        return sum(len(job.outputs) for job in brought) or None
    receipt, events = Receipt.model_validate(told), Events(held.run_id, list(sinks))
    into = claim(Path((held.journal.last("begin") or {})["results"]))
    found = download(bucket, receipt, into, events)
    swept = receipt.model_copy(update={"results": str(into), "findings": (*receipt.findings, *found)})
    files.write(into / "receipt.json", swept.model_dump_json(indent=2) + "\n")
    return sum(len(job.outputs) for job in receipt.jobs.values())


def download(bucket: Bucket, receipt: Receipt, into: Path, events: Events) -> list[Finding]:
    """Every job's files into `into/JOB`, each checked by checksum; a download that was broken off goes on where it was.

    What is not there as it was put is a finding. Raises Refused where the bucket cannot be read.
    """
    found: list[Finding] = []
    for name in receipt.jobs:
        told = bucket.json(f"{name}.json") if re.fullmatch(NAME_PATTERN, name) else None
        if told is None:
            # sbatch never took it.
            continue
        lost = _job(bucket, name, told["files"], into)
        found += [error("output", f"{name}: {path} was not brought: {why}") for path, why in lost.items()]
        events.say("job.collected", f"{name}: {len(told['files'])} files from {bucket.where}", job=name, files=len(told["files"]))
    return found


def _job(bucket: Bucket, name: str, wanted: dict[str, Any], into: Path) -> dict[str, str]:
    """The files of one job; why some are not there, by path."""
    partial, halves, final = into / PARTIAL / name, into / PARTIAL / ".halves" / name, into / name

    def bring(path: str) -> tuple[str, str]:
        try:
            inside(path)
        except ValueError as problem:
            # Whoever may write to the bucket may not write anywhere else here.
            return path, str(problem)
        _make_room(partial / path, halves / path)
        right = _brought(bucket, f"{name}/{path}", wanted[path], (final / path, partial / path, halves / path))
        return path, "" if right else f"it is not in {bucket.where} as it was put"

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        lost = {path: why for path, why in pool.map(bring, wanted) if why}
    _without(partial, set(wanted))
    shutil.rmtree(halves.parent, ignore_errors=True)
    into_place(partial, final)
    return lost


def _make_room(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)


def _brought(bucket: Bucket, name: str, told: dict[str, Any], places: tuple[Path, Path, Path]) -> bool:
    """One file; whether it is what was put. `places`: where it may be from before, where it goes, where it grows."""
    before, there, half = places
    if _is(there, told):
        return True
    if _is(before, told):
        shutil.copy2(before, there)
        return True
    for left in range(_TRIES, 0, -1):
        try:
            _append(bucket, name, half, told["bytes"])
        except store.Refused as problem:
            if problem.kind == "ABSENT":
                return False
            if left == 1 or problem.kind != "TRANSIENT":
                with _reading(bucket.where):
                    raise
            continue
        if _is(half, told):
            half.chmod(told["mode"])
            half.replace(there)
            return True
        half.unlink()
    return False


def _append(bucket: Bucket, name: str, half: Path, size: int) -> None:
    """What is missing of it."""
    with half.open("ab") as stream:
        if stream.tell() < size or not size:
            for block in bucket.store.get(name, stream.tell()):
                stream.write(block)


def _is(path: Path, told: dict[str, Any]) -> bool:
    with contextlib.suppress(OSError):
        return path.stat().st_size == told["bytes"] and manifest.digest(path) == (told["bytes"], told["sha256"])
    return False


def _without(partial: Path, wanted: set[str]) -> None:
    """Take away what an earlier attempt left that is not wanted any more."""
    for folder, _, names in os.walk(partial):
        for path in (Path(folder) / name for name in names):
            if str(path.relative_to(partial)) not in wanted:
                path.unlink()
