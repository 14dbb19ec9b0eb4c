"""Collect: what a job promised, brought here, checked by checksum, moved into place in one rename."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from provisioner import manifest
from provisioner.design.model import Job
from provisioner.executor.base import Copy, Executor, FileDigest
from provisioner.findings import Finding
from provisioner.jobs.model import OutputFile
from provisioner.slurm import outcome
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
    patterns = [output.path for output in job.outputs] + outcome.logs(folder, tasks)
    request = {"root": folder, "patterns": patterns}
    surveyed = executor.python(Path(manifest.__file__), request)
    promised, logged = surveyed[: len(job.outputs)], surveyed[len(job.outputs) :]
    wanted = {entry["path"]: entry for part in surveyed for entry in part["files"]}
    partial = results / PARTIAL / job.name
    arrived, differing = _bring(executor, folder, partial, wanted)
    if arrived or not (results / job.name).exists():
        # Nothing new must not take the place of what was brought before.
        into_place(partial, results / job.name)
    done = Collected()
    named = {entry["path"] for part in promised for entry in part["files"]}
    done.outputs = tuple(
        OutputFile(path=path, bytes=digest.bytes, sha256=digest.sha256) for path, digest in arrived.items() if path in named
    )
    done.logs = tuple(entry["path"] for part in logged for entry in part["files"] if entry["path"] in arrived)
    missing, found = outcome.judged(job.name, [output.model_dump() for output in job.outputs], promised, differing)
    done.missing, done.findings = tuple(missing), tuple(Finding.model_validate(each) for each in found)
    return done


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


def into_place(partial: Path, final: Path) -> None:
    """A folder takes the place of what was there before, in one rename; where nothing came it is an empty one."""
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
