"""Placement groups, which moto 5.2.5 has not: the three calls, as its other responses are made."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from moto.core.responses import ActionResult, EmptyResult
from moto.ec2.exceptions import EC2ClientError
from moto.ec2.responses import EC2Response

Groups = dict[str, dict[str, Any]]


class Unknown(EC2ClientError):
    """As EC2 words it."""

    def __init__(self, name: str) -> None:
        super().__init__("InvalidPlacementGroup.Unknown", f"The Placement Group '{name}' is unknown.")


@contextmanager
def placement_groups() -> Iterator[Groups]:
    """moto with them, for as long as the block lasts."""
    groups: Groups = {}

    def create(self: Any) -> ActionResult:
        name, told = self._get_param("GroupName"), self._get_param("TagSpecifications", [])
        groups[name] = {"GroupName": name, "Strategy": self._get_param("Strategy"), "State": "available", "Tags": told[0]["Tags"]}
        return ActionResult({"PlacementGroup": groups[name]})

    def describe(self: Any) -> ActionResult:
        filters = self._filters_from_querystring()
        found = [group for group in groups.values() if all(_fits(group, key, values) for key, values in filters.items())]
        return ActionResult({"PlacementGroups": found})

    def delete(self: Any) -> EmptyResult:
        if groups.pop(self._get_param("GroupName"), None) is None:
            raise Unknown(self._get_param("GroupName"))
        return EmptyResult()

    added = {"create_placement_group": create, "describe_placement_groups": describe, "delete_placement_group": delete}
    for name, function in added.items():
        setattr(EC2Response, name, function)
    try:
        yield groups
    finally:
        for name in added:
            delattr(EC2Response, name)


def _fits(group: dict[str, Any], key: str, values: list[str]) -> bool:
    told = {each["Key"]: each["Value"] for each in group["Tags"]}
    return told.get(key.removeprefix("tag:")) in values if key.startswith("tag:") else any(each in told for each in values)
