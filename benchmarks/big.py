"""A design of 10,000 nodes: how long it takes us, and whether a real slurmctld takes what we write."""

from __future__ import annotations

import os
import pwd
import secrets
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from measure import Figure, Place, alternate, call, spent

from provisioner.catalog.table import bundled
from provisioner.lifecycle.prepare import decided
from provisioner.slurm import ask
from provisioner.slurm.conf import Site, render

_NODES = 10_000
_SPEC = """\
version: 1
name: big
target: aws/us-east-2
groups:
  cpu: {needs: {cores: 96, memory: 192GiB}, nodes: 4000}
  highmem: {needs: {cores: 48, memory: 768GiB}, nodes: {min: 0, max: 2000}}
  gpu: {needs: {gpus: 8, gpu: [H100]}, nodes: {min: 0, max: 1000}}
  elastic: {needs: {cores: 16, memory: 32GiB}, nodes: {min: 0, max: 3000}}
jobs: {work: {command: "true"}}
"""
_PATIENCE = 60.0


def figures(place: Place) -> list[Figure]:
    """Five lines of the table."""
    file = place.root / "big.yaml"
    file.write_text(_SPEC)

    def design() -> None:
        render(decided(file)[1], Site())

    def everything() -> None:
        bundled.cache_clear()
        design()

    loaded, unloaded = alternate(place.rounds(21), lambda: spent(design), lambda: spent(everything))
    tries = [_slurmctld(place, file, i) for i in range(place.rounds(5))]
    right = all(count == _NODES for _, _, _, count in tries)
    note = f"{min(count for *_, count in tries):,} nodes known"
    return [
        Figure(f"design and slurm.conf, {_NODES:,} nodes", loaded, bound=0.2),
        Figure("  the catalogue read too", unloaded, bound=0.2),
        Figure("  slurmctld's start to its port", [t[0] for t in tries]),
        Figure("  its start to scontrol show nodes", [t[1] for t in tries], holds=right, note=note),
        Figure("  every node's state, as burst asks", [t[2] for t in tries], holds=right, note=note),
    ]


def _slurmctld(place: Place, file: Path, number: int) -> tuple[float, float, float, int]:
    """Seconds to its port, to `scontrol show nodes`, of our own question after that; and how many nodes both know."""
    root = place.root / f"big{number}"
    for folder in ("run", "state", "log"):
        (root / folder).mkdir(mode=0o711, parents=True)
    root.chmod(0o711)
    for name, text in render(decided(file)[1], _site(root)).items():
        (root / name).write_text(text)
    key = root / "munge.key"
    key.touch(mode=0o600)
    key.write_bytes(secrets.token_bytes(128))
    names = {"key-file": key, "socket": root / "run/munge.sock", "pid-file": root / "run/munged.pid"}
    names |= {"log-file": root / "log/munged.log", "seed-file": root / "run/munged.seed"}
    call(["munged", *(f"--{option}={path}" for option, path in names.items())], place)
    munged = int((root / "run/munged.pid").read_text())
    started = time.perf_counter()
    with (root / "log/console").open("wb") as console:
        argv = ["slurmctld", "-D", "-f", str(root / "slurm.conf")]
        slurmctld = subprocess.Popen(argv, env=place.env, stdin=subprocess.DEVNULL, stdout=console, stderr=console)
    try:
        port = int(_value(root, "SlurmctldPort"))
        _until(lambda: slurmctld.poll() is None and _listens(port))
        listening = time.perf_counter() - started
        env = {"SLURM_CONF": str(root / "slurm.conf")}
        shown = call(["scontrol", "--all", "show", "nodes"], place, env=env)
        answered = time.perf_counter() - started
        known = ask.nodes(lambda argv: call(argv, place, env=env))
        asked = time.perf_counter() - started - answered
    finally:
        slurmctld.kill()
        slurmctld.wait()
        os.kill(munged, signal.SIGKILL)
    return listening, answered, asked, min(len(known), shown.count("NodeName="))


def _site(root: Path) -> Site:
    """A cloud's, but for where slurmctld is."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    return Site(
        controller="localhost",
        address="127.0.0.1",
        port=port,
        user=pwd.getpwuid(os.getuid()).pw_name,
        state=str(root / "state"),
        logs=str(root / "log"),
        run=str(root / "run"),
        munge_socket=str(root / "run/munge.sock"),
        resume="/bin/true",
        suspend="/bin/true",
        mpi="none",
    )


def _value(root: Path, name: str) -> str:
    lines = (root / "slurm.conf").read_text().splitlines()
    return next(line.partition("=")[2] for line in lines if line.startswith(f"{name}="))


def _listens(port: int) -> bool:
    with socket.create_connection(("127.0.0.1", port), timeout=1):
        return True


def _until(done: Callable[[], bool]) -> None:
    """Ask every 5 ms. Raises TimeoutError."""
    end = time.perf_counter() + _PATIENCE
    while time.perf_counter() < end:
        try:
            if done():
                return
        except OSError:
            pass
        time.sleep(0.005)
    raise TimeoutError(f"no answer after {_PATIENCE:g} s")
