"""A run on Google Cloud as its own end finds it, and that end, with nobody waiting."""

from __future__ import annotations

import unittest.mock
from typing import Any

from google_fake import PROJECT, ZONE, Google
from making import Still

from provisioner.alone import end_gcp
from provisioner.launch import gcp


def one_of_each(google: Google, told: dict[str, Any], run: str) -> None:
    """What the end of a run finds: a node with and one without its disk, filesystems, a bucket with something in it."""
    labels = {end_gcp.LABEL: run}
    zone = f"compute.googleapis.com/compute/v1/projects/{PROJECT}/zones/{ZONE}"
    located = f"projects/{PROJECT}/locations/{ZONE}/instances"
    for name in ("head", "mpi-1", "login-1"):
        google.machine(f"{run}-{name}", labels=labels)
    google.put(f"{zone}/disks/{run}-mpi-2", labels=labels)
    for kind, api in (("filestore", end_gcp.FILE), ("lustre", end_gcp.LUSTRE)):
        for name in told[kind]:
            google.put(f"{api.removeprefix('https://')}/{located}/{name}", name=f"{located}/{name}", labels=labels)
    for name in told["buckets"]:
        bucket = google.put(f"{end_gcp.STORAGE.removeprefix('https://')}/b/{name}", labels=labels)
        for i in range(3):
            google.put(f"{bucket}/o/folder%2F{i}", name=f"folder/{i}", generation="7")


def ended(told: dict[str, Any], session: gcp.Session) -> bool:
    """What the head does at the end, with nobody waiting."""
    with unittest.mock.patch.object(end_gcp, "time", Still()), unittest.mock.patch.object(gcp, "time", Still()):
        return end_gcp.Ending(told, session, gcp).all()
