"""A file's filesystems on this machine: folders of the run, seen by its nodes at the very paths the file says.

bubblewrap gives each slurmd, and so each job, a view of the machine in which they are mounted; nothing changes
outside. Where it cannot be used, jobs find the folder in a variable: /shared is $BURST_SHARED.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cache

from provisioner.executor import process
from provisioner.executor.subprocess import PATH
from provisioner.targets import host


@cache
def usable() -> bool:
    """Whether bwrap works here for this user (Ubuntu 24.04 may forbid user namespaces)."""
    if host.which("bwrap") is None:
        return False
    try:
        return process.call([*prefix({}), "true"], env={"PATH": PATH}, timeout=10, check=False).status == 0
    except process.CommandFailed:
        return False


def prefix(mounts: Mapping[str, str]) -> list[str]:
    """The command line under which a program sees the whole machine, and `mounts` (mount point → folder) in it."""
    command = [host.which("bwrap") or "bwrap", "--tmpfs", "/", *_show("/", mounts)]
    for mount, folder in mounts.items():
        command += ["--bind", folder, mount]
    return [*command, "--"]


def _show(folder: str, mounts: Mapping[str, str]) -> list[str]:
    """What of a real folder is shown. One that holds a mount point is rebuilt from its entries, for nothing may
    be made in the real one."""
    options: list[str] = []
    for name in sorted(os.listdir(folder)):
        path = os.path.join(folder, name)
        if path in mounts:
            continue
        if any(mount.startswith(f"{path}/") for mount in mounts):
            options += ["--dir", path, *_show(path, mounts)]
        elif os.path.islink(path):
            options += ["--symlink", os.readlink(path), path]
        elif (os.path.isdir(path) and os.access(path, os.X_OK)) or (folder != "/" and os.access(path, os.R_OK)):
            options += ["--dev-bind", path, path]
    return options
