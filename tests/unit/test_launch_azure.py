"""provisioner/launch/azure.py against an Azure of the tests' own, whose requests are checked by the vendor's models."""

from __future__ import annotations

import base64
import importlib.util
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import azure_api
import pytest
from azure.mgmt.compute import models as compute_models
from azure_api import MACHINES, SUBSCRIPTION, Azure, Said, always, late, once, refusal
from azure_models import complaints
from ruamel.yaml import YAML

from provisioner.bootstrap import user_data
from provisioner.launch import azure as launcher
from provisioner.launch.azure import Own, Refused, Session, end, kind_of, launch

NAMES = ("cpu-1", "cpu-2", "cpu-3")
BODY = {
    "location": "eastus",
    "tags": {"burst-run": "test-abc234"},
    "properties": {
        "hardwareProfile": {"vmSize": "Standard_D4s_v5"},
        "storageProfile": {
            "imageReference": {"publisher": "Canonical", "offer": "ubuntu-24_04-lts", "sku": "server", "version": "latest"},
            "osDisk": {"createOption": "FromImage", "deleteOption": "Delete"},
        },
        "osProfile": {"adminUsername": "burst-admin"},
        "networkProfile": {
            "networkApiVersion": "2022-11-01",
            "networkInterfaceConfigurations": [
                {"properties": {"primary": True, "deleteOption": "Delete", "ipConfigurations": [{"name": "own"}]}}
            ],
        },
    },
}


@pytest.fixture
def azure(monkeypatch: pytest.MonkeyPatch) -> Iterator[Azure]:
    with azure_api.serving(monkeypatch) as server:
        yield server
        assert server.wrong == []


@pytest.fixture
def pauses() -> list[float]:
    """How long was slept; nobody does."""
    return []


@pytest.fixture
def session(azure: Azure, pauses: list[float]) -> Session:
    return Session(lambda: "token", azure.url, sleep=pauses.append)


@pytest.fixture
def template(folder: Path) -> dict[str, Any]:
    (folder / "compute").write_bytes(b"\x1f\x8b user-data")
    return {
        "instance": "Standard_D4s_v5",
        "run": "test-abc234",
        "subscription": SUBSCRIPTION,
        "group": "test-abc234",
        "identity": "client",
        "custom_data": str(folder / "compute"),
        "body": BODY,
    }


def no_machine(azure: Azure, template: dict[str, Any], session: Session, kind: str, market: str = "on-demand") -> Refused:
    """Launching is refused, with a kind, and nothing is left."""
    with pytest.raises(Refused) as caught:
        launch(NAMES, template, market, session)
    assert caught.value.kind == kind
    assert azure.machines == {}
    return caught.value


# --- all of them ------------------------------------------------------------------------------------------------------


def test_machines_have_their_names_their_user_data_and_addresses(
    azure: Azure, session: Session, template: dict[str, Any]
) -> None:
    made = launch(NAMES, template, "on-demand", session)
    assert made == {"cpu-1": "10.0.128.4", "cpu-2": "10.0.128.5", "cpu-3": "10.0.128.6"}
    assert sorted(azure.machines) == ["test-abc234-cpu-1", "test-abc234-cpu-2", "test-abc234-cpu-3"]
    properties = azure.machines["test-abc234-cpu-2"]["properties"]
    assert properties["osProfile"]["computerName"] == "test-abc234-cpu-2"
    assert base64.b64decode(properties["osProfile"]["customData"]) == b"\x1f\x8b user-data"
    assert "priority" not in properties
    assert BODY["properties"]["osProfile"] == {"adminUsername": "burst-admin"}  # type: ignore[index]


def test_a_spot_machine_goes_when_it_is_evicted_and_costs_at_most_the_full_price(
    azure: Azure, session: Session, template: dict[str, Any]
) -> None:
    launch(["cpu-1"], template, "spot", session)
    properties = azure.machines["test-abc234-cpu-1"]["properties"]
    told = {key: properties[key] for key in ("priority", "evictionPolicy", "billingProfile")}
    assert told == {"priority": "Spot", "evictionPolicy": "Delete", "billingProfile": {"maxPrice": -1}}


def test_those_that_exist_are_ended_first(azure: Azure, session: Session, template: dict[str, Any]) -> None:
    launch(["cpu-1"], template, "on-demand", session)
    azure.asked.clear()
    before = azure.machines["test-abc234-cpu-1"]["properties"]["networkProfile"]
    launch(["cpu-1", "cpu-2"], template, "on-demand", session)
    # The interface of the last one may not have gone yet.
    assert azure.machines["test-abc234-cpu-1"]["properties"]["networkProfile"] != before
    order = [(method, path.rpartition("-cpu-")[2]) for method, path, _ in azure.asked if method in ("PUT", "DELETE")]
    assert order[0] == ("DELETE", "1")
    assert sorted(order[1:]) == [("PUT", "1"), ("PUT", "2")]


def test_only_so_many_are_made_at_once_and_all_are_found(azure: Azure, session: Session, template: dict[str, Any]) -> None:
    azure.page = 7
    names = [f"cpu-{i}" for i in range(1, 41)]
    assert launch(names, template, "on-demand", session).keys() == set(names)
    assert azure.most <= 16


def test_what_the_vendor_does_not_know_is_seen() -> None:
    wrong = json.loads(json.dumps(BODY))
    wrong["properties"]["hardwareProfile"]["size"] = "x"
    wrong["properties"]["priority"] = "Cheap"
    wrong["properties"]["provisioningState"] = "Succeeded"
    del wrong["location"]
    assert complaints(wrong, compute_models, "VirtualMachine") == [
        "VirtualMachine.properties.hardwareProfile.size: HardwareProfile has no such field",
        "VirtualMachine.properties.networkProfile.networkInterfaceConfigurations[0].name is required",
        "VirtualMachine.properties.priority is 'Cheap', not one of VirtualMachinePriorityTypes",
        "VirtualMachine.properties.provisioningState is read-only",
        "VirtualMachine.location is required",
    ]


# --- none of them -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("SkuNotAvailable", "CAPACITY"),
        ("AllocationFailed", "CAPACITY"),
        ("ZonalAllocationFailed", "CAPACITY"),
        ("OverconstrainedAllocationRequest", "CAPACITY"),
        ("OverconstrainedZonalAllocationRequest", "CAPACITY"),
        ("QuotaExceeded", "QUOTA"),
        ("LinkedAuthorizationFailed", "AUTH"),
        ("InvalidParameter", "CONFIG"),
    ],
)
def test_one_that_cannot_be_made_takes_all_with_it(
    azure: Azure, session: Session, template: dict[str, Any], code: str, kind: str
) -> None:
    azure.fails["test-abc234-cpu-2"] = {"code": code, "message": "Azure's own words"}
    problem = no_machine(azure, template, session, kind)
    assert str(problem) == f"{code}: Azure's own words"
    assert problem.code == code


def test_one_that_is_refused_at_once_takes_all_with_it(azure: Azure, session: Session, template: dict[str, Any]) -> None:
    azure.troubles.append(always(refusal(409, "SkuNotAvailable", "not in eastus"), "PUT", "cpu-3"))
    assert "not in eastus" in str(no_machine(azure, template, session, "CAPACITY"))


def test_once_one_is_refused_no_other_is_begun(azure: Azure, session: Session, template: dict[str, Any]) -> None:
    azure.troubles.append(always(refusal(409, "SkuNotAvailable"), "PUT"))
    with pytest.raises(Refused):
        launch([f"cpu-{i}" for i in range(1, 201)], template, "on-demand", session)
    assert len(azure.requests("PUT")) < 60


def test_a_rollback_that_is_refused_says_what_is_left(azure: Azure, session: Session, template: dict[str, Any]) -> None:
    azure.fails["test-abc234-cpu-2"] = {"code": "AllocationFailed", "message": "no room"}
    azure.troubles.append(always(refusal(403, "AuthorizationFailed", "may not delete"), "DELETE"))
    with pytest.raises(Refused, match=r"AllocationFailed: no room; and what was made is not gone: AuthorizationFailed") as caught:
        launch(NAMES, template, "on-demand", session)
    assert caught.value.kind == "CAPACITY"


def test_a_mistake_of_our_own_leaves_nothing(azure: Azure, session: Session, template: dict[str, Any]) -> None:
    azure.troubles.append(once(Said(200, {"status": "Failed", "error": "words alone"}), "GET", "/operations/"))
    assert "words alone" in str(no_machine(azure, template, session, "CONFIG"))


def test_quota_is_said_in_two_ways(azure: Azure, session: Session, template: dict[str, Any]) -> None:
    words = "Operation could not be completed as it results in exceeding approved Total Regional Cores quota."
    azure.troubles.append(always(refusal(409, "OperationNotAllowed", words), "PUT"))
    assert words in str(no_machine(azure, template, session, "QUOTA"))
    assert kind_of("OperationNotAllowed", "the disk is attached") == "CONFIG"


# --- what passes ------------------------------------------------------------------------------------------------------


def test_busy_is_asked_again_when_azure_says_so(
    azure: Azure, session: Session, template: dict[str, Any], pauses: list[float]
) -> None:
    azure.troubles.append(once(refusal(429, "TooManyRequests", Retry_After="17"), "PUT"))
    launch(NAMES, template, "on-demand", session)
    assert 17.0 in pauses
    assert len(azure.requests("PUT")) == 4


def test_busy_for_ever_is_said(azure: Azure, session: Session, template: dict[str, Any], pauses: list[float]) -> None:
    azure.troubles.append(always(refusal(429, "SubscriptionRequestsThrottled"), "PUT"))
    no_machine(azure, template, session, "THROTTLE")
    assert sum(pauses) > 45


@pytest.mark.parametrize("said", [Said(0, drop=True), Said(503, "<html>busy</html>"), refusal(409, "AnotherOperationInProgress")])
def test_what_passes_is_asked_again(azure: Azure, session: Session, template: dict[str, Any], said: Said) -> None:
    azure.troubles += [once(said, "PUT"), once(said, "GET"), once(said, "GET", "/operations/")]
    assert len(launch(NAMES, template, "on-demand", session)) == 3


def test_a_line_that_stays_cut_is_said(azure: Azure, session: Session, template: dict[str, Any]) -> None:
    azure.troubles.append(always(Said(0, drop=True), "PUT"))
    assert "does not answer" in str(no_machine(azure, template, session, "TRANSIENT"))


def test_a_late_answer_is_waited_for(azure: Azure, session: Session, template: dict[str, Any]) -> None:
    azure.troubles.append(late(0.3))
    azure.looks = 3
    assert len(launch(NAMES, template, "on-demand", session)) == 3


def test_what_failed_while_it_was_made_is_made_anew(azure: Azure, session: Session, template: dict[str, Any]) -> None:
    azure.troubles.append(
        once(
            Said(200, {"status": "Failed", "error": {"code": "InternalExecutionError", "message": "again"}}),
            "GET",
            "/operations/",
        )
    )
    assert len(launch(NAMES, template, "on-demand", session)) == 3
    assert len(azure.requests("DELETE")) == 1
    azure.fails["test-abc234-cpu-1"] = {"code": "OSProvisioningTimedOut", "message": "never reported"}
    no_machine(azure, template, session, "TRANSIENT")


def test_a_fresh_role_is_asked_again_and_a_user_is_not(
    azure: Azure, session: Session, template: dict[str, Any], pauses: list[float]
) -> None:
    denied = refusal(403, "AuthorizationFailed", "does not have authorization to perform action")
    azure.troubles += [once(denied, "PUT") for _ in range(3)]
    fresh = Session(lambda: "token", azure.url, fresh=True, sleep=pauses.append)
    assert len(launch(["cpu-1"], template, "on-demand", fresh)) == 1
    assert sum(pauses) > 20
    azure.machines.clear()
    azure.troubles.append(once(denied, "PUT"))
    no_machine(azure, template, session, "AUTH")


def test_an_operation_that_never_ends_is_given_up(
    azure: Azure, session: Session, template: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launcher, "_LONGEST", 0.2)
    azure.looks = 10**9
    with pytest.raises(Refused, match="goes on for") as caught:
        launch(["cpu-1"], template, "on-demand", session)
    assert caught.value.kind == "TRANSIENT"


def test_a_signal_makes_nobody_wait(
    azure: Azure, session: Session, template: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Signal(BaseException):
        pass

    def interrupted(self: Any, timeout: float | None = None) -> None:
        raise Signal

    azure.looks = 10**9
    monkeypatch.setattr("concurrent.futures.Future.exception", interrupted)
    with pytest.raises(Signal):
        launch(NAMES, template, "on-demand", session)


# --- ending -----------------------------------------------------------------------------------------------------------


def test_ending_what_is_there_and_what_is_not(azure: Azure, session: Session, template: dict[str, Any]) -> None:
    launch(NAMES, template, "on-demand", session)
    end(["cpu-1", "cpu-3", "cpu-9"], template, session)
    assert sorted(azure.machines) == ["test-abc234-cpu-2"]
    assert sorted(azure.requests("DELETE")) == [f"{MACHINES}/test-abc234-cpu-{i}" for i in (1, 3, 9)]
    end([], template, session)


def test_a_deletion_is_waited_for_by_its_location(azure: Azure, session: Session) -> None:
    azure.pages["/gone"] = {}
    azure.troubles.append(once(Said(202, None, {"Location": "https://x.example/later"}), "DELETE", "/gone"))
    azure.troubles.append(once(Said(202, None, {"Location": "https://x.example/later"}), "GET", "/later"))
    azure.troubles.append(once(Said(204), "GET", "/later"))
    session.wait(session.call("DELETE", "/gone"))
    assert len(azure.requests("GET", "/later")) == 2


# --- on the head ------------------------------------------------------------------------------------------------------


def test_the_heads_token_is_its_own_identitys(azure: Azure, monkeypatch: pytest.MonkeyPatch, template: dict[str, Any]) -> None:
    monkeypatch.setenv("BURST_METADATA", azure.url)
    azure.pages["/metadata/identity/oauth2/token"] = {"access_token": "token", "expires_on": str(int(time.time()) + 3600)}
    own = {**template, "endpoint": azure.url}
    assert len(launch(NAMES, own)) == 3
    end(NAMES, own)
    assert azure.machines == {}
    assert len(azure.requests("GET", "/metadata/")) == 2


@pytest.mark.parametrize(("status", "kind"), [(400, "AUTH"), (404, "TRANSIENT"), (429, "TRANSIENT"), (500, "TRANSIENT")])
def test_no_token(azure: Azure, monkeypatch: pytest.MonkeyPatch, status: int, kind: str) -> None:
    monkeypatch.setenv("BURST_METADATA", azure.url)
    azure.troubles.append(always(Said(status, {"error": "invalid_request", "error_description": "Identity not found"})))
    with pytest.raises(Refused, match="Identity not found") as caught:
        Own("client")()
    assert caught.value.kind == kind
    azure.troubles[0] = always(Said(0, drop=True))
    with pytest.raises(Refused, match="does not answer"):
        Own("client")()


def test_it_stands_alone_without_its_comments(tmp_path: Path) -> None:
    text = user_data._python("azure")
    assert "Sources:" not in text
    path = tmp_path / "azure.py"
    path.write_text(YAML(typ="safe", pure=True).load(text)[0]["content"])
    spec = importlib.util.spec_from_file_location("alone", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["alone"] = module
    spec.loader.exec_module(module)
    assert module.KINDS == launcher.KINDS
