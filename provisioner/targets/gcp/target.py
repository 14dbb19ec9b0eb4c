"""Google Cloud, as the shared target sees it."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType
from typing import Any

from provisioner.design.model import Design
from provisioner.findings import Finding
from provisioner.launch import gcp
from provisioner.launch.gcp import COMPUTE, Session
from provisioner.targets.base import Intent, Inventory, Resource, Tagged, Zone
from provisioner.targets.cloud.target import CloudTarget
from provisioner.targets.gcp import checks, credentials, faults, listing, reaping, zones


class GcpPlace:
    """See targets/cloud/place.py for what each member answers."""

    name = "gcp"
    launcher: ModuleType = gcp

    def configured(self) -> bool:
        return credentials.configured()

    def region(self) -> str:
        return credentials.region()

    def session(self, region: str) -> Session:
        return credentials.session(region)

    def preflight(self, session: Session, design: Design, skip: Collection[str] = ()) -> tuple[Finding, ...]:
        return checks.findings(session, design, skip)

    def zones(self, session: Session, design: Design) -> tuple[Zone, ...]:
        """Those of the region that are up and have its types; hints by Google's advice on spot machines."""
        try:
            return zones.zones(session, design)
        except gcp.Refused as problem:
            raise listing.refused(session, problem) from problem

    def configuration(self, session: Session, design: Design) -> dict[str, str]:
        return {"gcp:project": session.project, "gcp:region": str(design.region)}

    def environment(self, session: Session) -> dict[str, str]:
        return credentials.environment()

    def end_machines(self, session: Session, run_id: str) -> None:
        """The head first, and waited for: what it has begun to launch is in the listing after that."""
        head = f"{run_id}-head"
        try:
            for machine in listing.machines(session, run_id):
                if machine["name"] == head:
                    gcp.wait(session, _ended(session, machine))
            with ThreadPoolExecutor(16) as pool:
                list(pool.map(lambda machine: _ended(session, machine), listing.machines(session, run_id)))
        except gcp.Refused as problem:
            raise listing.refused(session, problem) from problem

    def remains(self, session: Session, run_id: str, intents: Sequence[Intent] = ()) -> tuple[Resource, ...]:
        return listing.remains(session, run_id, intents)

    def reap(self, session: Session, resources: Sequence[Resource]) -> tuple[Resource, ...]:
        return reaping.reap(session, resources)

    def regions(self, session: Session) -> tuple[str, ...]:
        """One: every listing is the whole project's."""
        return (session.region,)

    def runs(self, session: Session) -> Iterable[Tagged]:
        return listing.runs(session)

    def console(self, session: Session, inventory: Inventory, machine: str) -> str:
        """Its first serial port, which holds the last mebibyte."""
        place = inventory.place
        where = f"{COMPUTE}/projects/{place['account']}/zones/{place['zone']}/instances/{inventory.run_id}-{machine}"
        try:
            written: str = session.call("GET", f"{where}/serialPort").get("contents", "")
        except gcp.Refused as problem:
            if faults.gone(problem) or problem.code == "resourceNotReady":
                return ""
            raise listing.refused(session, problem) from problem
        return written

    def allow(self, session: Session, inventory: Inventory, ranges: Sequence[str]) -> None:
        rule = f"{COMPUTE}/{inventory.place['firewall']}"
        try:
            asked = session.call("PATCH", rule, {"requestId": str(uuid.uuid4())}, {"sourceRanges": list(ranges)})
            gcp.raise_failed(gcp.wait(session, asked))
        except gcp.Refused as problem:
            raise listing.refused(session, problem) from problem

    def tunnel(self, inventory: Inventory) -> tuple[str, ...]:
        """By "Using IAP for TCP forwarding": the caller needs roles/iap.tunnelResourceAccessor."""
        place = inventory.place
        where = ("--project", place["account"], "--zone", place["zone"])
        return ("gcloud", "compute", "start-iap-tunnel", place["head_id"], "22", "--listen-on-stdin", *where)

    def classify(self, words: str) -> tuple[str, str] | None:
        return faults.classify(words)


def _ended(session: Session, machine: dict[str, Any]) -> dict[str, Any]:
    """The operation that ends it; a done one where it has gone already."""
    try:
        operation: dict[str, Any] = session.call("DELETE", machine["url"], {"requestId": str(uuid.uuid4())})
    except gcp.Refused as problem:
        if not faults.gone(problem):
            raise
        return {"status": "DONE"}
    return operation


class GcpTarget(CloudTarget):
    """A run on Google Cloud."""

    def __init__(self) -> None:
        super().__init__(GcpPlace())
