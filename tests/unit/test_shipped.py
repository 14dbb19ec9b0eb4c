"""Modules as machines get them: shorter, and the same programs."""

from __future__ import annotations

import ast
import builtins
import gc
import re
import symtable
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import provisioner.alone
import provisioner.launch
from provisioner.bootstrap import shipped

MODULES = sorted(
    path.stem for room in (provisioner.alone, provisioner.launch) for path in Path(room.__path__[0]).glob("[a-z]*.py")
)
TEXT = '''
"""What it is."""
from __future__ import annotations
import json
import os.path
from typing import Any, Protocol
LIMIT: int = 3  # why
later: str
class Kind(Protocol):
    """For checkers."""
    def act(self) -> str: ...
class A:
    """One."""
    def act(self, told: Any) -> str:
        """It acts."""
        text: str = "a\\n    b"
        return text + f"{told}\\n    c"
class B:
    def act(self) -> str:
        return _only_for_b()
def _only_for_b() -> str:
    return json.dumps(1)
def _for_nobody() -> None:
    _for_nobody()
KINDS: dict[str, type[Kind]] = {"a": A, "b": B}
def main() -> bool:
    """Runs."""
    return os.path.exists(KINDS["a"]().act(LIMIT))
'''
SHORT = """from __future__ import annotations
import os.path
LIMIT = 3

class A:

 def act(self, told):
  text = 'a\\n    b'
  return text + f'{told}\\n    c'
KINDS = {'a': A}

def main():
 return os.path.exists(KINDS['a']().act(LIMIT))
"""


def undefined(text: str) -> set[str]:
    """Names that a program takes from nowhere."""

    def taken(table: symtable.SymbolTable) -> Iterator[str]:
        yield from (each.get_name() for each in table.get_symbols() if each.is_global() and each.is_referenced())
        for child in table.get_children():
            yield from taken(child)

    top = symtable.symtable(text, "shipped", "exec")
    there = {each.get_name() for each in top.get_symbols() if each.is_assigned() or each.is_imported() or each.is_namespace()}
    loose = {each.get_name() for each in top.get_symbols() if each.is_referenced()}
    return (set(taken(top)) | loose) - there - set(dir(builtins)) - {"__name__", "__file__"}


def test_what_only_people_and_checkers_read_stays_here() -> None:
    assert shipped.stripped(TEXT, "KINDS", "a") == SHORT


def test_without_a_choice_everything_public_is_there() -> None:
    assert "class B" in shipped.stripped(TEXT)
    assert "_only_for_b()" in shipped.stripped(TEXT)
    assert "_for_nobody" not in shipped.stripped(TEXT.replace("    _for_nobody()\n", "    pass\n"))


def test_a_name_from_nowhere_is_noticed() -> None:
    assert undefined("import os\ndef act(a):\n return os.path, a, len(b)\nact(c)\n") == {"b", "c"}


@pytest.mark.parametrize("name", MODULES)
def test_nothing_is_missing_in_a_module(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for only in [("SHAPES", shape) for shape in ("aws", "gcp", "azure")] if name == "metadata" else [()]:
        text = shipped.source(name, *only)
        assert undefined(text) == set()
        with monkeypatch.context() as patch:
            patch.setattr(shipped, "_FOUR", re.compile("(?!)"))
            wide = shipped.source.__wrapped__(name, *only)
        assert len(wide) > len(text)
        assert ast.dump(ast.parse(wide)) == ast.dump(ast.parse(text)), "a text was taken for the beginning of a line"


def test_a_dataclass_keeps_its_fields() -> None:
    text = "from dataclasses import dataclass\n@dataclass(frozen=True)\nclass A:\n    '''It.'''\n    a: int\n    b: str = ''\n"
    room: dict[str, object] = {}
    exec(shipped.stripped(text), room)
    assert repr(room["A"](1)) == "A(a=1, b='')"  # type: ignore[operator]


@pytest.mark.parametrize(("shape", "others"), [("aws", "GCP Azure"), ("gcp", "AWS Azure"), ("azure", "AWS GCP")])
def test_a_machine_knows_its_own_clouds_metadata_alone(shape: str, others: str) -> None:
    text = shipped.source("metadata", "SHAPES", shape)
    assert f"SHAPES = {{'{shape}': " in text
    assert not any(f"class {name}" in text for name in others.split())


def test_several_targets_may_be_measured_at_once() -> None:
    """A collection of garbage that lets another thread on, while a tree is made: CPython before 3.11.5 mixed up their depths."""
    text, broken = (Path(provisioner.launch.__path__[0]) / "azure.py").read_text(encoding="utf-8"), list[BaseException]()

    def deep(more: int) -> None:
        try:
            if more:
                deep(more - 1)
            else:
                for _ in range(10):
                    shipped.stripped(text)
        except BaseException as problem:
            broken.append(problem)

    def another_thread(phase: str, told: dict[str, int]) -> None:
        time.sleep(0)

    before = gc.get_threshold()
    gc.callbacks.append(another_thread)
    gc.set_threshold(50, 2, 2)
    try:
        threads = [threading.Thread(target=deep, args=(7 * i,)) for i in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        gc.set_threshold(*before)
        gc.callbacks.remove(another_thread)
    assert broken == []
