"""The contract of targets/cloud/place.py, kept by Azure."""

from __future__ import annotations

import os
import sys
import urllib.request
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from types import ModuleType

from provisioner.design.model import Design
from provisioner.findings import Finding
from provisioner.launch import azure as launcher
from provisioner.targets.azure import bastion, checks, faults, listing, reaping, results, session
from provisioner.targets.azure import zones as offering
from provisioner.targets.azure.session import Caller, refusing
from provisioner.targets.base import Intent, Inventory, Resource, Tagged, Zone
from provisioner.targets.cloud.target import CloudTarget

# Between two looks at whether a head, which is going, has launched one more machine; and how many looks.
_LOOK, _LOOKS = 5.0, 12
# How the provider's plugin names what azure-identity takes ("Azure Native: Installation & Configuration").
_VARIABLES = {
    "AZURE_TENANT_ID": "ARM_TENANT_ID",
    "AZURE_CLIENT_ID": "ARM_CLIENT_ID",
    "AZURE_CLIENT_SECRET": "ARM_CLIENT_SECRET",
    "AZURE_CLIENT_CERTIFICATE_PATH": "ARM_CLIENT_CERTIFICATE_PATH",
}


class AzurePlace:
    """Azure, one subscription of it."""

    name = "azure"
    launcher: ModuleType = launcher

    def configured(self) -> bool:
        return session.configured()

    def region(self) -> str:
        return session.region()

    def session(self, region: str) -> Caller:
        return session.opened(region)

    def preflight(self, session: Caller, design: Design, skip: Collection[str] = ()) -> tuple[Finding, ...]:
        return checks.preflight(session, design, skip)

    def zones(self, session: Caller, design: Design) -> tuple[Zone, ...]:
        with refusing("list the zones"):
            return offering.zones(session, design)

    def configuration(self, session: Caller, design: Design) -> dict[str, str]:
        told = {"azure-native:location": session.region, "azure-native:subscriptionId": session.subscription}
        container = results.container(session, design)
        return {**told, **({"burst:results": container} if container is not None else {})}

    def environment(self, session: Caller) -> dict[str, str]:
        told = {theirs: os.environ[ours] for ours, theirs in _VARIABLES.items() if os.environ.get(ours)}
        return {"ARM_SUBSCRIPTION_ID": session.subscription, **told}

    def end_machines(self, session: Caller, run_id: str) -> None:
        with refusing("end the run's machines"):
            _end_machines(session, run_id)

    def remains(self, session: Caller, run_id: str, intents: Sequence[Intent] = ()) -> tuple[Resource, ...]:
        """The group is asked for by its name anyway, and goes with whatever is in it."""
        with refusing("list what is left"):
            return listing.remains(session, run_id)

    def reap(self, session: Caller, resources: Sequence[Resource]) -> tuple[Resource, ...]:
        return reaping.reap(session, resources)

    def regions(self, session: Caller) -> tuple[str, ...]:
        """One: every listing is the whole subscription's."""
        return (session.region,)

    def runs(self, session: Caller) -> Iterable[Tagged]:
        with refusing("list the runs"):
            return list(listing.runs(session))

    def console(self, session: Caller, inventory: Inventory, machine: str) -> str:
        """The serial log that managed boot diagnostics keep: a link of its own, which needs no token."""
        path = f"{session.group(inventory.run_id)}/providers/Microsoft.Compute/virtualMachines/{inventory.run_id}-{machine}"
        try:
            told = session.call("POST", f"{path}/retrieveBootDiagnosticsData", launcher.COMPUTE).told
            with urllib.request.urlopen(told["serialConsoleLogBlobUri"], timeout=30) as stream:  # noqa: S310 - Azure's own link
                return bytes(stream.read()).decode(errors="replace")
        except (launcher.Refused, OSError, KeyError, TypeError):
            return ""

    def allow(self, session: Caller, inventory: Inventory, ranges: Sequence[str]) -> None:
        """The rule that stacks/azure/network.py made, with other ranges."""
        rule = {
            "priority": 100,
            "direction": "Inbound",
            "access": "Allow",
            "protocol": "Tcp",
            "sourceAddressPrefixes": list(ranges),
            "sourcePortRange": "*",
            "destinationAddressPrefix": "*",
            "destinationPortRange": "22",
        }
        path = f"{inventory.place['firewall']}/securityRules/ssh"
        with refusing("let this machine's address in"):
            session.wait(session.call("PUT", path, launcher.NETWORK, {"properties": rule}))

    def tunnel(self, inventory: Inventory) -> tuple[str, ...]:
        program = Path(bastion.__file__)
        return (sys.executable, "-I", str(program), inventory.place["network"], inventory.place["head_id"])

    def classify(self, words: str) -> tuple[str, str] | None:
        return faults.classify(words)


def _end_machines(caller: Caller, run_id: str) -> None:
    """The head first, and what it launched in its last moment."""
    template = {"run": run_id, "subscription": caller.subscription, "group": run_id}
    if listing.own_group(caller, run_id) is None:
        # There is none, or somebody else's has the name.
        return
    launcher.end(["head"], template, caller)
    going = {"head"}
    for _ in range(_LOOKS):
        there = set(listing.machines(caller, run_id))
        if more := there - going:
            launcher.end(sorted(more), template, caller)
            going |= more
        elif "head" not in there:
            # Nobody launches any more.
            return
        caller.pause(_LOOK)


class AzureTarget(CloudTarget):
    """Machines on Azure."""

    def __init__(self) -> None:
        super().__init__(AzurePlace())
