"""Whether the caller may make what a design has, before anything of it is made.

`wanted` says which actions that takes, for this design and no other; docs/clouds/azure-role.json has those of all designs.
tests/stacks/test_rights_azure.py compares both with what the programs make and what is called.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Collection, Iterable, Iterator
from typing import Any

from provisioner.design.model import Design
from provisioner.findings import Finding, error
from provisioner.targets.azure.asked import Asked, subnet_of
from provisioner.targets.checks import side_by_side

_ALL = ("read", "write", "delete")
_NETWORK, _COMPUTE, _STORAGE = "Microsoft.Network", "Microsoft.Compute", "Microsoft.Storage/storageAccounts"
_USER_IDENTITY = "Microsoft.ManagedIdentity/userAssignedIdentities"
_READ = f"{_NETWORK}/virtualNetworks/subnets/read"
_JOIN = f"{_NETWORK}/virtualNetworks/subnets/join/action"
_VIA_ENDPOINT = f"{_NETWORK}/virtualNetworks/subnets/joinViaServiceEndpoint/action"
_ASSIGN = f"{_USER_IDENTITY}/assign/action"
_ROLES = tuple(f"Microsoft.Authorization/{kind}/{verb}" for kind in ("roleDefinitions", "roleAssignments") for verb in _ALL)
# Of every design: the group, the head, nodes with their disks, interfaces and firewalls, the serial console.
_ALWAYS = (
    *(f"Microsoft.Resources/subscriptions/resourceGroups/{verb}" for verb in _ALL),
    *(f"{_COMPUTE}/{kind}/{verb}" for kind in ("virtualMachines", "disks") for verb in _ALL),
    f"{_COMPUTE}/virtualMachines/retrieveBootDiagnosticsData/action",
    *(f"{_NETWORK}/{kind}/{verb}" for kind in ("networkInterfaces", "networkSecurityGroups") for verb in (*_ALL, "join/action")),
    f"{_NETWORK}/networkSecurityGroups/securityRules/write",
)
# A role of whoever may make roles: others assign what is there, or nothing.
_ROLE_MAKER = "User Access Administrator"
_SHOWN = 6


def wanted(design: Design) -> frozenset[tuple[str, str]]:
    """(action, where it is needed): where is "" for the subscription, in which the run's own group will be, else the id of
    what a file names. "Azure permissions" has the actions of each provider.
    """
    own = dict.fromkeys((*_ALWAYS, *_network(design), *_identity(design), *_stored(design)), "")
    subnet = subnet_of(design) or ""
    there = [(_JOIN, subnet)]
    if subnet or any(fs.type == "lustre" and fs.id is None for fs in design.filesystems):
        there.append((_READ, subnet))
    if any(fs.type in ("managed-nfs", "bucket") and fs.id is None for fs in design.filesystems):
        there.append((_VIA_ENDPOINT, subnet))
    if design.identity.create or design.identity.id:
        there.append((_ASSIGN, design.identity.id or ""))
    return frozenset([*own.items(), *there])


def _network(design: Design) -> Iterator[str]:
    own, asked = design.network.id is None, design.network
    bastion = own and asked.access == "tunnel"
    gateway = own and (bastion or asked.egress == "gateway")
    made = {
        "virtualNetworks": own,
        "routeTables": own and asked.egress == "head",
        "natGateways": gateway,
        "bastionHosts": bastion,
        "publicIPAddresses": asked.access == "public" or gateway,
    }
    for kind in (kind for kind, wanted in made.items() if wanted):
        # What is in others, or before them, is joined to them.
        verbs = _ALL if kind in ("virtualNetworks", "bastionHosts") else (*_ALL, "join/action")
        yield from (f"{_NETWORK}/{kind}/{verb}" for verb in verbs)
    if any(node.fabric == "infiniband" and group.fabric == "auto" for group in design.groups for node in group.alternatives):
        yield from (f"{_COMPUTE}/availabilitySets/{verb}" for verb in _ALL)


def _identity(design: Design) -> Iterator[str]:
    if design.identity.create and design.identity.id is None:
        yield from _ROLES
        yield from (f"{_USER_IDENTITY}/{verb}" for verb in _ALL)
    if design.identity.create or design.identity.id:
        yield from (f"Microsoft.Logic/workflows/{verb}" for verb in _ALL)


def _stored(design: Design) -> Iterator[str]:
    kinds = {fs.type for fs in design.filesystems if fs.id is None}
    if kinds & {"managed-nfs", "bucket"}:
        yield from (f"{_STORAGE}/{verb}" for verb in _ALL)
    if "managed-nfs" in kinds:
        yield from (f"{_STORAGE}/fileServices/shares/{verb}" for verb in _ALL)
    if "bucket" in kinds:
        yield from (f"{_STORAGE}/blobServices/containers/{verb}" for verb in _ALL)
    if "lustre" in kinds:
        yield from (f"Microsoft.StorageCache/amlFilesystems/{verb}" for verb in _ALL)


def permissions(asked: Asked) -> Iterator[Finding]:
    """What the caller may not do of that which the design needs.

    By the roles that he has ("Permissions"): of an assignment's condition, of a deny assignment, of
    a policy and of a lock the answer says nothing, so what is found here is surely missing, and not all that is missing is
    found.
    """
    missing = _missing(asked, (each for each in wanted(asked.design) if each[0] not in _ROLES))
    for where in sorted({at for _, at in missing}):
        names = sorted(action for action, at in missing if at == where)
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        scope = where or asked.caller.root
        fix = f"az role assignment create --assignee YOU --role Contributor --scope {scope}; or the role of docs/clouds/azure.md"
        said = f"the caller may not do {', '.join(names[:_SHOWN])}{more}"
        yield error("permissions", f"{said} at {where}" if where else said, fix)


def identity(asked: Asked) -> Iterator[Finding]:
    """Making the head's role needs rights that a Contributor has not; and an identity that the file names has to be there."""
    design = asked.design
    missing = _missing(asked, (each for each in wanted(design) if each[0] in _ROLES))
    if missing:
        names = ", ".join(sorted(action for action, _ in missing))
        role = f"az role assignment create --assignee YOU --role '{_ROLE_MAKER}' --scope {asked.caller.root}"
        yield error("identity", f"the caller may not do {names}", f"{role}; or say identity: an id, or identity: none")
    if design.identity.id and asked.caller.found(design.identity.id, "2023-01-31") is None:
        yield error("id", f"{design.identity.id} is not there", "az identity list --query [].id")


def _missing(asked: Asked, needed: Iterable[tuple[str, str]]) -> set[tuple[str, str]]:
    """What is allowed at the subscription is allowed in it; for the rest what a file names has roles of its own."""
    left = {each for each in needed if not allows(asked.permissions, each[0])}
    places = sorted({where for _, where in left if where})
    there = dict(zip(places, side_by_side(asked.permissions_at, places), strict=True))
    return {(action, where) for action, where in left if not allows(there.get(where, ()), action)}


def allows(granted: Collection[dict[str, Any]], action: str) -> bool:
    """Whether one of the roles allows it: an action of its own without its own notActions ("Understand Azure role
    definitions": NotActions is no deny rule). Azure does not tell capital letters from small ones.
    """
    return any(
        _any_of(each.get("actions") or (), action) and not _any_of(each.get("notActions") or (), action) for each in granted
    )


def _any_of(patterns: Iterable[str], action: str) -> bool:
    return any(fnmatch.fnmatchcase(action.lower(), pattern.lower()) for pattern in patterns)
