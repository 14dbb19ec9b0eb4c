"""Deleting what was left: assignments first, then whole groups, then what lies elsewhere, and role definitions last."""

from __future__ import annotations

from collections.abc import Sequence

from provisioner.launch import azure as launcher
from provisioner.targets.azure.listing import ASSIGNMENT, AUTHORIZATION, DEFINITION, GROUP, RESOURCES
from provisioner.targets.azure.session import Caller
from provisioner.targets.base import Resource

# What is in use is let go of in a while: an interface for 180 s after its machine (NicReservedForAnotherVm), a role
# definition until its assignments are known to have gone (RoleDefinitionHasAssignments).
_ROUNDS, _PAUSE = 6, 30.0
# Machines are ended at once, not shut down first ("Resource Groups - Delete").
_FORCED = "forceDeletionTypes=Microsoft.Compute/virtualMachines"
# In the order in which they let go of one another, with a version of each service.
_VERSIONS = {
    ASSIGNMENT: AUTHORIZATION,
    GROUP: RESOURCES,
    "Microsoft.Compute/virtualMachines": launcher.COMPUTE,
    "Microsoft.Network/bastionHosts": launcher.NETWORK,
    "Microsoft.Network/networkInterfaces": launcher.NETWORK,
    "Microsoft.StorageCache/amlFilesystems": "2024-03-01",
    "Microsoft.Compute/disks": "2024-03-02",
    "Microsoft.Network/virtualNetworks": launcher.NETWORK,
    "Microsoft.Network/natGateways": launcher.NETWORK,
    "Microsoft.Network/publicIPAddresses": launcher.NETWORK,
    "Microsoft.Network/networkSecurityGroups": launcher.NETWORK,
    "Microsoft.Network/routeTables": launcher.NETWORK,
    "Microsoft.Compute/availabilitySets": launcher.COMPUTE,
    "Microsoft.Compute/proximityPlacementGroups": launcher.COMPUTE,
    "Microsoft.Storage/storageAccounts": "2024-01-01",
    "Microsoft.Logic/workflows": "2019-05-01",
    "Microsoft.ManagedIdentity/userAssignedIdentities": "2023-01-31",
    DEFINITION: AUTHORIZATION,
}
_ORDER = {kind.lower(): i for i, kind in enumerate(_VERSIONS)}
_BY_KIND = {kind.lower(): version for kind, version in _VERSIONS.items()}


def reap(caller: Caller, resources: Sequence[Resource]) -> tuple[Resource, ...]:
    """What is left after several rounds; a type that is not known here goes with its group alone."""
    groups = tuple(f"{each.id.lower()}/" for each in resources if each.kind == GROUP)
    left = sorted(resources, key=lambda each: _ORDER.get(each.kind.lower(), len(_ORDER)))
    for again in range(_ROUNDS):
        # What lies in a group goes with it; an assignment there would hold its role's definition until then.
        gone = {each.id for each in left if _deleted(caller, each, groups)}
        left = [each for each in left if each.id not in gone]
        ended = not any(each.kind == GROUP for each in left)
        left = [each for each in left if not (ended and each.kind != ASSIGNMENT and each.id.lower().startswith(groups))]
        if not left:
            break
        if again < _ROUNDS - 1:
            caller.pause(_PAUSE)
    return tuple(left)


def _deleted(caller: Caller, resource: Resource, groups: tuple[str, ...]) -> bool:
    version = _BY_KIND.get(resource.kind.lower())
    inside = bool(groups) and resource.id.lower().startswith(groups) and resource.kind != ASSIGNMENT
    if version is None or inside:
        return False
    try:
        path = f"{resource.id}?{_FORCED}" if resource.kind == GROUP else resource.id
        caller.wait(caller.call("DELETE", path, version, absent=True))
    except launcher.Refused:
        return False
    return True
