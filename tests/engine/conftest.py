"""The real Pulumi CLI with a provider of the tests' own (provider.py), which keeps its cloud in a folder."""

from __future__ import annotations

import logging
import shutil
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from aws_world import credentials
from moto.server import ThreadedMotoServer

from provisioner.targets.cloud import target as cloud
from tests.engine import driving
from tests.engine.driving import Around
from tests.stacks.aws_placement import placement_groups
from tests.stacks.programs import stacks_folder

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


@pytest.fixture
def aws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Around]:
    """An empty account behind an address of this machine."""
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    # What an earlier test of this process left in it ("Reset API" of moto's server).
    urllib.request.urlopen(urllib.request.Request(f"http://{host}:{port}/moto-api/reset", method="POST")).close()
    credentials(monkeypatch)
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-2")
    monkeypatch.setenv("BURST_ADDRESS", "203.0.113.7/32")
    # moto settles at once; that a second look is taken at all is test_cut_off.py's.
    monkeypatch.setattr(cloud, "_SETTLES", 0.0)
    around = Around(tmp_path, stacks_folder("aws"), "aws", "tests.engine.moto_answers")
    try:
        with placement_groups(), standing(around, monkeypatch):
            yield around
    finally:
        server.stop()
