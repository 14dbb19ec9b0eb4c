"""The fields' types: how a name, a size, a time, an amount, a path or an array is written, and what it becomes."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from decimal import Decimal
from pathlib import PurePosixPath
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, WithJsonSchema

from provisioner import units
from provisioner.spec import results

NAME_PATTERN = r"^[a-z]([-a-z0-9]{0,18}[a-z0-9])?$"
ARRAY_PATTERN = r"^\d+(-\d+(:\d+)?)?(,\d+(-\d+(:\d+)?)?)*(%\d+)?$"
_PACKAGE = re.compile(r"[a-z0-9][a-z0-9+.-]*(?:=[A-Za-z0-9.+:~-]+)?", re.ASCII)
_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)

# Slurm's own default for MaxArraySize is 1001; slurm.conf here raises it to this (slurm.conf(5)).
MAX_ARRAY_INDEX = 10_000


def _name(value: str) -> str:
    """One alphabet that all clouds take in names and labels; 20 characters leave room for the run id and a suffix."""
    if not re.fullmatch(NAME_PATTERN, value):
        near = re.sub(r"[^a-z0-9]+", "-", value.lower()).strip("-0123456789")[:20].strip("-")
        hint = f"; did you mean {near!r}?" if re.fullmatch(NAME_PATTERN, near) else ""
        raise ValueError(
            f"{value!r} is not a name: lower-case letters, digits and dashes, a letter first, at most 20 characters{hint}"
        )
    return value


def _parsed(parse: Callable[[str], Any], example: str) -> Callable[[Any], Any]:
    """A validator that takes text only: a bare number has no unit."""

    def validate(value: Any) -> Any:
        if isinstance(value, bool) or not isinstance(value, str):
            raise ValueError(f"{value!r} has no unit: write it like {example}")
        return parse(value)

    return validate


def address_range(value: Any) -> str:
    """A range of IPv4 addresses; one address is a range of one."""
    try:
        return str(ipaddress.IPv4Network(value, strict=False))
    except (ValueError, TypeError) as problem:
        raise ValueError(f"{value!r} is no range of IPv4 addresses: write it like 203.0.113.0/24") from problem


def _results(value: Any) -> Any:
    return str(results.parse(value)) if isinstance(value, str) else value


def _mount(value: str) -> str:
    path = PurePosixPath(value)
    if path.root != "/" or ".." in path.parts or len(path.parts) < 2 or str(path) != value:
        raise ValueError(f"{value!r} is not a mount point: write an absolute path such as /shared")
    if path.parts[1] in SYSTEM_FOLDERS:
        raise ValueError(f"{value!r} would hide the system's /{path.parts[1]}: mount it elsewhere, such as /shared")
    return value


_SYSTEM = "bin boot dev etc lib lib32 lib64 libx32 lost+found proc root run sbin sys tmp usr var"
SYSTEM_FOLDERS = frozenset(_SYSTEM.split(" "))


def inside(value: str) -> str:
    """A path or pattern that cannot leave the folder it is read from. Raises ValueError."""
    if not value or value != value.strip("\0") or "\0" in value:
        raise ValueError("an empty path")
    path = PurePosixPath(value)
    if path.is_absolute():
        raise ValueError(f"{value!r} is absolute: write it relative to the folder")
    if ".." in path.parts:
        raise ValueError(f"{value!r} leaves its folder: '..' is not allowed")
    if value.startswith("~"):
        raise ValueError(f"{value!r}: '~' is not expanded here; write a path relative to the folder (./~ for a file so named)")
    return value


def _array(value: Any) -> str:
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if not isinstance(text, str) or not re.fullmatch(ARRAY_PATTERN, text, re.ASCII):
        raise ValueError(f"{value!r} is not an array: write 0-9, 1,3,7 or 0-99%4 (sbatch(1), --array)")
    indexes = text.split("%")[0]
    for part in indexes.split(","):
        first, _, rest = part.partition("-")
        last = rest.partition(":")[0] or first
        if len(last) > 9 or len(first) > 9 or int(last) > MAX_ARRAY_INDEX:
            raise ValueError(f"{value!r}: the largest index is {MAX_ARRAY_INDEX}")
        if int(last) < int(first):
            raise ValueError(f"{value!r}: {part} runs backwards")
        if (step := rest.partition(":")[2]) and not int(step):
            raise ValueError(f"{value!r}: a step of 0 goes nowhere")
    return text


def _variable(value: str) -> str:
    if not _ENV_NAME.fullmatch(value):
        raise ValueError(f"{value!r} is not a variable's name")
    return value


def _variable_text(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError(f"{value!r} is not text: put it in quotes")
    if "\0" in str(value):
        raise ValueError("a variable cannot hold a NUL byte")
    return str(value)


def _package(value: str) -> str:
    if not _PACKAGE.fullmatch(value):
        raise ValueError(f"{value!r} is not a package's name")
    return value


Name = Annotated[str, AfterValidator(_name), WithJsonSchema({"type": "string", "pattern": NAME_PATTERN})]
Size = Annotated[
    int,
    BeforeValidator(_parsed(units.parse_size, "50GiB")),
    WithJsonSchema({"type": "string", "pattern": units.SIZE_PATTERN, "examples": ["50GiB"]}),
]
Duration = Annotated[
    int,
    BeforeValidator(_parsed(units.parse_duration, "2h")),
    WithJsonSchema({"type": "string", "pattern": units.DURATION_PATTERN, "examples": ["2h", "02:00:00"]}),
]
Money = Annotated[
    Decimal,
    BeforeValidator(_parsed(units.parse_money, "25 USD")),
    WithJsonSchema({"type": "string", "pattern": units.MONEY_PATTERN, "examples": ["25 USD"]}),
]
Cidr = Annotated[str, BeforeValidator(address_range), WithJsonSchema({"type": "string", "examples": ["203.0.113.0/24"]})]
Results = Annotated[
    str, BeforeValidator(_results), WithJsonSchema({"type": "string", "examples": ["s3://bucket/prefix", "gs://bucket/prefix"]})
]
MountPoint = Annotated[str, AfterValidator(_mount), WithJsonSchema({"type": "string", "pattern": "^/[^/]"})]
RelativePath = Annotated[str, AfterValidator(inside), WithJsonSchema({"type": "string"})]
Array = Annotated[
    str, BeforeValidator(_array), WithJsonSchema({"type": "string", "pattern": ARRAY_PATTERN, "examples": ["0-99%4"]})
]
Environment = Annotated[
    dict[Annotated[str, AfterValidator(_variable)], Annotated[str, BeforeValidator(_variable_text)]],
    WithJsonSchema({"type": "object", "additionalProperties": {"type": ["string", "number"]}}),
]
Package = Annotated[str, AfterValidator(_package), WithJsonSchema({"type": "string", "pattern": f"^{_PACKAGE.pattern}$"})]
