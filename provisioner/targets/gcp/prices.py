"""Google Cloud's prices: SKUs of the Cloud Billing Catalog API ("services.skus.list"), for vCPUs, GiB and GPUs apart.

A type costs its series' vCPU rate × vCPUs, GiB rate × GiB and its GPUs. What comes with local SSDs (a2-ultragpu, a3, -lssd)
costs more than that: its price is left as it was, since an estimate is an upper bound. Commitments, sole tenancy, custom
types, reservations and the Dynamic Workload Scheduler have SKUs of other names.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from provisioner import clock
from provisioner.catalog.markets import has_spot
from provisioner.catalog.rows import Offer, Shape
from provisioner.catalog.table import bundle
from provisioner.errors import Kind, Refused
from provisioner.launch import gcp
from provisioner.launch.gcp import Session
from provisioner.targets.gcp import credentials
from provisioner.targets.pricing import Answer

# Stands for every host in tests.
ENDPOINT = ""
# Compute Engine's service.
_SKUS = "https://cloudbilling.googleapis.com/v1/services/6F81-5844-456A/skus"
_SERIES = re.compile(r"(?:Spot Preemptible )?([A-Z]\d[A-Z]?) (?:AMD |Arm )?Instance (Core|Ram) running in .+")
# C2, the only series with another name.
_C2 = re.compile(r"(?:Spot Preemptible )?Compute optimized (Core|Ram) running in .+")
_GPU = re.compile(r"(?:Nvidia )?(?:Tesla )?(.+?)(?: GPU)? (?:running in|attached to Spot Preemptible VMs running in) .+")
# A family's GPU, as its SKU calls it.
_GPUS = {"g2-standard": "L4", "a2-highgpu": "A100", "g4-standard": "RTX 6000 96GB"}
_WITH_DISKS = ("a2-ultragpu", "a3-", "a4")
_USAGES = {"OnDemand": False, "Preemptible": True}
# (what is sold, whether on the spot market) → USD an hour.
Rates = dict[tuple[str, bool], float]


def places() -> tuple[str, ...]:
    """The user's own region, where there are credentials."""
    return (credentials.region(),) if credentials.configured() else ()


def prices(region: str) -> Answer:
    """As targets/pricing.py has it."""
    session = Session(credentials.token(), ENDPOINT)
    try:
        found = rates((sku for page in session.pages(_SKUS, {"pageSize": 5000}) for sku in page.get("skus", ())), region)
    except gcp.Refused as problem:
        fix = "gcloud services enable cloudbilling.googleapis.com; or again, in a minute"
        raise Refused("Google's prices could not be fetched", why=str(problem), fix=fix, kind=Kind[problem.kind]) from problem
    today = clock.utc(clock.now())[:10]
    offers = []
    for shape in bundle()[0]:
        on_demand = _price(shape, found, spot=False) if shape.cloud == "gcp" else None
        if on_demand is not None:
            spot = _price(shape, found, spot=True) if has_spot("gcp", shape.name) else None
            offers.append(Offer("gcp", region, shape.name, on_demand, spot, today, "Cloud Billing Catalog API"))
    if not offers:
        fix = "gcloud compute regions list"
        raise Refused(f"Google names no price in {region}", why="no machine type is sold there", fix=fix, kind=Kind.CONFIG)
    return Answer(offers)


def rates(skus: Iterable[Mapping[str, Any]], region: str) -> Rates:
    """What is sold in a region, by the hour: "n2 Core", "n2 Ram" (a GiB), "GPU L4". Of several SKUs for one thing the dearest."""
    found: Rates = {}
    for sku in skus:
        category = sku["category"]
        usage = _USAGES.get(category["usageType"])
        if usage is None or category["resourceFamily"] != "Compute" or region not in sku.get("serviceRegions", ()):
            continue
        name, usd = _sold(sku["description"], category["resourceGroup"]), _rate(sku)
        if name and usd:
            found[name, usage] = max(found.get((name, usage), 0.0), usd)
    return found


def _sold(description: str, group: str) -> str:
    if group == "GPU":
        gpu = _GPU.fullmatch(description)
        return f"GPU {gpu[1]}" if gpu else ""
    series = _SERIES.fullmatch(description)
    if series:
        return f"{series[1].lower()} {series[2]}"
    c2 = _C2.fullmatch(description)
    return f"c2 {c2[1]}" if c2 else ""


def _rate(sku: Mapping[str, Any]) -> float:
    """USD an hour of one unit, by the latest pricing; 0 where it is billed otherwise."""
    latest = sku["pricingInfo"][-1]["pricingExpression"] if sku.get("pricingInfo") else {}
    if latest.get("usageUnit") not in ("h", "GiBy.h"):
        return 0.0
    prices = [tier["unitPrice"] for tier in latest["tieredRates"]]
    return max((int(price.get("units", 0)) + price.get("nanos", 0) / 1e9 for price in prices), default=0.0)


def _price(shape: Shape, found: Rates, *, spot: bool) -> float | None:
    """None where a part of it has no rate, or it has parts that are not known here."""
    series, family = shape.name.partition("-")[0], shape.name.rpartition("-")[0]
    if shape.name.startswith(_WITH_DISKS) or shape.name.endswith("-lssd") or (shape.gpus and family not in _GPUS):
        return None
    parts = {f"{series} Core": float(shape.vcpus), f"{series} Ram": shape.memory_mib / 1024}
    if shape.gpus:
        parts[f"GPU {_GPUS[family]}"] = float(shape.gpus)
    if any((part, spot) not in found for part in parts):
        return None
    return round(sum(found[part, spot] * many for part, many in parts.items()), 6)
