"""The real Pulumi CLI with a provider of the tests' own (provider.py), which keeps its cloud in a folder."""

from __future__ import annotations

import shutil
import stat
import sys
from collections.abc import Iterator
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


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if shutil.which("pulumi") is None:
        for item in items:
            if item.path.is_relative_to(HERE):
                item.add_marker(pytest.mark.skip(reason=NO_ENGINE))


@pytest.fixture
def around(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Around]:
    """A home, a data folder, the provider on PATH under its three names, and an empty cloud; nothing may live on after it."""
    made = Around(tmp_path)
    for folder in (made.home, made.data, made.cloud, made.bin):
        folder.mkdir()
    for name in ("aws", "gcp", "azure-native"):
        plugin = made.bin / f"pulumi-resource-{name}"
        plugin.write_text(_PLUGIN)
        plugin.chmod(plugin.stat().st_mode | stat.S_IXUSR)
    for name, value in made.environment().items():
        monkeypatch.setenv(name, value)
    for name in ("PULUMI_BACKEND_URL", "PULUMI_CONFIG_PASSPHRASE", "PULUMI_HOME", "VIRTUAL_ENV"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(driving.files, "packaged", made.packaged)
    yield made
    assert made.processes() == {}, "something of the engine lives on"
