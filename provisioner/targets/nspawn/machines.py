"""One machine: its disk, its place on the network, its boot and its end. Called by the provider alone."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from provisioner import clock
from provisioner.targets.nspawn import cgroups, network
from provisioner.targets.nspawn.layout import EXPORTS, Layout, role_of

# In a mount namespace of its own: what is mounted there goes with the machine, and this host never sees it.
_BOOT = 'mount -t overlay overlay -o "lowerdir=$1,upperdir=$2/upper,workdir=$2/work" "$2/root" && shift 2 && exec "$@"'
FAULTS = ("never-boots", "no-way-out", "no-exports", "no-metadata")


@dataclass
class Machine:
    """What the provider keeps of a machine. Times in epoch seconds; `notice` is when it will be taken away, if it will."""

    name: str
    address: str
    kind: str
    market: str
    fault: str = ""
    launched: float = field(default_factory=clock.now)
    notice: float | None = None
    process: subprocess.Popen[bytes] | None = None


def boot(layout: Layout, machine: Machine, base: Path, served: dict[str, str], gpus: int, *, way_out: bool) -> None:
    """Start it; it is up when it says so. `served` is mount point → folder of the exports. Raises CommandFailed, OSError."""
    _write_disk(layout, machine)
    network.attach(layout, machine.name, machine.address, way_out=way_out and machine.fault != "no-way-out")
    disk, console = layout.machine(machine.name), layout.console(machine.name)
    console.parent.mkdir(exist_ok=True)
    argv = ["unshare", "--mount", "--propagation", "private", "sh", "-c", _BOOT, "sh", str(base), str(disk)]
    argv += _nspawn(layout, machine, served, gpus)
    with console.open("ab") as stream:
        machine.process = subprocess.Popen(
            cgroups.inside(layout.run_id, machine.name, argv),
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
            start_new_session=True,
        )


def _nspawn(layout: Layout, machine: Machine, served: dict[str, str], gpus: int) -> list[str]:
    name = f"{layout.run_id}-{machine.name}"
    argv = ["systemd-nspawn", "--quiet", f"--directory={layout.machine(machine.name) / 'root'}", f"--machine={name}"]
    argv += ["--register=no", "--keep-unit", "--resolv-conf=off", "--timezone=off", "--link-journal=no"]
    argv += [f"--network-namespace-path=/run/netns/{layout.namespace_of(machine.name)}", "--console=read-only"]
    # Its network is its own, as a machine's is: a head is a gateway where nodes have no other way out.
    argv += ["--capability=CAP_NET_ADMIN"]
    # slurmd wants a device behind each of gres.conf's files, there or not.
    devices = (Path(f"/dev/nvidia{i}") for i in range(gpus))
    argv += [f"--bind={device if device.exists() else '/dev/null'}:{device}" for device in devices]
    if machine.name == "head":
        argv += [f"--bind={folder}:{_escaped(mount)}" for mount, folder in served.items()]
    elif machine.fault != "no-exports":
        argv += [f"--bind={layout.exports}:{EXPORTS}"]
    return [*argv, "sleep", "infinity"] if machine.fault == "never-boots" else [*argv, "--boot"]


def _escaped(mount: str) -> str:
    """systemd-nspawn(1), --bind: a colon in a path is written with a backslash."""
    return mount.replace(":", "\\:")


def _write_disk(layout: Layout, machine: Machine) -> None:
    """What is on it beside the image: the NoCloud seed, and who answers for names."""
    disk = layout.machine(machine.name)
    for folder in ("upper/etc", "upper/var/lib/cloud/seed/nocloud-net", "work", "root"):
        (disk / folder).mkdir(parents=True)
    seed = disk / "upper/var/lib/cloud/seed/nocloud-net"
    # A cloud's own name for it, which is not the node's: that one comes from the metadata service.
    identity = f"{layout.run_id}-{machine.name}"
    (seed / "meta-data").write_text(f"instance-id: i-{int(machine.launched * 1000):x}\nlocal-hostname: {identity}\n")
    told = layout.user_data(role_of(machine.name)).read_bytes()
    descriptor = os.open(seed / "user-data", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(told)
    (disk / "upper/etc/resolv.conf").write_text(f"nameserver {network.RESOLVER}\n")


def end(layout: Layout, name: str) -> None:
    """Pull the plug: no process of it gets to say anything, and its disk is gone."""
    # All stop before any ends: a slurmstepd that saw its tasks killed would report a failed job.
    for signum in (signal.SIGSTOP, signal.SIGKILL):
        for pid in cgroups.processes(layout.run_id, name):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signum)
    for _ in clock.patience(10, first=0.002, longest=0.05):
        alive = list(cgroups.processes(layout.run_id, name))
        if not alive:
            break
        for pid in alive:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    network.detach(layout, name)
    shutil.rmtree(layout.machine(name), ignore_errors=True)
    cgroups.remove(layout.run_id, name)
