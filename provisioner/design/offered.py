"""What a zone must have of a design: the head's type and the login nodes', and one type of each group.

A group's types that the zone lacks are not tried there. `types` are those that a zone offers, as its cloud calls them.
"""

from __future__ import annotations

from collections.abc import Collection

from provisioner.design.attempts import order
from provisioner.design.model import Design, Group, Node


def kinds(design: Design, group: Group, types: Collection[str] | None = None) -> tuple[Node, ...]:
    """The types that a group is ever tried with, in the file's order; with `types` those of them."""
    tried = {node.instance for _, node in order(group, design.target)}
    return tuple(each for each in group.alternatives if each.instance in tried and (types is None or each.instance in types))


def always(design: Design) -> tuple[Node, ...]:
    """Machines of which there is no choice: the head, and login nodes."""
    return (design.head, *([design.login.node] if design.login is not None else []))


def wanted(design: Design) -> tuple[str, ...]:
    """Every type that a design may have, sorted."""
    nodes = [*always(design), *(node for group in design.groups for node in kinds(design, group))]
    return tuple(sorted({node.instance for node in nodes}))


def lacking(design: Design, types: Collection[str]) -> tuple[str, ...]:
    """What a zone with these types cannot have, in words; empty where it can have all of the design."""
    roles = zip(("the head", "login nodes"), always(design), strict=False)
    said = [f"{role} ({node.instance})" for role, node in roles if node.instance not in types]
    for group in design.groups:
        if not kinds(design, group, types):
            said.append(f"{group.name} ({', '.join(node.instance for node in kinds(design, group)) or 'no type'})")
    return tuple(said)


def rank(design: Design, types: Collection[str]) -> tuple[int, int]:
    """Least for the zone that has most of what is preferred: how far down groups' lists their first type stands, in all; then
    how many types it lacks. Only of a zone that lacks nothing (`lacking`).
    """
    tried = [[node.instance for node in kinds(design, group)] for group in design.groups]
    first = sum(next((i for i, each in enumerate(some) if each in types), len(some)) for some in tried)
    return first, sum(each not in types for some in tried for each in some)


def before(design: Design, zone: str, hint: float | None, types: Collection[str]) -> tuple[bool, float, tuple[int, int], str]:
    """By it zones that lack nothing are sorted: the likeliest room first and where nothing is known last, then what is
    preferred, then by name.
    """
    return hint is None, -(hint or 0.0), rank(design, types), zone
