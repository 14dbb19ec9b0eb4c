"""Azure's preflight (targets/azure/checks.py), against an Azure of the tests' own: all checks together, rights, services."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from azure_api import Azure, always, refusal
from azure_subscription import (
    DESIGN,
    EXISTING,
    FILE,
    NETWORK,
    OTHERS,
    PERMISSIONS,
    ROOT,
    SKUS,
    SUBNET,
    VNET,
    agreeing,
    caller_of,
    found,
    said,
    subnet,
    vnet,
)
from making import design

from provisioner.design.model import Design
from provisioner.findings import Level
from provisioner.targets import checks as names
from provisioner.targets.azure import checks, rights
from provisioner.targets.azure.asked import Asked
from provisioner.targets.azure.session import Caller
from provisioner.targets.azure.target import AzurePlace
from provisioner.targets.base import Zone


@pytest.fixture
def azure(monkeypatch: pytest.MonkeyPatch) -> Iterator[Azure]:
    with agreeing(monkeypatch) as server:
        yield server


# --- together ---------------------------------------------------------------------------------------------------------


def test_nothing_speaks_against_it(azure: Azure) -> None:
    assert found(azure) == []


def test_every_check_has_a_name_of_the_list() -> None:
    assert {name for name, _ in checks.CHECKS} <= names.NAMES.keys()


# A design that each check asks something of its own for: path of the first thing that it asks → the check.
EVERY = design(
    f"{EXISTING}filesystems: {{/files: {{type: managed-nfs, id: {OTHERS}/Microsoft.Storage/storageAccounts/files"
    "/fileServices/default/shares/s}}\n",
    "azure",
).model_copy(update={"results": "https://theirs.blob.core.windows.net/results"})
FIRST = {
    PERMISSIONS: "permissions",
    f"{ROOT}/providers/Microsoft.Compute": "services",
    SKUS: "types",
    f"{ROOT}/providers/Microsoft.Compute/locations/eastus/publishers": "images",
    NETWORK: "quota",
    VNET: "network",
    f"{OTHERS}/Microsoft.Storage/storageAccounts/files": "filesystems",
    f"{ROOT}/providers/Microsoft.Storage/storageAccounts": "results",
}


class Meeting:
    """Answers nothing until a request of each check is there: one after the other, they would never get an answer."""

    def __init__(self) -> None:
        self.there = threading.Condition()
        self.seen: set[str] = set()
        self.failed = False

    def __call__(self, path: str) -> None:
        mine = {check for first, check in FIRST.items() if path == first or (check == "images" and path.startswith(first))}
        with self.there:
            self.seen |= mine
            self.there.notify_all()
            if not self.there.wait_for(lambda: self.failed or self.seen >= set(FIRST.values()), timeout=20):
                self.failed = True


def test_all_checks_have_begun_before_one_has_its_answer(azure: Azure) -> None:
    meeting = azure.gate = Meeting()
    found(azure, EVERY)
    assert not meeting.failed
    # `limits` asks nothing, `identity` the same as `permissions`.
    assert {name for name, _ in checks.CHECKS} - set(FIRST.values()) == {"limits", "identity"}


def test_what_several_checks_look_at_is_asked_for_once(azure: Azure) -> None:
    found(azure, EVERY)
    asked = azure.requests("GET")
    assert [asked.count(path) for path in (SKUS, PERMISSIONS, VNET)] == [1, 1, 1]


def test_the_preflight_and_the_choice_of_a_zone_ask_for_the_types_once(azure: Azure) -> None:
    """Both of one session, as a plan asks them: side by side."""
    caller, place, under_way = caller_of(azure), AzurePlace(), threading.Barrier(2, timeout=20)

    def both(ask: Callable[[Caller, Design], object]) -> object:
        under_way.wait()
        return ask(caller, DESIGN)

    findings, zones = names.side_by_side(both, (place.preflight, place.zones))
    assert (findings, zones) == ((), (Zone("1"), Zone("2"), Zone("3")))
    assert azure.requests("GET").count(SKUS) == 1


def test_types_that_were_refused_are_asked_for_again_by_the_next(azure: Azure) -> None:
    caller = caller_of(azure)
    azure.troubles.append(always(refusal(403, "AuthorizationFailed", "not yours"), "GET", "Compute/skus"))
    assert {each.code for each in AzurePlace().preflight(caller, DESIGN)} == {"unchecked"}
    azure.troubles.clear()
    assert len(AzurePlace().zones(caller, DESIGN)) == 3


def test_whoever_comes_second_waits_for_the_first_ones_answer(azure: Azure) -> None:
    """All threads are there before the answer is: a cached property would be asked for once by each."""
    asked, together, told = Asked(caller_of(azure), DESIGN), threading.Barrier(4, timeout=20), []
    wanting, come = threading.Event(), []

    def gate(path: str) -> None:
        come.append(path)
        wanting.wait(20)

    azure.gate = gate

    def want() -> None:
        together.wait()
        told.append(asked.sizes)

    threads = [threading.Thread(target=want) for _ in range(3)]
    for thread in threads:
        thread.start()
    together.wait()
    wanting.set()
    for thread in threads:
        thread.join()
    assert come == [SKUS]
    assert len(told) == 3
    assert all(each is told[0] for each in told)


def test_an_answer_that_is_refused_is_refused_to_everybody(azure: Azure) -> None:
    azure.troubles.append(always(refusal(403, "AuthorizationFailed", "not yours"), "GET", "Compute/skus"))
    unchecked = {each.check: each.level for each in found(azure) if each.code == "unchecked"}
    assert unchecked == dict.fromkeys(("types", "images", "quota"), Level.WARNING)
    assert azure.requests("GET").count(SKUS) == 1


def test_an_azure_that_does_not_say(azure: Azure) -> None:
    azure.troubles.append(always(refusal(403, "AuthorizationFailed", "not yours"), "GET", "/usages"))
    (unchecked,) = found(azure)
    assert (unchecked.level, unchecked.code, unchecked.check) == (Level.WARNING, "unchecked", "quota")
    assert unchecked.fix == "allow the call, or leave it out: --skip quota"
    azure.troubles[0] = always(refusal(400, "InvalidParameter", "?"), "GET", "/usages")
    assert [each.level for each in found(azure)] == [Level.WARNING]


def test_somebody_who_is_logged_in_no_more(azure: Azure) -> None:
    azure.troubles.append(always(refusal(401, "ExpiredAuthenticationToken", "too late"), "GET", "/usages"))
    (unchecked,) = found(azure)
    assert (unchecked.level, unchecked.code, unchecked.check) == (Level.ERROR, "unchecked", "quota")
    assert unchecked.fix.startswith("az login")


@pytest.mark.parametrize(
    ("skip", "part"),
    [
        ("quota", "/usages"),
        ("images", "/publishers/"),
        ("services", "/providers/Microsoft.Logic"),
        ("network", "/virtualNetworks/"),
        ("filesystems", "/storageAccounts/files"),
        ("results", "/providers/Microsoft.Storage/storageAccounts"),
    ],
)
def test_what_is_left_out_asks_nothing(azure: Azure, skip: str, part: str) -> None:
    found(azure, EVERY)
    assert [path for path in azure.requests("GET") if path.endswith(part) or part in path]
    azure.asked.clear()
    found(azure, EVERY, skip=(skip,))
    left = [path for path in azure.requests("GET", part) if skip != "results" or path == f"{ROOT}{part}"]
    # The rights at the existing subnet are asked for under its own name.
    assert [path for path in left if "/Microsoft.Authorization/" not in path] == []
    azure.asked.clear()
    assert found(azure, EVERY, skip=tuple(name for name, _ in checks.CHECKS)) == []
    assert azure.asked == []


# --- rights -----------------------------------------------------------------------------------------------------------

CONTRIBUTOR = {
    "actions": ["*"],
    "notActions": ["Microsoft.Authorization/*/Delete", "Microsoft.Authorization/*/Write", "Microsoft.Blueprint/*/write"],
}


def test_who_may_not_make_roles(azure: Azure) -> None:
    azure.pages[PERMISSIONS] = {"value": [CONTRIBUTOR]}
    (finding,) = found(azure)
    assert (finding.level, finding.code, finding.check) == (Level.ERROR, "identity", "identity")
    assert "Microsoft.Authorization/roleDefinitions/write" in finding.message
    assert f"--role 'User Access Administrator' --scope {ROOT}" in finding.fix
    assert [each.code for each in found(azure, design(f"{FILE}identity: none\n".replace("{min: 1, max: 4}", "2"), "azure"))] == [
        "expiry"
    ]


def test_several_roles_are_one_right(azure: Azure) -> None:
    """What one role leaves out, another may allow: notActions deny nothing."""
    azure.pages[PERMISSIONS] = {"value": [CONTRIBUTOR, {"actions": ["microsoft.authorization/*"], "notActions": []}]}
    assert found(azure) == []


def test_rights_that_are_missing_are_said_together(azure: Azure) -> None:
    reader = {"actions": ["*/read", "Microsoft.Authorization/*", "Microsoft.Network/*", "Microsoft.ManagedIdentity/*"]}
    azure.pages[PERMISSIONS] = {"value": [reader]}
    ((level, message),) = said(azure, check="permissions")
    assert level == "error"
    assert "Microsoft.Compute/disks/delete" in message
    assert "more" in message
    assert "Microsoft.Network" not in message


def test_rights_at_what_a_file_names_are_asked_for_there(azure: Azure) -> None:
    azure.pages[VNET] = vnet(subnet())
    azure.pages[PERMISSIONS] = {
        "value": [{"actions": ["*"], "notActions": ["Microsoft.Network/virtualNetworks/subnets/join/action"]}]
    }
    decided = design(EXISTING, "azure")
    ((level, message),) = said(azure, decided, "permissions")
    assert (level, message) == (
        "error",
        f"the caller may not do Microsoft.Network/virtualNetworks/subnets/join/action at {SUBNET}",
    )
    azure.pages[f"{SUBNET}/providers/Microsoft.Authorization/permissions"] = {
        "value": [{"actions": ["Microsoft.Network/virtualNetworks/subnets/join/action"], "notActions": []}]
    }
    assert said(azure, decided, "permissions") == []


@pytest.mark.parametrize(
    ("granted", "action", "may"),
    [
        ({"actions": ["*/read"]}, "Microsoft.Compute/disks/read", True),
        ({"actions": ["*/read"]}, "Microsoft.Compute/disks/write", False),
        ({"actions": ["MICROSOFT.compute/*"]}, "Microsoft.Compute/disks/write", True),
        ({"actions": ["*"], "notActions": ["Microsoft.Compute/disks/*"]}, "Microsoft.Compute/disks/write", False),
        ({"actions": None, "notActions": None}, "Microsoft.Compute/disks/write", False),
    ],
)
def test_wildcards(granted: dict[str, Any], action: str, may: bool) -> None:
    assert rights.allows([granted], action) is may


def test_an_identity_that_is_not_there(azure: Azure) -> None:
    own = f"{OTHERS}/Microsoft.ManagedIdentity/userAssignedIdentities/i"
    decided = design(f"{FILE}identity: {own}\n", "azure")
    assert [(each.code, each.check) for each in found(azure, decided)] == [("id", "identity")]
    azure.pages[own] = {"id": own}
    assert found(azure, decided) == []


# --- services, results, and what needs no answer ----------------------------------------------------------------------


def test_a_service_that_is_not_registered(azure: Azure) -> None:
    azure.pages[f"{ROOT}/providers/Microsoft.Logic"] = {"registrationState": "NotRegistered"}
    del azure.pages[f"{ROOT}/providers/Microsoft.ManagedIdentity"]
    assert [each.fix for each in found(azure) if each.check == "services"] == [
        f"az provider register --namespace Microsoft.{name} --wait" for name in ("ManagedIdentity", "Logic")
    ]


def test_what_needs_no_answer(azure: Azure, monkeypatch: pytest.MonkeyPatch) -> None:
    def levels(decided: Any) -> dict[str, Level]:
        return {each.code: each.level for each in found(azure, decided)}

    fixed = FILE.replace("{min: 1, max: 4}", "2")
    assert levels(design(f"{fixed}identity: none\n", "azure")) == {"expiry": Level.WARNING}
    bounded = DESIGN.model_copy(update={"identity": DESIGN.identity.model_copy(update={"boundary": "arn:x"})})
    assert levels(bounded) == {"identity": Level.WARNING}
    assert levels(design(f"{FILE}filesystems: {{/big: {{size: 5TiB}}}}\n", "azure")) == {"head-disk": Level.ERROR}
    long = DESIGN.model_copy(update={"run": DESIGN.run.model_copy(update={"id": "r" * 60})})
    assert levels(long) == {"name": Level.ERROR}
    tunnel = design(f"{FILE}network: {{access: tunnel}}\n", "azure")
    monkeypatch.setattr("shutil.which", lambda name: None)
    assert [each.level for each in found(azure, tunnel)] == [Level.ERROR]
    monkeypatch.setattr("shutil.which", lambda name: "/usr/bin/az")
    assert levels(tunnel) == {}


def test_a_detached_run_s_container(azure: Azure) -> None:
    decided = DESIGN.model_copy(update={"results": "https://theirs.blob.core.windows.net/results/x"})
    accounts = f"{ROOT}/providers/Microsoft.Storage/storageAccounts"
    account = f"{ROOT}/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/theirs"
    azure.pages[accounts] = {"value": []}
    assert "has no storage account theirs" in said(azure, decided, "results")[0][1]
    azure.pages[accounts] = {"value": [{"id": account, "name": "Theirs"}]}
    assert "there is no container results" in said(azure, decided, "results")[0][1]
    azure.pages[f"{account}/blobServices/default/containers/results"] = {}
    assert said(azure, decided, "results") == []
    told = AzurePlace().configuration(caller_of(azure), decided)
    assert told["burst:results"] == f"{account}/blobServices/default/containers/results"
    assert "burst:results" not in AzurePlace().configuration(caller_of(azure), DESIGN)
