"""What machines cost, asked of the clouds themselves: one module for each cloud, imported when it is asked.

Each has two functions: `places()`, the regions that are asked where none is named, none without credentials where it
needs them; and `prices(region)` → Answer, which raises Refused. Nothing is made, and nothing is written.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import NamedTuple, Protocol, cast

from provisioner.catalog.rows import Offer, Shape
from provisioner.errors import BurstError

PRICING: dict[str, str] = {
    "aws": "provisioner.targets.aws.prices",
    "gcp": "provisioner.targets.gcp.prices",
    "azure": "provisioner.targets.azure.prices",
}


class Answer(NamedTuple):
    """Prices in one region, of types that are known; and shapes of some that were not, with prices among them."""

    offers: Sequence[Offer]
    shapes: Sequence[Shape] = ()


@dataclass(frozen=True)
class Refreshed:
    """A cloud's region: how many `prices` came, and how many `types` that nobody knew before; or why none did."""

    cloud: str
    region: str
    prices: int = 0
    types: int = 0
    problem: BurstError | None = None


class Pricing(Protocol):
    """One cloud's."""

    def places(self) -> tuple[str, ...]: ...
    def prices(self, region: str) -> Answer: ...


def pricing(cloud: str) -> Pricing:
    """That of a cloud of PRICING."""
    return cast(Pricing, import_module(PRICING[cloud]))
