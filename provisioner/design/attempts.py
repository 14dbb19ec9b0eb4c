"""What is tried for a group, in order: the same on every cloud."""

from __future__ import annotations

from provisioner.catalog.markets import has_spot
from provisioner.design.model import Group, Node

_MARKETS = {"never": ("on-demand",), "prefer": ("spot", "on-demand"), "only": ("spot",)}


def order(group: Group, cloud: str) -> list[tuple[str, Node]]:
    """(market, type): all of a group's types on the first market, then on the next.

    A type that is never sold on the spot market is not asked for there: the refusal would not be CAPACITY, and nothing
    else would be tried.
    """
    return [
        (market, node)
        for market in _MARKETS[group.spot]
        for node in group.alternatives
        if market != "spot" or has_spot(cloud, node.instance)
    ]
