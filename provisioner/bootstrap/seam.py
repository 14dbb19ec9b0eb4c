"""The seam: the few things that a place adds to its machines' start. Nothing else in their user-data differs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from provisioner.design.model import Design

# The one user of a cluster, with the same number on each machine: above those that distributions give to people
# (1000 and on) and below those of systemd's dynamic users (61184, systemd.exec(5)).
USER, UID = "burst", 5000
# Always shared: jobs run below it, whatever node they get.
HOME = "/home"
# How a machine tells that it is the cloud it says; where a file names none, its rehearsal takes the first.
SHAPES = ("aws", "gcp", "azure")


@dataclass(frozen=True)
class Mount:
    """A line of fstab(5). `on_head` is whether the head mounts it too: what it serves itself it has.

    `client` is the file of cloud-init/ that installs what mounts it, where no package of the distribution does. `made` is
    a filesystem that was made for this run: its root is root's alone until the head opens it to everybody.
    """

    folder: str
    source: str
    type: str = "nfs4"
    # A head that is still starting refuses at once instead of after minutes (nfs(5), retry): mount.sh asks again.
    options: str = "hard,noatime,_netdev,retry=0"
    on_head: bool = False
    client: str = ""
    made: bool = False


@dataclass(frozen=True)
class Launcher:
    """How the head makes and ends nodes: a module of `provisioner.launch` by name, and what it is told (no secret).

    `files` are path → content in base64 of what it needs beside that, which root alone may read. `ending` is what the
    module of `provisioner.alone` is told that ends the run (no secret); None where the head may end nothing but itself.
    """

    name: str
    told: Mapping[str, Any]
    files: Mapping[str, str] = field(default_factory=dict)
    ending: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Seam:
    """`shape` is the cloud whose metadata service answers; `served` are folders of the head's own disk that the
    others mount, over NFS or as `mounts` have it; `launcher` is None where no node comes or goes by itself.

    `behind_head` is the address range whose machines reach the world through the head alone (NAT, and a cache of
    packages there). With `first` the head launches the nodes that are always there, because no client of ours will.
    """

    shape: str
    served: tuple[str, ...] = ()
    nfs: bool = True
    mounts: tuple[Mount, ...] = ()
    launcher: Launcher | None = field(default=None)
    behind_head: str = ""
    first: bool = False

    def mounted(self, role: str) -> tuple[Mount, ...]:
        """What a role mounts."""
        return tuple(mount for mount in self.mounts if role != "head" or mount.on_head)


def shape_of(design: Design) -> str:
    """The cloud whose habits the machines of a design meet."""
    return next((name for name in (design.target, design.cloud) if name in SHAPES), SHAPES[0])


def served(design: Design) -> tuple[str, ...]:
    """What the head has on its own disk for all: /home, and the file's NFS folders."""
    own = (fs.mount for fs in design.filesystems if fs.type == "nfs" and fs.id is None)
    return tuple(dict.fromkeys((HOME, *own)))


def over_nfs(design: Design, controller: str) -> Seam:
    """Machines with a network between them and nothing else: the head serves, the others mount."""
    folders = served(design)
    return Seam(shape=shape_of(design), served=folders, mounts=tuple(Mount(f, f"{controller}:{f}") for f in folders))
