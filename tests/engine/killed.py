"""`burst` as its user types it, killed at one step of its journal: python -m tests.engine.killed FOLDER STEP SIGNAL WHO -- ARGUMENTS.

FOLDER is that of driving.Around. When the STEP-th intent (from 1; 0 for none) is on the disk, SIGNAL comes: to `client`
alone, or to `all`, the engine and its plugin included, as when the machine goes off. What a cloud needs a minute to settle
in, this one needs a moment for; and preflight, some of whose questions moto does not know, is left out.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from provisioner import files
from provisioner.cli.main import main
from provisioner.lifecycle import readiness
from provisioner.targets.aws.place import AwsPlace
from provisioner.targets.cloud import target
from tests.engine.driving import Around
from tests.stacks.programs import stacks_folder

root, step, name, who = sys.argv[1:5]
around, signum, count = Around(Path(root), stacks_folder("aws"), "aws"), signal.Signals[name], 0
real_append = files.append


def append(*arguments: object) -> None:
    global count
    real_append(*arguments)  # type: ignore[arg-type]
    count += 1
    if count == int(step):
        if who == "all":
            for pid in around.processes():
                os.kill(pid, signum)
        os.kill(os.getpid(), signum)


def never_ready(*_: object, **__: object) -> None:
    """Nobody can log in to a machine of moto's."""
    signal.pause()


files.append = append  # type: ignore[assignment]
files.packaged = around.packaged
readiness.prove = never_ready
AwsPlace.preflight = lambda *_: ()  # type: ignore[method-assign]
target._SETTLES = 0.3
sys.argv = ["burst", *sys.argv[6:]]
main()
