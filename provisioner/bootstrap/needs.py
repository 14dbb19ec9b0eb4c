"""What a role needs beyond the image, by the package names that Debian 12, 13 and Ubuntu 24.04 all take."""

from __future__ import annotations

from typing import Literal

from provisioner.bootstrap.seam import Seam
from provisioner.slurm.conf import Site

Role = Literal["head", "compute", "login"]

# Without netbase, `head` does not resolve from /etc/hosts on a minimal image.
_EVERYWHERE = ("munge", "netbase", "slurm-client", "sudo")
_DAEMON: dict[Role, tuple[str, ...]] = {"head": ("slurmctld",), "compute": ("slurmd",), "login": ()}
# What a launch module needs beside the standard library.
_LAUNCHERS = {"aws": ("python3-boto3",)}
_WAY_IN = "openssh-server"


def packages(role: Role, site: Site, seam: Seam) -> tuple[str, ...]:
    """What the role itself needs; the user's own are `design.software.packages`."""
    names = [*_EVERYWHERE, *_DAEMON[role]]
    if role != "compute":
        names.append(_WAY_IN)
    if pmix(site):
        # Slurm's plugin opens the library when it is used: no package depends on it.
        names.append("libpmix2")
    if role == "head":
        names.extend(_LAUNCHERS.get(seam.launcher.name, ()) if seam.launcher else ())
        names.extend(("nfs-kernel-server",) if seam.nfs and seam.served else ())
    if any(mount.type.startswith("nfs") for mount in seam.mounted(role)):
        names.append("nfs-common")
    return tuple(names)


def pmix(site: Site) -> bool:
    """Whether MPI programs are started over PMIx."""
    return site.mpi.startswith("pmix")
