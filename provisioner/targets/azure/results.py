"""The container of a detached run's results: where it is, and whether the head may be let in."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote

from provisioner.design.model import Design
from provisioner.findings import Finding, error
from provisioner.spec.results import Where, parse
from provisioner.targets.azure.session import Caller

# Of Microsoft.Storage ("Storage Accounts - List", "Blob Containers - Get").
_STORAGE = "2023-05-01"


def container(caller: Caller, design: Design) -> str | None:
    """Its id, by which a role is assigned; None where there are no results, or no such account in the subscription.

    Raises launch.azure's Refused.
    """
    if design.results is None:
        return None
    where = parse(design.results)
    account = _account(caller, where)
    return f"{account}/blobServices/default/containers/{where.bucket}" if account else None


def _account(caller: Caller, where: Where) -> str | None:
    """A storage account's name is its own in all of Azure, and tells nothing of its resource group."""
    listed = caller.listed(f"{caller.root}/providers/Microsoft.Storage/storageAccounts", _STORAGE)
    return next((str(each["id"]) for each in listed if str(each["name"]).lower() == where.account), None)


def findings(caller: Caller, design: Design) -> Iterator[Finding]:
    """Whether it is there. Raises launch.azure's Refused."""
    if design.results is None:
        return
    where, path = parse(design.results), container(caller, design)
    if not design.identity.create and design.identity.id is None:
        yield error("results", f"{where}: with identity: none the head may write nowhere", "identity: the id of one that may")
    if path is None:
        fix = "az storage account list; or --to another"
        yield error("results", f"{where}: the subscription has no storage account {where.account}", fix)
    elif caller.call("GET", quote(path), _STORAGE, absent=True).status == 404:
        fix = f"az storage container create --auth-mode login --account-name {where.account} --name {where.bucket}"
        yield error("results", f"{where}: there is no container {where.bucket}", fix)
