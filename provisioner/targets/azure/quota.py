"""Quotas: what is left of each, less what the whole design takes.

"vCPU quotas": vCPUs are counted by family and in all (`cores`), those of spot machines apart from both
(`lowPriorityCores`); other things by number. What is in use is counted (`currentValue`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from provisioner.design.attempts import order
from provisioner.design.model import Group, Node
from provisioner.findings import Finding, error, errors, warning
from provisioner.launch import azure as launcher
from provisioner.targets.azure.asked import Asked
from provisioner.targets.azure.sizes import denied, fabric_of, number
from provisioner.targets.checks import side_by_side

_SPOT, _REGIONAL = "lowPriorityCores", "cores"
# Provider → the version of its "Usages - List".
_VERSIONS = {
    "Microsoft.Compute": launcher.COMPUTE,
    "Microsoft.Network": launcher.NETWORK,
    "Microsoft.Storage": "2023-05-01",
    "Microsoft.StorageCache": "2024-03-01",
}
# "Quickstart: Request a quota increase in the Azure portal".
_PORTAL = "https://portal.azure.com/#view/Microsoft_Azure_Capacity/QuotaMenuBlade/~/myQuotas"


@dataclass(frozen=True)
class Limit:
    """One line of a provider's usages."""

    provider: str
    name: str
    used: int
    most: int

    @property
    def left(self) -> int:
        return max(self.most - self.used, 0)


def plain(name: str) -> str:
    """Families are written in several ways: "Standard NCASv3_T4 Family", standardHBv3Family."""
    return name.lower().replace(" ", "")


# By plain name; and how much of each is taken: vCPUs, or things by number.
Limits = dict[str, Limit]
Taken = Counter[str]


def quota(asked: Asked) -> Iterator[Finding]:
    """Too little for what is always there is an error, for elastic nodes a warning.

    A group is an error only where none of its types has room, on none of its markets; which are short is said.
    """
    with ThreadPoolExecutor(1) as pool:
        # Both at once: the types' answer is the largest of all.
        told = pool.submit(_usages, asked)
        _ = asked.sizes
    limits = {plain(each.name): each for each in told.result()}
    least, most = _counted(asked, fixed=True), _counted(asked, fixed=False)
    for limit in _short(limits, most):
        needs = most[plain(limit.name)]
        say = error if limit in _short(limits, least) else warning
        said = f"{needs} of {limit.name} are needed in {asked.caller.region}, {limit.left} are left"
        yield say("quota", said, _fix(asked, limit, needs))
    found = list(_groups(asked, limits, least, fixed=True))
    yield from found
    if not errors(found):
        yield from _groups(asked, limits, least, fixed=False)


def _usages(asked: Asked) -> list[Limit]:
    made = {fs.type for fs in asked.design.filesystems if fs.id is None}
    providers = ["Microsoft.Compute", "Microsoft.Network"]
    providers += ["Microsoft.Storage"] if made & {"managed-nfs", "bucket"} else []
    providers += ["Microsoft.StorageCache"] if "lustre" in made else []
    return [limit for told in side_by_side(lambda name: _limits(asked, name), providers) for limit in told]


def _limits(asked: Asked, provider: str) -> list[Limit]:
    path = f"{asked.caller.root}/providers/{provider}/locations/{asked.caller.region}/usages"
    listed = asked.caller.listed(path, _VERSIONS[provider])
    # Below zero there is no limit.
    return [
        Limit(provider, str(each["name"]["value"]), int(each["currentValue"]), int(each["limit"]))
        for each in listed
        if each["limit"] >= 0
    ]


def _short(limits: Limits, taken: Taken) -> list[Limit]:
    """The limits that it goes beyond; what Azure names no limit of has none."""
    return [limits[name] for name in taken if name in limits and taken[name] > limits[name].left]


def _counted(asked: Asked, fixed: bool) -> Taken:
    """What stacks/azure makes and the launcher launches, and of a head and login nodes, which have one type each, the vCPUs."""
    design, network = asked.design, asked.design.network
    logins = design.login.nodes if design.login else 0
    nodes = sum(group.min if fixed else group.max for group in design.groups)
    own, public = network.id is None, network.access == "public"
    bastion = own and not public
    gateway = own and (bastion or network.egress == "gateway")
    addresses = (1 + logins if public else 0) + gateway + bastion
    made = [fs.type for fs in design.filesystems if fs.id is None]
    things = Taken(
        virtualMachines=1 + logins + nodes,
        PremiumDiskCount=1,
        StandardSSDDiskCount=logins + nodes,
        availabilitySets=sum(1 for group in design.groups for node in group.alternatives if fabric_of(group, node)),
        VirtualNetworks=int(own),
        NetworkSecurityGroups=2,
        NetworkInterfaces=1 + logins + nodes,
        PublicIPAddresses=addresses,
        StaticPublicIPAddresses=addresses,
        NatGateways=int(gateway),
        StorageAccounts=made.count("managed-nfs") + made.count("bucket"),
        AmlFilesystem=made.count("lustre"),
    )
    taken = Taken({plain(name): number for name, number in things.items()})
    taken += _cores(asked, design.head, "on-demand", 1)
    if design.login:
        taken += _cores(asked, design.login.node, "on-demand", logins)
    return +taken


def _cores(asked: Asked, node: Node, market: str, nodes: int) -> Taken:
    """vCPUs of machines by the names of the quotas that they draw on."""
    size = asked.sizes.get(node.instance) or {}
    each = int(number(size, "vCPUs") or node.cpus)
    names = (_SPOT,) if market == "spot" else (str(size.get("family") or ""), _REGIONAL)
    return Taken({plain(name): each * nodes for name in names if name})


@dataclass(frozen=True)
class Attempt:
    """A group from one type on one market: `taken` is what is taken then, `short` what of that is not left."""

    market: str
    node: Node
    taken: Taken
    short: list[Limit]

    def words(self, nodes: int) -> str:
        left = ", ".join(f"{limit.name}: {self.taken[plain(limit.name)]} vCPUs, {limit.left} left" for limit in self.short)
        return f"{nodes} x {self.node.instance} ({self.market}) take the design to {left}"


def _attempts(asked: Asked, limits: Limits, taken: Taken, group: Group, nodes: int) -> list[Attempt]:
    """What of a group is tried in turn, beside what is taken already; what is not offered (sizes.py) has room for nobody."""
    found = []
    for market, node in order(group, "azure"):
        if denied(asked.sizes.get(node.instance), None if fabric_of(group, node) == "infiniband" else asked.design.zone):
            continue
        own = _cores(asked, node, market, nodes)
        then = taken + own
        found.append(Attempt(market, node, then, [each for each in _short(limits, then) if own[plain(each.name)]]))
    return found


def _groups(asked: Asked, limits: Limits, taken: Taken, *, fixed: bool) -> Iterator[Finding]:
    """Each group from the first of its types and markets that has room beside those before it, as the launcher would have it."""
    for group in asked.design.groups:
        nodes = group.min if fixed else group.max
        tried = _attempts(asked, limits, taken, group, nodes)
        if not tried:
            # Said by other checks.
            continue
        fits = next((each for each in tried if not each.short), None)
        passed_by = tried[: tried.index(fits)] if fits else tried
        words = f"groups.{group.name}: {'; '.join(each.words(nodes) for each in passed_by)}"
        if fits is None:
            yield (
                error("quota", words, _fix_of(asked, tried[0]))
                if fixed
                else warning("quota", f"{words}: with all nodes; Slurm gets fewer", _fix_of(asked, tried[0]))
            )
            return
        if passed_by and fixed:
            there = f"{fits.node.instance} ({fits.market}) has room"
            yield warning("quota", f"{words}; {there}", _fix_of(asked, passed_by[0]))
        taken = fits.taken


def _fix_of(asked: Asked, attempt: Attempt) -> str:
    first = attempt.short[0]
    return _fix(asked, first, attempt.taken[plain(first.name)])


def _fix(asked: Asked, limit: Limit, needs: int) -> str:
    """ "az quota update" knows what Microsoft.Quota knows; the rest is asked for in the portal."""
    if limit.provider == "Microsoft.StorageCache":
        return f"ask for more, or take another region: {_PORTAL}"
    kind = {"Microsoft.Compute": "lowPriority" if limit.name == _SPOT else "dedicated"}.get(limit.provider)
    scope = f"{asked.caller.root}/providers/{limit.provider}/locations/{asked.caller.region}"
    command = f"az quota update --resource-name '{limit.name}' --scope {scope} --limit-object value={limit.used + needs}"
    return f"{command}{f' --resource-type {kind}' if kind else ''}; or {_PORTAL}"
