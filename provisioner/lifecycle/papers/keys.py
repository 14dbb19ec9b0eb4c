"""A run's keys for a cluster that Pulumi alone makes: the client's part in a folder, all that machines need as JSON."""

from __future__ import annotations

import shutil
from pathlib import Path

from provisioner.errors import Invalid
from provisioner.executor import process
from provisioner.targets import keys


def make(folder: Path) -> str:
    """`folder` gets `client`, `client.pub` and `known_hosts`; answers the secret. Raises Invalid where it cannot be made."""
    if folder.exists() or folder.is_symlink():
        fix = f"name another folder; or, where no cluster uses these any more: rm -r {folder}"
        raise Invalid(f"{folder} is already there", why="keys are made once and written over never", fix=fix)
    try:
        return keys.make(folder, folder.resolve().name).dumps()
    except OSError as problem:
        raise Invalid(f"{folder} cannot be made", why=problem.strerror or str(problem), fix="name another folder") from problem
    except process.CommandFailed as problem:
        shutil.rmtree(folder, ignore_errors=True)
        fix = "apt-get install openssh-client"
        raise Invalid("the keys could not be made", why=f"{problem.message}: {problem.why}", fix=fix) from problem
