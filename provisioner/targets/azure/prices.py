"""Azure Retail Prices: every public price, without an account ("Azure Retail Prices overview", 2026).

A page has 100 meters and a link to the next one. Of a size there are meters for Linux and Windows, on demand, Spot and Low
Priority, and of former and coming prices: what counts here is Linux's, on demand and Spot, that is in force.
"""

from __future__ import annotations

import http.client
import json
import re
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterable, Iterator
from typing import Any

from provisioner import clock
from provisioner.catalog.markets import has_spot
from provisioner.catalog.rows import Offer
from provisioner.catalog.table import bundle
from provisioner.errors import Kind, Refused
from provisioner.targets.azure import session
from provisioner.targets.pricing import Answer

ENDPOINT = "https://prices.azure.com"
_PATH = "/api/retail/prices"
_SECONDS = 30
# Too many requests, and what is the matter with the service itself, are asked again after these many seconds.
_PAUSES = (1.0, 4.0, 10.0)
_AGAIN = (429, 500, 502, 503, 504)
_REGION = re.compile(r"[a-z0-9]+")
# Products that are no machine of their own, or not Linux's.
_OTHERS = ("Windows", "Cloud Services", "CloudServices", "Dedicated Host")


def places() -> tuple[str, ...]:
    """The user's own region: nobody needs credentials."""
    return (session.region(),)


def prices(region: str) -> Answer:
    """As targets/pricing.py has it."""
    if not _REGION.fullmatch(region):
        fix = "az account list-locations --query '[].name' --output tsv"
        raise Refused(f"{region!r} is no region of Azure", why="its names are like eastus2", fix=fix, kind=Kind.CONFIG)
    now = clock.utc(clock.now())
    known = {shape.name for shape in bundle()[0] if shape.cloud == "azure"}
    found: dict[tuple[str, bool], tuple[str, float]] = {}
    for meter in _meters(region):
        name, spot, since = meter["armSkuName"], "Spot" in meter["skuName"], meter["effectiveStartDate"]
        if name in known and _counts(meter, region) and since <= now:
            # Of two that begin on one day the dearer: what a plan says is an upper bound.
            found[name, spot] = max(found.get((name, spot), ("", 0.0)), (since, float(meter["retailPrice"])))
    offers = [
        Offer(
            "azure",
            region,
            name,
            usd,
            found[name, True][1] if (name, True) in found and has_spot("azure", name) else None,
            now[:10],
            "Azure Retail Prices",
        )
        for (name, spot), (_, usd) in sorted(found.items())
        if not spot
    ]
    if not offers:
        fix = "az account list-locations --query '[].name' --output tsv"
        raise Refused(f"Azure names no price in {region}", why="no machine type is sold there", fix=fix, kind=Kind.CONFIG)
    return Answer(offers)


def _counts(meter: dict[str, Any], region: str) -> bool:
    return (
        meter["type"] == "Consumption"
        and meter["armRegionName"] == region
        and meter["currencyCode"] == "USD"
        and meter["unitOfMeasure"] == "1 Hour"
        and meter["retailPrice"] > 0
        and "Low Priority" not in meter["skuName"]
        and not any(other in meter["productName"] for other in _OTHERS)
    )


def _meters(region: str) -> Iterator[dict[str, Any]]:
    asked = f"serviceName eq 'Virtual Machines' and priceType eq 'Consumption' and armRegionName eq '{region}'"
    url = f"{ENDPOINT}{_PATH}?{urllib.parse.urlencode({'$filter': asked})}"
    while url:
        page = _page(url)
        yield from _items(page, url)
        url = page.get("NextPageLink") or ""
        if url and not url.startswith(f"{ENDPOINT}{_PATH}"):
            raise _refused(f"its next page would be at {url[:80]}", Kind.CONFIG)


def _items(page: dict[str, Any], url: str) -> Iterable[dict[str, Any]]:
    items = page.get("Items")
    if not isinstance(items, list):
        raise _refused(f"{url}: an answer without Items", Kind.CONFIG)
    return items


def _page(url: str) -> dict[str, Any]:
    for pause in (*_PAUSES, None):
        try:
            with urllib.request.urlopen(url, timeout=_SECONDS) as answer:  # noqa: S310 - https, or a test's own
                told: dict[str, Any] = json.loads(answer.read())
                return told
        except urllib.error.HTTPError as problem:
            with problem:
                if pause is None or problem.code not in _AGAIN:
                    kind = Kind.THROTTLE if problem.code == 429 else Kind.TRANSIENT if problem.code >= 500 else Kind.CONFIG
                    raise _refused(f"HTTP {problem.code}: {problem.reason}", kind) from None
            clock.sleep(pause)
        except (OSError, http.client.HTTPException, ValueError) as problem:
            raise _refused(str(problem) or type(problem).__name__, Kind.TRANSIENT) from problem
    raise AssertionError("unreachable: the last try returns or raises")


def _refused(why: str, kind: Kind) -> Refused:
    return Refused("Azure Retail Prices could not be fetched", why=why, fix="again, in a minute", kind=kind)
