"""Google's SKUs: what they, in the shape that Google documents, become in the catalogue."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib.resources import files
from typing import Any

import pytest
from price_server import Answer, Served, serving

from provisioner.errors import Kind, Refused
from provisioner.targets.gcp import credentials
from provisioner.targets.gcp import prices as gcp


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    with serving(monkeypatch) as told:
        yield told


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
    told = {offer.name: (offer.on_demand, offer.spot) for offer in gcp.prices("us-central1").offers}
    assert told["n2-standard-32"] == (pytest.approx(32 * 0.03 + 128 * 0.004), pytest.approx(32 * 0.01 + 128 * 0.002))
    assert told["c2-standard-60"] == (pytest.approx(60 * 0.05 + 240 * 0.005), None)
    assert told["g2-standard-48"] == (pytest.approx(48 * 0.025 + 192 * 0.003 + 4 * 0.56), None)
    assert told["a2-highgpu-8g"] == (pytest.approx(96 * 0.03 + 680 * 0.004 + 8 * 2.9), None)
    assert told["h3-standard-88"] == (pytest.approx(88 * 0.04 + 352 * 0.003), None), "there is no spot market for H3"
    assert len(prices_gcp.asked) == 2


def test_gcp_what_has_no_whole_price_keeps_the_one_that_it_had(prices_gcp: Served) -> None:
    names = {offer.name for offer in gcp.prices("us-central1").offers}
    assert not {name for name in names if name.startswith(("n2d-", "c3-", "a2-ultragpu-", "a3-"))}
    with pytest.raises(Refused, match="no price in europe-west6"):
        gcp.prices("europe-west6")


def test_gcp_refuses(prices_gcp: Served) -> None:
    wrong = {"error": {"code": 403, "message": "Cloud Billing API has not been used", "status": "PERMISSION_DENIED"}}
    prices_gcp.answer = lambda path, query, body: (403, wrong)
    with pytest.raises(Refused, match="could not be fetched") as problem:
        gcp.prices("us-central1")
    assert (problem.value.kind, "has not been used" in problem.value.why) == (Kind.AUTH, True)
    assert "cloudbilling.googleapis.com" in problem.value.fix
