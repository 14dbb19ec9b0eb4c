"""Filesystems that are there already: whether they are, are well, and can be reached from where the machines will be.

Sources: "Storage Accounts - Get Properties" (networkAcls, supportsHttpsTrafficOnly), "File Shares - Get", "Blob Containers -
Get", "amlFilesystems - Get" (provisioningState, health); "NFS file shares in Azure Files" (no secure transfer, no way in from
the world).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from provisioner.design.model import Filesystem
from provisioner.findings import Finding, error, info, warning
from provisioner.targets.azure.asked import Asked, subnet_of
from provisioner.targets.checks import side_by_side

_STORAGE, _CACHE = "2023-05-01", "2024-03-01"


def filesystems(asked: Asked) -> Iterator[Finding]:
    """Of new ones nothing is asked here: they are counted among the quotas."""
    there = [fs for fs in asked.design.filesystems if fs.id is not None]
    for found in side_by_side(lambda fs: list(_existing(asked, fs)), there):
        yield from found


def _existing(asked: Asked, fs: Filesystem) -> Iterator[Finding]:
    if fs.type == "nfs":
        message = f"filesystems.{fs.mount}: whether {fs.id} answers cannot be seen from here; readiness checks the mount"
        yield info("filesystem", message, "showmount --exports HOST, on a machine of that network")
    elif fs.type == "lustre":
        yield from _lustre(asked, fs)
    else:
        yield from _stored(asked, fs)


def _missing(fs: Filesystem, command: str) -> Finding:
    return error("filesystem", f"filesystems.{fs.mount}: {fs.id} is not there", command)


def _lustre(asked: Asked, fs: Filesystem) -> Iterator[Finding]:
    told = asked.caller.found(str(fs.id), _CACHE)
    if told is None:
        yield _missing(fs, "az amlfs list --query [].id")
        return
    properties, at = told["properties"], f"filesystems.{fs.mount}"
    state = properties.get("provisioningState", "Succeeded")
    health = (properties.get("health") or {}).get("state", "Available")
    if state not in ("Succeeded", "Updating") or health in ("Unavailable", "Transitioning"):
        said = (properties.get("health") or {}).get("statusDescription") or "no reason given"
        yield error("filesystem", f"{at}: it is {state} and {health}: {said}", f"az amlfs show --ids {fs.id}")
    elif health != "Available":
        yield warning("filesystem", f"{at}: it is {health}", f"az amlfs show --ids {fs.id}")
    yield from _elsewhere(asked, fs, told["location"])
    vnet = str(properties["filesystemSubnet"]).partition("/subnets/")[0]
    own = asked.design.network.id
    if own is None:
        fix = f"network: {{id: {vnet}, subnet: NAME}}"
        yield error("filesystem", f"{at}: it is in a network of its own, which the run's new one does not reach", fix)
    elif own.lower() != vnet.lower():
        fix = f"az network vnet peering list --resource-group {own.split('/')[4]} --vnet-name {own.split('/')[-1]}"
        yield warning("filesystem", f"{at}: it is in {vnet}: network.id reaches it only where the two are peered", fix)


def _elsewhere(asked: Asked, fs: Filesystem, region: str) -> Iterator[Finding]:
    if region != asked.caller.region:
        said = f"filesystems.{fs.mount}: it is in {region}, the run in {asked.caller.region}: slow, and each GB is billed"
        yield warning("filesystem", said, f"target: azure/{region}")


def _stored(asked: Asked, fs: Filesystem) -> Iterator[Finding]:
    """A share or a container, and the account that it is in."""
    account = _account_of(str(fs.id))
    there = asked.caller.found(account, _STORAGE)
    told = asked.caller.found(str(fs.id), _STORAGE) if there is not None else None
    if there is None or told is None:
        group, name = account.split("/")[4], account.split("/")[-1]
        kind = "share-rm" if fs.type == "managed-nfs" else "container-rm"
        yield _missing(fs, f"az storage {kind} list --resource-group {group} --storage-account {name} --query [].id")
        return
    yield from _elsewhere(asked, fs, there["location"])
    if fs.type == "managed-nfs":
        yield from _nfs(fs, told["properties"], there["properties"], account)
    yield from _let_in(asked, fs, there["properties"], account)


def _account_of(resource: str) -> str:
    parts = resource.split("/")
    return "/".join(parts[: [part.lower() for part in parts].index("storageaccounts") + 2])


def _nfs(fs: Filesystem, share: dict[str, Any], account: dict[str, Any], where: str) -> Iterator[Finding]:
    protocols = str(share.get("enabledProtocols", "SMB"))
    if "NFS" not in protocols.split(","):
        words = f"filesystems.{fs.mount}: the share speaks {protocols}, not NFS; a share's protocol cannot be changed"
        yield error("filesystem", words, "az storage share-rm create --enabled-protocols NFS, in a FileStorage account")
    if account.get("supportsHttpsTrafficOnly"):
        fix = f"az storage account update --ids {where} --https-only false"
        yield error("filesystem", f"filesystems.{fs.mount}: its account wants encryption, which NFS mounts do not have", fix)


def _let_in(asked: Asked, fs: Filesystem, account: dict[str, Any], where: str) -> Iterator[Finding]:
    """An account's network rules; with a private endpoint they say nothing."""
    rules, name = account.get("networkAcls") or {}, where.split("/")[-1]
    closed = account.get("publicNetworkAccess") in ("Disabled", "SecuredByPerimeter")
    if not closed and rules.get("defaultAction", "Allow") == "Allow":
        return
    subnet = subnet_of(asked.design)
    if not closed and subnet is not None and subnet.lower() in _allowed(rules.get("virtualNetworkRules") or ()):
        return
    say = warning if account.get("privateEndpointConnections") else error
    if subnet is None:
        words = f"filesystems.{fs.mount}: account {name} lets in chosen networks only, which the run's new one is not"
        yield say("filesystem", words, "network: {id: VNET, subnet: NAME}, one that the account lets in")
        return
    command = (
        f"az storage account network-rule add --resource-group {where.split('/')[4]} --account-name {name} --subnet {subnet}"
    )
    fix = f"az storage account update --ids {where} --public-network-access Enabled; {command}" if closed else command
    yield say("filesystem", f"filesystems.{fs.mount}: account {name} does not let in subnet {subnet.split('/')[-1]}", fix)


def _allowed(rules: Iterable[dict[str, Any]]) -> set[str]:
    return {str(each["id"]).lower() for each in rules if each.get("action", "Allow") == "Allow"}
