"""docs/clouds/azure.md and azure-role.json say what the program makes and what its calls need, no less and no more."""

from __future__ import annotations

import json
import re
import unittest.mock
from functools import cache
from pathlib import Path
from typing import Any

import azure_api
import azure_subscription
import pytest
from azure_api import GROUP, MACHINES, SUBSCRIPTION, Azure, Said
from making import Still, design, inventory

import provisioner
from provisioner.alone import end_azure
from provisioner.launch import azure as launcher
from provisioner.stack.identity import described, tags
from provisioner.targets.azure import session
from provisioner.targets.azure.listing import _FREE
from provisioner.targets.azure.session import Caller
from provisioner.targets.azure.target import AzurePlace
from tests.stacks import watching
from tests.stacks.azure import CLOUD, EXISTING, TEXT
from tests.stacks.azure_actions import ASSIGN, BESIDE, FUNCTIONS, IMAGES, action
from tests.stacks.azure_actions import GROUP as WHOLE
from tests.stacks.azure_answers import ACCOUNT, CONTAINER, SHARE, TYPES, VNET
from tests.stacks.azure_made import PLAIN
from tests.stacks.programs import Stack

ROOT = Path(provisioner.__path__[0]).parent
ROLE, PAGE = ROOT / "docs/clouds/azure-role.json", ROOT / "docs/clouds/azure.md"
SUB, RUN = f"/subscriptions/{SUBSCRIPTION}", "test-abc234"
TUNNELLED = PLAIN + "network: {access: tunnel}\n"
COMMUNITY = "/CommunityGalleries/g-1/Images/i/Versions/latest"
RDMA = PLAIN.replace("Standard_D4s_v5", "Standard_HB120rs_v3")
NOBODY = PLAIN + "identity: none\n"
TEXTS = (TEXT, EXISTING, TUNNELLED, RDMA, NOBODY)


@cache
def made(text: str) -> Stack:
    return CLOUD.run(design(text, "azure"))


def kinds(stack: Stack) -> set[str]:
    return {each.type.removeprefix("azure-native:") for each in stack.resources}


def rows(text: str) -> dict[str, list[str]]:
    """The table of resources: type → its other cells."""
    table = text.partition("## What a run makes")[2].partition("\n## ")[0]
    lines = [line.strip("| ").split(" | ") for line in table.splitlines() if line.startswith("| `")]
    return {cells[0].strip("`"): cells[1:] for cells in lines}


class Watched(Caller):
    """Remembers from where it is called."""

    come_by: set[watching.Site]

    def call(self, *args: Any, **more: Any) -> launcher.Answer:
        self.come_by.add(watching.here(1))
        return super().call(*args, **more)

    def listed(self, *args: Any, **more: Any) -> list[dict[str, Any]]:
        self.come_by.add(watching.here(1))
        return super().listed(*args, **more)

    def found(self, *args: Any, **more: Any) -> Any:
        self.come_by.add(watching.here(1))
        return super().found(*args, **more)

    def once(self, *args: Any, **more: Any) -> launcher.Answer:
        self.come_by.add(watching.here(1))
        return super().once(*args, **more)


@pytest.fixture(scope="module")
def called(tmp_path_factory: pytest.TempPathFactory) -> tuple[set[tuple[str, str]], set[watching.Site]]:
    """(method and path, place) of everything that the launcher and the target ask of Azure."""
    folder = tmp_path_factory.mktemp("azure")
    with pytest.MonkeyPatch.context() as patch, azure_api.serving() as azure:
        azure.page = 1
        caller = Watched(SUBSCRIPTION, "eastus", lambda: "token", azure.url, sleep=lambda seconds: None)
        caller.come_by = set()
        azure.pages[SUB] = {"state": "Enabled"}
        patch.setenv("AZURE_SUBSCRIPTION_ID", SUBSCRIPTION)
        patch.setattr(session, "_token", lambda: lambda: "token")
        patch.setattr(session, "Caller", lambda *args: caller)
        place = AzurePlace()
        place.session("eastus")
        _launches(azure, caller, folder)
        _preflights(azure, place, caller)
        _results(azure, place, caller)
        _run(azure, caller, folder)
        asked = {(method, path) for method, path, _ in azure.asked if path.startswith("/subscriptions/")}
        # What only the head calls is among its own rights (tests/stacks/azure_rules.py, `calls`).
        _end(azure, caller)
        return asked, caller.come_by


def _preflights(azure: Azure, place: AzurePlace, caller: Caller) -> None:
    """With everything there, so that whatever may be asked is asked."""
    azure_subscription.agree(azure)
    security = f"{VNET.partition('/providers/')[0]}/providers/Microsoft.Network/networkSecurityGroups/theirs"
    azure.pages[VNET] = azure_subscription.vnet(azure_subscription.subnet(networkSecurityGroup={"id": security}))
    azure.pages |= {ACCOUNT: {"location": "eastus", "properties": {}}, SHARE: {"properties": {}}, CONTAINER: {"properties": {}}}
    gallery = f"{SUB}/resourceGroups/o/providers/Microsoft.Compute/galleries/g/images/i"
    azure.pages[gallery] = {"properties": {}}
    images = (f"{SUB}/resourceGroups/o/providers/Microsoft.Compute/images/mine", f"{gallery}/versions/1.0.0", COMMUNITY)
    lustre = azure_subscription.EXISTING + "filesystems: {/scratch: {type: lustre, size: 4TiB}}\n"
    azure.pages[azure_subscription.SUBNETS_OF_LUSTRE] = None
    for text in (TEXT, EXISTING, lustre, *(f"{PLAIN}image: {image}\n" for image in images)):
        place.preflight(caller, design(text, "azure"))
    place.zones(caller, design(PLAIN.replace("nodes: 2", "nodes: 2, spot: only"), "azure"))


def _results(azure: Azure, place: AzurePlace, caller: Caller) -> None:
    """The preflight of a detached run."""
    accounts = f"{SUB}/providers/Microsoft.Storage/storageAccounts"
    account = f"{SUB}/resourceGroups/theirs/providers/Microsoft.Storage/storageAccounts/theirs"
    azure.pages[accounts] = {"value": [{"id": account, "name": "theirs"}]}
    azure.pages[f"{account}/blobServices/default/containers/results"] = {}
    where = "https://theirs.blob.core.windows.net/results"
    place.preflight(caller, design(PLAIN, "azure").model_copy(update={"results": where}))


def _launches(azure: Azure, caller: Caller, folder: Path) -> None:
    (folder / "data").write_text("x")
    told = made(PLAIN).outputs["attempts"]["cpu"][0]["template"]
    launcher.launch(["cpu-1", "cpu-2"], {**told, "custom_data": str(folder / "data")}, "on-demand", caller)
    launcher.end(["cpu-1", "cpu-2"], told, caller)


def _run(azure: Azure, caller: Caller, folder: Path) -> None:
    place, decided = AzurePlace(), design(PLAIN, "azure")
    azure.machines = {f"{RUN}-{name}": {} for name in ("head", "cpu-1")}
    for kind in ("roleDefinitions", "roleAssignments"):
        whole = f"{SUB}/providers/Microsoft.Authorization/{kind}"
        role = {"id": f"{whole}/r", "name": "r", "properties": {"description": described(decided)}}
        azure.pages |= {whole: {"value": [role]}, f"{whole}/r": role}
    azure.pages[GROUP] = group = {"id": GROUP, "name": RUN, "location": "eastus", "tags": tags(decided)}
    azure.pages[f"{SUB}/resourcegroups"] = {"value": [group]}
    security = f"{GROUP}/providers/Microsoft.Network/networkSecurityGroups/s"
    azure.pages[f"{security}/securityRules/ssh"] = {}
    azure.pages[f"{MACHINES}/{RUN}-head/retrieveBootDiagnosticsData"] = {}
    run = inventory(decided, folder).model_copy(update={"place": {"firewall": security}})
    place.console(caller, run, "head")
    place.allow(caller, run, ["198.51.100.4/32"])
    left = place.remains(caller, RUN)
    list(place.runs(caller))
    place.end_machines(caller, RUN)
    begun = Said(202, None, {"Location": f"{azure.url}{SUB}/operationresults/1"})
    azure.pages[f"{SUB}/operationresults/1"] = {}
    azure.troubles.append(lambda method, path: begun if (method, path) == ("DELETE", GROUP) else None)
    assert place.reap(caller, left) == ()


def _end(azure: Azure, caller: Caller) -> None:
    azure.group, azure.machines = "Succeeded", {f"{RUN}-head": {}, f"{RUN}-cpu-1": {}}
    azure.troubles.append(azure_api.always(azure_api.refusal(409, "ScopeLocked"), "DELETE", "/virtualMachines/"))
    azure.stays = True
    told = {"run": RUN, "subscription": SUBSCRIPTION, "group": RUN, "identity": "client"}
    with unittest.mock.patch.object(end_azure, "time", Still()):
        assert not end_azure.Ending(told, caller, launcher).all()


def needed(stack: Stack) -> set[str]:
    """Of what a program makes, reads and deletes."""
    wanted = {each for name, _ in stack.calls for each in FUNCTIONS[name.rpartition(":")[2]]}
    for kind in kinds(stack):
        wanted |= {f"{TYPES[kind][0]}/{verb}" for verb in ("read", "write", "delete")} if TYPES[kind][0] else set(WHOLE)
        wanted |= set(BESIDE.get(kind, ()))
    return wanted | ({ASSIGN} if any(each.inputs.get("identity") for each in stack.resources) else set())


def complaints(role: str, page: str, calls: set[tuple[str, str]], stacks: list[Stack]) -> list[str]:
    """What the role and the page have too little or too much of. Azure does not tell capital letters from small ones."""
    may = [each.lower() for each in json.loads(role)["Actions"]]
    wanted = {action(*call) for call in calls} | {each for stack in stacks for each in needed(stack)} | set(IMAGES)
    wanted = {each.lower() for each in wanted}
    types = {kind for stack in stacks for kind in kinds(stack)}
    wrong = [f"{each} is needed" for each in sorted(wanted - set(may))]
    wrong += [f"{each} is needed by nothing" for each in sorted(set(may) - wanted)]
    wrong += [
        f"{each} is no exact action"
        for each in may
        if not re.fullmatch(r"microsoft\.[a-z]+(/[a-z]+)+/(read|write|delete|action)", each)
    ]
    wrong += [f"{each} is there twice" for each in set(may) if may.count(each) > 1]
    wrong += [f"{kind} has no row" for kind in sorted(types - rows(page).keys())]
    wrong += [f"{kind} is made by no program" for kind in sorted(rows(page).keys() - types)]
    for kind, cells in rows(page).items():
        azure = TYPES.get(kind, ("", ""))[0].lower()
        free = not azure or azure in _FREE or azure.startswith("microsoft.authorization/")
        wrong += [f"{kind}: billed?" for _ in [0] if (cells[1] == "no") != free]
    head = page.partition("## What the head may do")[2].partition("\n## ")[0]
    allowed = {each for stack in stacks for each in granted(stack)}
    wrong += [f"the head: {each}" for each in sorted(allowed ^ set(re.findall(r"`(Microsoft\.[\w./]+)`", head)))]
    return wrong


def granted(stack: Stack) -> set[str]:
    """What all roles that the stack makes allow."""
    roles = [each for each in stack.resources if each.type.endswith(":RoleDefinition")]
    return {name for each in roles for permission in each.inputs["permissions"] for name in permission["actions"]}


@cache
def stacks() -> list[Stack]:
    own = PLAIN + f"image: {SUB}/resourceGroups/o/providers/Microsoft.Compute/images/mine\n"
    first = CLOUD.run(design(TEXT, "azure"), launches="head")
    return [*(made(text) for text in (*TEXTS, own)), first]


def test_the_role_and_the_page_are_the_programs(called: tuple[Any, Any]) -> None:
    assert complaints(ROLE.read_text(), PAGE.read_text(), called[0], stacks()) == []


def test_every_call_was_come_by(called: tuple[Any, set[watching.Site]]) -> None:
    own = [ROOT / "provisioner/launch/azure.py", ROOT / "provisioner/alone/end_azure.py"]
    modules = [*own, *sorted((ROOT / "provisioner/targets/azure").glob("*.py"))]
    assert watching.missed(modules, {"call", "listed", "found", "once"}, called[1]) == []
    assert len(watching.missed(modules, {"call", "listed", "found", "once"}, set())) > 15


@pytest.mark.parametrize(
    ("where", "right", "wrong", "words"),
    [
        ("role", '    "Microsoft.Compute/skus/read",\n', "", "microsoft.compute/skus/read is needed"),
        ("role", '    "Microsoft.Logic/workflows/write",\n', "", "microsoft.logic/workflows/write is needed"),
        (
            "role",
            "Microsoft.Compute/skus/read",
            "Microsoft.Compute/skus/write",
            "microsoft.compute/skus/write is needed by nothing",
        ),
        ("role", "Microsoft.Compute/skus/read", "Microsoft.Compute/*/read", "microsoft.compute/*/read is no exact action"),
        ("role", "Microsoft.Compute/skus/read", "Microsoft.Compute/disks/read", "microsoft.compute/disks/read is there twice"),
        ("page", "| `logic:Workflow`", "| `logic:Workflows`", "logic:Workflow has no row"),
        ("page", "| `logic:Workflow`", "| `logic:Workflows`", "logic:Workflows is made by no program"),
        ("page", "`managed-nfs` | by its size", "`managed-nfs` | no", "storage:FileShare: billed?"),
        ("page", "`Microsoft.Compute/disks/delete`", "", "the head: Microsoft.Compute/disks/delete"),
        (
            "page",
            "`Microsoft.Compute/virtualMachines/deallocate/action`",
            "",
            "the head: Microsoft.Compute/virtualMachines/deallocate/action",
        ),
    ],
)
def test_what_is_wrong_is_told(called: tuple[Any, Any], where: str, right: str, wrong: str, words: str) -> None:
    texts = {"role": ROLE.read_text(), "page": PAGE.read_text()}
    assert right in texts[where]
    texts[where] = texts[where].replace(right, wrong)
    assert words in complaints(texts["role"], texts["page"], called[0], stacks())


def test_a_call_that_is_not_allowed_is_told(called: tuple[Any, Any]) -> None:
    calls = {*called[0], ("POST", f"{MACHINES}/m/restart")}
    words = "microsoft.compute/virtualmachines/restart/action is needed"
    assert words in complaints(ROLE.read_text(), PAGE.read_text(), calls, stacks())


@pytest.mark.parametrize(
    ("text", "without"),
    [
        (NOBODY, "gateway tunnel acting identity end storage managed-nfs lustre bucket"),
        (EXISTING, "gateway tunnel identity storage managed-nfs lustre bucket"),
        (PLAIN, "gateway tunnel storage managed-nfs lustre bucket"),
        (TUNNELLED, "storage managed-nfs lustre bucket"),
    ],
)
def test_what_may_be_left_out(text: str, without: str) -> None:
    """By the table of the page; what has to stay for looking stays."""
    parts = parted()
    may = {each for name in parts.keys() - set(without.split()) for each in parts[name]}
    # A network's joins to what is not there are of parts that go with that.
    absent = {each for name in without.split() for each in parts[name] if each.endswith("natGateways/join/action")}
    assert {each.lower() for each in needed(made(text)) - absent} <= {each.lower() for each in may}
    assert set(without.split()) < parts.keys()


def parted() -> dict[str, list[str]]:
    """The page's table of the role's parts."""
    found = re.findall(r"^\| ([a-z-]+) \| [^|]+ \| (`Microsoft[^|]*`) \|$", PAGE.read_text(), re.MULTILINE)
    return {name: re.findall(r"`([^`]+)`", actions) for name, actions in found}


def test_the_parts_are_the_role() -> None:
    every = [each for actions in parted().values() for each in actions]
    assert sorted(every) == sorted(json.loads(ROLE.read_text())["Actions"])


def test_the_command_line_takes_the_file() -> None:
    """az role definition create: a role's keys, and where it may be assigned."""
    role = json.loads(ROLE.read_text())
    assert role.keys() == {
        "Name",
        "IsCustom",
        "Description",
        "Actions",
        "NotActions",
        "DataActions",
        "NotDataActions",
        "AssignableScopes",
    }
    assert role["AssignableScopes"] == ["/subscriptions/SUBSCRIPTION"]
    providers = {TYPES[kind][0].partition("/")[0] for stack in stacks() for kind in kinds(stack) if TYPES[kind][0]}
    registered = set(re.findall(r"Microsoft\.\w+", re.findall(r"^for name in (.*); do$", PAGE.read_text(), re.MULTILINE)[0]))
    assert registered == providers - {"Microsoft.Authorization"}
