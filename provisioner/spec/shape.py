"""The model seen from a place in the file: which fields may stand there, which must."""

from __future__ import annotations

import types
import typing
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from provisioner.spec.model import Spec
from provisioner.spec.source import Loc


def field(loc: Loc) -> FieldInfo | None:
    """The model's field at `loc`; None for an entry of a mapping or list, and for what nobody defined."""
    return fields(loc[:-1]).get(str(loc[-1])) if loc else None


def fields(loc: Loc) -> dict[str, FieldInfo]:
    """The fields of the model at `loc`: ("groups", "cpu") → those of Group."""
    kind: Any = Spec
    for step in loc:
        kind = _inner(kind, step)
    return dict(kind.model_fields) if isinstance(kind, type) and issubclass(kind, BaseModel) else {}


def _inner(kind: Any, step: str | int) -> Any:
    """The type one step further in."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        found = kind.model_fields.get(str(step))
        return _plain(found.annotation) if found is not None else None
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is dict:
        return _plain(arguments[1])
    return _plain(arguments[0]) if origin in (tuple, list) and arguments else None


def _plain(annotation: Any) -> Any:
    """Without Annotated and Optional."""
    if typing.get_origin(annotation) is typing.Annotated:
        return _plain(typing.get_args(annotation)[0])
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        members = [a for a in typing.get_args(annotation) if a is not type(None)]
        return _plain(members[0])
    return annotation
