"""Writing what the daemons read, and starting them: munged, slurmctld, then the nodes by `launch`."""

from __future__ import annotations

import json
import os
import secrets
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import provisioner
from provisioner import clock, files
from provisioner.design.model import Design
from provisioner.errors import Kind, NotCreated
from provisioner.executor import process
from provisioner.executor.subprocess import login_environment
from provisioner.launch import local as launcher
from provisioner.launch import resume
from provisioner.slurm import conf
from provisioner.targets import host
from provisioner.targets.local import mounts, processes
from provisioner.targets.local.layout import Layout

# slurmctld listens some 30 ms after its start; a loaded machine may take seconds.
_PATIENCE = 30.0
# Seconds from one look of the keeper to the next.
_EVERY = 2.0


def environment(layout: Layout, design: Design) -> dict[str, str]:
    """What every process of the run has: its tag, the cluster's configuration, where the shared folders are."""
    env = {
        processes.TAG: str(layout.root),
        "BURST_RUN_ID": design.run.id,
        "BURST_TARGET": design.target,
        "SLURM_CONF": str(layout.conf),
        # What programs leave behind there goes with the run.
        "TMPDIR": str(layout.root / "tmp"),
        **{fs.variable: mounted(layout, design)[fs.mount] for fs in design.filesystems},
    }
    # Nodes share this machine's addresses: ranks of two of them meet on the loopback interface, which Open MPI leaves
    # out by default (its version 5 then finds no way from one "node" to the other).
    env["OMPI_MCA_btl_tcp_if_include"] = "lo"
    # Its shared-memory segments are named by host and local rank: with several ranks each, two "nodes" use the same ones
    # and crash (4.1: vader; 5: sm).
    env["OMPI_MCA_btl"] = "^vader,sm"
    env.update(host.mpi_environment(design))
    if os.geteuid() == 0:
        env["OMPI_ALLOW_RUN_AS_ROOT"] = env["OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"] = "1"
    return env


def mounted(layout: Layout, design: Design) -> dict[str, str]:
    """Mount point → the folder of the run that stands for it."""
    return {fs.mount: str(layout.root / "fs" / fs.slug) for fs in design.filesystems}


def configure(layout: Layout, design: Design, first_port: int) -> None:
    """Write every file that the daemons read; nothing is started."""
    env = {**login_environment(), **environment(layout, design)}
    for folder in mounted(layout, design).values():
        os.makedirs(folder, exist_ok=True)
    for i in range(max((g.node.gpus for g in design.groups), default=0)):
        # slurmd wants a device behind each of gres.conf's files, and numbers them by their names.
        device = Path(f"/dev/nvidia{i}")
        (layout.root / "gres" / f"gpu{i}").symlink_to(device if device.exists() else "/dev/null")
    _write(layout.munge_key, secrets.token_bytes(128), mode=0o600)
    for name, text in conf.render(design, _site(layout, design, first_port)).items():
        _write(layout.root / name, text)
    folders = mounted(layout, design)
    prefix = mounts.prefix(folders) if folders and mounts.usable() else []
    template: launcher.Template = {
        "slurmd": [*prefix, host.which("slurmd") or "slurmd", "-D", "-b", "-f", str(layout.conf), "-N", "{node}"],
        "env": env,
        "logs": str(layout.logs),
        "root": str(layout.root),
        "asked": True,
    }
    attempts = [{"market": "on-demand", "template": template}]
    told = {
        "launcher": "local",
        "scontrol": [host.which("scontrol") or "scontrol"],
        "env": env,
        "groups": {group.name: attempts for group in design.groups},
    }
    _write(layout.told, json.dumps(told), mode=0o600)
    for module in (launcher, resume):
        _write(layout.programs / Path(str(module.__file__)).name, Path(str(module.__file__)).read_bytes())
    wait = (files.packaged("cloud-init") / "wait-for-nodes.sh").read_bytes()
    script = _write(layout.root / "wait-for-nodes.sh", wait)
    # slurmctld gives its programs next to no environment.
    variables = f'export SLURM_CONF="{layout.conf}" {processes.TAG}="{layout.root}"'
    _write(layout.root / "wait-for-nodes", f'#!/bin/sh\n{variables}\nexec sh "{script}"\n', mode=0o700)
    for verb in ("resume", "suspend"):
        line = f'exec "{sys.executable}" -I -S "{layout.programs}/resume.py" {verb} "{layout.told}" "$1"'
        log = layout.logs / "launch.log"
        _write(layout.root / verb, f'#!/bin/sh\n{line} >>"{log}" 2>&1\n', mode=0o700)


def _write(path: Path, content: str | bytes, *, mode: int = 0o644) -> Path:
    """Daemons do not outlive the machine, nor need their files."""
    return files.write(path, content, mode=mode, durable=False)


def _site(layout: Layout, design: Design, first_port: int) -> conf.Site:
    user = login_environment()["USER"]
    node_ports, port = {}, first_port + 1
    for group in design.groups:
        node_ports[group.name] = port
        port += group.max
    return conf.Site(
        controller="localhost",
        address="127.0.0.1",
        port=first_port,
        user=user,
        node_user=user,
        version=host.slurm_version(),
        state=str(layout.root / "state"),
        spool=str(layout.root / "spool" / "%n"),
        logs=str(layout.logs),
        run=str(layout.root / "run"),
        # PMIx makes its folders below TmpFS by job and step alone: nodes of one machine need one each.
        tmp=str(layout.root / "tmp" / "%n"),
        munge_socket=str(layout.munge_socket),
        resume=str(layout.root / "resume"),
        suspend=str(layout.root / "suspend"),
        prolog=str(layout.root / "wait-for-nodes"),
        gres=str(layout.root / "gres" / "gpu"),
        node_ports=node_ports,
        contained=True,
        mpi="pmix" if host.has_pmix() else "none",
        resume_timeout=60,
        suspend_timeout=5,
        # A node that died is noticed after 15 s and its jobs requeued after 28 s; shorter ones lose busy nodes.
        node_timeout=10,
        kill_wait=2,
        extra=("InactiveLimit=0",),
    )


def start_keeper(layout: Layout, design: Design, state: Path) -> None:
    """Start what ends the run in time, of which there is nothing yet but its folder. `state` is that of its journal."""
    told: dict[str, Any] = {
        "expires": design.run.expires,
        "unused": design.unused,
        # Nothing is billed here.
        "budget": None,
        "spent": 0.0,
        "hourly": 0.0,
        "nodes": {},
        "margin": 0.0,
        "since": clock.now(),
        "squeue": [host.which("squeue") or "squeue"],
        "sinfo": [host.which("sinfo") or "sinfo"],
        "env": {"SLURM_CONF": str(layout.conf)},
        "finished": str(layout.logs / "jobcomp"),
        "state": str(layout.root / "keeper.state"),
        "every": _EVERY,
        "end": [sys.executable, "-c", "from provisioner.cli.main import main; main()"],
        "folder": str(state),
    }
    _write(layout.keeper, json.dumps(told))
    # What another `burst` needs to find what this one made. Nothing else of the caller's: jobs could read it.
    named = {name: value for name, value in os.environ.items() if name.startswith(("XDG_", "BURST_"))}
    env = {**login_environment(), **named, "PYTHONPATH": str(Path(provisioner.__file__).parent.parent)}
    argv = [sys.executable, "-m", "provisioner.targets.local.keeper", str(layout.root)]
    _forget(process.daemon(argv, cwd=layout.root, env={**env, processes.TAG: str(layout.root)}, log=layout.logs / "keeper.log"))


def start_munged(layout: Layout, design: Design) -> None:
    """It answers on its socket when this returns. Raises NotCreated."""
    run = layout.root / "run"
    argv = [
        host.which("munged") or "munged",
        f"--key-file={layout.munge_key}",
        f"--socket={layout.munge_socket}",
        f"--pid-file={run}/munged.pid",
        f"--log-file={layout.logs}/munged.log",
        f"--seed-file={run}/munged.seed",
    ]
    try:
        process.call(argv, env={**login_environment(), **environment(layout, design)}, timeout=_PATIENCE)
    except process.CommandFailed as problem:
        raise NotCreated("munged did not start", why=problem.why, fix="burst doctor", kind=Kind.CONFIG) from problem


def start_slurmctld(layout: Layout, design: Design, port: int) -> None:
    """It listens on its port when this returns. Raises NotCreated with the end of its log."""
    console = layout.logs / "slurmctld.console"
    argv = [host.which("slurmctld") or "slurmctld", "-D", "-f", str(layout.conf)]
    child = process.daemon(argv, cwd=layout.root, env={**login_environment(), **environment(layout, design)}, log=console)
    for _ in clock.patience(_PATIENCE, first=0.002, longest=0.1):
        if child.poll() is not None:
            raise _silent(f"slurmctld ended with {child.returncode}", layout)
        if _listens(port):
            _forget(child)
            return
    raise _silent(f"slurmctld does not listen after {_PATIENCE:g} s", layout)


def _silent(message: str, layout: Layout) -> NotCreated:
    said = tail(layout.logs / "slurmctld.log") or tail(layout.logs / "slurmctld.console")
    return NotCreated(message, why=said, fix="burst doctor", kind=Kind.CONFIG)


def _listens(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False


def _forget(child: subprocess.Popen[bytes]) -> None:
    """It outlives us on purpose: Popen must not warn about it."""
    child.returncode = 0


def tail(path: Path, lines: int = 10) -> str:
    """The last lines of a log, an empty string where there is none."""
    try:
        return "\n".join(path.read_text(errors="replace").splitlines()[-lines:])
    except OSError:
        return ""


def run_setup(layout: Layout, design: Design, folder: Path) -> None:
    """Run the user's setup script once, as this user. Raises NotCreated with the end of its log."""
    script = design.software.setup
    if script is None:
        return
    env = {**login_environment(), **environment(layout, design), "BURST_ROLE": "node"}
    path = (folder / script).resolve()
    argv = [str(path)] if os.access(path, os.X_OK) else ["/bin/bash", str(path)]
    done = process.call(argv, cwd=folder, env=env, timeout=design.ttl, check=False)
    _write(layout.logs / "setup.log", done.stdout + done.stderr)
    if done.status != 0:
        why = "\n".join((done.stdout + done.stderr).splitlines()[-10:])
        raise NotCreated(
            f"software.setup: {script} ended with {done.status}", why=why, fix=f"run it here: ./{script}", kind=Kind.CONFIG
        )
