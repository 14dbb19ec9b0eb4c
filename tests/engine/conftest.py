"""The real Pulumi CLI with a provider of the tests' own (provider.py), which keeps its cloud in a folder."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.engine import driving
from tests.engine.driving import Around

# .ci/run lets exactly this reason pass.
NO_ENGINE = "no pulumi on PATH"
HERE = Path(__file__).resolve().parent
CHECKOUT = HERE.parent.parent
_PLUGIN = f"""#!{sys.executable}
import sys
sys.path[:0] = [{str(CHECKOUT)!r}, {str(CHECKOUT / "tests/unit")!r}]
from tests.engine.provider import main
main()
"""


@pytest.fixture
def around(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Around]:
    """The program of tests/engine/stack in an empty cloud of its own."""
    made = Around(tmp_path)
    with standing(made, monkeypatch):
        yield made


@contextmanager
def standing(around: Around, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A home, a data folder, the provider on PATH under its three names, an empty cloud; nothing may live on after it."""
    if shutil.which("pulumi") is None:
        pytest.skip(NO_ENGINE)
    for folder in (around.home, around.data, around.cloud, around.bin):
        folder.mkdir()
    for name in ("aws", "gcp", "azure-native"):
        plugin = around.bin / f"pulumi-resource-{name}"
        plugin.write_text(_PLUGIN)
        plugin.chmod(0o700)
    for name, value in around.environment().items():
        monkeypatch.setenv(name, value)
    for name in ("PULUMI_BACKEND_URL", "PULUMI_CONFIG_PASSPHRASE", "PULUMI_HOME", "VIRTUAL_ENV"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(driving.files, "packaged", around.packaged)
    yield
    assert around.processes() == {}, "something of the engine lives on"
