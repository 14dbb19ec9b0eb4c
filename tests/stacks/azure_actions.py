"""Which action stands behind each call and each resource, as "Azure permissions" (resource provider operations) has it.

Azure Resource Manager's rule: PUT is TYPE/write, GET TYPE/read, DELETE TYPE/delete, POST TYPE/NAME/action; and joining what a
resource refers to is an action at that ("LinkedAuthorizationFailed").
"""

from __future__ import annotations

import re

_VERBS = {"PUT": "write", "GET": "read", "DELETE": "delete"}
_GROUPS = "Microsoft.Resources/subscriptions/resourceGroups"
_NETWORK = "Microsoft.Network"
_ASSIGN = "Microsoft.ManagedIdentity/userAssignedIdentities/assign/action"
_JOIN = f"{_NETWORK}/virtualNetworks/subnets/join/action"
_ADDRESS = f"{_NETWORK}/publicIPAddresses/join/action"
# What is no type's own ("Microsoft.Resources", "Microsoft.Authorization"): (call, action); the first that fits counts.
_OTHERS = (
    (r"GET /subscriptions/[^/]+", "Microsoft.Resources/subscriptions/read"),
    (r"GET /subscriptions/[^/]+/resources", "Microsoft.Resources/subscriptions/resources/read"),
    (r"GET /subscriptions/[^/]+/resourcegroups(/[^/]+)?", f"{_GROUPS}/read"),
    (r"DELETE /subscriptions/[^/]+/resourcegroups/[^/]+", f"{_GROUPS}/delete"),
    (r"GET /subscriptions/[^/]+/resourcegroups/[^/]+/resources", f"{_GROUPS}/resources/read"),
    (r"GET /subscriptions/[^/]+/providers/[^/]+", "Microsoft.Resources/subscriptions/providers/read"),
    # "Track asynchronous Azure operations": where a deletion of a whole group is asked how it goes on.
    (r"GET /subscriptions/[^/]+/operationresults/[^/]+", "Microsoft.Resources/subscriptions/operationresults/read"),
)


def action(method: str, path: str) -> str:
    """Of one call."""
    for pattern, name in _OTHERS:
        if re.fullmatch(pattern, f"{method} {path}", re.IGNORECASE):
            return name
    parts = path.rpartition("/providers/")[2].split("/")
    if method == "POST":
        return "/".join([parts[0], *parts[1:-1:2], parts[-1], "action"])
    # locations/PLACE/usages is a collection, …/usages/NAME one of them: every second part is a name.
    return "/".join([parts[0], *parts[1::2], _VERBS[method]])


# What a type needs beside its own read, write and delete.
BESIDE: dict[str, tuple[str, ...]] = {
    "network:VirtualNetwork": (f"{_NETWORK}/natGateways/join/action", f"{_NETWORK}/routeTables/join/action"),
    "network:NatGateway": (_ADDRESS,),
    "network:BastionHost": (_ADDRESS, _JOIN),
    "network:NetworkInterface": (_ADDRESS, _JOIN, f"{_NETWORK}/networkSecurityGroups/join/action"),
    "compute:VirtualMachine": (
        "Microsoft.Compute/disks/read",
        "Microsoft.Compute/disks/write",
        "Microsoft.Compute/disks/delete",
        f"{_NETWORK}/networkInterfaces/join/action",
        "Microsoft.Compute/locations/operations/read",
        f"{_NETWORK}/locations/operations/read",
    ),
    "storage:StorageAccount": (f"{_NETWORK}/virtualNetworks/subnets/joinViaServiceEndpoint/action",),
    "storagecache:AmlFilesystem": (_JOIN, f"{_NETWORK}/virtualNetworks/subnets/read"),
}
FUNCTIONS: dict[str, tuple[str, ...]] = {
    "getClientConfig": (),
    "getSubnet": (f"{_NETWORK}/virtualNetworks/subnets/read",),
    "getUserAssignedIdentity": ("Microsoft.ManagedIdentity/userAssignedIdentities/read",),
    "getAmlFilesystem": ("Microsoft.StorageCache/amlFilesystems/read",),
}
# Of what has an identity (Microsoft.ManagedIdentity).
ASSIGN = _ASSIGN
GROUP = (f"{_GROUPS}/write", f"{_GROUPS}/read", f"{_GROUPS}/delete")
# A run's own images, checked beforehand.
IMAGES = ("Microsoft.Compute/images/read", "Microsoft.Compute/galleries/images/versions/read")
