"""A run's network: a bridge in a network namespace of its own, so that nothing of this host's network is changed.

    .0.1        the bridge, where the provider listens; it also has the metadata service's 169.254.169.254
    .0.2, .0.3  slirp4netns: the way out, as an ordinary program of this host, and the name server
    .0.10       the head
    .0.11 …     login nodes
    .1.1 …      compute nodes, in the order in which the file has them

Every run has the same addresses, each in its own namespace. Machines get theirs beforehand, as a namespace each.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

from provisioner import clock
from provisioner.errors import Kind, NotCreated
from provisioner.executor import process
from provisioner.targets.nspawn import cgroups
from provisioner.targets.nspawn.layout import Layout, prefix

if TYPE_CHECKING:
    # The provider starts without pydantic.
    from provisioner.design.model import Design

NET = "10.77"
BRIDGE, GATEWAY, RESOLVER, HEAD = (f"{NET}.0.{host}" for host in (1, 2, 3, 10))
METADATA = "169.254.169.254"
API_PORT = 6800
_NAMESPACES = Path("/run/netns")


def addresses(design: Design) -> dict[str, str]:
    """Machine → address, the same each time."""
    known = {"head": HEAD}
    if design.login is not None:
        known |= {name: f"{NET}.0.{11 + i}" for i, name in enumerate(design.login.names)}
    nodes = (f"{group.name}-{i}" for group in design.groups for i in range(1, group.max + 1))
    return known | {name: f"{NET}.{1 + i // 250}.{1 + i % 250}" for i, name in enumerate(nodes)}


def make(layout: Layout, *, way_out: bool) -> None:
    """The namespace, the bridge, and with `way_out` slirp4netns. Raises NotCreated."""
    space = layout.namespace
    try:
        _ip("", f"netns add {space}")
        _ip(
            space,
            "link set lo up",
            "link add br0 type bridge",
            f"addr add {BRIDGE}/16 dev br0",
            f"addr add {METADATA}/32 dev br0",
            "link set br0 up",
        )
        if way_out:
            _start_slirp(layout)
            _ip(space, "link set tap0 master br0", "link set tap0 up")
    except process.CommandFailed as problem:
        raise NotCreated("the run's network could not be made", why=problem.why, kind=Kind.CONFIG) from problem


def _start_slirp(layout: Layout) -> None:
    """User-mode networking (slirp4netns(1)); as a port of the bridge it serves every machine on it."""
    argv = ["slirp4netns", "--netns-type=path", f"--cidr={NET}.0.0/16", "--mtu=1500", "--disable-host-loopback"]
    argv += [str(_NAMESPACES / layout.namespace), "tap0"]
    log = layout.root / "slirp.log"
    child = process.daemon(cgroups.inside(layout.run_id, "network", argv), cwd=layout.root, env=os.environ, log=log)
    for _ in clock.patience(10):
        if child.poll() is not None:
            break
        if process.call(["ip", "-netns", layout.namespace, "link", "show", "tap0"], check=False).status == 0:
            child.returncode = 0
            return
    raise NotCreated("slirp4netns did not start", why=log.read_text(errors="replace")[-500:], kind=Kind.CONFIG)


def attach(layout: Layout, name: str, address: str, *, way_out: bool) -> None:
    """A namespace for one machine, with its address, on the bridge. Runs in the run's own namespace."""
    space, (_, _, third, fourth) = layout.namespace_of(name), address.split(".")
    port = f"v{third}-{fourth}"
    _ip("", f"netns add {space}", f"link add {port} type veth peer name host0 netns {space}", f"link set {port} master br0 up")
    routes = [f"route add {METADATA}/32 dev host0", *([f"route add default via {GATEWAY}"] if way_out else [])]
    _ip(space, "link set lo up", f"addr add {address}/16 dev host0", "link set host0 up", *routes)


def detach(layout: Layout, name: str) -> None:
    """Take a machine's namespace away, and with it its end of the wire."""
    _delete(layout.namespace_of(name))


def remove(run_id: str) -> None:
    """Take all namespaces of a run away."""
    for space in existing(run_id):
        _delete(space)


def existing(run_id: str) -> tuple[str, ...]:
    """Network namespaces of a run."""
    mine = f"{prefix()}{run_id}"
    return tuple(space for space in _all() if space == mine or space.startswith(f"{mine}."))


def processes(run_id: str) -> tuple[int, ...]:
    """Whoever is in one of them: machines, and SSH connections of clients."""
    found: list[int] = []
    for space in existing(run_id):
        told = process.call(["ip", "netns", "pids", space], check=False).stdout
        # Asked from inside, by the provider at its end, ip(8) finds itself, too: it has gone by now.
        found.extend(int(pid) for pid in told.split() if os.path.exists(f"/proc/{pid}"))
    return tuple(found)


def runs() -> set[str]:
    """Ids of runs that have any namespace."""
    return {space.removeprefix(prefix()).partition(".")[0] for space in _all()}


def inside(layout: Layout) -> tuple[str, ...]:
    """The command line under which a program is in the run's network, and otherwise where it was."""
    return ("nsenter", f"--net={_NAMESPACES / layout.namespace}", "--")


def _all() -> list[str]:
    if not _NAMESPACES.is_dir():
        return []
    return sorted(path.name for path in _NAMESPACES.iterdir() if path.name.startswith(prefix()))


def _delete(space: str) -> None:
    process.call(["ip", "netns", "delete", space], check=False)
    # One that died before it was mounted is a file and nothing else.
    with contextlib.suppress(OSError):
        (_NAMESPACES / space).unlink()


def _ip(space: str, *commands: str) -> None:
    argv = ["ip", *(["-netns", space] if space else []), "-batch", "-"]
    process.call(argv, stdin="\n".join(commands).encode() + b"\n")
