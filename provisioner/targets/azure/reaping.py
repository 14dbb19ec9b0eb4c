"""Deleting what was left: assignments first, then whole groups, then what lies elsewhere, and role definitions last.

What Azure's codes mean is in faults.py.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from provisioner.launch import azure as launcher
from provisioner.targets.azure import faults
from provisioner.targets.azure.listing import ASSIGNMENT, AUTHORIZATION, DEFINITION, GROUP, RESOURCES
from provisioner.targets.azure.session import Caller
from provisioner.targets.base import Resource
from provisioner.targets.cloud.faults import GONE, IN_USE, final, kept

# What is in use is let go of in a while: an interface for 180 s after its machine (NicReservedForAnotherVm), a role
# definition until its assignments are known to have gone (RoleDefinitionHasAssignments).
_ROUNDS, _PAUSE = 6, 30.0
_AT_ONCE = 8
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
    """What is left after several rounds, each with what Azure said of it.

    What lies in a group goes with it. A group that does not go is refused as a whole, for one lock or one thing in use in it
    ("Azure Resource Manager resource group and resource deletion"): then what lies in it is deleted one by one.
    """
    left, stay = tuple(sorted(resources, key=_order)), tuple[Resource, ...]()
    blocked: set[str] = set()
    for again in range(_ROUNDS):
        left = _round(caller, left, blocked)
        # What is denied stays denied, and is not asked for again.
        stay, left = (*stay, *filter(final, left)), tuple(each for each in left if not final(each))
        if not left:
            break
        if again < _ROUNDS - 1:
            caller.pause(_PAUSE)
    whole = (*stay, *left)
    here = {_inside(each) for each in whole if each.kind == GROUP}
    gone = tuple({_inside(each) for each in resources if each.kind == GROUP} - here)
    return tuple(each for each in whole if each.kind == ASSIGNMENT or not each.id.lower().startswith(gone))


def _round(caller: Caller, resources: Sequence[Resource], blocked: set[str]) -> tuple[Resource, ...]:
    """Once through. `blocked` are the groups, as the beginning of what lies in them, that do not go as a whole."""
    left: list[Resource] = []
    groups = {_inside(each) for each in resources if each.kind == GROUP}
    for _, level in itertools.groupby(resources, key=_order):
        some = [each for each in level if _alone(each) or not each.id.lower().startswith(tuple(groups - blocked))]
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            kept_back = [each for each in pool.map(lambda each: _tried(caller, each), some) if each is not None]
        blocked -= {_inside(each) for each in some if each.kind == GROUP}
        blocked |= {_inside(each) for each in kept_back if each.kind == GROUP}
        left += kept_back
    return tuple(left)


def _order(resource: Resource) -> int:
    return _ORDER.get(resource.kind.lower(), len(_ORDER))


def _inside(group: Resource) -> str:
    return f"{group.id.lower()}/"


def _alone(resource: Resource) -> bool:
    """Whether it is deleted by itself though it may lie in a group: an assignment there would hold its role's definition."""
    return resource.kind in (GROUP, ASSIGNMENT)


def _tried(caller: Caller, resource: Resource) -> Resource | None:
    """None once it has gone; else itself, with why not."""
    version = _BY_KIND.get(resource.kind.lower())
    if version is None:
        return kept(resource, IN_USE, "nobody here knows how to delete it but with its group")
    try:
        path = f"{resource.id}?{_FORCED}" if resource.kind == GROUP else resource.id
        caller.wait(caller.call("DELETE", path, version, absent=True))
    except launcher.Refused as problem:
        meaning, words = faults.told(problem)
        return None if meaning == GONE else kept(resource, meaning, words)
    return None
