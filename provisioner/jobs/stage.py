"""Stage in: a job's script and inputs, from the file's folder into the job's own, checked by checksum."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from provisioner import manifest
from provisioner.design.model import Design, Job
from provisioner.errors import Invalid, Kind, NotCreated
from provisioner.events import Events
from provisioner.executor.base import Copy, Executor, FileDigest
from provisioner.units import count, show_size


def folder_of(workdir: str, job: str) -> str:
    """The job's folder on the head."""
    return f"{workdir}/{job}"


def stage_in(executor: Executor, design: Design, folder: Path, workdir: str, events: Events) -> None:
    """Bring every job's files there. Raises NotCreated when what arrived is not what was sent."""
    executor.run(["mkdir", "-p", "--", *(folder_of(workdir, job.name) for job in design.jobs)])
    for job in design.jobs:
        names = wanted(job, folder)
        if names:
            events.step("stage", f"stage {count(len(names), 'file')} for {job.name}", job=job.name, files=len(names))
            _send(executor, job, folder, folder_of(workdir, job.name), names, events)


def wanted(job: Job, folder: Path) -> list[str]:
    """The files of the file's folder that a job needs, each once, in order. Raises Invalid where one has gone."""
    names: dict[str, None] = {job.script: None} if job.script is not None else {}
    for pattern in job.inputs:
        found = [name for name in manifest.matches(folder, pattern, follow=True) if not (folder / name).is_dir()]
        if not found:
            raise Invalid(f"jobs.{job.name}.inputs: nothing matches {pattern!r}", fix="burst validate FILE")
        names.update(dict.fromkeys(found))
    unnamable = [name for name in names if name != name.encode(errors="ignore").decode()]
    if unnamable:
        shown = os.fsencode(unnamable[0]).decode(errors="backslashreplace")
        raise Invalid(f"jobs.{job.name}.inputs: {shown}: its name is not UTF-8", fix="rename it")
    return list(names)


def _send(executor: Executor, job: Job, folder: Path, there: str, names: list[str], events: Events) -> None:
    sent = executor.send([Copy(folder / name, f"{there}/{name}") for name in names])
    request = {"root": there, "paths": names}
    arrived = executor.python(Path(manifest.__file__), request)
    wrong = list(_differing(names, sent, arrived))
    if wrong:
        raise NotCreated(
            f"jobs.{job.name}: {len(wrong)} inputs did not arrive as they were sent",
            why=", ".join(wrong[:5]),
            fix="run it again; was an input being written to?",
            kind=Kind.TRANSIENT,
        )
    total = sum(digest.bytes for digest in sent)
    events.say(
        "job.staged", f"{job.name}: {count(len(names), 'file')}, {show_size(total)}", job=job.name, files=len(names), bytes=total
    )


def _differing(names: list[str], sent: list[FileDigest], arrived: list[dict[str, object] | None]) -> Iterable[str]:
    for name, here, there in zip(names, sent, arrived, strict=True):
        if there is None or there.get("sha256") != here.sha256:
            yield name
