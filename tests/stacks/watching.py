"""Which of the places where a module calls a cloud's API were come by."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable
from pathlib import Path

# (folder/file, line)
Site = tuple[str, int]


def here(above: int) -> Site:
    """Where the caller of the caller is."""
    frame = sys._getframe(above + 1)
    return _name(Path(frame.f_code.co_filename)), frame.f_lineno


def missed(modules: Iterable[Path], names: set[str], come_by: set[Site]) -> list[str]:
    """The calls of these methods, by whatever object, that nothing came by."""
    return [
        f"{_name(path)}:{node.lineno}"
        for path in modules
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in names
        if not any((_name(path), line) in come_by for line in range(node.lineno, (node.end_lineno or node.lineno) + 1))
    ]


def _name(path: Path) -> str:
    return "/".join(path.parts[-2:])
