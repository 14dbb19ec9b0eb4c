"""The preflight: what speaks against a design, asked of Azure all at once. Nothing is made, and nothing is changed."""

from __future__ import annotations

import fnmatch
import shutil
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from functools import cached_property, partial
from typing import Any

from provisioner.design.model import Design, Node
from provisioner.errors import Kind
from provisioner.findings import Finding, error, info, warning
from provisioner.launch import azure as launcher
from provisioner.targets import checks
from provisioner.targets.azure import results as container
from provisioner.targets.azure.session import Caller

_GIB = 2**30
# "Azure managed disk types": an OS disk; "Naming rules and restrictions": a Linux machine's name.
_LARGEST_DISK, _LONGEST_NAME = 4095, 64
_SKUS = "2021-07-01"  # of Microsoft.Compute/skus alone
_PROVIDERS = "2021-04-01"


class Asked:
    """What several checks look at is asked once."""

    def __init__(self, caller: Caller, design: Design) -> None:
        self.caller, self.design = caller, design

    @cached_property
    def sizes(self) -> dict[str, dict[str, Any]]:
        """The machine types of the region by name ("Resource Skus - List")."""
        path = f"{self.caller.root}/providers/Microsoft.Compute/skus?$filter=location%20eq%20'{self.caller.region}'"
        return {each["name"]: each for each in self.caller.listed(path, _SKUS) if each.get("resourceType") == "virtualMachines"}

    def machines(self) -> Iterator[tuple[Node, int, int, str]]:
        """(type, least, most, market) of everything; of a group the type that is tried first."""
        yield self.design.head, 1, 1, "never"
        if self.design.login:
            yield self.design.login.node, self.design.login.nodes, self.design.login.nodes, "never"
        for group in self.design.groups:
            yield group.alternatives[0], group.min, group.max, group.spot


Check = Callable[[Asked], Iterable[Finding]]


def preflight(caller: Caller, design: Design, skip: Collection[str] = ()) -> tuple[Finding, ...]:
    """Every check's findings, in their order; a check that Azure refuses to answer is a finding itself."""
    asked = Asked(caller, design)
    return checks.ask([(name, partial(check, asked)) for name, check in CHECKS], skip, _unchecked)


def _unchecked(name: str, problem: Exception) -> Finding | None:
    if not isinstance(problem, launcher.Refused):
        return None
    say = error if problem.kind == Kind.AUTH.value else warning
    fix = f"az login, and the right to read the subscription; or leave it out: --skip {name}"
    return say("unchecked", f"{name} could not be checked: {problem}", fix)


def known_beforehand(asked: Asked) -> Iterator[Finding]:
    """What needs no answer of Azure's."""
    design = asked.design
    longest = max(len(f"{design.run.id}-{group.name}-{group.max}") for group in design.groups)
    if longest > _LONGEST_NAME:
        yield error("name", f"a machine's name would have {longest} letters, Azure takes {_LONGEST_NAME}", "shorten the names")
    disk = -(-design.head_storage // _GIB)
    if disk > _LARGEST_DISK:
        fix = "make a folder of type managed-nfs"
        yield error("head-disk", f"the head's disk would have {disk} GiB, Azure's largest has {_LARGEST_DISK}", fix)
    if design.identity.boundary:
        yield warning("identity", "identity.boundary is AWS's: Azure has none", "leave it out")
    yield from _without_roles(design)
    yield from _billed_beside(design)


def _without_roles(design: Design) -> Iterator[Finding]:
    if design.identity.create or design.identity.id:
        return
    message = "with identity: none nobody may delete the run at its expiry: machines stop then, and are billed on"
    yield warning("expiry", message, "let a client of ours end it, or name an identity by id that may delete its resource group")


def _billed_beside(design: Design) -> Iterator[Finding]:
    """USD an hour in most regions ("Azure Bastion pricing", Standard; "Azure NAT Gateway pricing"; 2026-11)."""
    if design.network.access == "tunnel":
        if shutil.which("az") is None:
            yield error("tunnel", "access: tunnel goes through the Azure CLI, and there is no `az` here", "install azure-cli")
        if design.network.id is None:
            yield info("tunnel", "Azure Bastion is billed with about 0.29 USD an hour, the head's NAT gateway with about 0.05")
    elif design.network.egress == "gateway" and design.network.id is None:
        yield info("gateway", "a NAT gateway is billed with about 0.05 USD an hour and 0.045 USD for each GB")
    if design.network.id is not None and design.network.egress == "head":
        message = "the existing subnet's routes are left alone: nodes get packages through the head, and nothing else"
        yield info("network", message, "give the subnet a way out of its own if nodes need one")


def may_assign_roles(asked: Asked) -> Iterator[Finding]:
    """Making the head's role needs rights that a Contributor has not."""
    if not asked.design.identity.create or asked.design.identity.id:
        return
    path = f"{asked.caller.root}/providers/Microsoft.Authorization/permissions"
    granted = asked.caller.listed(path, "2022-04-01")
    for what in ("roleDefinitions", "roleAssignments"):
        action = f"Microsoft.Authorization/{what}/write"
        if not any(_covers(each, action) for each in granted):
            fix = "ask for the role `Role Based Access Control Administrator`, or say identity: an id, or identity: none"
            yield error("identity", f"the caller may not do {action}", fix)


def _covers(permission: dict[str, Any], action: str) -> bool:
    def any_of(patterns: Iterable[str]) -> bool:
        return any(fnmatch.fnmatch(action.lower(), pattern.lower()) for pattern in patterns)

    return any_of(permission.get("actions") or ()) and not any_of(permission.get("notActions") or ())


def services_registered(asked: Asked) -> Iterator[Finding]:
    """A subscription has each service switched on once."""
    kinds = {fs.type for fs in asked.design.filesystems if fs.id is None}
    wanted = ["Compute", "Network", "ManagedIdentity", "Logic"]
    wanted += ["Storage"] if kinds & {"managed-nfs", "bucket"} else []
    wanted += ["StorageCache"] if "lustre" in kinds else []
    for name in wanted:
        told = asked.caller.call("GET", f"{asked.caller.root}/providers/Microsoft.{name}", _PROVIDERS, absent=True).told
        if (told or {}).get("registrationState") != "Registered":
            fix = f"az provider register --namespace Microsoft.{name} --wait"
            yield error("provider", f"Microsoft.{name} is not registered in the subscription", fix)


def types_offered(asked: Asked) -> Iterator[Finding]:
    """A group has at least one type that the region offers to this subscription."""
    choices = {f"groups.{group.name}": [node.instance for node in group.alternatives] for group in asked.design.groups}
    choices["head"] = [asked.design.head.instance]
    for who, instances in choices.items():
        denied = {name: why for name in instances if (why := _denied(asked.sizes.get(name)))}
        words = "; ".join(f"{name} {why}" for name, why in denied.items())
        say = error if len(denied) == len(instances) else warning
        if denied:
            yield say("instance", f"{who}: in {asked.caller.region} {words}", "another type or region")


def _denied(size: dict[str, Any] | None) -> str:
    if size is None:
        return "is not offered"
    reasons = [each["reasonCode"] for each in size.get("restrictions") or () if each.get("type") == "Location"]
    return f"is restricted ({reasons[0]})" if reasons else ""


def quota(asked: Asked) -> Iterator[Finding]:
    """vCPUs by family and in all, of the whole design: too few for the fixed nodes is an error, for all nodes a warning."""
    usages = asked.caller.listed(
        f"{asked.caller.root}/providers/Microsoft.Compute/locations/{asked.caller.region}/usages", launcher.COMPUTE
    )
    free = {each["name"]["value"].lower(): each["limit"] - each["currentValue"] for each in usages}
    least, most = Counter[str](), Counter[str]()
    for node, fewest, all_of_them, market in asked.machines():
        family = str((asked.sizes.get(node.instance) or {}).get("family", ""))
        for name in ("lowPriorityCores",) if market == "only" else (family, "cores"):
            least[name] += node.cpus * fewest
            most[name] += node.cpus * all_of_them
    for name in most:
        left = free.get(name.lower())
        if left is not None and most[name] > left:
            say, needs = (error, least[name]) if least[name] > left else (warning, most[name])
            fix = "ask for more: Azure portal, Quotas; or for fewer nodes"
            yield say("quota", f"{needs} vCPUs of {name} are needed in {asked.caller.region}, {left} are left", fix)


def existing_things(asked: Asked) -> Iterator[Finding]:
    """What the file names by id is there, in this region where it must be."""
    design, network = asked.design, asked.design.network
    images = {design.image, *(group.image for group in design.groups)}
    named = [
        *sorted(i for i in images if i and i.startswith("/subscriptions/")),
        *([design.identity.id] if design.identity.id else []),
    ]
    for whole in named:
        version = "2023-01-31" if "ManagedIdentity" in whole else "2024-03-03" if "galleries" in whole else launcher.COMPUTE
        if asked.caller.call("GET", whole, version, absent=True).status == 404:
            yield error("id", f"{whole} is not there", "az resource show --ids ID")
    if network.id is None or network.subnet is None:
        return
    vnet = asked.caller.call("GET", network.id, launcher.NETWORK, absent=True)
    if vnet.status == 404 or vnet.told["location"] != asked.caller.region:
        where = "is not there" if vnet.status == 404 else f"is in {vnet.told['location']}, not in {asked.caller.region}"
        yield error("network", f"network.id: {network.id} {where}", "az network vnet list --query [].id")
        return
    yield from _subnet(design, vnet.told)


def _subnet(design: Design, vnet: dict[str, Any]) -> Iterator[Finding]:
    name = str(design.network.subnet).rpartition("/")[2]
    found = next((each for each in vnet["properties"]["subnets"] if each["name"] == name), None)
    if found is None:
        yield error("network", f"network.subnet: the VNet has no subnet {name}", "az network vnet subnet list")
        return
    services = {each["service"] for each in found["properties"].get("serviceEndpoints") or ()}
    stored = any(fs.type in ("managed-nfs", "bucket") and fs.id is None for fs in design.filesystems)
    if stored and "Microsoft.Storage" not in services:
        fix = f"az network vnet subnet update --ids {found['id']} --service-endpoints Microsoft.Storage"
        yield error("network", f"subnet {name} has no service endpoint to Microsoft.Storage, by which nodes reach storage", fix)


def results(asked: Asked) -> Iterator[Finding]:
    """The container of a detached run."""
    yield from container.findings(asked.caller, asked.design)


CHECKS: tuple[tuple[str, Check], ...] = (
    ("limits", known_beforehand),
    ("identity", may_assign_roles),
    ("services", services_registered),
    ("types", types_offered),
    ("quota", quota),
    ("network", existing_things),
    ("results", results),
)
