"""Prices asked of the clouds: what their answers, in the shapes that they document, become in the catalogue."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from typing import Any
from urllib.parse import parse_qs, urlsplit

import boto3
import here_only
import pytest
from botocore.stub import Stubber
from making import Still
from moto import mock_aws

from provisioner import clock
from provisioner.catalog import cache
from provisioner.catalog.table import bundled
from provisioner.errors import Invalid, Kind, Refused
from provisioner.lifecycle.refresh import refresh
from provisioner.targets.aws import prices as aws
from provisioner.targets.azure import prices as azure
from provisioner.targets.gcp import credentials
from provisioner.targets.gcp import prices as gcp

NOW = 1_800_000_000.0
TODAY = "2027-01-15"
Answer = tuple[int, Any]


@dataclass
class Served:
    """An API on a real port of this machine. `answer` is given path, query and body, and answers status and JSON."""

    answer: Callable[[str, dict[str, str], Any], Answer] = lambda path, query, body: (500, {})
    url: str = ""
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    here_only.open_here(monkeypatch)
    told = Served()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            split = urlsplit(self.path)
            query = {key: values[0] for key, values in parse_qs(split.query).items()}
            told.asked.append((split.path, query))
            text = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, body = told.answer(split.path, query, json.loads(text) if text else None)
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            with contextlib.suppress(OSError):
                self.wfile.write(data)

        do_POST = do_GET  # noqa: N815 (http.server's names)

        def log_message(self, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        told.url = f"http://127.0.0.1:{server.server_port}"
        with clock.use(Still(NOW)):
            yield told
        server.shutdown()
        thread.join()


# --- Azure ----------------------------------------------------------------------------------------------------------------


def meter(size: str, usd: float, kind: str = "", **more: Any) -> dict[str, Any]:
    """As "Azure Retail Prices overview" has one."""
    name = size.removeprefix("Standard_").replace("_", " ") + (f" {kind}" if kind else "")
    return {
        "currencyCode": "USD",
        "tierMinimumUnits": 0.0,
        "retailPrice": usd,
        "unitPrice": usd,
        "armRegionName": "westeurope",
        "location": "EU West",
        "effectiveStartDate": "2024-01-01T00:00:00Z",
        "meterId": "000a794b-bdb0-58be-a0cd-0c3a0f222923",
        "meterName": name,
        "productId": "DZH318Z0BQPS",
        "skuId": "DZH318Z0BQPS/00TG",
        "productName": "Virtual Machines HBrsv3 Series",
        "skuName": name,
        "serviceName": "Virtual Machines",
        "serviceId": "DZH313Z7MMC8",
        "serviceFamily": "Compute",
        "unitOfMeasure": "1 Hour",
        "type": "Consumption",
        "isPrimaryMeterRegion": True,
        "armSkuName": size,
        **more,
    }


HB, D4 = "Standard_HB120rs_v3", "Standard_D4s_v5"
METERS = [
    meter(HB, 4.68),
    meter(HB, 1.5, "Spot"),
    meter(HB, 0.9, "Low Priority"),
    meter(HB, 10.2, productName="Virtual Machines HBrsv3 Series Windows"),
    meter(HB, 99.0, productName="HBrsv3 Series Dedicated Host"),
    meter(HB, 2.0, type="Reservation"),
    meter(HB, 3.0, unitOfMeasure="1/Month"),
    # Former prices, and one that is still to come.
    meter(HB, 7.0, effectiveStartDate="2022-01-01T00:00:00Z"),
    meter(HB, 5.0, effectiveStartDate="2027-06-01T00:00:00Z"),
    meter(D4, 0.23),
    meter("Standard_B2s", 0.05),
    meter("Standard_B2s", 0.01, "Spot"),
    meter("Standard_Nobody_v9", 1.0),
    meter("Standard_F8s_v2", 0.0),
]


def retail(served: Served, pages: list[list[dict[str, Any]]]) -> Callable[[str, dict[str, str], Any], Answer]:
    def answer(path: str, query: dict[str, str], body: Any) -> Answer:
        assert path == "/api/retail/prices"
        asked = "serviceName eq 'Virtual Machines' and priceType eq 'Consumption' and armRegionName eq 'westeurope'"
        assert query["$filter"] == asked
        at = int(query.get("$skip", 0))
        link = f"{served.url}{path}?%24filter={asked.replace(' ', '%20')}&%24skip={at + 1}" if at + 1 < len(pages) else None
        told = {"BillingCurrency": "USD", "CustomerEntityId": "Default", "CustomerEntityType": "Retail"}
        return 200, {**told, "Items": pages[at], "NextPageLink": link, "Count": len(pages[at])}

    return answer


@pytest.fixture
def prices_azure(served: Served, monkeypatch: pytest.MonkeyPatch) -> Served:
    monkeypatch.setattr(azure, "ENDPOINT", served.url)
    served.answer = retail(served, [METERS])
    return served


def test_azure_on_demand_and_spot_of_linux_that_are_in_force(prices_azure: Served) -> None:
    told = {offer.name: (offer.on_demand, offer.spot) for offer in azure.asked("westeurope").offers}
    assert told == {HB: (4.68, 1.5), D4: (0.23, None), "Standard_B2s": (0.05, None)}
    assert {(offer.region, offer.as_of, offer.source) for offer in azure.asked("westeurope").offers} == {
        ("westeurope", TODAY, "Azure Retail Prices")
    }


def test_azure_page_by_page(prices_azure: Served) -> None:
    prices_azure.answer = retail(prices_azure, [METERS[i : i + 3] for i in range(0, len(METERS), 3)])
    assert len(azure.asked("westeurope").offers) == 3
    assert len(prices_azure.asked) == 5


def test_azure_is_not_led_elsewhere(prices_azure: Served) -> None:
    prices_azure.answer = lambda path, query, body: (200, {"Items": [], "NextPageLink": "http://192.0.2.1/api/retail/prices"})
    with pytest.raises(Refused, match="not to be had") as problem:
        azure.asked("westeurope")
    assert "192.0.2.1" in problem.value.why


def test_azure_is_asked_again_while_it_is_busy(prices_azure: Served) -> None:
    busy, willing = iter([429, 503]), prices_azure.answer
    prices_azure.answer = lambda *asked: (status, {}) if (status := next(busy, 0)) else willing(*asked)
    assert len(azure.asked("westeurope").offers) == 3
    assert clock.now() == NOW + 5


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (429, {}, Kind.THROTTLE),
        (503, {}, Kind.TRANSIENT),
        (400, {}, Kind.CONFIG),
        (200, b"<html>", Kind.TRANSIENT),
        (200, {"Error": "no"}, Kind.CONFIG),
        (200, {"Items": [], "NextPageLink": None}, Kind.CONFIG),
    ],
)
def test_what_azure_may_answer_instead(prices_azure: Served, status: int, body: Any, kind: Kind) -> None:
    prices_azure.answer = lambda path, query, text: (status, body)
    with pytest.raises(Refused) as problem:
        azure.asked("westeurope")
    assert problem.value.kind is kind
    assert problem.value.fix


def test_a_region_that_would_be_more_than_a_name_is_not_asked_for(prices_azure: Served) -> None:
    with pytest.raises(Refused, match="no region of Azure"):
        azure.asked("east' or 1 eq 1")
    assert prices_azure.asked == []


# --- Google Cloud ---------------------------------------------------------------------------------------------------------


def sku(description: str, usd: str, group: str = "CPU", **more: Any) -> dict[str, Any]:
    """As "services.skus.list" has one; `usd` for a unit and hour."""
    units, _, rest = usd.partition(".")
    price = {"currencyCode": "USD", "units": units, "nanos": int(rest.ljust(9, "0"))}
    usage = "Preemptible" if "Spot" in description else "OnDemand"
    unit = more.pop("unit", "GiBy.h" if group == "RAM" else "h")
    return {
        "name": "services/6F81-5844-456A/skus/0000-AAAA-0000",
        "skuId": "0000-AAAA-0000",
        "description": description,
        "category": {
            "serviceDisplayName": "Compute Engine",
            "resourceFamily": "Compute",
            "resourceGroup": group,
            "usageType": more.pop("usage", usage),
        },
        "serviceRegions": more.pop("regions", ["us-central1", "us-east1"]),
        "pricingInfo": [
            {
                "summary": "",
                "pricingExpression": {
                    "usageUnit": unit,
                    "usageUnitDescription": "hour",
                    "baseUnit": "s",
                    "displayQuantity": 1,
                    "tieredRates": [{"startUsageAmount": 0, "unitPrice": price}],
                },
                "currencyConversionRate": 1,
                "effectiveTime": "2026-12-31T00:00:00Z",
            }
        ],
        "serviceProviderName": "Google",
    }


SKUS = [
    sku("N2 Instance Core running in Americas", "0.03"),
    sku("N2 Instance Ram running in Americas", "0.004", "RAM"),
    sku("Spot Preemptible N2 Instance Core running in Americas", "0.01"),
    sku("Spot Preemptible N2 Instance Ram running in Americas", "0.002", "RAM"),
    sku("N2 Instance Core running in Zurich", "0.9", regions=["europe-west6"]),
    sku("N2 Custom Instance Core running in Americas", "0.5"),
    sku("N2 Instance Core running in Americas DWS Calendar Mode", "0.001", usage="Commit1Mo"),
    sku("DWS Calendar Mode N2 Instance Core running in Americas", "0.6"),
    sku("N2 Sole Tenancy Instance Core running in Americas", "0.7"),
    sku("Commitment v1: N2 Cpu in Americas for 1 Year", "0.0001", usage="Commit1Yr"),
    sku("Compute optimized Core running in Americas", "0.05"),
    sku("Compute optimized Ram running in Americas", "0.005", "RAM"),
    sku("N2D AMD Instance Core running in Americas", "0.02"),
    sku("H3 Instance Core running in Americas", "0.04"),
    sku("H3 Instance Ram running in Americas", "0.003", "RAM"),
    sku("Spot Preemptible H3 Instance Core running in Americas", "0.01"),
    sku("Spot Preemptible H3 Instance Ram running in Americas", "0.001", "RAM"),
    sku("G2 Instance Core running in Americas", "0.025"),
    sku("G2 Instance Ram running in Americas", "0.003", "RAM"),
    sku("Nvidia L4 GPU running in Americas", "0.56", "GPU"),
    sku("Nvidia L4 GPU attached to Spot Preemptible VMs running in Americas", "0.22", "GPU"),
    sku("A2 Instance Core running in Americas", "0.03"),
    sku("A2 Instance Ram running in Americas", "0.004", "RAM"),
    sku("Nvidia Tesla A100 GPU running in Americas", "2.9", "GPU"),
    sku("Nvidia Tesla A100 80GB GPU running in Americas", "3.9", "GPU"),
    sku("C3 Instance Core running in Americas", "0.03", unit="mo"),
    sku("C3 Instance Ram running in Americas", "0.004", "RAM"),
]


def known(schema: str, value: Any, document: dict[str, Any]) -> None:
    """Whether an answer has only what Google's own description has."""
    for key, inner in value.items():
        described = document["schemas"][schema]["properties"][key]
        if "$ref" in described:
            known(described["$ref"], inner, document)
        for each in inner if isinstance(inner, list) and "$ref" in described.get("items", {}) else ():
            known(described["items"]["$ref"], each, document)


@pytest.fixture
def prices_gcp(served: Served, monkeypatch: pytest.MonkeyPatch) -> Served:
    monkeypatch.setattr(gcp, "ENDPOINT", served.url)
    monkeypatch.setattr(credentials, "token", lambda: lambda: "a-token")
    where = files("googleapiclient") / "discovery_cache" / "documents" / "cloudbilling.v1.json"
    document = json.loads(where.read_text())
    half = len(SKUS) // 2

    def answer(path: str, query: dict[str, str], body: Any) -> Answer:
        assert path == "/cloudbilling.googleapis.com/v1/services/6F81-5844-456A/skus"
        assert query.keys() <= document["resources"]["services"]["resources"]["skus"]["methods"]["list"]["parameters"].keys()
        told = (
            {"skus": SKUS[half:], "nextPageToken": ""} if query.get("pageToken") else {"skus": SKUS[:half], "nextPageToken": "2"}
        )
        known("ListSkusResponse", told, document)
        return 200, told

    served.answer = answer
    return served


def test_gcp_a_type_is_its_vcpus_its_memory_and_its_gpus(prices_gcp: Served) -> None:
    told = {offer.name: (offer.on_demand, offer.spot) for offer in gcp.asked("us-central1").offers}
    assert told["n2-standard-32"] == (pytest.approx(32 * 0.03 + 128 * 0.004), pytest.approx(32 * 0.01 + 128 * 0.002))
    assert told["c2-standard-60"] == (pytest.approx(60 * 0.05 + 240 * 0.005), None)
    assert told["g2-standard-48"] == (pytest.approx(48 * 0.025 + 192 * 0.003 + 4 * 0.56), None)
    assert told["a2-highgpu-8g"] == (pytest.approx(96 * 0.03 + 680 * 0.004 + 8 * 2.9), None)
    assert told["h3-standard-88"] == (pytest.approx(88 * 0.04 + 352 * 0.003), None), "there is no spot market for H3"
    assert len(prices_gcp.asked) == 2


def test_gcp_what_has_no_whole_price_keeps_the_one_that_it_had(prices_gcp: Served) -> None:
    names = {offer.name for offer in gcp.asked("us-central1").offers}
    assert not {name for name in names if name.startswith(("n2d-", "c3-", "a2-ultragpu-", "a3-"))}
    with pytest.raises(Refused, match="no price in europe-west6"):
        gcp.asked("europe-west6")


def test_gcp_refuses(prices_gcp: Served) -> None:
    wrong = {"error": {"code": 403, "message": "Cloud Billing API has not been used", "status": "PERMISSION_DENIED"}}
    prices_gcp.answer = lambda path, query, body: (403, wrong)
    with pytest.raises(Refused, match="not to be had") as problem:
        gcp.asked("us-central1")
    assert (problem.value.kind, "has not been used" in problem.value.why) == (Kind.AUTH, True)
    assert "cloudbilling.googleapis.com" in problem.value.fix


# --- AWS ------------------------------------------------------------------------------------------------------------------


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
    answer = aws.asked("us-east-2")
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


# --- all of them ----------------------------------------------------------------------------------------------------------


def test_what_came_is_what_the_catalogue_then_says(prices_azure: Served) -> None:
    (done,) = refresh(["azure/westeurope"])
    assert (done.cloud, done.region, done.prices, done.problem) == ("azure", "westeurope", 3, None)
    kind = cache.read(cache.folder()).named(HB, "westeurope")
    assert kind is not None
    assert (kind.on_demand, kind.spot, kind.basis, kind.as_of) == (4.68, 1.5, "live", TODAY)


def test_one_that_cannot_be_asked_leaves_the_others(prices_azure: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(credentials, "token", lambda: (_ for _ in ()).throw(Refused("no credentials", fix="log in")))
    found = {done.cloud: done for done in refresh(["gcp/us-central1", "azure/westeurope"])}
    assert found["azure"].prices == 3
    assert found["gcp"].problem is not None
    assert [path.name for path in cache.folder().iterdir()] == ["azure-westeurope.prices.csv"]


def test_without_credentials_azure_alone_is_asked(prices_azure: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_PROFILE", "GOOGLE_APPLICATION_CREDENTIALS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AZURE_DEFAULTS_LOCATION", "westeurope")
    assert [(done.cloud, done.region) for done in refresh()] == [("azure", "westeurope")]


@pytest.mark.parametrize("target", ["local", "nspawn", "awss", "aws/"])
def test_what_has_no_prices_is_not_asked(target: str) -> None:
    with pytest.raises(Invalid):
        refresh([target])
