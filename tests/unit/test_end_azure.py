"""What a head on Azure does at the end of its run, against an Azure of the tests' own."""

from __future__ import annotations

import importlib.util
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import azure_api
import pytest
from azure_api import GROUP, MACHINES, SUBSCRIPTION, Azure, Said, always, once, refusal
from making import Still
from ruamel.yaml import YAML

from provisioner.alone import end_azure
from provisioner.bootstrap import user_data
from provisioner.launch import azure as launcher
from provisioner.launch.azure import Session
from provisioner.targets.azure import listing, reaping

RUN = "test-abc234"
TOLD: dict[str, Any] = {"run": RUN, "subscription": SUBSCRIPTION, "group": RUN, "identity": "client"}
LOCKED = refusal(409, "ScopeLocked", "The scope cannot perform delete operation because following scope(s) are locked")


@pytest.fixture
def azure(monkeypatch: pytest.MonkeyPatch) -> Iterator[Azure]:
    with azure_api.serving(monkeypatch) as server:
        server.group = "Succeeded"
        server.machines = {f"{RUN}-{name}": {} for name in ("head", "cpu-1", "cpu-2", "login-1")}
        yield server
        assert server.wrong == []


@pytest.fixture
def still(monkeypatch: pytest.MonkeyPatch) -> Still:
    clock = Still()
    monkeypatch.setattr(end_azure, "time", clock)
    return clock


def ended(azure: Azure, still: Still) -> bool:
    session = Session(lambda: "token", azure.url, sleep=still.sleep)
    return end_azure.Ending(TOLD, session, launcher).all()


def test_the_whole_group_goes(azure: Azure, still: Still, capsys: pytest.CaptureFixture[str]) -> None:
    azure.looks = 3
    assert ended(azure, still)
    assert (azure.group, azure.machines) == ("gone", {})
    assert azure.requests("DELETE") == [GROUP], "and nothing else is touched"
    assert capsys.readouterr().out == f"resource group {RUN}: its deletion is accepted (HTTP 202)\n"


def test_it_is_the_sweeps_own_call() -> None:
    assert (end_azure.RESOURCES, end_azure.FORCED) == (listing.RESOURCES, reaping._FORCED)


def test_what_is_gone_or_going_is_no_trouble(azure: Azure, still: Still) -> None:
    azure.group = "gone"
    assert ended(azure, still)
    azure.group = "Deleting"
    azure.troubles.append(always(refusal(409, "ResourceGroupBeingDeleted"), "DELETE", GROUP))
    assert ended(azure, still)
    assert azure.group == "gone"


def test_the_right_to_look_goes_with_it(azure: Azure, still: Still) -> None:
    azure.looks = 10**6
    azure.troubles.append(always(refusal(403, "AuthorizationFailed"), "GET", GROUP))
    assert ended(azure, still)
    assert azure.requests("DELETE") == [GROUP]


@pytest.mark.parametrize("said", [refusal(429, "TooManyRequests"), refusal(503, "ServerTimeout"), Said(0, drop=True)])
def test_busy_is_asked_again(azure: Azure, still: Still, said: Said) -> None:
    azure.troubles += [once(said, "DELETE", GROUP) for _ in range(12)]
    azure.troubles += [once(said, "GET", GROUP) for _ in range(9)]
    assert ended(azure, still)
    assert azure.group == "gone"


def test_a_group_that_goes_on_going_is_left_to_itself(azure: Azure, still: Still) -> None:
    began, azure.looks = still.at, 10**6
    assert ended(azure, still)
    assert 850 < still.at - began < 1200
    assert azure.requests("DELETE") == [GROUP]


def test_busy_for_ever_ends_the_machines(azure: Azure, still: Still, capsys: pytest.CaptureFixture[str]) -> None:
    began = still.at
    azure.troubles.append(lambda method, path: refusal(429, "TooManyRequests") if (method, path) == ("DELETE", GROUP) else None)
    assert not ended(azure, still)
    assert still.at - began < 1100
    assert azure.machines == {}
    assert f"resource group {RUN}: LEFT: TooManyRequests" in capsys.readouterr().out


def denied(method: str, path: str) -> Said | None:
    return refusal(403, "AuthorizationFailed", "no") if (method, path) == ("DELETE", GROUP) else None


def test_denied_the_machines_go_the_head_last(azure: Azure, still: Still, capsys: pytest.CaptureFixture[str]) -> None:
    azure.troubles.append(denied)
    assert not ended(azure, still)
    assert azure.machines == {}
    deleted = azure.requests("DELETE")
    assert deleted[0] == GROUP
    assert deleted[-1] == f"{MACHINES}/{RUN}-head"
    assert sorted(deleted[1:-1]) == [f"{MACHINES}/{RUN}-{name}" for name in ("cpu-1", "cpu-2", "login-1")]
    assert capsys.readouterr().out.splitlines()[-1] == f"machine {RUN}-head: its deletion is accepted"
    # Nothing outside of the run's group was as much as looked at.
    assert all(path.startswith(GROUP) for _, path, _ in azure.asked)


def test_a_deletion_that_fails_in_the_end(azure: Azure, still: Still, capsys: pytest.CaptureFixture[str]) -> None:
    """A dependency that would not go, found when the deletion had long been accepted."""
    azure.stays, azure.looks = True, 4
    assert not ended(azure, still)
    assert azure.machines == {}
    assert f"resource group {RUN}: LEFT: its deletion has failed, it is Succeeded" in capsys.readouterr().out


def test_a_lock_leaves_disks_and_no_machine_that_runs(azure: Azure, still: Still) -> None:
    began = still.at
    azure.troubles.append(always(LOCKED, "DELETE"))
    assert not ended(azure, still)
    assert azure.deallocated[-1] == f"{RUN}-head"
    assert sorted(azure.deallocated) == sorted(azure.machines)
    # Nothing is waited for that does not pass.
    assert still.at == began


def test_what_can_only_be_read_is_told(azure: Azure, still: Still, capsys: pytest.CaptureFixture[str]) -> None:
    azure.troubles += [always(LOCKED, method) for method in ("DELETE", "POST")]
    azure.troubles.append(always(refusal(403, "AuthorizationFailed", "nor read"), "GET", MACHINES))
    assert not ended(azure, still)
    lines = capsys.readouterr().out.splitlines()
    assert "machines: they could not be listed: AuthorizationFailed: nor read" in lines
    assert lines[-1].startswith(f"machine {RUN}-head: nor can it be deallocated: ScopeLocked")


def test_as_it_is_shipped(azure: Azure, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Without comments, beside the launcher, told by a file, with the machine's own token. Nobody waits: all is locked."""
    for name in ("azure", "end_azure"):
        (folder / f"{name}.py").write_text(YAML(typ="safe", pure=True).load(user_data._python(name))[0]["content"])
    (folder / "end.json").write_text(json.dumps({**TOLD, "endpoint": azure.url}))
    monkeypatch.setenv("BURST_METADATA", azure.url)
    azure.pages["/metadata/identity/oauth2/token"] = {"access_token": "token", "expires_on": str(int(time.time()) + 3600)}
    azure.troubles.append(denied)
    spec = importlib.util.spec_from_file_location("shipped", folder / "end_azure.py")
    assert spec is not None
    assert spec.loader is not None
    shipped = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(shipped)
    assert shipped.main(str(folder / "end.json")) == 1
    assert azure.machines == {}
    azure.group, azure.troubles = "gone", []
    shipped._PAUSE = 0.0
    assert shipped.main(str(folder / "end.json")) == 0
