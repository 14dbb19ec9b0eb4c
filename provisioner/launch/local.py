"""Nodes on this machine: each is one slurmd under its own name. All or nothing, as on a cloud.

A template has `slurmd` (the command line, with {node} for the name), `env`, `logs` (a folder), `root` (the run's
folder) and, for nodes that slurmctld has asked for, `asked`. A process belongs to a node when its environment says so
(slurmd carries BURST_NODE, a job's tasks SLURMD_NODENAME, srun(1)), or when it has that node's log open (slurmstepd,
which wipes its environment).
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from typing import Any

Template = dict[str, Any]


def launch(names: Sequence[str], template: Template, market: str = "on-demand") -> dict[str, int]:
    """Start a slurmd for each name and answer their process ids. Raises OSError after ending what it began.

    `market` is the contract's; this machine has one only.
    """
    end(names, template)
    if template.get("asked"):
        # slurmctld reckons in whole seconds, and waits for ResumeTimeout for a node that seems to have started before it was
        # asked for ("Still waiting for boot of node"), as one may that started in the same second.
        time.sleep(1.05 - time.time() % 1.0)
    started: dict[str, int] = {}
    try:
        for name in names:
            started[name] = _slurmd(name, template)
    except OSError:
        end(list(started), template)
        raise
    return started


def _slurmd(name: str, template: Template) -> int:
    argv = [part.replace("{node}", name) for part in template["slurmd"]]
    for folder in ("spool", "tmp"):
        os.makedirs(os.path.join(template["root"], folder, name), exist_ok=True)
    log = os.open(os.path.join(template["logs"], f"{name}.console"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        child = subprocess.Popen(
            argv,
            env={**template["env"], "BURST_NODE": name},
            cwd=template["root"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        # It outlives us on purpose: Popen must not warn about it.
        child.returncode = 0
        return child.pid
    finally:
        os.close(log)


def end(names: Sequence[str], template: Template) -> None:
    """End every process of these nodes, as switching a machine off would."""
    wanted = set(names)
    for _ in range(50):
        pids = [pid for pid, node in _processes(template) if node in wanted]
        if not pids:
            return
        # All stop before any ends: a slurmstepd that saw its tasks killed would report a failed job, where a
        # machine that is switched off reports nothing.
        for signum in (signal.SIGSTOP, signal.SIGKILL):
            _signal(pids, signum)
        time.sleep(0.01)


def _signal(pids: Sequence[int], signum: signal.Signals) -> None:
    for pid in pids:
        try:
            os.kill(pid, signum)
        except ProcessLookupError:
            continue


def _processes(template: Template) -> Iterator[tuple[int, str]]:
    """(process id, node) of everything that runs on a node of this run."""
    root = template["root"]
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            node = _node_of(entry, root)
        except OSError:
            continue
        if node is not None:
            yield int(entry), node


def _node_of(pid: str, root: str) -> str | None:
    with open(f"/proc/{pid}/environ", "rb") as stream:
        raw = stream.read()
    if root.encode() in raw:
        env = dict(item.split("=", 1) for item in raw.decode(errors="replace").split("\0") if "=" in item)
        if env.get("BURST_ROOT") == root and "BURST_NODE" in env:
            return env["BURST_NODE"]
        if env.get("SLURM_CONF") == f"{root}/slurm.conf" and "SLURMD_NODENAME" in env:
            return env["SLURMD_NODENAME"]
        return None
    if os.readlink(f"/proc/{pid}/cwd") != root:
        return None
    log = f"{root}/log/slurmd-"
    opened = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]
    return next((path[len(log) : -len(".log")] for path in opened if path.startswith(log)), None)
