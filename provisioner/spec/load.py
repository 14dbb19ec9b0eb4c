"""The one way from a file to a Spec: every finding at once, each with file and line."""

from __future__ import annotations

import copy
import difflib
import types
import typing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from provisioner.errors import Invalid
from provisioner.findings import Finding, error, errors
from provisioner.spec.model import Spec
from provisioner.spec.rules import RULES, Known
from provisioner.spec.source import Loc, Source, read

# Each round drops what was wrong and validates the rest, so that one mistake does not hide another.
_ROUNDS = 20


@dataclass(frozen=True)
class Loaded:
    """A file that may be run: its Spec, where it stands, and what was noticed on the way (no errors)."""

    spec: Spec
    source: Source
    findings: tuple[Finding, ...]


class FileRefused(Invalid):
    """The file is wrong; `findings` has everything that is."""

    def __init__(self, path: Path, findings: tuple[Finding, ...]) -> None:
        count = len(errors(findings))
        super().__init__(
            f"{path}: {count} error{'s' if count != 1 else ''}",
            why="the file is not what burst understands",
            fix=f"mend the lines above, then: burst validate {path}",
        )
        self.findings = findings


def load(path: Path) -> Loaded:
    """Read and check `path`. Raises FileRefused with all findings when there is an error among them."""
    spec, source, findings = check(path)
    if spec is None or errors(findings):
        raise FileRefused(path, findings)
    return Loaded(spec, source, findings)


def check(path: Path) -> tuple[Spec | None, Source, tuple[Finding, ...]]:
    """The Spec as far as it can be read (None when it cannot), and everything there is to say about it."""
    source, found = read(path)
    if source.data is None:
        return None, source, found or (_nothing(source),)
    if not isinstance(source.data, dict):
        wrong = error("type", "the file must be a mapping: version, name, groups, jobs …", file=str(path), line=1)
        return None, source, (*found, wrong)
    spec, invalid = _validate(source)
    ruled: list[Finding] = []
    if spec is not None:
        known = Known(groups=_keys(source.data, "groups"), jobs=_keys(source.data, "jobs"))
        for rule in RULES:
            ruled.extend(rule(spec, source, known))
    every = (*found, *invalid, *ruled)
    return spec, source, tuple(sorted(every, key=lambda finding: finding.line or 0))


def _nothing(source: Source) -> Finding:
    return error("empty", "the file is empty", "`burst init` writes one to start from", file=str(source.path), line=1)


def _keys(data: dict[str, Any], section: str) -> frozenset[str]:
    value = data.get(section)
    return frozenset(str(key) for key in value) if isinstance(value, dict) else frozenset()


def _validate(source: Source) -> tuple[Spec | None, list[Finding]]:
    data = copy.deepcopy(source.data)
    found: dict[tuple[Loc, str], Finding] = {}
    for _ in range(_ROUNDS):
        try:
            return Spec.model_validate(data), list(found.values())
        except ValidationError as problem:
            for item in problem.errors(include_url=False):
                loc = _in_data(source.data, item["loc"])
                found.setdefault((loc, item["type"]), _finding(source, loc, item))
                if not _drop(data, loc, missing=item["type"] == "missing"):
                    return None, list(found.values())
        except RecursionError:
            return None, [error("yaml", "nested too deeply", file=str(source.path), line=1)]
    return None, list(found.values())


def _in_data(data: Any, loc: tuple[int | str, ...]) -> Loc:
    """pydantic's loc without the steps that exist only in the model (union members, `[key]`)."""
    kept: list[str | int] = []
    here = data
    for step in loc:
        if isinstance(here, dict) and step in here:
            here = here[step]
        elif isinstance(here, list) and isinstance(step, int) and step < len(here):
            here = here[step]
        elif step == "[key]" or not isinstance(here, dict | list):
            continue
        else:
            here = None
        kept.append(step)
    return tuple(kept)


def _drop(data: Any, loc: Loc, *, missing: bool) -> bool:
    """Take the wrong value out of `data`; a missing one takes what lacks it along. False when nothing is left."""
    if missing:
        loc = loc[:-1]
    if not loc:
        return False
    here = data
    for step in loc[:-1]:
        try:
            here = here[step]
        except (KeyError, IndexError, TypeError):
            return True
    last = loc[-1]
    if isinstance(here, dict):
        here.pop(last, None)
    elif isinstance(here, list) and isinstance(last, int) and last < len(here):
        del here[last]
    else:
        return _drop(data, loc[:-1], missing=False)
    return True


def _finding(source: Source, loc: Loc, item: Any) -> Finding:
    dotted = ".".join(str(step) for step in loc)
    file, line = str(source.path), source.line(loc)
    kind, given = item["type"], item.get("input")
    if kind == "extra_forbidden":
        return error("unknown-key", f"unknown key {dotted!r}", _did_you_mean(loc), file=file, line=line)
    if kind == "missing":
        return error("missing", f"{dotted!r} is missing", _described(loc), file=file, line=line)
    if kind == "value_error":
        message = str(item["ctx"]["error"])
        return error("value", f"{dotted}: {message}" if dotted else message, file=file, line=line)
    shown = "nothing" if given is None else repr(given)
    message = str(item["msg"])
    text = message[0].lower() + message[1:]
    return error("value", f"{dotted}: {shown[:80]}: {text}", _described(loc), file=file, line=line)


def _did_you_mean(loc: Loc) -> str:
    fields = list(_fields(loc[:-1]))
    near = difflib.get_close_matches(str(loc[-1]), fields, n=1, cutoff=0.55)
    if near:
        return f"did you mean {near[0]!r}?"
    return f"known here: {', '.join(fields)}" if fields else ""


def _described(loc: Loc) -> str:
    field = _fields(loc[:-1]).get(str(loc[-1])) if loc else None
    return (field.description or "") if field is not None else ""


def _fields(loc: Loc) -> dict[str, Any]:
    """The model's fields at `loc`: ("groups", "cpu") → those of Group."""
    kind: Any = Spec
    for step in loc:
        kind = _inner(kind, step)
    return dict(kind.model_fields) if isinstance(kind, type) and issubclass(kind, BaseModel) else {}


def _inner(kind: Any, step: str | int) -> Any:
    """The type one step further in."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        field = kind.model_fields.get(str(step))
        return _plain(field.annotation) if field is not None else None
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
