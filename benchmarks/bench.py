"""Every figure in one run, each beside its peer: `.venv/bin/python benchmarks/bench.py [--out FILE] [--quick]`.

It measures and does not judge: the exit status is 0 whatever the figures are. Everything happens in a folder
below /tmp, which goes at the end; figures are medians, of pairwise ratios where there is a peer, taken in turns
(A B A B) after one round to warm up, so that what else the machine does falls on both alike.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import big
import files
import machines
import stack
import start
import trivial
from measure import Figure, Place, burst, environment, table

PARTS: dict[str, Callable[[Place], list[Figure]]] = {
    # First: the others delete many files.
    "files": files.figures,
    "start": start.figures,
    "trivial": trivial.figures,
    "big": big.figures,
    "machines": machines.figures,
    "stack": stack.figures,
}


def main() -> None:
    """Parse, measure, print, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--out", type=Path, metavar="FILE", help="write every sample there, as JSON")
    parser.add_argument("--quick", action="store_true", help="few rounds and a tenth of the files: does it work?")
    parser.add_argument("--only", choices=PARTS, action="append", help="these parts alone")
    arguments = parser.parse_args()
    started, load = time.time(), os.getloadavg()
    figures = measured(arguments.only or list(PARTS), quick=arguments.quick)
    print(table(figures))
    if arguments.out is not None:
        about = {"started": started, "seconds": time.time() - started, "load": [load, os.getloadavg()], "quick": arguments.quick}
        written = {**about, "machine": machine(), "figures": [figure.record() for figure in figures]}
        arguments.out.write_text(json.dumps(written, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def measured(parts: list[str], *, quick: bool) -> list[Figure]:
    """The figures of those parts; a part that breaks is told and left out."""
    # Short, and open to others' eyes: munged's socket is below it.
    root = Path(tempfile.mkdtemp(prefix="bb-", dir="/tmp"))
    root.chmod(0o711)
    place = Place(root, environment(root), quick)
    figures: list[Figure] = []
    try:
        for part in parts:
            print(f"{part} …", file=sys.stderr)
            try:
                figures.extend(PARTS[part](place))
            except Exception as problem:
                print(f"{part}: {type(problem).__name__}: {problem}", file=sys.stderr)
    finally:
        subprocess.run([burst(), "sweep"], env=place.env, cwd=root, capture_output=True, check=False)
        shutil.rmtree(root, ignore_errors=True)
    return figures


def machine() -> dict[str, object]:
    """What it was measured on."""
    slurm = subprocess.run(["slurmctld", "-V"], env=environment(Path("/tmp")), capture_output=True, text=True, check=False)
    return {
        "cores": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
        "kernel": platform.release(),
        "slurm": slurm.stdout.strip(),
    }


if __name__ == "__main__":
    main()
