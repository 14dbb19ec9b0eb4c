"""What Azure's machines are told, and that what the program made is launched, seen and deleted."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import azure_api
import pytest
from azure.mgmt.compute import models as compute_models
from azure_models import complaints
from making import design

from provisioner.launch import azure as launcher
from provisioner.stack.identity import described, tags
from provisioner.targets.azure import listing, reaping
from provisioner.targets.azure.session import Caller
from provisioner.targets.cloud import target
from provisioner.targets.cloud.layout import Layout
from tests.stacks.azure import CLOUD, EXISTING, TEXT
from tests.stacks.azure_answers import SUBSCRIPTION, name_of, os_profile, templates, unpacked
from tests.stacks.azure_made import GROUP, PLAIN, head, made, only, phases
from tests.stacks.contract import mutated
from tests.stacks.programs import KEYS

# --- what machines are told -------------------------------------------------------------------------------------------


def test_the_head_knows_how_to_launch() -> None:
    stack = made(TEXT, launches="head")
    told = head(stack)
    launch = json.loads(told["files"]["/opt/burst/launch.json"]["content"])
    assert (launch["launcher"], launch["scontrol"]) == ("azure", ["scontrol"])
    without = {
        group: [{**each, "template": {k: v for k, v in each["template"].items() if k != "seam"}} for each in attempts]
        for group, attempts in stack.outputs["attempts"].items()
    }
    assert launch["groups"] == without
    assert told["files"]["/opt/burst/compute"]["owner"] == "slurm"
    assert told["files"]["/opt/burst/compute"]["permissions"] == "0600"
    assert "first" in phases(told)
    assert "/opt/burst/launch/azure.py" in told["files"]
    assert "first" not in phases(head(made(TEXT)))


def test_the_head_knows_how_its_run_ends() -> None:
    files = head(made(TEXT))["files"]
    told = json.loads(files["/opt/burst/end.json"]["content"])
    assert (
        told.pop("identity") == json.loads(files["/opt/burst/launch.json"]["content"])["groups"]["cpu"][0]["template"]["identity"]
    )
    assert told == {"run": "test-abc234", "subscription": SUBSCRIPTION, "group": "test-abc234"}
    assert "class Ending" in files["/opt/burst/launch/end_azure.py"]["content"]
    assert "/opt/burst/end.json" in head(made(EXISTING))["files"]
    assert "/opt/burst/end.json" not in head(made(f"{PLAIN}identity: none\n"))["files"]


@pytest.mark.parametrize(
    ("mutation", "complaint"),
    [
        (("identity.py", "deallocate/action", "powerOff/action"), "deallocate/action, and may not"),
        (("identity.py", "END = (*GROUP, ", "END = ("), "resourcegroups/delete, and may not"),
        (
            ("identity.py", "END = (*GROUP, ", 'END = (*GROUP, "Microsoft.Resources/subscriptions/resourceGroups/write", '),
            "never calls it",
        ),
    ],
)
def test_a_role_that_cannot_end_its_run_is_complained_of(tmp_path: Path, mutation: tuple[str, str, str], complaint: str) -> None:
    decided = design(TEXT, "azure")
    wrong = CLOUD.rules["calls"].check(CLOUD.run(decided, mutated(CLOUD.folder, tmp_path, mutation)), decided)
    assert [each for each in wrong if complaint in each], wrong


def test_the_head_launches_login_nodes_where_no_client_does() -> None:
    alone, client = made(TEXT, launches="head"), made(TEXT)
    login = unpacked(base64.b64decode(head(alone)["files"]["/opt/burst/login"]["content"]))
    assert phases(login)[-1] == "login"
    assert "/opt/burst/login" not in head(client)["files"]
    granted = []
    for stack in (alone, client):
        (role,) = [each for each in stack.of(":RoleDefinition") if each.name == "head-role"]
        granted.append(set(role.inputs["permissions"][0]["actions"]))
    more = {f"Microsoft.Network/publicIPAddresses/{verb}" for verb in ("delete", "join/action", "read", "write")}
    assert granted[0] - granted[1] == more


def test_the_client_tells_its_nodes_what_the_head_would(tmp_path: Path) -> None:
    stack, decided = made(TEXT), design(TEXT, "azure")
    layout = Layout(tmp_path / decided.run.id)
    target._keep_user_data(layout, decided, tmp_path, KEYS, stack.outputs)
    kept = layout.user_data("compute")
    assert kept.read_bytes() == base64.b64decode(head(stack)["files"]["/opt/burst/compute"]["content"])
    assert kept.stat().st_mode & 0o777 == 0o600
    assert "/opt/burst/join.sh" not in unpacked(layout.user_data("login").read_bytes())["files"]


def test_user_data_is_small_enough() -> None:
    """64 KiB before base64 ("Custom data and cloud-init on Azure virtual machines")."""
    custom_data = os_profile(only(made(TEXT, launches="head"), "VirtualMachine"))["customData"]
    assert len(base64.b64decode(custom_data)) < 64 * 1024


# --- launched, seen and deleted ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", [TEXT, EXISTING])
def test_the_vendor_knows_every_field_of_a_machine(text: str) -> None:
    for _, market, told in templates(made(text)):
        body = launcher._request(told, "test-abc234-cpu-1", market, "")
        assert complaints(body, compute_models, "VirtualMachine") == []


def test_what_the_program_says_is_launched_and_ended(tmp_path: Path) -> None:
    (tmp_path / "compute").write_bytes(b"")
    with azure_api.serving() as azure:
        session = launcher.Session(lambda: "token", azure.url, sleep=lambda seconds: None)
        for group, market, told in templates(made(TEXT)):
            template = {**told, "custom_data": str(tmp_path / "compute")}
            assert launcher.launch([f"{group}-1", f"{group}-2"], template, market, session).keys() == {f"{group}-1", f"{group}-2"}
            launcher.end([f"{group}-1", f"{group}-2"], template, session)
        assert (azure.machines, azure.wrong) == ({}, [])


# What has no listing of its own goes with its parent.
WITHIN = ("FileShare", "BlobContainer")


@pytest.mark.parametrize("text", [TEXT, EXISTING, f"{PLAIN}network: {{access: tunnel, egress: gateway}}\n"])
def test_whatever_is_made_is_seen_and_deleted(text: str) -> None:
    stack, decided = made(text), design(text, "azure")
    with azure_api.serving() as azure:
        root = f"/subscriptions/{SUBSCRIPTION}"
        items: dict[str, list[Any]] = {f"{GROUP}/resources": []}
        for each in stack.resources:
            kind = each.type.rpartition(":")[2]
            if kind == "ResourceGroup":
                azure.pages[each.id] = {"id": each.id, "name": name_of(each), "location": "eastus", "tags": tags(decided)}
            elif kind.startswith("Role"):
                role = {
                    "id": each.id,
                    "name": each.name,
                    "properties": {"description": described(decided), "roleName": each.name},
                }
                items.setdefault(f"{root}/providers/Microsoft.Authorization/{kind[0].lower()}{kind[1:]}s", []).append(role)
            elif kind not in WITHIN:
                azure_type = "/".join(each.id.partition("/providers/")[2].split("/")[:2])
                items[f"{GROUP}/resources"].append({"id": each.id, "name": name_of(each), "type": azure_type})
        azure.pages |= {path: {"value": value} for path, value in items.items()}
        caller = Caller(SUBSCRIPTION, "eastus", lambda: "token", azure.url, sleep=lambda seconds: None)
        seen = listing.remains(caller, decided.run.id)
        assert {each.id for each in seen} == {each.id for each in stack.resources if not each.type.endswith(WITHIN)}
        assert reaping.reap(caller, seen) == ()
        unknown = {each.kind.lower() for each in seen} - reaping._BY_KIND.keys()
        assert unknown == set()
        billed = {each.kind.rpartition("/")[2] for each in seen if each.billed}
        assert billed <= {
            "virtualMachines",
            "publicIPAddresses",
            "natGateways",
            "bastionHosts",
            "storageAccounts",
            "amlFilesystems",
        }
