"""Resources and functions of a provider whose SDK is not needed."""

from __future__ import annotations

from typing import Any

import pulumi


class Thing(pulumi.CustomResource):
    """Whatever a type is called. `told` is what the provider computes."""

    told: pulumi.Output[str]

    def __init__(self, type_: str, name: str, inputs: dict[str, Any]) -> None:
        super().__init__(type_, name, {**inputs, "told": None})


def lookup(function: str, arguments: dict[str, Any]) -> Any:
    """A provider function's answer."""
    return pulumi.runtime.invoke(function, arguments).value
