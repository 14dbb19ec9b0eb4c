"""A project of Google's in which everything is on, allowed and to be had; and what is asked of it in the tests of checks."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import google_apis
import here_only
import pytest
from google_fake import PROJECT, REGION, ZONE, Google, serving
from making import Still

from provisioner import clock
from provisioner.launch import gcp
from provisioner.launch.gcp import Session
from provisioner.targets.gcp.permissions import GROUPS
from provisioner.targets.gcp.target import GcpPlace

COMPUTE = f"compute.googleapis.com/compute/v1/projects/{PROJECT}"
HOST = COMPUTE.replace(PROJECT, "host-1")
FILE = f"file.googleapis.com/v1/projects/{PROJECT}/locations"
LUSTRE = f"lustre.googleapis.com/v1/projects/{PROJECT}/locations"
BUCKETS = "storage.googleapis.com/storage/v1/b"
INFOS = f"cloudquotas.googleapis.com/v1/projects/{PROJECT}/locations/global/services/compute.googleapis.com/quotaInfos"
PLACE = GcpPlace()
FINE = "{version: 1, name: test, head: {instance: c3-standard-4}, groups: {cpu: {instance: [c3-standard-4, n2-standard-8], nodes: {min: 1, max: 4}}}%s}"
GIVEN = ", network: {id: projects/host-1/global/networks/shared, subnet: hpc}"
TYPES = ("c3-standard-4", "n2-standard-8", "e2-standard-2", "c4-standard-8", "h4d-standard-192", "h3-standard-88")


@contextlib.contextmanager
def world(patch: pytest.MonkeyPatch) -> Iterator[Google]:
    """The project, served; time stands still."""
    here_only.open_here(patch)
    with clock.use(Still()) as turned, serving(Google()) as google:
        patch.setattr(gcp, "time", turned)
        _fill(google)
        yield google


def session_of(google: Google) -> Session:
    return Session(lambda: "a-token", google.endpoint, project=PROJECT, region=REGION)


def _fill(google: Google) -> None:
    every = [
        {"name": f"projects/1/services/{api}.googleapis.com", "state": "ENABLED"}
        for api in ["compute", "iam", "cloudresourcemanager", "file", "storage", "iap"]
    ]
    google.answers["serviceusage.services.batchGet"] = (200, {"services": every})
    google.answers["cloudbilling.projects.getBillingInfo"] = told("cloudbilling", "ProjectBillingInfo", billingEnabled=True)
    allow(google, [permission for group in GROUPS.values() for permission in group])
    region(google, CPUS=(24, 2), C3_CPUS=(24, 2), N2_CPUS=(24, 2), NVIDIA_L4_GPUS=(24, 2))
    project(google, CPUS_ALL_REGIONS=(64, 0))
    for kind in TYPES:
        google.put(f"{COMPUTE}/zones/{ZONE}/machineTypes/{kind}")
    google.put(f"{COMPUTE}/zones/{ZONE}", status="UP")


def allow(google: Google, permissions: list[str]) -> None:
    """Each of these, wherever it is asked."""
    for resource in ("cloudresourcemanager.projects", "compute.subnetworks", "iam.projects.serviceAccounts"):
        google.answers[f"{resource}.testIamPermissions"] = (200, {"permissions": permissions})
    google.answers["storage.buckets.testIamPermissions"] = (200, {"permissions": permissions})


def told(api: str, schema: str, **answer: Any) -> tuple[int, dict[str, Any]]:
    """An answer of the described shape."""
    google_apis.answered(f"{api}.googleapis.com", schema, answer)
    return 200, answer


def region(google: Google, **quotas: tuple[float, float]) -> None:
    """The region's quotas: (limit, usage)."""
    google.answers["compute.regions.get"] = told("compute", "Region", quotas=_quotas(quotas))


def project(google: Google, **quotas: tuple[float, float]) -> None:
    """The project's."""
    google.answers["compute.projects.get"] = told("compute", "Project", quotas=_quotas(quotas))


def family(google: Google, quota: str, *values: tuple[dict[str, str], int | None]) -> None:
    """One of Cloud Quotas: (dimensions, value) of each; None for one that is not written out, which is 0."""
    infos = [{"dimensions": where, "details": {} if value is None else {"value": str(value)}} for where, value in values]
    _, info = told("cloudquotas", "QuotaInfo", quotaId=quota, dimensionsInfos=infos)
    google.put(f"{INFOS}/{quota}", **info)


def machine(google: Google, name: str, kind: str, zone: str = ZONE, **more: Any) -> None:
    """Somebody's, as the listing of instances has it."""
    link = f"https://www.googleapis.com/compute/v1/projects/{PROJECT}/zones/{zone}/machineTypes/{kind}"
    google_apis.answered("compute.googleapis.com", "Instance", {"machineType": link, **more})
    google.machine(name, zone, machineType=link, **more)


def _quotas(quotas: dict[str, tuple[float, float]]) -> list[dict[str, Any]]:
    return [{"metric": metric, "limit": float(limit), "usage": float(used)} for metric, (limit, used) in quotas.items()]
