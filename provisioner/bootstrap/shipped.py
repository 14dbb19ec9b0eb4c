"""A module of ours as machines get it: what it does, without what only people and type checkers read.

User-data has a limit (user_data.LIMIT), and a module of the head's is longer by half with its docstrings, comments,
annotations, and what it can do for another cloud.
"""

from __future__ import annotations

import ast
import re
import threading
from collections import Counter
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import provisioner.alone
import provisioner.launch

_FOUR = re.compile(r"^(?: {4})+", re.MULTILINE)
_Definition = ast.FunctionDef | ast.ClassDef
# Several targets' user-data is measured side by side, and CPython before 3.11.5 counts the depth of a tree for all threads
# together: two that parse at once may end in "AST constructor recursion depth mismatch" (python/cpython issue 106905).
_PARSING = threading.Lock()


@cache
def source(name: str, table: str = "", key: str = "") -> str:
    """A module of `provisioner.launch` or `provisioner.alone`; with `table` of the one of that name only the entry `key`,
    and nothing that then serves no more.
    """
    rooms = (Path(room.__path__[0]) for room in (provisioner.launch, provisioner.alone))
    path = next(path for path in (room / f"{name}.py" for room in rooms) if path.is_file())
    return stripped(path.read_text(encoding="utf-8"), table, key)


def stripped(text: str, table: str = "", key: str = "") -> str:
    """The same program: its public names are there, and its private ones as far as anything uses them."""
    with _PARSING:
        tree = _Bare().visit(ast.parse(text))
    unwanted: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == table:
            unwanted |= _narrowed(node.value, key)
    while (less := _used(tree.body, unwanted)) != tree.body:
        tree.body = less
    # No text of a program's is longer than a line as it is written here, so what a line begins with is its depth.
    return _FOUR.sub(lambda spaces: " " * (len(spaces[0]) // 4), ast.unparse(ast.fix_missing_locations(tree))) + "\n"


class _Bare(ast.NodeTransformer):
    """Without docstrings and annotations."""

    def generic_visit(self, node: ast.AST) -> ast.AST:
        super().generic_visit(node)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            first = node.body[0] if node.body else None
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
                node.body = node.body[1:]
            node.body = node.body or [ast.Pass()]
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        if not node.decorator_list:
            return self.generic_visit(node)
        # A dataclass is made of its annotations.
        kept = {i: each for i, each in enumerate(node.body) if isinstance(each, ast.AnnAssign)}
        node.body = [ast.Pass() if i in kept else each for i, each in enumerate(node.body)]
        self.generic_visit(node)
        node.body = [*kept.values(), *(each for each in node.body if not isinstance(each, ast.Pass))]
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        return self.generic_visit(node)

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.annotation = None
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST | None:
        if node.value is None:
            return None
        return self.generic_visit(ast.copy_location(ast.Assign([node.target], node.value), node))


def _narrowed(table: ast.expr, key: str) -> set[str]:
    """A table with one entry left; answers the names in the others."""
    assert isinstance(table, ast.Dict)
    kept = [(k, v) for k, v in zip(table.keys, table.values, strict=True) if isinstance(k, ast.Constant) and k.value == key]
    others = {name for value in table.values for name in _names([value])}
    table.keys, table.values = [k for k, _ in kept], [v for _, v in kept]
    return others - _names(table.values)


def _names(nodes: Iterable[ast.AST]) -> set[str]:
    return {each.id for node in nodes for each in ast.walk(node) if isinstance(each, ast.Name)}


def _used(body: list[ast.stmt], unwanted: set[str]) -> list[ast.stmt]:
    """Without definitions and imports that no other statement names."""
    named = [_names([node]) for node in body]
    times = Counter(name for names in named for name in names)
    return [node for node, own in zip(body, named, strict=True) if not _idle(node, set(times - Counter(own)), unwanted)]


def _idle(node: ast.stmt, named: set[str], unwanted: set[str]) -> bool:
    if isinstance(node, _Definition):
        for_checkers = isinstance(node, ast.ClassDef) and "Protocol" in _names(node.bases)
        return (node.name.startswith("_") or node.name in unwanted or for_checkers) and node.name not in named
    if isinstance(node, ast.Import | ast.ImportFrom) and getattr(node, "module", "") != "__future__":
        node.names = [each for each in node.names if (each.asname or each.name).partition(".")[0] in named]
        return not node.names
    return False
