"""`burst`, killed at one step of its journal: python killed.py STEP SIGNAL DELAY -- ARGUMENTS.

The STEP-th intent (from 1) is written, and then comes the SIGNAL: before the act with DELAY 0, in its middle after
DELAY seconds. Run as a program by test_killed.py.
"""

from __future__ import annotations

import os
import signal
import sys
import threading

from provisioner import files
from provisioner.cli.main import main

real_append = files.append
count = 0


def append(*arguments: object) -> None:
    global count
    real_append(*arguments)  # type: ignore[arg-type]
    count += 1
    if count == step:
        if delay:
            threading.Timer(delay, os.kill, (os.getpid(), signum)).start()
        else:
            os.kill(os.getpid(), signum)


step, signum, delay = int(sys.argv[1]), signal.Signals[sys.argv[2]], float(sys.argv[3])
files.append = append  # type: ignore[assignment]
sys.argv = ["burst", *sys.argv[5:]]
main()
