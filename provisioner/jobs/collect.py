"""Collect: what a job promised, brought here, checked by checksum, moved into place in one rename."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from provisioner import manifest
from provisioner.design.model import Job
from provisioner.executor.base import Copy, Executor, FileDigest
from provisioner.findings import Finding, error, warning
from provisioner.jobs.model import OutputFile
from provisioner.slurm.states import Task

PARTIAL = ".partial"


class Collected:
    """What came back of one job."""

    def __init__(self) -> None:
        self.outputs: tuple[OutputFile, ...] = ()
        self.missing: tuple[str, ...] = ()
        self.logs: tuple[str, ...] = ()
        self.findings: tuple[Finding, ...] = ()


def collect(executor: Executor, job: Job, folder: str, tasks: Sequence[Task], results: Path) -> Collected:
    """Bring a job's outputs and logs into `results/<job>`. What is wrong is in the findings; nothing is raised for it."""
    logs = sorted({name for task in tasks for path in (task.stdout, task.stderr) if (name := _inside(path, folder))})
    request = {"root": folder, "patterns": [output.path for output in job.outputs] + logs}
    surveyed = executor.python(Path(manifest.__file__), request)
    promised, logged = surveyed[: len(job.outputs)], surveyed[len(job.outputs) :]
    wanted = {entry["path"]: entry for part in surveyed for entry in part["files"]}
    partial = results / PARTIAL / job.name
    arrived, differing = _bring(executor, folder, partial, wanted)
    if arrived or not (results / job.name).exists():
        # Nothing new must not take the place of what was brought before.
        _into_place(partial, results / job.name)
    done = Collected()
    named = {entry["path"] for part in promised for entry in part["files"]}
    done.outputs = tuple(
        OutputFile(path=path, bytes=digest.bytes, sha256=digest.sha256) for path, digest in arrived.items() if path in named
    )
    done.logs = tuple(entry["path"] for part in logged for entry in part["files"] if entry["path"] in arrived)
    done.missing, done.findings = _judge(job, promised, differing)
    return done


def _inside(path: str, folder: str) -> str | None:
    """A log's path relative to the job's folder; None for one that a script put elsewhere."""
    if not path.startswith(f"{folder}/"):
        return None
    relative = PurePosixPath(path).relative_to(folder)
    return None if ".." in relative.parts else str(relative)


def _bring(
    executor: Executor, folder: str, partial: Path, wanted: dict[str, dict[str, Any]]
) -> tuple[dict[str, FileDigest], dict[str, str]]:
    """Fetch, compare, and fetch once more what differs. → what is right by path, why the rest is not."""
    shutil.rmtree(partial, ignore_errors=True)
    right: dict[str, FileDigest] = {}
    todo = list(wanted)
    for _ in range(2):
        copies = [Copy(partial / path, f"{folder}/{path}") for path in todo]
        for path, digest in zip(todo, executor.fetch(copies), strict=True):
            if digest.sha256 == wanted[path]["sha256"] and digest.bytes == wanted[path]["bytes"]:
                right[path] = digest
        todo = [path for path in wanted if path not in right]
        if not todo:
            break
        again = executor.python(Path(manifest.__file__), {"root": folder, "paths": todo})
        wanted.update({path: entry for path, entry in zip(todo, again, strict=True) if entry is not None and "sha256" in entry})
    for path in todo:
        (partial / path).unlink(missing_ok=True)
    return right, dict.fromkeys(todo, "its checksum differs: it was still being written, or the way is broken")


def _into_place(partial: Path, final: Path) -> None:
    if not partial.exists():
        partial.mkdir(parents=True)
    old = partial.with_name(f"{partial.name}.old")
    if final.is_symlink() or final.is_file():
        final.unlink()
    elif final.exists():
        shutil.rmtree(old, ignore_errors=True)
        final.rename(old)
    partial.rename(final)
    shutil.rmtree(old, ignore_errors=True)
    with contextlib.suppress(OSError):
        partial.parent.rmdir()


def _judge(
    job: Job, promised: Sequence[dict[str, Any]], differing: dict[str, str]
) -> tuple[tuple[str, ...], tuple[Finding, ...]]:
    missing: list[str] = []
    found: list[Finding] = []
    for output, part in zip(job.outputs, promised, strict=True):
        wrong = {entry["path"]: entry["why"] for entry in part["refused"]}
        wrong |= {entry["path"]: differing[entry["path"]] for entry in part["files"] if entry["path"] in differing}
        say = warning if output.optional else error
        for path, why in sorted(wrong.items()):
            found.append(say("output", f"{job.name}: {path} was not collected: {why}"))
        if wrong and not output.optional:
            missing.append(output.path)
        elif not part["files"] and not output.optional:
            missing.append(output.path)
            found.append(
                error(
                    "output",
                    f"{job.name}: nothing matches the output {output.path!r}",
                    "mark it {path: …, optional: true} if that is fine",
                )
            )
    return tuple(missing), tuple(found)
