"""What is remembered of a run while it exists: a folder of its own, locked as long as a client works on it.

A run whose folder is not locked has no client: it is kept (`burst up`), or its client died.
The folder goes when nothing of the run is left.
"""

from __future__ import annotations

import errno
import json
import os
import pwd
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from platformdirs import user_state_path

from provisioner import clock, files
from provisioner.design.model import Design
from provisioner.errors import Invalid, Refused
from provisioner.jobs.model import Submitted
from provisioner.lifecycle.journal import Journal
from provisioner.report.receipt import Course
from provisioner.targets.base import RUN_ID, Inventory, Target

_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
_Kept = TypeVar("_Kept", Design, Inventory, Course)


def new_run_id(name: str) -> str:
    """The file's name and six characters: 31⁶ ids, in the one alphabet that every cloud takes in names."""
    return f"{name}-" + "".join(secrets.choice(_ALPHABET) for _ in range(6))


def runs_folder() -> Path:
    """$XDG_STATE_HOME/burst/runs, by default ~/.local/state/burst/runs."""
    return user_state_path("burst") / "runs"


class RunState:
    """One run's folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.journal = Journal(folder / "journal.jsonl")

    @property
    def run_id(self) -> str:
        return self.folder.name

    @property
    def stays(self) -> dict[str, Any] | None:
        """The step after which a run goes on without a client: kept, or detached to its head."""
        return self.journal.last("kept") or self.journal.last("detached")

    def placed(self, target: Target) -> None:
        """Tell the target the regions that the journal has: once the stack has gone, nothing else of ours knows them."""
        for begun in self.journal.begins():
            if begun.get("region") and begun.get("target") == target.name:
                target.found_in(self.run_id, str(begun["region"]))

    @property
    def submitted_file(self) -> Path:
        return self.folder / "submitted.json"

    def save_design(self, design: Design) -> None:
        """What was decided; of a kept cluster, with the jobs that came later."""
        files.write(self.folder / "design.json", design.model_dump_json(indent=1), mode=0o600)

    def save_inventory(self, inventory: Inventory) -> None:
        """What exists."""
        files.write(self.folder / "inventory.json", inventory.model_dump_json(indent=1), mode=0o600)

    def save_submitted(self, submitted: dict[str, Submitted]) -> None:
        """What sbatch took."""
        text = "[" + ",\n".join(job.model_dump_json() for job in submitted.values()) + "]"
        files.write(self.submitted_file, text, mode=0o600)

    def save_course(self, course: Course) -> None:
        """Which targets there were, and who was asked for machines: the folder goes with the run, and is not made anew."""
        if self.folder.is_dir():
            files.write(self.folder / "course.json", course.model_dump_json(indent=1), mode=0o600, durable=False)

    def course(self) -> Course:
        """Empty where nothing was asked for yet."""
        return _read(self.folder / "course.json", Course) or Course()

    def design(self) -> Design | None:
        """None where the run died before there was one."""
        return _read(self.folder / "design.json", Design)

    def inventory(self) -> Inventory | None:
        """None where the run died before there was one."""
        return _read(self.folder / "inventory.json", Inventory)

    def submitted(self) -> dict[str, Submitted]:
        """Empty where nothing was submitted."""
        try:
            raw = json.loads(self.submitted_file.read_bytes())
        except (OSError, ValueError):
            return {}
        return {entry["name"]: Submitted.model_validate(entry) for entry in raw}

    def forget(self) -> None:
        """Nothing is left of the run: nothing is to be remembered."""
        shutil.rmtree(self.folder, ignore_errors=True)


def _read(path: Path, kind: type[_Kept]) -> _Kept | None:
    try:
        return kind.model_validate_json(path.read_bytes())
    except (OSError, ValueError):
        return None


@contextmanager
def begin(run_id: str) -> Iterator[RunState]:
    """A new run's folder, locked from before it has its name until the block ends."""
    runs = runs_folder()
    fresh = runs / f".new-{run_id}"
    try:
        runs.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh.mkdir(mode=0o700)
    except OSError as problem:
        raise Refused(
            f"{runs} cannot be made or written to",
            why=f"{problem.strerror}; it is where runs are remembered",
            fix="name another folder: export XDG_STATE_HOME=/path",
        ) from problem
    with files.locked(fresh):
        fresh.rename(runs / run_id)
        yield RunState(runs / run_id)


@contextmanager
def reopen(run: str | Path) -> Iterator[RunState]:
    """An existing run's folder, by its id or its own path, locked. Raises Invalid where there is none, or where somebody works
    on it.
    """
    folder = run if isinstance(run, Path) else runs_folder() / run
    run_id = folder.name
    try:
        with files.locked(folder, wait=False):
            if not folder.is_dir():
                raise FileNotFoundError(errno.ENOENT, "gone", str(folder))
            yield RunState(folder)
    except FileNotFoundError as problem:
        raise Invalid(f"there is no run {run_id!r} any more", why="it was taken down meanwhile", fix="burst list") from problem
    except files.Busy as problem:
        raise Invalid(
            f"{run_id} is being worked on by another burst",
            why="its folder is locked",
            fix="wait for it, or end it: Ctrl-C there",
        ) from problem


def existing() -> list[RunState]:
    """All runs that are remembered here, oldest first. Folders that never got their name are cleared away."""
    runs = runs_folder()
    if not runs.is_dir():
        return []
    for unnamed in runs.glob(".new-*"):
        # A younger one may be about to be locked.
        if clock.now() - unnamed.stat().st_mtime > 60 and not alive(unnamed):
            shutil.rmtree(unnamed, ignore_errors=True)
    folders = [path for path in runs.iterdir() if RUN_ID.fullmatch(path.name) and path.is_dir()]
    return [RunState(path) for path in sorted(folders, key=lambda path: path.stat().st_mtime)]


def alive(folder: Path) -> bool:
    """Whether a client works on the run whose folder this is."""
    try:
        with files.locked(folder, wait=False):
            return False
    except files.Busy:
        return True
    except (FileNotFoundError, NotADirectoryError):
        return False


def find(wanted: str | None) -> RunState:
    """The run with this id or name; the only one when nothing is said. Raises Invalid with what there is."""
    runs = existing()
    matching = [run for run in runs if wanted in (None, run.run_id) or run.run_id.rpartition("-")[0] == wanted]
    if len(matching) == 1:
        return matching[0]
    known = ", ".join(run.run_id for run in runs) or "none"
    if not matching:
        raise Invalid(
            f"there is no run {wanted!r}" if wanted else "there is no cluster", why=f"known here: {known}", fix="burst list"
        )
    raise Invalid("several runs could be meant", why=", ".join(run.run_id for run in matching), fix="name one of them")


def caller() -> str:
    """The owner that resources carry: the user's name in the clouds' alphabet."""
    try:
        name = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        name = f"uid-{os.getuid()}"
    return re.sub(r"[^a-z0-9-]+", "-", name.lower()).strip("-") or "unknown"
