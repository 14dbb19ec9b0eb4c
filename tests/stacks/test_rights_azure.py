"""What the preflight asks of the caller's rights (targets/azure/rights.py) is what the program makes, what machines are launched
with and what the target calls: for each file no less and no more.
"""

from __future__ import annotations

import json

import pytest
from making import design

from provisioner.targets.azure import rights
from tests.stacks.azure import EXISTING, TEXT
from tests.stacks.azure_actions import BESIDE, action
from tests.stacks.azure_answers import IDENTITY, VNET, interface, templates
from tests.stacks.azure_made import GROUP, PLAIN
from tests.stacks.azure_rules import called
from tests.stacks.programs import Stack
from tests.stacks.test_docs_azure import NOBODY, RDMA, TUNNELLED, made, needed, parted

GATEWAY = PLAIN + "network: {egress: gateway}\n"
LOGIN = PLAIN + "login: {nodes: 2}\n"
SHARES = PLAIN + "filesystems: {/files: {type: managed-nfs, size: 100GiB}}\n"
THERE = PLAIN + f"network: {{id: {VNET}, subnet: theirs, access: tunnel}}\nfilesystems: {{/data: {{type: bucket}}}}\n"
# What the target calls beside making and deleting (targets/azure/target.py): the console, and SSH from another address.
_TARGET = (
    ("POST", f"{GROUP}/providers/Microsoft.Compute/virtualMachines/head/retrieveBootDiagnosticsData"),
    ("PUT", f"{GROUP}/providers/Microsoft.Network/networkSecurityGroups/s/securityRules/ssh"),
)


def launched(stack: Stack) -> set[str]:
    """Of nodes and login nodes; each with a disk and an interface that are deleted with it."""
    found = {each for _, _, told in templates(stack) for each in called(told)} | set(BESIDE["compute:VirtualMachine"])
    if any("publicIPAddressConfiguration" in json.dumps(interface(told)) for _, _, told in templates(stack)):
        found |= {f"Microsoft.Network/publicIPAddresses/{verb}" for verb in ("read", "write", "delete", "join/action")}
    return found


def expected(stack: Stack) -> set[str]:
    """Without joining what is not there: of a type tests/stacks/azure_actions.py has all that it may be joined to."""
    wanted = {each.lower() for each in (*needed(stack), *launched(stack), *(action(*call) for call in _TARGET))}
    there = {each.rpartition("/")[0] for each in wanted if each.endswith("/write")}
    joined = {each for each in wanted if each.endswith("/join/action")}
    return {each for each in wanted if each not in joined or each.removesuffix("/join/action") in there or "subnets" in each}


@pytest.mark.parametrize("text", [TEXT, EXISTING, PLAIN, TUNNELLED, RDMA, NOBODY, GATEWAY, LOGIN, SHARES, THERE])
def test_no_less_and_no_more_than_is_made(text: str) -> None:
    looking = {each.lower() for name in ("looking", "chances") for each in parted()[name]}
    wanted = {name.lower() for name, _ in rights.wanted(design(text, "azure"))}
    assert wanted - looking == expected(made(text)) - looking


def test_the_role_has_all_of_it() -> None:
    role = {each.lower() for actions in parted().values() for each in actions}
    for text in (TEXT, EXISTING, TUNNELLED, GATEWAY, THERE):
        assert {name.lower() for name, _ in rights.wanted(design(text, "azure"))} <= role


def test_what_a_file_names_needs_rights_there() -> None:
    there = {(name, where) for name, where in rights.wanted(design(EXISTING, "azure")) if where}
    assert there == {
        ("Microsoft.Network/virtualNetworks/subnets/read", f"{VNET}/subnets/theirs"),
        ("Microsoft.Network/virtualNetworks/subnets/join/action", f"{VNET}/subnets/theirs"),
        ("Microsoft.ManagedIdentity/userAssignedIdentities/assign/action", IDENTITY),
    }
    stored = {name for name, where in rights.wanted(design(THERE, "azure")) if where == f"{VNET}/subnets/theirs"}
    assert {name.rpartition("subnets/")[2] for name in stored} == {
        "read",
        "join/action",
        "joinViaServiceEndpoint/action",
    }
