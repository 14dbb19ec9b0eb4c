"""What several checks look at, and the one who asks: each answer of Azure's is asked for once, whoever wants it first."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from provisioner.design.model import Design, Node
from provisioner.launch import azure as launcher
from provisioner.targets.azure.once import Once
from provisioner.targets.azure.session import Caller

_SKUS = "2021-07-01"  # of Microsoft.Compute/skus alone
_PERMISSIONS = "2022-04-01"


def capability(size: dict[str, Any], name: str) -> str | None:
    """What a machine type says of itself, None where it says nothing."""
    return next((str(each["value"]) for each in size.get("capabilities") or () if each["name"] == name), None)


def subnet_of(design: Design) -> str | None:
    """The id of the existing subnet, as stacks/azure/network.py reads the file."""
    vnet, subnet = design.network.id, design.network.subnet
    if vnet is None or subnet is None:
        return None
    return subnet if subnet.startswith("/") else f"{vnet}/subnets/{subnet}"


class Asked:
    """One preflight's, or one choice of a zone's. Members raise launch.azure's Refused, to everybody who wanted the answer."""

    def __init__(self, caller: Caller, design: Design) -> None:
        self.caller, self.design, self._once = caller, design, Once()

    @property
    def sizes(self) -> dict[str, dict[str, Any]]:
        """The machine types of the region by name ("Resource Skus - List"): the largest answer of all, which the preflight and
        the choice of a zone share.
        """
        path = f"{self.caller.root}/providers/Microsoft.Compute/skus?$filter=location%20eq%20'{self.caller.region}'"

        def machines() -> dict[str, dict[str, Any]]:
            listed = self.caller.listed(path, _SKUS)
            return {each["name"]: each for each in listed if each.get("resourceType") == "virtualMachines"}

        return self._once("sizes", lambda: self.caller.known("sizes", machines))

    @property
    def permissions(self) -> list[dict[str, Any]]:
        """What every role that the caller has at the subscription allows ("Permissions": asked there as for a group)."""
        return self._once("permissions", lambda: self.permissions_at(self.caller.root))

    def permissions_at(self, resource: str) -> list[dict[str, Any]]:
        """The same at one resource, with what is inherited ("Permissions - List For Resource")."""
        return self.caller.listed(f"{resource}/providers/Microsoft.Authorization/permissions", _PERMISSIONS)

    @property
    def vnet(self) -> dict[str, Any] | None:
        """The existing network that the file names; None where it is not there, or where it names none."""
        whole = self.design.network.id
        if whole is None:
            return None
        told: dict[str, Any] | None = self._once("vnet", lambda: self.caller.found(whole, launcher.NETWORK))
        return told

    def kinds(self) -> Iterator[tuple[str, tuple[Node, ...], str]]:
        """(whose they are, types of which one is needed, market) of everything."""
        yield "head", (self.design.head,), "never"
        if self.design.login:
            yield "login", (self.design.login.node,), "never"
        for group in self.design.groups:
            yield f"groups.{group.name}", group.alternatives, group.spot
