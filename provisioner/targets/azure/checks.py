"""The preflight: what speaks against a design, asked of Azure all at once. Nothing is made, and nothing is changed."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection, Iterable, Iterator
from functools import partial

from provisioner.catalog.filesystems import gib
from provisioner.design.model import Design
from provisioner.errors import Kind
from provisioner.findings import Finding, error, info, warning
from provisioner.launch import azure as launcher
from provisioner.targets import checks
from provisioner.targets.azure import filesystems, images, network, quota, rights, sizes
from provisioner.targets.azure import results as container
from provisioner.targets.azure.asked import Asked
from provisioner.targets.azure.session import LOGIN, Caller

# "Azure managed disk types": an OS disk; "Naming rules and restrictions": a Linux machine's name.
_LARGEST_DISK, _LONGEST_NAME = 4095, 64
_PROVIDERS = "2021-04-01"

Check = Callable[[Asked], Iterable[Finding]]


def preflight(caller: Caller, design: Design, skip: Collection[str] = ()) -> tuple[Finding, ...]:
    """Every check's findings, in their order; a check that Azure refuses to answer is a finding itself."""
    asked = Asked(caller, design)
    return checks.ask([(name, partial(check, asked)) for name, check in CHECKS], skip, _unchecked)


def _unchecked(name: str, problem: Exception) -> Finding | None:
    if not isinstance(problem, launcher.Refused):
        return None
    # 403 is what somebody may not do; the other refusals of this class say that nobody is known, or that there is no token.
    nobody = problem.kind == Kind.AUTH.value and problem.status != 403
    return checks.unchecked(name, str(problem), login=LOGIN if nobody else None)


def known_beforehand(asked: Asked) -> Iterator[Finding]:
    """What needs no answer of Azure's."""
    design = asked.design
    longest = max(len(f"{design.run.id}-{group.name}-{group.max}") for group in design.groups)
    if longest > _LONGEST_NAME:
        yield error("name", f"a machine's name would have {longest} letters, Azure takes {_LONGEST_NAME}", "shorten the names")
    disk = gib(design.head_storage)
    if disk > _LARGEST_DISK:
        fix = "make a folder of type managed-nfs"
        yield error("head-disk", f"the head's disk would have {disk} GiB, Azure's largest has {_LARGEST_DISK}", fix)
    if design.identity.boundary:
        yield warning("identity", "identity.boundary is AWS's: Azure has none", "leave it out")
    yield from _without_roles(design)
    yield from _ways(design)


def _without_roles(design: Design) -> Iterator[Finding]:
    if design.identity.create or design.identity.id:
        return
    message = "with identity: none nobody may delete the run at its expiry: machines stop then, and are billed on"
    yield warning("expiry", message, "let a client of ours end it, or name an identity by id that may delete its resource group")


def _ways(design: Design) -> Iterator[Finding]:
    """To the head, and out. What a gateway or Bastion costs is in the bill."""
    if design.network.access == "tunnel" and shutil.which("az") is None:
        yield error("tunnel", "access: tunnel goes through the Azure CLI, and there is no `az` here", "install azure-cli")
    if design.network.id is not None and design.network.egress == "head":
        message = "the existing subnet's routes are left alone: nodes get packages through the head, and nothing else"
        yield info("network", message, "give the subnet a way out of its own if nodes need one")


def services(asked: Asked) -> Iterator[Finding]:
    """A subscription has each service switched on once."""
    kinds = {fs.type for fs in asked.design.filesystems if fs.id is None}
    wanted = ["Compute", "Network", "ManagedIdentity", "Logic"]
    wanted += ["Storage"] if kinds & {"managed-nfs", "bucket"} else []
    wanted += ["StorageCache"] if "lustre" in kinds else []
    paths = [f"{asked.caller.root}/providers/Microsoft.{name}" for name in wanted]
    told = checks.side_by_side(lambda path: asked.caller.found(path, _PROVIDERS), paths)
    for name, provider in zip(wanted, told, strict=True):
        if (provider or {}).get("registrationState") != "Registered":
            fix = f"az provider register --namespace Microsoft.{name} --wait"
            yield error("provider", f"Microsoft.{name} is not registered in the subscription", fix)


def results(asked: Asked) -> Iterator[Finding]:
    """The container of a detached run."""
    yield from container.findings(asked.caller, asked.design)


CHECKS: tuple[tuple[str, Check], ...] = (
    ("limits", known_beforehand),
    ("permissions", rights.permissions),
    ("identity", rights.identity),
    ("services", services),
    ("types", sizes.types),
    ("images", images.images),
    ("quota", quota.quota),
    ("network", network.network),
    ("filesystems", filesystems.filesystems),
    ("results", results),
)
