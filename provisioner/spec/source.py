"""A YAML file as plain data with a position for every value, read without trust.

Refused here, each with its line: what is not UTF-8, not YAML, empty, too large, has a key twice, or grows
without bound through aliases.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

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
        root: Node | None = YAML(typ="safe", pure=True).compose(text)
    except MarkedYAMLError as problem:
        line = problem.problem_mark.line + 1 if problem.problem_mark else None
        message = " ".join(str(part) for part in (problem.context, problem.problem) if part)
        return Source(path, None), (error("yaml", f"not YAML: {message}", file=shown, line=line),)
    except (YAMLError, ValueError) as problem:
        message = str(problem).splitlines()[0]
        return Source(path, None), (error("yaml", f"not YAML: {message}", file=shown, line=1),)
    except RecursionError:
        return Source(path, None), (error("yaml", "nested too deeply", file=shown, line=1),)
    if root is None:
        return Source(path, None), (error("empty", "the file is empty", "`burst init` writes one to start from", file=shown, line=1),)
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
        self._count = 0

    def value(self, node: Node, loc: Loc) -> Any:
        line = node.start_mark.line + 1
        self._count += 1
        if self._count > MAX_VALUES:
            raise _TooMuch(f"aliases make it more than {MAX_VALUES} values", line)
        if len(loc) > MAX_DEPTH:
            raise _TooMuch(f"nested more than {MAX_DEPTH} deep", line)
        self.lines.setdefault(loc, line)
        if isinstance(node, MappingNode):
            return self._mapping(node, loc)
        if isinstance(node, SequenceNode):
            return [self.value(item, (*loc, i)) for i, item in enumerate(node.value)]
        return self._scalar(node, line)

    def _mapping(self, node: MappingNode, loc: Loc) -> dict[Any, Any]:
        merged: dict[Any, Any] = {}
        own: dict[Any, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if key_node.tag == "tag:yaml.org,2002:merge":
                merged.update(self._merge(value_node, loc))
                continue
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
            self.lines[(*loc, key)] = line
            own[key] = self.value(value_node, (*loc, key))
        return merged | own

    def _merge(self, node: Node, loc: Loc) -> dict[Any, Any]:
        """YAML's `<<`: one mapping or a list of them, the earlier winning."""
        parts = node.value if isinstance(node, SequenceNode) else [node]
        merged: dict[Any, Any] = {}
        for part in reversed(parts):
            value = self.value(part, loc)
            if not isinstance(value, dict):
                line = part.start_mark.line + 1
                self.findings.append(error("yaml", "`<<` takes a mapping", file=self.shown, line=line))
                continue
            merged.update(value)
        return merged

    def _scalar(self, node: Node, line: int) -> Any:
        text = str(node.value)
        kind = node.tag.rpartition(":")[2] if node.tag else "str"
        try:
            if kind == "null":
                return None
            if kind == "bool":
                return text.lower() == "true"
            if kind == "int":
                return int(text.replace("_", ""), 0) if text[:2].lower() in ("0x", "0o") else int(text.replace("_", ""))
            if kind == "float":
                number = float(text.replace("_", "").replace(".inf", "inf").replace(".nan", "nan"))
                return number if math.isfinite(number) else text
        except ValueError:
            return text
        if kind not in ("str", "timestamp"):
            self.findings.append(error("yaml", f"the tag {node.tag!r} is not known here", file=self.shown, line=line))
        return text
