"""A module that is shipped to a head loads the one beside it, as it is shipped: without comments, in a folder of its own."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
from ruamel.yaml import YAML

import provisioner.alone
from provisioner.bootstrap import user_data

PLACES = ("aws", "azure", "gcp", "nspawn")
ENDS = [path for path in Path(provisioner.alone.__path__[0]).glob("end_*.py") if "_beside(" in path.read_text()]


def shipped(folder: Path, name: str) -> Path:
    path = folder / f"{name}.py"
    path.write_text(YAML(typ="safe", pure=True).load(user_data._python(name))[0]["content"])
    return path


def loaded(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("shipped", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("name", "place"),
    [*(("resume", place) for place in PLACES), *((path.stem, path.stem.removeprefix("end_")) for path in sorted(ENDS))],
)
def test_the_launcher_is_found_beside_it(folder: Path, name: str, place: str) -> None:
    shipped(folder, place)
    beside = loaded(shipped(folder, name))._beside(place)
    assert beside.__file__ == str(folder / f"{place}.py")
    assert callable(beside.launch)
