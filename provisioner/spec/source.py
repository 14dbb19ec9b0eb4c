"""A YAML file as plain data with a position for every value, read without trust.

Refused here, each with its line: what is not UTF-8, not YAML, empty, too large, has a key twice, or grows
without bound through aliases.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from provisioner.findings import Finding, error

# A file for a person to read; the largest example has under 100 lines.
MAX_BYTES = 1 << 20
# Values after aliases are expanded. A cluster of every feature has a few hundred.
MAX_VALUES = 20_000
# Python's own recursion is the bound; nobody nests a spec this deep.
MAX_DEPTH = 50

Loc = tuple[str | int, ...]

_TAG = "tag:yaml.org,2002:"
_MERGE = _TAG + "merge"
# What a scalar may be: those that YAML's own rules find without being asked (`=` and `<<` included), all plain data.
_SCALARS = ("str", "null", "bool", "int", "float", "timestamp", "value", "merge")
# Python refuses to print integers of more than 4300 digits; nothing here has more than a few.
_LONGEST_NUMBER = 100


class _Written:
    """A number that is as it was written when it is made text again: of `3.10` an environment wants "3.10"."""

    _text = ""

    def as_written(self, text: str) -> Self:
        self._text = text
        return self

    def __str__(self) -> str:
        return self._text


class _Whole(_Written, int): ...


class _Number(_Written, float): ...


@dataclass(frozen=True)
class Source:
    """A file that was read: its values, and where each stands (1-based lines)."""

    path: Path
    data: Any
    lines: dict[Loc, int] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        """The folder that its relative paths start from."""
        return self.path.parent

    def line(self, loc: Loc) -> int | None:
        """The line of the value at `loc`, or of the nearest thing around it."""
        while loc and loc not in self.lines:
            loc = loc[:-1]
        return self.lines.get(loc)


class _TooMuch(Exception):
    """The file grows without bound; the message says how."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.line = line


def read(path: Path) -> tuple[Source, tuple[Finding, ...]]:
    """Read `path`. Where there are findings, `data` is what could be read of it (None when nothing)."""
    shown = str(path)
    try:
        if not path.is_file():
            raise FileNotFoundError(2, "No such file" if not path.exists() else "Not a file", shown)
        with path.open("rb") as stream:
            raw = stream.read(MAX_BYTES + 1)
    except OSError as problem:
        reason = problem.strerror or str(problem)
        return Source(path, None), (error("file", f"{shown}: {reason}", "`burst init` writes one to start from"),)
    if len(raw) > MAX_BYTES:
        return Source(path, None), (error("size", f"the file is larger than {MAX_BYTES >> 20} MiB", file=shown),)
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        line = raw.count(b"\n", 0, problem.start) + 1
        fix = f"save it as UTF-8: iconv -f latin1 -t utf-8 {path.name} > new.yaml"
        message = f"byte 0x{raw[problem.start]:02x} is not UTF-8"
        return Source(path, None), (error("encoding", message, fix, file=shown, line=line),)
    return _parse(path, text)


def _parse(path: Path, text: str) -> tuple[Source, tuple[Finding, ...]]:
    shown = str(path)
    try:
        yaml = YAML(typ="safe", pure=True)
        # YAML lets a later anchor take an earlier one's name; ruamel would print a warning.
        yaml.composer.warn_double_anchors = False
        root: Node | None = yaml.compose(text)
    except MarkedYAMLError as problem:
        line = problem.problem_mark.line + 1 if problem.problem_mark else None
        message = " ".join(str(part) for part in (problem.context, problem.problem) if part)
        return Source(path, None), (error("yaml", f"not YAML: {message}", file=shown, line=line),)
    except (YAMLError, ValueError, OverflowError, AssertionError) as problem:
        message = str(problem).splitlines()[0]
        return Source(path, None), (error("yaml", f"not YAML: {message}", file=shown, line=1),)
    except RecursionError:
        return Source(path, None), (error("yaml", "nested too deeply", file=shown, line=1),)
    if root is None:
        return Source(path, None), (
            error("empty", "the file is empty", "`burst init` writes one to start from", file=shown, line=1),
        )
    reader = _Reader(shown)
    try:
        data = reader.value(root, ())
    except _TooMuch as problem:
        return Source(path, None), (error("yaml", str(problem), file=shown, line=problem.line),)
    return Source(path, data, reader.lines), tuple(reader.findings)


class _Reader:
    """Walks the composed nodes into plain values, noting positions, counting what aliases expand to."""

    def __init__(self, shown: str) -> None:
        self.shown = shown
        self.lines: dict[Loc, int] = {}
        self.findings: list[Finding] = []
        self._count = self._depth = 0

    def value(self, node: Node, loc: Loc, told: int | None = None) -> Any:
        """The value of `node`, which stands at `loc`; on the line `told`, that of its key, where it has one."""
        line = node.start_mark.line + 1
        self._count += 1
        if self._count > MAX_VALUES:
            raise _TooMuch(f"aliases make it more than {MAX_VALUES} values", line)
        if self._depth > MAX_DEPTH:
            raise _TooMuch(f"nested more than {MAX_DEPTH} deep", line)
        self.lines[loc] = told or line
        self._depth += 1
        try:
            return self._inside(node, loc, line)
        finally:
            self._depth -= 1

    def _inside(self, node: Node, loc: Loc, line: int) -> Any:
        if isinstance(node, MappingNode):
            self._plain(node, line, "map")
            return self._mapping(node, loc)
        if isinstance(node, SequenceNode):
            self._plain(node, line, "seq")
            return [self.value(item, (*loc, i)) for i, item in enumerate(node.value)]
        return self._scalar(node, line)

    def _mapping(self, node: MappingNode, loc: Loc) -> dict[Any, Any]:
        merged: dict[Any, Any] = {}
        own: dict[Any, Any] = {}
        # What is merged in comes first, so that a mapping's own values have the last word on where they stand.
        for _, value_node in (pair for pair in node.value if pair[0].tag == _MERGE):
            merged.update(self._merge(value_node, loc))
        for key_node, value_node in (pair for pair in node.value if pair[0].tag != _MERGE):
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, ScalarNode):
                self.findings.append(error("yaml", "a key must be text", file=self.shown, line=line))
                continue
            key = self._scalar(key_node, line)
            key = key if isinstance(key, str) else key_node.value
            if key in own:
                first = self.lines[(*loc, key)]
                self.findings.append(
                    error("duplicate", f"key {key!r} stands twice, first on line {first}", "keep one", file=self.shown, line=line)
                )
                continue
            own[key] = self.value(value_node, (*loc, key), line)
        return merged | own

    def _merge(self, node: Node, loc: Loc) -> dict[Any, Any]:
        """YAML's `<<`: one mapping or a list of them, the earlier winning."""
        parts = node.value if isinstance(node, SequenceNode) else [node]
        merged: dict[Any, Any] = {}
        for part in reversed(parts):
            value = self.value(part, loc, self.lines[loc])
            if not isinstance(value, dict):
                line = part.start_mark.line + 1
                self.findings.append(error("yaml", "`<<` takes a mapping", file=self.shown, line=line))
                continue
            merged.update(value)
        return merged

    def _scalar(self, node: Node, line: int) -> Any:
        text = self._encodable(str(node.value), line)
        kind = self._plain(node, line, *_SCALARS)
        try:
            if kind == "null":
                return None
            if kind == "bool":
                # The last two are YAML 1.1's, which a file may ask for (%YAML 1.1).
                return text.lower() in ("true", "yes", "on")
            if kind == "int" and len(text) <= _LONGEST_NUMBER:
                digits = text.replace("_", "")
                return _Whole(digits, 0 if digits[:2].lower() in ("0x", "0o") else 10).as_written(text)
            if kind == "float":
                number = _Number(text.replace("_", "").replace(".inf", "inf").replace(".nan", "nan"))
                return number.as_written(text) if math.isfinite(number) else text
        except ValueError:
            return text
        return text

    def _plain(self, node: Node, line: int, *known: str) -> str:
        """The node's tag without its prefix; one that names no plain data is refused."""
        kind = str(node.tag).removeprefix(_TAG) if node.tag else known[0]
        if kind not in known:
            self.findings.append(error("yaml", f"the tag {str(node.tag)!r} is not known here", file=self.shown, line=line))
        return kind

    def _encodable(self, text: str, line: int) -> str:
        r"""Text that can be written down again: "\uD800" is half a character, which no file and no terminal takes."""
        try:
            text.encode()
        except UnicodeEncodeError as problem:
            half = text[problem.start]
            self.findings.append(error("yaml", f"{half!r} is half a character", file=self.shown, line=line))
            return text.encode(errors="replace").decode()
        return text
