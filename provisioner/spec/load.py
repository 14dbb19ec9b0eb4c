"""The one way from a file to a Spec: every finding at once, each with file and line."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from provisioner.errors import Invalid
from provisioner.findings import Finding, error, errors
from provisioner.spec import shape
from provisioner.spec.mend import Mended
from provisioner.spec.model import Spec
from provisioner.spec.rules import RULES, Known
from provisioner.spec.source import Loc, Source, read

# Each round takes out what was wrong and validates the rest, so that one mistake does not hide another.
_ROUNDS = 20
# pydantic's words that speak of Python, by its error types.
_PLAINLY = {
    "model_type": "write a mapping",
    "dict_type": "write a mapping",
    "tuple_type": "write a list",
    "too_short": "there must be something in it",
}


@dataclass(frozen=True)
class Loaded:
    """A file that may be run: its Spec, where it stands, and what was noticed on the way (no errors)."""

    spec: Spec
    source: Source
    findings: tuple[Finding, ...]


class FileRefused(Invalid):
    """The file is wrong; `findings` has everything that is."""

    def __init__(self, path: Path, findings: tuple[Finding, ...]) -> None:
        if len(findings) == 1 and findings[0].file is None:
            # There was nothing to read: that alone is what happened.
            super().__init__(findings[0].message, fix=findings[0].fix)
            self.findings: tuple[Finding, ...] = ()
            return
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
    """The Spec as far as it can be read (None when it cannot), and everything there is to say about it.

    Where something is wrong, what the Spec has in its place is a default or a stand-in: it may be looked at, not run.
    """
    source, found = read(path)
    if source.data is None:
        return None, source, found or (_nothing(source),)
    if not isinstance(source.data, dict):
        wrong = error("type", "the file must be a mapping: version, name, groups, jobs …", file=str(path), line=1)
        return None, source, (*found, wrong)
    spec, mended, known, invalid = _validate(source)
    ruled: list[Finding] = []
    if spec is not None:
        moved = Source(source.path, mended.data, mended.lines(source.lines))
        for rule in RULES:
            ruled.extend(rule(spec, moved, known))
    # What is there twice in a line is told of once.
    every = tuple(dict.fromkeys((*found, *invalid, *ruled)))
    return spec, source, tuple(sorted(every, key=lambda finding: finding.line or 0))


def _nothing(source: Source) -> Finding:
    return error("empty", "the file is empty", "`burst init` writes one to start from", file=str(source.path), line=1)


def _keys(data: dict[str, Any], section: str) -> frozenset[str]:
    value = data.get(section)
    return frozenset(str(key) for key in value) if isinstance(value, dict) else frozenset()


def _validate(source: Source) -> tuple[Spec | None, Mended, Known, list[Finding]]:
    mended = Mended(source.data)
    found: dict[tuple[Loc, str], Finding] = {}
    meant: set[Loc] = set()
    spec: Spec | None = None
    for _ in range(_ROUNDS):
        try:
            spec = Spec.model_validate(mended.data)
            break
        except ValidationError as problem:
            places = []
            for item in problem.errors(include_url=False):
                places.append(_in_data(mended.data, item["loc"]))
                loc = mended.before(places[-1])
                found.setdefault((loc, item["type"]), _finding(source, loc, item))
                if item["type"] == "extra_forbidden" and (near := _nearest_field(loc)) and not _stands(source.data, near):
                    meant.add(near)
            mended.mend(places)
    # A key that is written wrongly is not missing as well.
    told = {key: finding for key, finding in found.items() if not (key[1] == "missing" and key[0] in meant)}
    wrong = frozenset(loc for loc, kind in told if kind != "extra_forbidden") | meant
    known = Known(groups=_keys(source.data, "groups"), jobs=_keys(source.data, "jobs"), wrong=wrong)
    return spec, mended, known, list(told.values())


def _stands(data: Any, loc: Loc) -> bool:
    """Whether there is something at `loc`."""
    here: Any = data
    try:
        for step in loc:
            here = here[step]
    except (KeyError, IndexError, TypeError):
        return False
    return True


def _in_data(data: Any, loc: tuple[int | str, ...]) -> Loc:
    """pydantic's loc without the steps that exist only in the model (union members, `[key]`)."""
    kept: list[str | int] = []
    here: Any = data
    for step in loc:
        stands = isinstance(here, dict | list) and _stands(here, (step,))
        if not stands and (step == "[key]" or not isinstance(here, dict | list)):
            continue
        here = here[step] if stands else None
        kept.append(step)
    return tuple(kept)


def _finding(source: Source, loc: Loc, item: Any) -> Finding:
    dotted = ".".join(str(step) for step in loc)
    file, line = str(source.path), source.line(loc)
    kind, given = item["type"], item.get("input")
    if kind == "extra_forbidden":
        return error("unknown-key", f"unknown key {dotted!r}", _did_you_mean(loc), file=file, line=line)
    if kind == "missing":
        return error("missing", f"{dotted!r} is missing", _described(loc), file=file, line=line)
    if kind == "value_error":
        message = _short(str(item["ctx"]["error"]))
        return error("value", f"{dotted}: {message}" if dotted else message, file=file, line=line)
    shown = "nothing" if given is None else repr(given)
    message = _PLAINLY.get(kind) or str(item["msg"])
    text = message[0].lower() + message[1:]
    return error("value", f"{dotted}: {shown[:80]}: {text}", _described(loc), file=file, line=line)


def _short(message: str) -> str:
    """Without the middle of a value that is longer than anybody wants to read."""
    return message if len(message) <= 300 else f"{message[:120]} … {message[-120:]}"


def _nearest_field(loc: Loc) -> Loc | None:
    """Where the value was meant to stand whose key nobody defined."""
    near = difflib.get_close_matches(str(loc[-1]), shape.fields(loc[:-1]), n=1, cutoff=0.55)
    return (*loc[:-1], near[0]) if near else None


def _did_you_mean(loc: Loc) -> str:
    near = _nearest_field(loc)
    if near is not None:
        return f"did you mean {near[-1]!r}?"
    known = shape.fields(loc[:-1])
    return f"known here: {', '.join(known)}" if known else ""


def _described(loc: Loc) -> str:
    field = shape.field(loc)
    return (field.description or "") if field is not None else ""
