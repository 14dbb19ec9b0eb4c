"""The AWS program's resources made in a moto that is served (AWS_ENDPOINT_URL), so that others see them."""

from __future__ import annotations

from functools import cached_property
from types import SimpleNamespace
from typing import Any

from tests.stacks.aws_moto import InMoto


class _Served:
    @cached_property
    def moto(self) -> InMoto:
        return InMoto()


_served = _Served()


def _create(type_: str, name: str, inputs: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    return _served.moto.create(type_, name, inputs)


def _call(function: str, arguments: dict[str, Any]) -> dict[str, Any]:
    return _served.moto.call(function, arguments)


CLOUD = SimpleNamespace(create=_create, call=_call)
