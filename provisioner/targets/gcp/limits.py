"""What the project may have, and has: limits and usage of the quotas that a design draws on, asked side by side.

regions.get and projects.get tell both of the older quotas. Of those that have a value for each family the Cloud Quotas API
tells the limit alone ("QuotaInfo"), and what is in use is counted from the machines that are there: Cloud Monitoring has a
usage (serviceruntime.googleapis.com/quota/allocation/usage), minutes late.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from provisioner.launch.gcp import COMPUTE, Refused, Session
from provisioner.targets.gcp.draws import CPU_FAMILY, GPU_FAMILY, Pool, cpu_pool, gpu_pool, preemptible, vcpus

QUOTAS = "https://cloudquotas.googleapis.com/v1"
# A machine that is stopped or suspended keeps its disks and no more ("VM instance lifecycle", quota).
_NONE_LEFT = ("STOPPED", "TERMINATED", "SUSPENDED")
# Partial responses: of an instance this is all that is counted ("Use partial responses").
_FIELDS = "items/*/instances(machineType,status,scheduling(provisioningModel,preemptible),guestAccelerators),nextPageToken"


@dataclass(frozen=True)
class Quota:
    """A limit, and what is in use of it."""

    limit: float
    used: float

    @property
    def free(self) -> float:
        return self.limit - self.used if self.limit >= 0 else float("inf")


@dataclass(frozen=True)
class Told:
    """`quotas` has those that are known; `granted` the preemptible ones that the project has; `refused` why limits by family
    are not known, None where they are.
    """

    quotas: Mapping[Pool, Quota]
    granted: frozenset[Pool]
    refused: Refused | None = None


def asked(session: Session, region: str, families: Iterable[Pool]) -> Told:
    """Raises launch.gcp's Refused; only of the limits by family it is told."""
    wanted = sorted(set(families))
    with ThreadPoolExecutor(5) as pool:
        project = pool.submit(_project, session)
        infos = {metric: pool.submit(_info, session, metric) for metric in sorted({each.metric for each in wanted})}
        machines = pool.submit(_machines, session, region) if wanted else None
        here = _told(session.call("GET", _compute(session, f"regions/{region}")))
        known = {**project.result(), **here}
        granted = frozenset(each for each, quota in known.items() if each.metric.startswith("PREEMPTIBLE_") and quota.limit > 0)
        if machines is None:
            return Told(known, granted)
        used = _in_use(machines.result(), granted)
        limits, refused = {}, None
        for metric, info in infos.items():
            answer = info.result()
            if isinstance(answer, Refused):
                refused = answer
            else:
                limits[metric] = answer
    for each in wanted:
        limit = _limit(limits.get(each.metric, {}), each.dimensions(region))
        if limit is not None:
            known[each] = Quota(limit, used[each])
    return Told(known, granted, refused)


def _compute(session: Session, path: str = "") -> str:
    return f"{COMPUTE}/projects/{session.project}" + (f"/{path}" if path else "")


def _project(session: Session) -> dict[Pool, Quota]:
    """Those of its own: it also has some of a region's names for what is in none (global addresses)."""
    return {pool: quota for pool, quota in _told(session.call("GET", _compute(session))).items() if pool.everywhere}


def _told(thing: Mapping[str, Any]) -> dict[Pool, Quota]:
    return {Pool(each["metric"]): Quota(each["limit"], each.get("usage", 0.0)) for each in thing.get("quotas", ())}


def _info(session: Session, metric: str) -> dict[str, Any] | Refused:
    name = f"projects/{session.project}/locations/global/services/compute.googleapis.com/quotaInfos/{Pool(metric, '*').id}"
    try:
        told: dict[str, Any] = session.call("GET", f"{QUOTAS}/{name}")
    except Refused as problem:
        return problem
    return told


def _limit(info: Mapping[str, Any], wanted: Mapping[str, str]) -> float | None:
    """The value of the closest dimensions ("DimensionsInfo": one without a dimension is for all that have none of their own,
    in `applicableLocations`); None where there is none. 0 is not written out, -1 is no limit.
    """
    fitting = []
    for each in info.get("dimensionsInfos", ()):
        dimensions, places = each.get("dimensions", {}), each.get("applicableLocations", ())
        here = "region" in dimensions or not places or wanted["region"] in places
        if here and all(wanted.get(key) == value for key, value in dimensions.items()):
            fitting.append((len(dimensions), float(each.get("details", {}).get("value", 0))))
    return max(fitting)[1] if fitting else None


def _machines(session: Session, region: str) -> list[dict[str, Any]]:
    found = []
    for page in session.pages(_compute(session, "aggregated/instances"), {"fields": _FIELDS, "maxResults": 500}):
        for scope, part in page.get("items", {}).items():
            if scope.startswith(f"zones/{region}-"):
                found += [machine for machine in part.get("instances", ()) if machine.get("status") not in _NONE_LEFT]
    return found


def _in_use(machines: Iterable[Mapping[str, Any]], granted: frozenset[Pool]) -> Counter[Pool]:
    """Of quotas by family. Spot machines draw on preemptible ones where these were granted."""
    used: Counter[Pool] = Counter()
    for machine in machines:
        kind, scheduling = machine["machineType"].rpartition("/")[2], machine.get("scheduling", {})
        spot = scheduling.get("provisioningModel") == "SPOT" or scheduling.get("preemptible", False)
        gpus = sum(int(each.get("acceleratorCount", 0)) for each in machine.get("guestAccelerators", ()))
        for pool, number in ((cpu_pool(kind), vcpus(kind)), (gpu_pool(kind), gpus)):
            if pool is not None and pool.metric in (CPU_FAMILY, GPU_FAMILY) and not (spot and preemptible(pool) in granted):
                used[pool] += number
    return used
