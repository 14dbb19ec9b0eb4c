"""Google's published descriptions of its APIs (discovery documents), and whether a request is one of theirs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from google_described import DESCRIBED

# Host → its document. What is used of those that are not shipped stands in google_described.py.
DOCUMENTS = {
    "compute.googleapis.com": "compute.v1",
    "file.googleapis.com": "file.v1",
    "iam.googleapis.com": "iam.v1",
    "storage.googleapis.com": "storage.v1",
    "cloudresourcemanager.googleapis.com": "cloudresourcemanager.v1",
    "serviceusage.googleapis.com": "serviceusage.v1",
    "cloudbilling.googleapis.com": "cloudbilling.v1",
}


class Wrong(Exception):
    """What Google would answer with 400 or 404, because there is no such call."""


@dataclass(frozen=True)
class Method:
    """One method: `id` as the document has it, the path as a pattern, its parameters, the schema of its body."""

    id: str
    http: str
    pattern: re.Pattern[str]
    parameters: dict[str, dict[str, Any]]
    body: dict[str, Any] | None


@cache
def document(host: str) -> dict[str, Any]:
    if host in DESCRIBED:
        return DESCRIBED[host]
    where = files("googleapiclient") / "discovery_cache" / "documents" / f"{DOCUMENTS[host]}.json"
    found: dict[str, Any] = json.loads(where.read_text())
    return found


@cache
def methods(host: str) -> tuple[Method, ...]:
    known = document(host)
    return tuple(_method(known, method) for method in _walk(known))


def _walk(part: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield from part.get("methods", {}).values()
    for inner in part.get("resources", {}).values():
        yield from _walk(inner)


def _method(known: dict[str, Any], method: dict[str, Any]) -> Method:
    parameters = {**known.get("parameters", {}), **method.get("parameters", {})}

    def group(found: re.Match[str]) -> str:
        reserved, name = found.groups()
        # {+name} takes slashes; its own pattern says which.
        pattern = parameters[name].get("pattern", "").strip("^$") or (".+" if reserved else "[^/]+")
        return f"(?P<{name}>{re.sub(r'[(](?![?])', '(?:', pattern)})"

    template = re.escape(known["servicePath"] + method["path"]).replace(r"\{", "{").replace(r"\}", "}").replace(r"\+", "+")
    return Method(
        method["id"],
        method["httpMethod"],
        re.compile("/" + re.sub(r"\{(\+?)(\w+)\}", group, template)),
        parameters,
        method.get("request"),
    )


def check(http: str, host: str, path: str, query: dict[str, list[str]], body: Any) -> tuple[str, dict[str, str]]:
    """(the method's id, its parameters by path). Raises Wrong naming what no description has."""
    fitting = [(m, found) for m in methods(host) if m.http == http and (found := m.pattern.fullmatch(path))]
    if not fitting:
        raise Wrong(f"no method is {http} {host}{path}")
    method, found = fitting[0]
    for name, values in query.items():
        _parameter(method, name, values)
    if method.body is None and body is not None:
        raise Wrong(f"{method.id} takes no body")
    if method.body is not None:
        valid(document(host), method.body, body, method.id)
    return method.id, found.groupdict()


def _parameter(method: Method, name: str, values: list[str]) -> None:
    known = method.parameters.get(name)
    if known is None or known.get("location") != "query":
        raise Wrong(f"{method.id} has no parameter {name}")
    if len(values) > 1 and not known.get("repeated"):
        raise Wrong(f"{method.id}: {name} is given more than once")
    for value in values:
        if known.get("type") == "integer" and not value.isdecimal():
            raise Wrong(f"{method.id}: {name} is {value}")
        if "enum" in known and value not in known["enum"]:
            raise Wrong(f"{method.id}: {name} is {value}")


_PYTHON: dict[str, tuple[type, ...]] = {"string": (str,), "boolean": (bool,), "integer": (int,), "number": (int, float)}


def answered(host: str, schema: str, value: Any) -> None:
    """Raises Wrong where an answer is not of the shape that the description gives it; Google may write every field."""
    valid(document(host), {"$ref": schema}, value, schema, ours=False)


def valid(known: dict[str, Any], schema: dict[str, Any], value: Any, where: str, *, ours: bool = True) -> None:
    """Raises Wrong for a field that the schema has not, that only Google writes, or that is of another type."""
    if "$ref" in schema:
        return valid(known, known["schemas"][schema["$ref"]], value, where, ours=ours)
    kind = schema.get("type", "any")
    if kind == "object":
        if not isinstance(value, dict):
            raise Wrong(f"{where} is no object: {value!r}")
        return _object(known, schema, value, where, ours)
    if kind == "array":
        if not isinstance(value, list):
            raise Wrong(f"{where} is no list: {value!r}")
        for i, item in enumerate(value):
            valid(known, schema["items"], item, f"{where}[{i}]", ours=ours)
        return None
    if kind in _PYTHON and (not isinstance(value, _PYTHON[kind]) or (kind != "boolean" and isinstance(value, bool))):
        raise Wrong(f"{where} is no {kind}: {value!r}")
    if "enum" in schema and value not in schema["enum"]:
        raise Wrong(f"{where} is {value!r}, none of {schema['enum']}")
    if schema.get("format") in ("int32", "int64", "uint32", "uint64") and kind == "string" and not value.isdecimal():
        raise Wrong(f"{where} is no number: {value!r}")
    return None


def _object(known: dict[str, Any], schema: dict[str, Any], value: dict[str, Any], where: str, ours: bool) -> None:
    properties, more = schema.get("properties", {}), schema.get("additionalProperties")
    for name, item in value.items():
        if name in properties:
            if ours and properties[name].get("readOnly"):
                raise Wrong(f"{where}.{name} is Google's to write")
            valid(known, properties[name], item, f"{where}.{name}", ours=ours)
        elif more is not None:
            valid(known, more, item, f"{where}[{name}]", ours=ours)
        else:
            raise Wrong(f"{where} has no field {name}")
