"""What the shared target asks of Azure (targets/azure), against an Azure of the tests' own."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import azure_api
import pytest
from azure.mgmt.network import models as network_models
from azure_api import GROUP, MACHINES, SUBSCRIPTION, Azure, Said, always, once, refusal
from azure_models import complaints
from making import design, inventory

from provisioner.design.model import Design
from provisioner.errors import Kind, Refused
from provisioner.launch.azure import Refused as Denied
from provisioner.stack.identity import described, tags
from provisioner.targets.azure import bastion, session
from provisioner.targets.azure.faults import classify
from provisioner.targets.azure.session import Caller
from provisioner.targets.azure.target import AzurePlace, AzureTarget
from provisioner.targets.base import Resource, Tagged

ROOT = f"/subscriptions/{SUBSCRIPTION}"
RUN = "test-abc234"
FILE = "version: 1\nname: a\ngroups: {cpu: {instance: Standard_D4s_v5, nodes: {min: 1, max: 4}}}\n"
DESIGN = design(FILE, "azure")
PLACE = AzurePlace()
VNET = f"{ROOT}/resourceGroups/others/providers/Microsoft.Network/virtualNetworks/theirs"
DEFINITIONS, ASSIGNMENTS = (f"{ROOT}/providers/Microsoft.Authorization/{kind}" for kind in ("roleDefinitions", "roleAssignments"))


@pytest.fixture
def azure(monkeypatch: pytest.MonkeyPatch) -> Iterator[Azure]:
    with azure_api.serving(monkeypatch) as server:
        yield server
        assert server.wrong == []


@pytest.fixture
def caller(azure: Azure) -> Caller:
    return Caller(SUBSCRIPTION, "eastus", lambda: "token", azure.url, sleep=lambda seconds: None)


# --- who calls --------------------------------------------------------------------------------------------------------


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """No credentials anywhere; answers the folder of the CLI's configuration."""
    for name in ("AZURE_SUBSCRIPTION_ID", "ARM_SUBSCRIPTION_ID", "AZURE_CLIENT_ID", "AZURE_DEFAULTS_LOCATION"):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "cli"
    folder.mkdir()
    monkeypatch.setenv("AZURE_CONFIG_DIR", str(folder))
    return folder


def profile(folder: Path) -> None:
    told = {"subscriptions": [{"id": "other"}, {"id": SUBSCRIPTION, "isDefault": True}]}
    (folder / "azureProfile.json").write_text(json.dumps(told), encoding="utf-8-sig")


def test_without_credentials(nobody: Path) -> None:
    assert not PLACE.configured()
    with pytest.raises(Refused) as caught:
        PLACE.session("eastus")
    assert caught.value.kind is Kind.AUTH
    assert caught.value.fix.startswith("az login")


def test_a_login_of_the_cli_is_seen(nobody: Path) -> None:
    profile(nobody)
    assert PLACE.configured()
    assert PLACE.region() == "eastus"
    (nobody / "config").write_text("[defaults]\nlocation = westeurope\n")
    assert PLACE.region() == "westeurope"


def test_a_login_that_has_ended(nobody: Path, azure: Azure, monkeypatch: pytest.MonkeyPatch) -> None:
    profile(nobody)

    def token() -> str:
        raise Denied("AUTH", "AADSTS70043: The refresh token has expired")

    monkeypatch.setattr(session, "_token", lambda: token)
    with pytest.raises(Refused, match="refuses subscription") as caught:
        PLACE.session("eastus")
    assert "AADSTS70043" in caught.value.why


def test_a_session_is_one_that_was_answered(nobody: Path, azure: Azure, monkeypatch: pytest.MonkeyPatch) -> None:
    profile(nobody)
    monkeypatch.setattr(session, "_token", lambda: lambda: "token")
    monkeypatch.setattr("provisioner.launch.azure.ENDPOINT", azure.url)
    monkeypatch.setattr(Caller.__init__, "__defaults__", (azure.url,))
    azure.pages[ROOT] = {"state": "Enabled"}
    opened = PLACE.session("westus2")
    assert (opened.subscription, opened.region) == (SUBSCRIPTION, "westus2")
    azure.pages[ROOT] = {"state": "Disabled", "displayName": "Ours"}
    with pytest.raises(Refused, match="Ours is Disabled"):
        PLACE.session("westus2")


def test_the_plugin_acts_as_the_caller(caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_CLIENT_ID", "id")
    monkeypatch.setenv("AZURE_TENANT_ID", "tenant")
    told = PLACE.environment(caller)
    assert told == {"ARM_SUBSCRIPTION_ID": SUBSCRIPTION, "ARM_CLIENT_ID": "id", "ARM_TENANT_ID": "tenant"}
    assert PLACE.configuration(caller, DESIGN) == {
        "azure-native:location": "eastus",
        "azure-native:subscriptionId": SUBSCRIPTION,
    }


def test_the_target_is_azure() -> None:
    assert AzureTarget().name == "azure"


# --- ending -----------------------------------------------------------------------------------------------------------


def test_the_head_is_ended_first_and_what_it_launched_meanwhile_too(azure: Azure, caller: Caller) -> None:
    azure.pages[GROUP] = {"id": GROUP, "name": RUN, "location": "eastus", "tags": tags(DESIGN)}
    azure.machines = {f"{RUN}-{name}": {} for name in ("head", "cpu-1", "cpu-2")}
    azure.troubles.append(lambda method, path: azure.machines.update({f"{RUN}-cpu-3": {}}) if path.endswith("cpu-2") else None)
    PLACE.end_machines(caller, RUN)
    assert azure.machines == {}
    assert azure.requests("DELETE")[0] == f"{MACHINES}/{RUN}-head"
    assert all(query.get("forceDeletion") == ["true"] for path, query in azure.queries if path.startswith(f"{MACHINES}/"))


def test_machines_of_a_run_that_has_none(azure: Azure, caller: Caller) -> None:
    PLACE.end_machines(caller, RUN)
    azure.troubles.append(always(refusal(404, "ResourceGroupNotFound")))
    PLACE.end_machines(caller, RUN)


# --- what remains -----------------------------------------------------------------------------------------------------


def role(kind: str, name: str, at: str = ROOT, design: Design = DESIGN) -> dict[str, Any]:
    whole = f"{at}/providers/Microsoft.Authorization/{kind}/{name}"
    return {"id": whole, "name": name, "properties": {"roleName": name, "description": described(design)}}


def resource(kind: str, name: str, group: str = GROUP) -> dict[str, Any]:
    return {"id": f"{group}/providers/{kind}/{name}", "name": name, "type": kind}


@pytest.fixture
def left(azure: Azure) -> Azure:
    """Something of each kind is left of the run, and something of others is there."""
    group = {"id": GROUP, "name": RUN, "location": "eastus", "tags": tags(DESIGN)}
    azure.pages[GROUP] = group
    azure.pages[f"{ROOT}/resourcegroups"] = {"value": [group]}
    azure.pages[f"{GROUP}/resources"] = {
        "value": [resource("Microsoft.Network/virtualNetworks", "n"), resource("Microsoft.New/things", "t")]
    }
    azure.pages[f"{ROOT}/resources"] = {"value": [resource("Microsoft.Compute/disks", "far", f"{ROOT}/resourceGroups/o")]}
    azure.machines = {f"{RUN}-head": {}}
    elsewhere = f"{VNET}/subnets/theirs"
    other = DESIGN.model_copy(update={"run": DESIGN.run.model_copy(update={"id": "other-abc234"})})
    azure.pages[DEFINITIONS] = {"value": [role("roleDefinitions", "r"), role("roleDefinitions", "theirs", design=other)]}
    azure.pages[ASSIGNMENTS] = {"value": [role("roleAssignments", "a", elsewhere)]}
    return azure


def test_everything_of_a_run_is_seen_billed_first(left: Azure, caller: Caller) -> None:
    seen = PLACE.remains(caller, RUN)
    assert [(each.billed, each.kind.rpartition("/")[2]) for each in seen] == [
        (True, "disks"),
        (True, "virtualMachines"),
        (True, "things"),
        (False, "roleAssignments"),
        (False, "roleDefinitions"),
        (False, "networkInterfaces"),
        (False, "virtualNetworks"),
        (False, "resource group"),
    ]
    assert {each.region for each in seen} == {"eastus"}
    asked = [query["$filter"] for path, query in left.queries if path == f"{ROOT}/resources"]
    assert asked == [[f"tagName eq 'burst-run' and tagValue eq '{RUN}'"]]


def test_nothing_is_left(azure: Azure, caller: Caller) -> None:
    assert PLACE.remains(caller, RUN) == ()
    assert list(PLACE.runs(caller)) == []


def test_a_group_is_the_runs_by_its_tags_and_not_by_its_name(azure: Azure, caller: Caller) -> None:
    """It gets them in the call that makes it."""
    azure.pages[GROUP] = {"id": GROUP, "name": RUN, "location": "eastus", "tags": tags(DESIGN)}
    assert [each.kind for each in PLACE.remains(caller, RUN)] == ["resource group"]
    azure.pages[GROUP] = {"id": GROUP, "name": RUN, "location": "eastus"}
    azure.machines = {"somebody-elses": {}}
    assert PLACE.remains(caller, RUN) == ()
    PLACE.end_machines(caller, RUN)
    assert azure.requests("DELETE") == []


def test_runs_by_their_tags_and_by_their_roles(left: Azure, caller: Caller) -> None:
    far = {"id": "x", "name": "x", "location": "westus", "tags": {**tags(DESIGN), "burst-run": "far-abc234"}}
    left.pages[f"{ROOT}/resourcegroups"]["value"].append(far)
    seen: dict[str, Tagged] = {}
    for each in PLACE.runs(caller):
        seen.setdefault(each.run_id, each)
    assert seen.keys() == {RUN, "other-abc234", "far-abc234"}
    assert (seen[RUN].owner, seen[RUN].expires) == ("ada", DESIGN.run.expires)
    assert (seen[RUN].region, seen["far-abc234"].region) == (caller.region, "westus"), "the whole subscription is asked at once"
    assert PLACE.regions(caller) == (caller.region,)


# --- reaping ----------------------------------------------------------------------------------------------------------


def test_everything_goes_in_the_order_of_its_dependencies(left: Azure, caller: Caller) -> None:
    seen = PLACE.remains(caller, RUN)
    left.pages |= {each.id: {} for each in seen}
    assert PLACE.reap(caller, seen) == ()
    order = [path.rpartition("/")[2] for path in left.requests("DELETE")]
    # What lies in the group goes with it.
    assert order == ["a", RUN, "far", "r"]
    forced = next(query for path, query in left.queries if path == GROUP and "forceDeletionTypes" in query)
    assert forced["forceDeletionTypes"] == ["Microsoft.Compute/virtualMachines"]


def test_what_is_in_use_is_tried_again(left: Azure, caller: Caller) -> None:
    seen = PLACE.remains(caller, RUN)
    left.pages |= {each.id: {} for each in seen}
    left.troubles += [once(refusal(400, "RoleDefinitionHasAssignments"), "DELETE", "roleDefinitions") for _ in range(3)]
    assert PLACE.reap(caller, seen) == ()


def test_what_cannot_be_deleted_is_said(left: Azure, caller: Caller) -> None:
    seen = PLACE.remains(caller, RUN)
    left.troubles.append(always(refusal(409, "ScopeLocked", "a lock"), "DELETE", GROUP))
    assert {each.kind for each in PLACE.reap(caller, seen)} >= {"resource group", "Microsoft.Network/virtualNetworks"}


def test_what_has_gone_meanwhile_is_gone(azure: Azure, caller: Caller) -> None:
    gone = Resource(kind="resource group", id=GROUP, region="eastus")
    alone = Resource(kind="Microsoft.Network/natGateways", id=f"{GROUP}/providers/Microsoft.Network/natGateways/g")
    assert PLACE.reap(caller, [gone, alone]) == ()


# --- the rest ---------------------------------------------------------------------------------------------------------


def placed(tmp_path: Path) -> Any:
    told = {
        "firewall": f"{GROUP}/providers/Microsoft.Network/networkSecurityGroups/s",
        "network": VNET,
        "head_id": f"{MACHINES}/h",
    }
    return inventory(DESIGN, tmp_path).model_copy(update={"place": told})


def test_a_console(azure: Azure, caller: Caller, tmp_path: Path) -> None:
    where = f"{MACHINES}/{RUN}-cpu-1/retrieveBootDiagnosticsData"
    azure.pages[where] = {"serialConsoleLogBlobUri": f"{azure.url}/metadata/log?sas"}
    azure.pages["/metadata/log"] = "booting\n"
    assert PLACE.console(caller, placed(tmp_path), "cpu-1") == "booting\n"
    assert PLACE.console(caller, placed(tmp_path), "cpu-2") == ""


def test_ssh_is_opened_to_other_ranges(azure: Azure, caller: Caller, tmp_path: Path) -> None:
    where = f"{GROUP}/providers/Microsoft.Network/networkSecurityGroups/s/securityRules/ssh"
    azure.pages[where] = {}
    PLACE.allow(caller, placed(tmp_path), ["198.51.100.9/32", "192.0.2.0/24"])
    body = next(body for method, path, body in azure.asked if (method, path) == ("PUT", where))
    assert complaints(body, network_models, "SecurityRule") == []
    assert body["properties"]["sourceAddressPrefixes"] == ["198.51.100.9/32", "192.0.2.0/24"]


def test_the_tunnel_is_a_program_of_ours(tmp_path: Path) -> None:
    command = PLACE.tunnel(placed(tmp_path))
    assert command[1:] == ("-I", bastion.__file__, VNET, f"{MACHINES}/h")
    mine = {
        "id": f"{GROUP}/providers/Microsoft.Network/bastionHosts/b",
        "ipConfigurations": [{"subnet": {"id": f"{VNET.upper()}/subnets/B"}}],
    }
    other = {"id": "x", "ipConfigurations": [{"subnet": {"id": f"{VNET}2/subnets/B"}}]}
    assert bastion.found([other, mine], VNET) == mine["id"]
    with pytest.raises(SystemExit, match="no Bastion"):
        bastion.found([other], VNET)
    told = bastion.arguments(str(mine["id"]), f"{MACHINES}/h", 50022)
    assert told[:4] == ["az", "network", "bastion", "tunnel"]
    assert (
        told[4:]
        == (
            f"--subscription {SUBSCRIPTION} --resource-group {RUN} --name b "
            f"--target-resource-id {MACHINES}/h --resource-port 22 --port 50022"
        ).split()
    )


def test_the_tunnel_carries_both_ways(tmp_path: Path) -> None:
    ours, theirs = socket.socketpair()
    (tmp_path / "in").write_bytes(b"hello")
    with ours, theirs, (tmp_path / "in").open("rb") as inwards, (tmp_path / "out").open("wb") as outwards:
        carrying = threading.Thread(target=bastion.carry, args=(ours, inwards, outwards))
        carrying.start()
        got = b""
        while data := theirs.recv(100):
            got += data
        theirs.sendall(b"world")
        theirs.close()
        carrying.join(5)
    assert (got, (tmp_path / "out").read_bytes()) == (b"hello", b"world")


def test_a_tunnel_that_opens_and_one_that_does_not(azure: Azure) -> None:
    with bastion.connected(azure.server_address[1], lambda: True) as line:
        assert line.getpeername()[1] == azure.server_address[1]
    with pytest.raises(SystemExit, match="does not open"):
        bastion.connected(azure.server_address[1], lambda: False)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ('Code="SkuNotAvailable" Message="The requested VM size"', ("CAPACITY", "SkuNotAvailable")),
        ("RESPONSE 409: 409 Conflict\nERROR CODE: AllocationFailed\n", ("CAPACITY", "AllocationFailed")),
        ('{"error": {"code": "DeploymentFailed", "details": [{"code": "QuotaExceeded"}]}}', ("QUOTA", "QuotaExceeded")),
        (
            'Code="OperationNotAllowed" Message="exceeding approved standardDSv5Family Cores quota"',
            ("QUOTA", "OperationNotAllowed"),
        ),
        ('Status=429 Code="TooManyRequests"', ("THROTTLE", "TooManyRequests")),
        ('StatusCode=403 -- Original Error: Code="AuthorizationFailed"', ("AUTH", "AuthorizationFailed")),
        ("ERROR: AADSTS700082: The refresh token has expired", ("AUTH", "AADSTS700082")),
        ("Please run 'az login' to setup account.", ("AUTH", "CredentialUnavailable")),
        ('Status=503 Code="Strange"', ("TRANSIENT", "Strange")),
        ("RESPONSE 500: 500 Internal Server Error\nERROR CODE UNAVAILABLE", ("TRANSIENT", "500")),
        ("panic: runtime error", None),
    ],
)
def test_errors_of_the_provider_have_their_class(words: str, said: tuple[str, str] | None) -> None:
    assert classify(words) == said
    assert PLACE.classify(words) == said


def test_answers_that_are_refused_are_no_answers(azure: Azure, caller: Caller) -> None:
    azure.troubles.append(always(Said(400, {"error": {"code": "InvalidParameter", "message": "no"}})))
    with pytest.raises(Refused, match="list what is left") as caught:
        PLACE.remains(caller, RUN)
    assert (caught.value.kind, caught.value.why) == (Kind.CONFIG, "InvalidParameter: no")
