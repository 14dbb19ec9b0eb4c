"""Design → what is told to everybody: Slurm's Site, the seam of the user-data, the provider, the jobs. Nothing is made."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

from provisioner.bootstrap.seam import HOME, USER, Launcher, Mount, Seam, served, shape_of
from provisioner.catalog.regions import REGIONS
from provisioner.design.model import Design, Group, slug
from provisioner.slurm.conf import Site
from provisioner.targets import host
from provisioner.targets.base import Inventory
from provisioner.targets.nspawn import bucket, images, network
from provisioner.targets.nspawn.layout import EXPORTS, Layout

_MARKETS = {"never": ("on-demand",), "prefer": ("spot", "on-demand"), "only": ("spot",)}
# Room is what the rehearsal says, and it may say otherwise soon.
_AGAIN = 5.0


def site(image: str) -> Site:
    """What Slurm is told of the place: containers, that share the host's cores and have no cgroups of their own."""
    return Site(
        address=network.HEAD,
        version=images.SLURM[image],
        contained=True,
        # A machine is up in seconds; what it installs may take minutes.
        resume_timeout=300,
        suspend_timeout=10,
        # A node that died is noticed after 15 s and its jobs requeued after 28 s; shorter ones lose busy nodes.
        node_timeout=10,
        kill_wait=5,
        extra=("InactiveLimit=0",),
    )


def seam(design: Design) -> Seam:
    """Folders of the host stand for what a head would serve and for managed file systems: a bind mount each."""
    mounts = tuple(Mount(mount, f"{EXPORTS}/{slug(mount)}", "none", "bind") for mount in folders(design))
    endpoint = f"http://{network.BRIDGE}:{network.API_PORT}"
    told = {
        "launcher": "nspawn",
        "scontrol": ["scontrol"],
        "again": _AGAIN,
        "groups": {group.name: attempts(group, endpoint) for group in design.groups},
    }
    launcher = Launcher("nspawn", told, ending={"endpoint": endpoint})
    return Seam(shape=shape_of(design), served=tuple(folders(design)), nfs=False, mounts=mounts, launcher=launcher)


def folders(design: Design) -> tuple[str, ...]:
    """Mount points of everything that is shared: /home first, what lies in it comes later."""
    return tuple(dict.fromkeys((*served(design), *(fs.mount for fs in design.filesystems))))


def attempts(group: Group, endpoint: str) -> list[dict[str, Any]]:
    """What is tried for a group's nodes, in order: each type on the spot market where that is allowed, then on demand."""
    kinds = [node.instance for node in group.alternatives] or [group.node.instance]
    tried = itertools.product(_MARKETS[group.spot], kinds)
    return [{"market": market, "template": {"endpoint": endpoint, "kind": kind}} for market, kind in tried]


def provider(layout: Layout, design: Design, base: Path, *, way_out: bool) -> dict[str, Any]:
    """What the provider is told."""
    shape = shape_of(design)
    return {
        "expires": design.run.expires,
        "shape": shape,
        "region": design.region or REGIONS[shape],
        "tags": {"burst-run": design.run.id, "burst-owner": design.run.owner, "burst-expires": str(design.run.expires)},
        "base": str(base),
        "served": {mount: str(layout.exports / slug(mount)) for mount in folders(design)},
        "way_out": way_out,
        "gpus": max((group.node.gpus for group in design.groups), default=0),
        "addresses": network.addresses(design),
        "results": str(bucket.folder(design.results)) if design.results is not None else "",
    }


def inventory(layout: Layout, design: Design, image: str) -> Inventory:
    """What exists once everything was launched."""
    known = network.addresses(design)
    environment = {
        "BURST_RUN_ID": design.run.id,
        "BURST_TARGET": design.target,
        **{fs.variable: fs.mount for fs in design.filesystems},
        **host.mpi_environment(design),
    }
    return Inventory(
        run_id=design.run.id,
        target="nspawn",
        head="head",
        address=network.HEAD,
        nodes={name: known[name] for name in design.fixed},
        logins={name: known[name] for name in (design.login.names if design.login else ())},
        workdir=f"{HOME}/{USER}/jobs",
        mounts={mount: f"{HOME}/{USER}" if mount == HOME else mount for mount in folders(design)},
        reports=True,
        slurm_version="{}.{:02d}".format(*images.SLURM[image]),
        place={"root": str(layout.root), "environment": json.dumps(environment)},
    )
