"""AWS's prices and shapes: EC2 as moto has it, the Price List API in the shape that AWS documents."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber
from making import Still
from moto import mock_aws
from price_server import NOW, TODAY, Answer, Served, serving

from provisioner import clock
from provisioner.catalog.table import bundled
from provisioner.targets.aws import prices as aws


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    with serving(monkeypatch) as told:
        yield told


def product(name: str, usd: str, unit: str = "Hrs") -> str:
    """An entry of GetProducts' PriceList, as "Reading the service price list file for an AWS service" has it."""
    dimension = {"unit": unit, "endRange": "Inf", "description": "", "appliesTo": [], "rateCode": "A", "beginRange": "0"}
    term = {"priceDimensions": {"A.B.C": {**dimension, "pricePerUnit": {"USD": usd}}}, "sku": "A", "offerTermCode": "B"}
    attributes = {"instanceType": name, "regionCode": "us-east-2", "operatingSystem": "Linux", "vcpu": "4"}
    return json.dumps(
        {
            "product": {"productFamily": "Compute Instance", "attributes": attributes, "sku": "A"},
            "serviceCode": "AmazonEC2",
            "terms": {"OnDemand": {"A.B": term}},
            "version": "20270101000000",
            "publicationDate": "2027-01-01T00:00:00Z",
        }
    )


PRODUCTS = [
    product("c7i.48xlarge", "8.1000000000"),
    product("c7i.48xlarge", "0.0000000000"),
    product("hpc7a.96xlarge", "7.2500000000"),
    product("c6i.large", "0.0850000000"),
    product("m7i-flex.large", "0.0900000000"),
    product("c7i.metal-24xl", "4.7000000000"),
    product("inf2.xlarge", "0.7600000000"),
    product("t2.medium", "0.0464000000"),
    product("m7i.8xlarge", "1.5000000000", unit="Quantity"),
]


@pytest.fixture
def prices_aws(served: Served, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    def answer(path: str, query: dict[str, str], body: Any) -> Answer:
        assert body["ServiceCode"] == "AmazonEC2"
        filters = {each["Field"]: each["Value"] for each in body["Filters"]}
        assert filters["regionCode"] == "us-east-2"
        assert (filters["operatingSystem"], filters["tenancy"], filters["preInstalledSw"]) == ("Linux", "Shared", "NA")
        first = {"PriceList": PRODUCTS[:4], "NextToken": "2"}
        return 200, {"FormatVersion": "aws_v1", **({"PriceList": PRODUCTS[4:]} if body.get("NextToken") else first)}

    served.answer = answer
    monkeypatch.setenv("AWS_ENDPOINT_URL_PRICING", served.url)
    with mock_aws():
        yield served


def test_aws_prices_and_shapes_of_types_that_nobody_knew(prices_aws: Served) -> None:
    answer = aws.prices("us-east-2")
    told = {offer.name: offer.on_demand for offer in answer.offers}
    assert told == {"c7i.48xlarge": 8.1, "hpc7a.96xlarge": 7.25, "c6i.large": 0.085}
    assert {offer.name: offer.spot for offer in answer.offers}["hpc7a.96xlarge"] is None, "it is on demand only"
    assert [(shape.name, shape.vcpus, shape.cores, shape.memory_mib, shape.arch) for shape in answer.shapes] == [
        ("c6i.large", 2, 1, 4096, "x86_64")
    ]
    assert len(prices_aws.asked) == 2


def test_aws_shapes_are_what_the_bundled_table_has_of_the_same_types() -> None:
    """The table was made of the same answer: EFA cards, GPUs, whole cores."""
    with mock_aws():
        ec2 = boto3.client("ec2", region_name="us-east-1")
        names = ["p5.48xlarge", "hpc7a.96xlarge", "g6.48xlarge", "g7e.48xlarge", "c7i.48xlarge"]
        told = ec2.describe_instance_types(InstanceTypes=names)["InstanceTypes"]
    assert len(told) == len(names)
    for each in told:
        shape, kind = aws._shape(each, TODAY), bundled().named(each["InstanceType"])
        assert kind is not None
        known = (kind.vcpus, kind.cores, kind.memory_mib, kind.gpus, kind.gpu, kind.fabric, kind.cards)
        assert (shape.vcpus, shape.cores, shape.memory_mib, shape.gpus, shape.gpu, shape.fabric, shape.cards) == known


def test_aws_spot_is_the_dearest_zones_latest_price() -> None:
    ec2 = boto3.client("ec2", region_name="us-east-2", aws_access_key_id="a", aws_secret_access_key="b")

    def said(name: str, zone: str, usd: str, hour: int) -> dict[str, Any]:
        at = datetime(2027, 1, 15, hour, tzinfo=UTC)
        return {
            "InstanceType": name,
            "AvailabilityZone": zone,
            "SpotPrice": usd,
            "Timestamp": at,
            "ProductDescription": "Linux/UNIX",
        }

    history = [
        said("c7i.48xlarge", "us-east-2a", "2.5", 3),
        said("c7i.48xlarge", "us-east-2a", "9.9", 1),
        said("c7i.48xlarge", "us-east-2b", "3.5", 2),
        said("c7a.48xlarge", "us-east-2a", "1.0", 2),
    ]
    with Stubber(ec2) as stub, clock.use(Still(NOW)):
        asked = {"StartTime": f"{TODAY}T08:00:00.000Z", "ProductDescriptions": ["Linux/UNIX"]}
        stub.add_response("describe_spot_price_history", {"SpotPriceHistory": history[:2], "NextToken": "2"}, asked)
        stub.add_response("describe_spot_price_history", {"SpotPriceHistory": history[2:]}, {**asked, "NextToken": "2"})
        assert aws._spot(ec2) == {"c7i.48xlarge": 3.5, "c7a.48xlarge": 1.0}
