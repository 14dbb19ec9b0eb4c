"""Every real stack under the real engine: `up`, the contract's outputs, no key that can be read, and nothing after `destroy`.

A cloud is here as soon as stacks/CLOUD and tests/stacks/CLOUD.py are: its CLOUD answers for the provider (provider.py).
"""

from __future__ import annotations

import base64
import gzip
import importlib
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from making import design

from provisioner.stack.outputs import OUTPUTS
from tests.engine.byhand import ByHand
from tests.engine.conftest import standing
from tests.engine.driving import Around
from tests.stacks import programs
from tests.stacks.contract import Cloud

_HARNESSES = Path(programs.__file__).parent
NAMES = [
    name for name in ("aws", "gcp", "azure") if programs.stacks_folder(name).is_dir() and (_HARNESSES / f"{name}.py").is_file()
]
KEYS = json.loads(programs.KEYS.dumps())
# The private halves; the public ones are in every machine's log.
SECRET = (KEYS["munge_key"], base64.b64decode(KEYS["munge_key"]).decode(), KEYS["host_key"].splitlines()[0])


def texts(value: str) -> Iterator[str]:
    """A text and, of whatever in it is base64, what that is."""
    yield value
    for packed in re.findall(r"[A-Za-z0-9+/]{40,}={0,2}", value):
        try:
            raw = base64.b64decode(packed, validate=True)
            yield (gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw).decode(errors="replace")
        except (ValueError, OSError, EOFError):
            continue


def readable(folder: Path) -> list[str]:
    """The files below in which a key of the run can be read."""
    return [
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_file() and any(secret in text for text in texts(path.read_text()) for secret in SECRET)
    ]


def test_a_key_is_found_wherever_it_is(tmp_path: Path) -> None:
    told = gzip.compress(f"#cloud-config\nkey: {KEYS['munge_key']}\n{'# and more' * 50}".encode())
    (tmp_path / "state").write_text(json.dumps({"userData": base64.b64encode(told).decode()}))
    (tmp_path / "settings").write_text(f"keys: {programs.KEYS.dumps()}")
    (tmp_path / "clean").write_text(json.dumps({"address": "10.0.0.4"}))
    assert sorted(readable(tmp_path)) == ["settings", "state"]


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", NAMES)
def test_the_stack_of(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cloud: Cloud = importlib.import_module(f"tests.stacks.{name}").CLOUD
    configuration = programs.configured(design(cloud.text, name))
    secrets = {"burst:keys": configuration.pop("burst:keys")}
    around = Around(tmp_path, cloud.folder, name, f"tests.stacks.{name}")
    with standing(around, monkeypatch):
        outputs, told = around.create(configuration, secrets)
        made = around.ledger.left()
        assert outputs.keys() == OUTPUTS.keys()
        assert all(isinstance(json.loads(json.dumps(value)), type(value)) for value in outputs.values())
        assert sorted(event.data["name"] for event in told if event.kind == "resource") == sorted(made.values())
        assert readable(around.data) == []
        assert not any(secret in text for event in told for text in texts(str(event)) for secret in SECRET)
        around.destroy()
        assert around.ledger.left() == {}


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", NAMES)
def test_the_stack_by_hand_of(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`pulumi preview`, `up` and `destroy`, with the file and nothing of `burst run`."""
    cloud: Cloud = importlib.import_module(f"tests.stacks.{name}").CLOUD
    decided = programs.configured(design(cloud.text, name))
    (tmp_path / "burst.yaml").write_text(cloud.text)
    configuration = {
        "burst:file": str(tmp_path / "burst.yaml"),
        "burst:expires": "4000000000",
        "burst:ssh_from": decided["burst:ssh_from"],
    }
    around = Around(tmp_path, cloud.folder, name, f"tests.stacks.{name}")
    with standing(around, monkeypatch):
        mine = ByHand(tmp_path / "mine", cloud.folder, configuration, {"burst:keys": decided["burst:keys"]})
        assert "to create" in mine.pulumi("preview")
        assert around.ledger.left() == {}
        mine.pulumi("up", "--yes", "--skip-preview")
        outputs = json.loads(mine.pulumi("stack", "output", "--json"))
        assert outputs.keys() == OUTPUTS.keys()
        assert outputs["run_id"] == f"{design(cloud.text, name).name}-try"
        assert readable(mine.state) == []
        mine.pulumi("destroy", "--yes", "--skip-preview")
        assert around.ledger.left() == {}
