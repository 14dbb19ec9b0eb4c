"""What a role needs beyond the image, by the package names that Debian 12, 13 and Ubuntu 24.04 all take."""

from __future__ import annotations

from typing import Literal

from provisioner.design.model import Design
from provisioner.slurm.conf import Site

Role = Literal["head", "compute"]

# Without netbase, `head` does not resolve from /etc/hosts on a minimal image.
_EVERYWHERE = ("munge", "netbase", "slurm-client")
_DAEMON: dict[Role, str] = {"head": "slurmctld", "compute": "slurmd"}
_NFS: dict[Role, str] = {"head": "nfs-kernel-server", "compute": "nfs-common"}


def packages(design: Design, role: Role, site: Site) -> tuple[str, ...]:
    """What the role itself needs; the user's own are `design.software.packages`."""
    names = [*_EVERYWHERE, _DAEMON[role]]
    if pmix(site):
        # Slurm's plugin opens the library when it is used: no package depends on it.
        names.append("libpmix2")
    if exported(design, site):
        names.append(_NFS[role])
    return tuple(names)


def pmix(site: Site) -> bool:
    """Whether MPI programs are started over PMIx."""
    return site.mpi.startswith("pmix")


def exported(design: Design, site: Site) -> tuple[str, ...]:
    """The mount points that the head exports over NFS: none in containers, whose machines share the host's folders."""
    if site.contained:
        return ()
    return tuple(fs.mount for fs in design.filesystems if fs.type == "nfs" and fs.id is None)
