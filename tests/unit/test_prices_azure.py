"""Azure Retail Prices: what its answers, in the shape that it documents, become in the catalogue."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from price_server import NOW, TODAY, Answer, Served, serving

from provisioner import clock
from provisioner.catalog import cache
from provisioner.errors import Invalid, Kind, Refused
from provisioner.lifecycle.refresh import refresh
from provisioner.targets.azure import prices as azure
from provisioner.targets.gcp import credentials


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    with serving(monkeypatch) as told:
        yield told


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
    told = {offer.name: (offer.on_demand, offer.spot) for offer in azure.prices("westeurope").offers}
    assert told == {HB: (4.68, 1.5), D4: (0.23, None), "Standard_B2s": (0.05, None)}
    assert {(offer.region, offer.as_of, offer.source) for offer in azure.prices("westeurope").offers} == {
        ("westeurope", TODAY, "Azure Retail Prices")
    }


def test_azure_page_by_page(prices_azure: Served) -> None:
    prices_azure.answer = retail(prices_azure, [METERS[i : i + 3] for i in range(0, len(METERS), 3)])
    assert len(azure.prices("westeurope").offers) == 3
    assert len(prices_azure.asked) == 5


def test_azure_is_not_led_elsewhere(prices_azure: Served) -> None:
    prices_azure.answer = lambda path, query, body: (200, {"Items": [], "NextPageLink": "http://192.0.2.1/api/retail/prices"})
    with pytest.raises(Refused, match="could not be fetched") as problem:
        azure.prices("westeurope")
    assert "192.0.2.1" in problem.value.why


def test_azure_is_asked_again_while_it_is_busy(prices_azure: Served) -> None:
    busy, willing = iter([429, 503]), prices_azure.answer
    prices_azure.answer = lambda *asked: (status, {}) if (status := next(busy, 0)) else willing(*asked)
    assert len(azure.prices("westeurope").offers) == 3
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
        azure.prices("westeurope")
    assert problem.value.kind is kind
    assert problem.value.fix


def test_a_region_that_would_be_more_than_a_name_is_not_asked_for(prices_azure: Served) -> None:
    with pytest.raises(Refused, match="no region of Azure"):
        azure.prices("east' or 1 eq 1")
    assert prices_azure.asked == []


# --- among the others -----------------------------------------------------------------------------------------------------


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
