"""AWS's prices: the Price List API (GetProducts) on demand, DescribeSpotPriceHistory for what spot costs now, and
DescribeInstanceTypes for types that the bundled table lacks.

Of spot prices by zone the dearest counts: an estimate is an upper bound, and nobody knows the zone before.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from provisioner import clock
from provisioner.catalog.markets import has_spot
from provisioner.catalog.rows import Offer, Shape
from provisioner.catalog.table import bundle
from provisioner.errors import Kind, Refused
from provisioner.targets.aws import session
from provisioner.targets.pricing import Answer

# The Price List API is in few regions, and each knows of all ("AWS Price List Query API endpoints").
_PRICE_LIST = "us-east-1"
# What one machine without anything on it costs that nobody reserved ("Using the AWS Price List Query API").
_LINUX = {
    "operatingSystem": "Linux",
    "tenancy": "Shared",
    "preInstalledSw": "NA",
    "capacitystatus": "Used",
    "marketoption": "OnDemand",
}
# Families that people compute on ("Amazon EC2 instance types"): general, compute, memory, HPC and NVIDIA's GPUs. A flex type
# has its whole speed only for some of the time.
_FAMILY = re.compile(r"(hpc|c|m|r|x|g|p)\d.*(?<!flex)")

# What the file and the other clouds call a GPU that EC2 has another name for.
_GPU_NAMES = {"RTX PRO Server 6000": "RTX PRO 6000"}


def places() -> tuple[str, ...]:
    """The user's own region, where there are credentials."""
    return (session.region(),) if session.configured() else ()


def prices(region: str) -> Answer:
    """As targets/pricing.py has it."""
    opened = session.open_session(region)
    today = clock.utc(clock.now())[:10]
    with session.refusing(f"tell what machines cost in {region}"):
        ec2 = opened.client("ec2")
        on_demand = _on_demand(opened.client("pricing", region_name=_PRICE_LIST), region)
        spot = _spot(ec2)
        told = [each for page in ec2.get_paginator("describe_instance_types").paginate() for each in page["InstanceTypes"]]
    known = {shape.name for shape in bundle()[0]}
    more = [_shape(each, today) for each in told if each["InstanceType"] not in known and _relevant(each)]
    names = sorted((known | {shape.name for shape in more}) & on_demand.keys())
    if not names:
        fix = "aws account list-regions"
        raise Refused(f"AWS names no price in {region}", why="no machine type is sold there", fix=fix, kind=Kind.CONFIG)
    offers = [
        Offer(
            "aws",
            region,
            name,
            on_demand[name],
            spot.get(name) if has_spot("aws", name) else None,
            today,
            "AWS Price List API, EC2 DescribeSpotPriceHistory",
        )
        for name in names
    ]
    return Answer(offers, [shape for shape in more if shape.name in on_demand])


def _on_demand(pricing: Any, region: str) -> dict[str, float]:
    """Type → USD an hour; of several products of one type the dearest."""
    filters = [
        {"Type": "TERM_MATCH", "Field": field, "Value": value} for field, value in {**_LINUX, "regionCode": region}.items()
    ]
    found: dict[str, float] = {}
    for page in pricing.get_paginator("get_products").paginate(ServiceCode="AmazonEC2", Filters=filters):
        for text in page["PriceList"]:
            product = json.loads(text)
            name = product["product"]["attributes"].get("instanceType", "")
            found[name] = max([found.get(name, 0.0), *_hourly(product["terms"].get("OnDemand", {}).values())])
    return {name: usd for name, usd in found.items() if usd}


def _hourly(terms: Iterable[Mapping[str, Any]]) -> list[float]:
    each = [dimension for term in terms for dimension in term["priceDimensions"].values()]
    return [float(dimension["pricePerUnit"].get("USD", 0)) for dimension in each if dimension["unit"] == "Hrs"]


def _spot(ec2: Any) -> dict[str, float]:
    """Type → USD an hour in its dearest zone. What is asked from now on is each zone's price of now."""
    latest: dict[tuple[str, str], tuple[Any, float]] = {}
    asked = {"StartTime": clock.utc(clock.now()), "ProductDescriptions": ["Linux/UNIX"]}
    for page in ec2.get_paginator("describe_spot_price_history").paginate(**asked):
        for each in page["SpotPriceHistory"]:
            where = each["InstanceType"], each["AvailabilityZone"]
            said = each["Timestamp"], float(each["SpotPrice"])
            latest[where] = max(latest.get(where, said), said)
    dearest: dict[str, float] = {}
    for (name, _), (_, usd) in latest.items():
        dearest[name] = max(dearest.get(name, 0.0), usd)
    return dearest


def _relevant(told: Mapping[str, Any]) -> bool:
    gpus = told.get("GpuInfo", {}).get("Gpus", ())
    return (
        _FAMILY.fullmatch(told["InstanceType"].partition(".")[0]) is not None
        and told["CurrentGeneration"]
        and not told["BareMetal"]
        and told.get("Hypervisor") == "nitro"
        and "on-demand" in told["SupportedUsageClasses"]
        and "DefaultCores" in told["VCpuInfo"]
        and all(gpu["Manufacturer"] == "NVIDIA" and gpu.get("GpuPartitionSize", 1) == 1 for gpu in gpus)
        and not any(told.get(other) for other in ("FpgaInfo", "InferenceAcceleratorInfo", "NeuronInfo", "MediaAcceleratorInfo"))
    )


def _shape(told: Mapping[str, Any], today: str) -> Shape:
    cpus, network = told["VCpuInfo"], told["NetworkInfo"]
    gpus = told.get("GpuInfo", {}).get("Gpus", ())
    efa = network.get("EfaInfo", {}).get("MaximumEfaInterfaces", 0) if network.get("EfaSupported") else 0
    baseline = sum(card.get("BaselineBandwidthInGbps", 0.0) for card in network.get("NetworkCards", ()))
    return Shape(
        cloud="aws",
        name=told["InstanceType"],
        vcpus=cpus["DefaultVCpus"],
        cores=cpus["DefaultCores"],
        threads=cpus["DefaultVCpus"] // cpus["DefaultCores"],
        memory_mib=told["MemoryInfo"]["SizeInMiB"],
        gpus=sum(gpu["Count"] for gpu in gpus),
        gpu=_GPU_NAMES.get(gpus[0]["Name"], gpus[0]["Name"]) if gpus else "",
        gpu_memory=gpus[0]["MemoryInfo"]["SizeInMiB"] / 1024 if gpus else None,
        arch="arm64" if "arm64" in told["ProcessorInfo"]["SupportedArchitectures"] else "x86_64",
        network=float(baseline) or None,
        tier1=None,
        fabric="efa" if efa else "",
        cards=efa,
        as_of=today,
        source="EC2 DescribeInstanceTypes",
    )
