"""Slurm's ResumeProgram and SuspendProgram, on every place:

    python3 resume.py resume|suspend|first TOLD.json HOSTLIST

`first` is for the nodes that are always there, where no client makes them: slurmctld need not be up yet.

TOLD has `launcher` (a module beside this file), `scontrol` (its command line), `env`, `again` (seconds after which nodes
that there was no room for may be asked for once more) and for each group of nodes its `attempts`: [{"market",
"template"}], in the order in which they are tried.
"""

from __future__ import annotations

import importlib.util
import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

# Calls to a provider at the same time: EC2 gives CreateFleet and the like a few tokens a second ("Request throttling").
_AT_ONCE = 8
# Where there is no room now there may be some a minute later.
_AGAIN = 60.0

Attempts = Sequence[dict[str, Any]]


def first_to_be_had(
    launcher: Any, names: Sequence[str], attempts: Attempts, tell: Callable[[dict[str, Any], Exception], None]
) -> dict[str, Any]:
    """Make these nodes as the first attempt that has room for all of them says, and answer that attempt, with what was
    made in its `machines` (name → address).

    Only where there is no room, or no quota (`kind` CAPACITY, QUOTA: types and markets have quotas of their own), is that told
    and the next one tried. Raises what stopped it; where none was to be had, that there was no room, if that was so for any.
    """
    refusal: Exception | None = None
    for attempt in attempts:
        try:
            made = launcher.launch(names, attempt["template"], attempt["market"])
        except Exception as problem:
            kind = getattr(problem, "kind", "")
            if kind not in ("CAPACITY", "QUOTA"):
                raise
            tell(attempt, problem)
            if refusal is None or kind == "CAPACITY":
                refusal = problem
        else:
            return {**attempt, "machines": made}
    assert refusal is not None
    raise refusal


class Cluster:
    """What a head knows of its nodes."""

    def __init__(self, path: str) -> None:
        with open(path, encoding="utf-8") as stream:
            self._told = json.load(stream)
        self._launcher = _beside(self._told["launcher"])
        self.again: float = self._told.get("again", _AGAIN)

    def groups(self, hosts: str) -> list[tuple[list[str], Attempts]]:
        """The names of a hostlist, group by group, with what to try for them."""
        listed = self._scontrol("show", "hostnames", hosts)
        listed.check_returncode()
        # By group first: of groups a and a-1 the names are a-1, a-1-1, a-10.
        names = sorted(listed.stdout.split(), key=lambda name: (_group(name), name))
        parted = itertools.groupby(names, key=_group)
        return [(list(names), self._told["groups"][group]) for group, names in parted]

    def jobs(self, path: str | None) -> list[set[str]]:
        """The nodes that each job waits for, from the file that slurmctld names in SLURM_RESUME_FILE (power_save.html;
        22.05 calls them `nodes`, 23.02 and later `nodes_resume`). None where there is no such file, or it says nothing."""
        try:
            with open(path or "", encoding="utf-8") as stream:
                jobs = json.load(stream)["jobs"]
            wanted = [job.get("nodes_resume") or job.get("nodes") or "" for job in jobs]
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return []
        return [set(self._scontrol("show", "hostnames", hosts).stdout.split()) for hosts in wanted if hosts]

    def batches(self, hosts: str, jobs: Sequence[set[str]]) -> list[tuple[list[str], Attempts]]:
        """What is launched at once, all or none: the nodes of one job, group by group; then those of no job."""
        batches: list[tuple[list[str], Attempts]] = []
        for names, attempts in self.groups(hosts):
            for job in jobs:
                batches.append(([name for name in names if name in job], attempts))
                names = [name for name in names if name not in job]
            batches.append((names, attempts))
        return [batch for batch in batches if batch[0]]

    def resume(self, names: Sequence[str], attempts: Attempts) -> bool:
        """Make them; where the place refuses, say its words on the nodes, upon which Slurm requeues their jobs."""
        reason = self._refusal(names, attempts)
        if reason:
            self._scontrol("update", f"nodename={','.join(names)}", "state=DOWN", f"reason={reason}")
        return not reason

    def first(self, names: Sequence[str], attempts: Attempts) -> bool:
        """Make them before anybody waits for them."""
        return not self._refusal(names, attempts)

    def _refusal(self, names: Sequence[str], attempts: Attempts) -> str:
        """Make them, and answer why not, with the class before the place's words; "" where they were made."""
        try:
            first_to_be_had(self._launcher, names, attempts, lambda _, problem: _log(f"{','.join(names)}: {problem}"))
        except Exception as problem:
            reason = f"{getattr(problem, 'kind', 'TRANSIENT')}: {problem}"
            _log(f"{','.join(names)}: {reason}")
            return reason
        return ""

    def suspend(self, names: Sequence[str], attempts: Attempts) -> None:
        """End them."""
        self._launcher.end(names, attempts[0]["template"])

    def offer_again(self, names: Sequence[str]) -> None:
        """Powered down is idle (slurm.conf(5), idle_on_node_suspend): jobs may ask for them once more."""
        self._scontrol("update", f"nodename={','.join(names)}", "state=POWER_DOWN")

    def _scontrol(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, **self._told.get("env", {})}
        command = [*self._told["scontrol"], *arguments]
        return subprocess.run(command, env=environment, capture_output=True, check=False, text=True)


def _group(name: str) -> str:
    return name.rpartition("-")[0]


def _log(line: str) -> None:
    sys.stdout.write(f"{time.strftime('%FT%TZ', time.gmtime())} {line}\n")
    sys.stdout.flush()


def _beside(name: str) -> Any:
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), f"{name}.py")
    # Not `name` alone: a vendor's own package may be called so.
    spec = importlib.util.spec_from_file_location(f"beside_{name}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # dataclasses look their module up there.
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def main(verb: str, path: str, hosts: str) -> int:
    """What slurmctld calls."""
    cluster = Cluster(path)
    if verb == "suspend":
        for names, attempts in cluster.groups(hosts):
            cluster.suspend(names, attempts)
        return 0
    act = cluster.first if verb == "first" else cluster.resume
    # slurmctld takes the file away when this program ends, or when it has waited long enough.
    batches = cluster.batches(hosts, cluster.jobs(os.environ.get("SLURM_RESUME_FILE")))
    # Side by side: where one job's nodes are not to be had, another's do not wait for that.
    with ThreadPoolExecutor(min(_AT_ONCE, len(batches) or 1)) as pool:
        made = list(pool.map(lambda batch: act(*batch), batches))
    refused = [name for (names, _), done in zip(batches, made, strict=True) if not done for name in names]
    if refused and verb == "resume":
        time.sleep(cluster.again)
        cluster.offer_again(refused)
    return 1 if refused else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
