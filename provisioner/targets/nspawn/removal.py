"""The end of a run, from its id alone: whatever state it died in, by whomever it is called, as often as need be."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
from collections.abc import Callable, Iterable

from provisioner import clock
from provisioner.targets.nspawn import cgroups, network
from provisioner.targets.nspawn.layout import runs_folder


def destroy(run_id: str) -> None:
    """Everything of the run. The provider goes first: from then on nobody makes machines for it."""
    _kill(lambda: cgroups.processes(run_id, "provider"))
    _kill(lambda: {*cgroups.processes(run_id), *network.processes(run_id)})
    network.remove(run_id)
    shutil.rmtree(runs_folder() / run_id, ignore_errors=True)
    cgroups.remove(run_id)


def _kill(found: Callable[[], Iterable[int]]) -> None:
    """Until there is nobody; not ourselves, where the provider ends its own run."""
    for _ in clock.patience(10, first=0.002, longest=0.05):
        alive = [pid for pid in found() if pid != os.getpid()]
        if not alive:
            return
        for pid in alive:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
