"""Requests checked against the vendor's own description of them: the models of azure-mgmt-compute and -network."""

from __future__ import annotations

import sys
import typing
from collections.abc import Collection
from enum import Enum
from functools import cache
from types import ModuleType
from typing import Any

# "The enum data type is currently deprecated" (HardwareProfile.vmSize): it has none of the sizes of the last years.
_OPEN = {"VirtualMachineSizeTypes"}
# A field that a request may have: `read` alone is what Azure answers.
_WRITABLE = {"create", "update"}


def complaints(body: Any, models: ModuleType, name: str) -> list[str]:
    """What is wrong with a body that should be the model of this name: unknown, read-only or missing fields, wrong types."""
    return list(_model(body, getattr(models, name), models, name, _WRITABLE))


def misshapen(told: Any, models: ModuleType, name: str) -> list[str]:
    """The same of an answer, which has read-only fields, too."""
    return list(_model(told, getattr(models, name), models, name, frozenset({"read", *_WRITABLE})))


@cache
def _fields(model: Any, models: ModuleType) -> dict[str, tuple[Any, Any]]:
    """Name in a request → (field, its type)."""
    model()
    hints = typing.get_type_hints(model, {**vars(sys.modules[model.__module__]), "_models": models})
    return {field._rest_name: (field, hints[name]) for name, field in model._attr_to_rest_field.items()}


def _model(body: Any, model: Any, models: ModuleType, at: str, may: Collection[str]) -> typing.Iterator[str]:
    if not isinstance(body, dict):
        yield f"{at} is {body!r}, not an object"
        return
    known = _fields(model, models)
    for key, value in body.items():
        if key not in known:
            yield f"{at}.{key}: {model.__name__} has no such field"
            continue
        field, hint = known[key]
        if field._visibility and not set(may) & set(field._visibility):
            yield f"{at}.{key} is read-only"
        yield from _value(value, hint, models, f"{at}.{key}", may)
    for key, (_, hint) in known.items():
        if key not in body and type(None) not in (hint, *typing.get_args(hint)):
            yield f"{at}.{key} is required"


def _value(value: Any, hint: Any, models: ModuleType, at: str, may: Collection[str]) -> typing.Iterator[str]:
    choices = (
        [each for each in typing.get_args(hint) if each is not type(None)] if typing.get_origin(hint) is typing.Union else [hint]
    )
    enums = [each for each in choices if isinstance(each, type) and issubclass(each, Enum) and each.__name__ not in _OPEN]
    if enums:
        if value not in {member.value for each in enums for member in each}:
            yield f"{at} is {value!r}, not one of {enums[0].__name__}"
        return
    chosen = choices[0]
    if typing.get_origin(chosen) is typing.Literal:
        if value not in typing.get_args(chosen):
            yield f"{at} is {value!r}, not one of {typing.get_args(chosen)}"
        return
    origin = typing.get_origin(chosen) or chosen
    if origin.__module__.startswith("azure.mgmt."):
        yield from _model(value, origin, models, at, may)
    elif not isinstance(value, {float: (int, float)}.get(origin, origin)):
        yield f"{at} is {value!r}, not {origin.__name__}"
    elif origin is list:
        for i, each in enumerate(value):
            yield from _value(each, typing.get_args(chosen)[0], models, f"{at}[{i}]", may)
    elif origin is dict:
        for key, each in value.items():
            yield from _value(each, typing.get_args(chosen)[1], models, f"{at}[{key}]", may)
