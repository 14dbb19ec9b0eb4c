"""A network that is there already: in this region, with a subnet that takes machines, lets in SSH, and has room for all.

Sources: "Virtual Networks - Get" (a subnet's delegations, serviceEndpoints, ipConfigurations), "Azure Virtual Network FAQ" (five
addresses of each subnet are Azure's own), "Network security groups" (the first rule by priority counts).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator
from typing import Any

from provisioner.catalog.filesystems import SERVICES, gib
from provisioner.design.model import Design, Filesystem
from provisioner.findings import Finding, error, warning
from provisioner.launch import azure as launcher
from provisioner.targets.azure.asked import Asked, subnet_of

_OWN = 5
_CACHE = "2024-03-01"  # of Microsoft.StorageCache
_ANYWHERE = ("*", "internet", "0.0.0.0/0")


def network(asked: Asked) -> Iterator[Finding]:
    """Nothing where the run makes its own, which has room for 32,000 nodes."""
    asked_for = asked.design.network
    if asked_for.id is None:
        return
    vnet = asked.vnet
    if vnet is None:
        yield error("network", f"network.id: {asked_for.id} is not there", "az network vnet list --query [].id")
        return
    if vnet["location"] != asked.caller.region:
        said = f"network.id: {asked_for.id} is in {vnet['location']}, not in {asked.caller.region}"
        yield error("network", said, f"target: azure/{vnet['location']}, or a network of {asked.caller.region}")
        return
    name = str(subnet_of(asked.design)).rpartition("/")[2]
    found = next((each for each in vnet["properties"].get("subnets") or () if each["name"] == name), None)
    if found is None:
        where = asked_for.id.split("/")
        fix = f"az network vnet subnet list --resource-group {where[4]} --vnet-name {where[-1]} --query [].name"
        yield error("network", f"network.subnet: the VNet has no subnet {name}", fix)
        return
    yield from _usable(asked.design, found)
    yield from _room(asked, found)
    yield from _ssh(asked, found)
    yield from _lustre(asked, found["id"])


def _usable(design: Design, subnet: dict[str, Any]) -> Iterator[Finding]:
    name, told = subnet["name"], subnet["properties"]
    services = {each["service"] for each in told.get("serviceEndpoints") or ()}
    if any(fs.type in ("managed-nfs", "bucket") for fs in design.filesystems) and "Microsoft.Storage" not in services:
        made = any(fs.type in ("managed-nfs", "bucket") and fs.id is None for fs in design.filesystems)
        fix = f"az network vnet subnet update --ids {subnet['id']} --service-endpoints Microsoft.Storage"
        words = f"subnet {name} has no service endpoint to Microsoft.Storage, by which nodes reach storage"
        # An account that is there may have a private endpoint in the network instead.
        yield (error if made else warning)("network", words, fix)
    for each in told.get("delegations") or ():
        service = (each.get("properties") or {}).get("serviceName", "another service")
        fix = "network.subnet: another; or az network vnet subnet update --remove delegations"
        yield error("network", f"subnet {name} is delegated to {service}: no machine can be in it", fix)


def _room(asked: Asked, subnet: dict[str, Any]) -> Iterator[Finding]:
    """Addresses of the subnet that are in nobody's use, against head, login nodes and all nodes."""
    design, told = asked.design, subnet["properties"]
    ranges = [told["addressPrefix"]] if told.get("addressPrefix") else told.get("addressPrefixes") or ()
    sizes = [net.num_addresses for each in ranges if (net := ipaddress.ip_network(each)).version == 4]
    free = sum(max(size - _OWN, 0) for size in sizes) - len(told.get("ipConfigurations") or ())
    always = 1 + (design.login.nodes if design.login else 0) + _servers(asked)
    least, most = (always + sum(nodes) for nodes in zip(*((g.min, g.max) for g in design.groups), strict=True))
    if most <= free:
        return
    say, needs = (error, least) if least > free else (warning, most)
    words = f"subnet {subnet['name']} has {max(free, 0)} addresses left, {needs} are needed"
    yield say("network", words, "network.subnet: a larger one; or fewer nodes")


def _servers(asked: Asked) -> int:
    """Addresses of new Lustre filesystems, which are in the same subnet ("getRequiredAmlFSSubnetsSize")."""
    path = f"{asked.caller.root}/providers/Microsoft.StorageCache/getRequiredAmlFSSubnetsSize"
    needed = 0
    for fs in _new_lustre(asked.design):
        told = asked.caller.call("POST", path, _CACHE, _sized(fs)).told
        needed += int(told["filesystemSubnetSize"])
    return needed


def _lustre(asked: Asked, subnet: str) -> Iterator[Finding]:
    """ "checkAmlFSSubnets": 400 with what is wrong of the subnet."""
    for fs in _new_lustre(asked.design):
        body = {**_sized(fs), "filesystemSubnet": subnet, "location": asked.caller.region}
        answer = asked.caller.once(f"{asked.caller.root}/providers/Microsoft.StorageCache/checkAmlFSSubnets", _CACHE, body)
        wrong = answer.told.get("filesystemSubnet") if isinstance(answer.told, dict) else None
        if answer.status == 400 and wrong:
            words = f"filesystems.{fs.mount}: Managed Lustre does not take the subnet: {wrong.get('message', wrong)}"
            yield error("network", words, "network.subnet: another, of /24 or larger")
        elif answer.status >= 400:
            raise launcher.refused((answer.told or {}).get("error", answer.told), answer.status)


def _new_lustre(design: Design) -> list[Filesystem]:
    return [fs for fs in design.filesystems if fs.type == "lustre" and fs.id is None]


def _sized(fs: Filesystem) -> dict[str, Any]:
    """The SKU's name ends with its throughput (stacks/azure/storage.py takes the same one)."""
    tier = SERVICES["azure", "lustre"].item(gib(fs.size)).rpartition("-")[2]
    return {"sku": {"name": f"AMLFS-Durable-Premium-{tier}"}, "storageCapacityTiB": fs.size / 2**40}


def _ssh(asked: Asked, subnet: dict[str, Any]) -> Iterator[Finding]:
    """A security group of the subnet is asked before that of the head's interface; both have to let SSH in."""
    group = (subnet["properties"].get("networkSecurityGroup") or {}).get("id")
    if group is None or asked.design.network.access != "public":
        return
    told = (asked.caller.found(group, launcher.NETWORK) or {}).get("properties") or {}
    rules = [*(told.get("securityRules") or ()), *(told.get("defaultSecurityRules") or ())]
    # Where the file names no range it is this machine's address, which nobody knows yet: the whole world stands for it.
    for source in asked.design.network.ssh_from or ("0.0.0.0/0",):
        if not _lets_in([each["properties"] for each in rules], source):
            where = group.split("/")
            fix = (
                f"az network nsg rule create --resource-group {where[4]} --nsg-name {where[-1]} --name burst-ssh --priority 200"
                f" --access Allow --protocol Tcp --destination-port-ranges 22 --source-address-prefixes {source}"
            )
            say = error if asked.design.network.ssh_from else warning
            yield say("network", f"the security group {where[-1]} of the subnet lets no SSH in from {source}", fix)


def _lets_in(rules: Iterable[dict[str, Any]], source: str) -> bool:
    inwards = [each for each in rules if each["direction"] == "Inbound" and each["protocol"].lower() in ("*", "tcp")]
    for rule in sorted(inwards, key=lambda each: int(each["priority"])):
        ports = rule.get("destinationPortRanges") or [rule.get("destinationPortRange", "")]
        sources = rule.get("sourceAddressPrefixes") or [rule.get("sourceAddressPrefix", "")]
        if any(map(_has_ssh, ports)) and any(_contains(each, source) for each in sources):
            return bool(rule["access"] == "Allow")
    return False


def _has_ssh(ports: str) -> bool:
    first, _, last = ports.partition("-")
    return ports == "*" or (first.isdigit() and int(first) <= 22 <= int(last or first))


def _contains(prefix: str, source: str) -> bool:
    """Of Azure's service tags only the world is known here."""
    if prefix.lower() in _ANYWHERE:
        return True
    try:
        outer, inner = ipaddress.ip_network(prefix, strict=False), ipaddress.ip_network(source, strict=False)
    except ValueError:
        return False
    return outer.version == inner.version and inner.subnet_of(outer)  # type: ignore[arg-type]
