"""What there is of a run: its resource group with everything in it, what carries its tags elsewhere, and roles.

A role definition belongs to the directory, and an assignment may lie at what is not the run's: both have no tags, and say in
their description whose they are (stack/identity.py, `described`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any
from urllib.parse import quote

from provisioner.launch import azure as launcher
from provisioner.stack.identity import EXPIRES, OWNER, RUN
from provisioner.targets.azure import faults
from provisioner.targets.azure.session import Caller
from provisioner.targets.base import Resource, Tagged
from provisioner.targets.cloud.faults import listed

# Azure Resource Manager's own and Microsoft.Authorization's versions.
RESOURCES, AUTHORIZATION = "2021-04-01", "2022-04-01"
GROUP, DEFINITION, ASSIGNMENT = (
    "resource group",
    "Microsoft.Authorization/roleDefinitions",
    "Microsoft.Authorization/roleAssignments",
)

# Types that cost nothing while they lie there; of any other it is taken that they do. By the pricing pages: "Virtual Network"
# (networks, interfaces, security groups, routes), "Logic Apps" (consumption: by its runs), "Virtual Machines" (sets and
# placement groups are not priced). Billed as long as they exist, used or not: machines that are not deallocated, disks, public
# addresses of SKU Standard ("IP Addresses": static), NAT gateways ("Azure NAT Gateway": resource hours), Bastion ("Azure
# Bastion": from its deployment), storage and Lustre by their sizes.
_FREE = {
    "microsoft.compute/availabilitysets",
    "microsoft.compute/proximityplacementgroups",
    "microsoft.logic/workflows",
    "microsoft.managedidentity/userassignedidentities",
    "microsoft.network/networkinterfaces",
    "microsoft.network/networksecuritygroups",
    "microsoft.network/routetables",
    "microsoft.network/virtualnetworks",
}
# Listed by their own services, too: the common index is minutes behind ("Resources - List").
_DIRECT = (
    ("Microsoft.Compute/virtualMachines", launcher.COMPUTE),
    ("Microsoft.Compute/disks", "2024-03-02"),
    ("Microsoft.Network/networkInterfaces", launcher.NETWORK),
    ("Microsoft.Network/publicIPAddresses", launcher.NETWORK),
)


def remains(caller: Caller, run_id: str) -> tuple[Resource, ...]:
    """Everything of the run, each once, billed first; what could not be asked is `unknown`. Raises launch.azure's Refused
    where nothing could be."""
    found: dict[str, Resource] = {}
    group = caller.group(run_id)
    asked: dict[str, Callable[[], Iterable[Resource]]] = {
        "resource groups": lambda: _groups(caller, run_id),
        f"what lies in {run_id}": lambda: _inside(
            caller, run_id, lambda: _resources(caller, caller.listed(f"{group}/resources", RESOURCES))
        ),
        **{
            f"{kind} of {run_id}": partial(_inside, caller, run_id, partial(_direct, caller, group, kind, version))
            for kind, version in _DIRECT
        },
        "what has its tags": lambda: _tagged(caller, run_id),
        "role definitions": lambda: _roles(caller, run_id, DEFINITION, _definitions),
        "role assignments": lambda: _roles(caller, run_id, ASSIGNMENT, _assignments),
    }
    for resource in listed(asked, caller.region, lambda problem: ": ".join(faults.told(problem))):
        found.setdefault(resource.id.lower(), resource)
    return tuple(sorted(found.values(), key=lambda resource: (not resource.billed, resource.kind, resource.id)))


def machines(caller: Caller, run_id: str) -> list[str]:
    """The names of the run's machines without its id: `head`, `cpu-1`."""
    listed = caller.listed(f"{caller.group(run_id)}/providers/Microsoft.Compute/virtualMachines", launcher.COMPUTE)
    return [str(each["name"]).lower().removeprefix(f"{run_id}-") for each in listed]


def runs(caller: Caller) -> Iterator[Tagged]:
    """By the tags of the subscription's resource groups, and by what roles say of themselves where no group is left."""
    tagged = quote(f"tagName eq '{RUN}'")
    for group in caller.listed(f"{caller.root}/resourcegroups?$filter={tagged}", RESOURCES):
        yield from _run(group.get("tags") or {}, group["location"])
    for role in (*_definitions(caller), *_assignments(caller)):
        yield from _run(_described(role))


def _run(told: dict[str, str], region: str = "") -> Iterator[Tagged]:
    expires = told.get(EXPIRES, "")
    if told.get(RUN):
        ends = int(expires) if expires.isdigit() else 0
        yield Tagged(run_id=told[RUN], owner=told.get(OWNER, ""), expires=ends, state="", region=region)


def own_group(caller: Caller, run_id: str) -> dict[str, Any] | None:
    """The run's, by its name. It got its tags in the call that made it: one without them is somebody else's."""
    told = caller.call("GET", caller.group(run_id), RESOURCES, absent=True)
    ours = told.status == 200 and (told.told.get("tags") or {}).get(RUN) == run_id
    return dict(told.told) if ours else None


def _inside(caller: Caller, run_id: str, listed: Callable[[], Iterable[Resource]]) -> Iterable[Resource]:
    return listed() if own_group(caller, run_id) is not None else ()


def _groups(caller: Caller, run_id: str) -> Iterator[Resource]:
    """The run's own, by its name; and whatever else has its tags, with which goes what lies in it."""
    own = own_group(caller, run_id)
    by_tag = caller.listed(f"{caller.root}/resourcegroups?$filter={quote(_of(run_id))}", RESOURCES)
    for group in {each["id"].lower(): each for each in (*by_tag, *([own] if own is not None else []))}.values():
        yield Resource(kind=GROUP, id=group["id"], name=group["name"], region=caller.region)


def _direct(caller: Caller, group: str, kind: str, version: str) -> Iterator[Resource]:
    return _resources(caller, caller.listed(f"{group}/providers/{kind}", version), kind)


def _tagged(caller: Caller, run_id: str) -> Iterator[Resource]:
    return _resources(caller, caller.listed(f"{caller.root}/resources?$filter={quote(_of(run_id))}", RESOURCES))


def _resources(caller: Caller, listed: Iterable[dict[str, Any]], kind: str = "") -> Iterator[Resource]:
    for each in listed:
        what = str(kind or each["type"])
        yield Resource(kind=what, id=each["id"], name=each["name"], billed=what.lower() not in _FREE, region=caller.region)


def _roles(caller: Caller, run_id: str, kind: str, roles: Callable[[Caller], Iterable[dict[str, Any]]]) -> Iterator[Resource]:
    for role in roles(caller):
        if _described(role).get(RUN) == run_id:
            name = str(role["properties"].get("roleName") or role["name"])
            yield Resource(kind=kind, id=role["id"], name=name, region=caller.region)


def _definitions(caller: Caller) -> list[dict[str, Any]]:
    path = f"{caller.root}/providers/{DEFINITION}"
    # Those that can be assigned only in a group are below the subscription ("Role Definitions - List").
    return caller.listed(f"{path}?$filter={quote('atScopeAndBelow()')}", AUTHORIZATION)


def _assignments(caller: Caller) -> list[dict[str, Any]]:
    return caller.listed(f"{caller.root}/providers/{ASSIGNMENT}", AUTHORIZATION)


def _described(role: dict[str, Any]) -> dict[str, str]:
    words = str(role["properties"].get("description") or "").split()
    return dict(word.split("=", 1) for word in words if "=" in word)


def _of(run_id: str) -> str:
    return f"tagName eq '{RUN}' and tagValue eq '{run_id}'"
