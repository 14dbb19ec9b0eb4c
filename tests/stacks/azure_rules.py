"""The contract's rules as they are seen on Azure: each from what the program made to complaints."""

from __future__ import annotations

import json
import unittest.mock
from datetime import UTC, datetime
from typing import Any

import azure_api
from azure_api import always, refusal
from making import Still

from provisioner.alone import end_azure
from provisioner.design.model import Design
from provisioner.launch import azure as launcher
from provisioner.stack.identity import described, tags
from tests.stacks.azure_actions import action
from tests.stacks.azure_answers import (
    IDENTITY,
    SECRET,
    SUBSCRIPTION,
    TYPES,
    UNTAGGED,
    VNET,
    WORLD,
    interface,
    name_of,
    os_profile,
    templates,
    unpacked,
)
from tests.stacks.programs import CALLER, KEYS, Made, Stack


def identity(stack: Stack, design: Design) -> list[str]:
    found, own = [], tags(design)
    for made in stack.resources:
        kind = made.type.removeprefix("azure-native:")
        if kind not in TYPES:
            found.append(f"{made.type}: no rule knows this type")
        elif kind.startswith("authorization:"):
            found += [
                f"{made.name}: its description is not the run's"
                for _ in [0]
                if made.inputs.get("description") != described(design)
            ]
        else:
            told = made.inputs.get("metadata" if kind.endswith(UNTAGGED) else "tags") or {}
            told = {key.replace("_", "-"): value for key, value in told.items()}
            found += [f"{made.name}: {key} is not {own[key]}" for key in own if told.get(key) != own[key]]
    for group, _, template in templates(stack):
        found += [
            f"{group}: a machine without tags" for tagged in (template["body"], interface(template)) if tagged["tags"] != own
        ]
    return found


def named(stack: Stack, design: Design) -> list[str]:
    found = []
    for made in stack.resources:
        if made.inputs.get("resourceGroupName", design.run.id) != design.run.id:
            found.append(f"{made.name} is in another group")
        own = name_of(made)
        # Accounts and assignments have an alphabet of their own: they lie in the group, or say whose they are.
        if not made.type.endswith((":StorageAccount", ":RoleAssignment")) and not own.startswith(design.run.id):
            found.append(f"{made.name} is called {own}")
    return found + [f"{group}: run {told['run']}" for group, _, told in templates(stack) if told["run"] != design.run.id]


def expiry(stack: Stack, design: Design) -> list[str]:
    workflows, group = stack.of(":Workflow"), f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{design.run.id}"
    if len(workflows) != 1:
        return [f"{len(workflows)} workflows end the group"]
    told, found = workflows[0].inputs["definition"], []
    at = told["triggers"]["expiry"]["recurrence"]["startTime"]
    if datetime.fromisoformat(at) != datetime.fromtimestamp(design.run.expires, UTC):
        found.append(f"it starts at {at}")
    action = told["actions"]["delete-group"]["inputs"]
    if action["method"] != "DELETE" or not action["uri"].startswith(f"{launcher.ENDPOINT}{group}?"):
        found.append(f"it does {action['method']} {action['uri']}")
    if action["authentication"]["type"] != "ManagedServiceIdentity":
        found.append("it has no identity")
    if not any(
        "Microsoft.Resources/subscriptions/resourceGroups/delete" in actions for _, actions, _ in _assigned(stack, workflows[0])
    ):
        found.append("it may not delete the group")
    return found


def compute_private(stack: Stack, design: Design) -> list[str]:
    found = [
        f"{group}: a public address" for group, _, told in templates(stack, login=False) if "publicIP" in json.dumps(told["body"])
    ]
    outside = {made.id for made in stack.of(":NetworkSecurityGroup") if made.name == "compute-security"}
    found += [
        f"{g}: another firewall"
        for g, _, t in templates(stack, login=False)
        if interface(t)["properties"]["networkSecurityGroup"]["id"] not in outside
    ]
    for vnet in stack.of(":VirtualNetwork"):
        bare = [
            each
            for each in vnet.inputs["subnets"]
            if each["name"] in ("head", "compute") and each["defaultOutboundAccess"] is not False
        ]
        found += [f"subnet {each['name']} has Azure's own way out" for each in bare]
    own = {"head-address", "gateway-address", "bastion-address"}
    return found + [f"{made.name}: a public address" for made in stack.of(":PublicIPAddress") if made.name not in own]


def encrypted(stack: Stack, design: Design) -> list[str]:
    """Azure encrypts every managed disk, account and Lustre filesystem; what may be said against it, is not."""
    found = []
    disks = [("head", m.inputs["storageProfile"]["osDisk"]) for m in stack.of(":VirtualMachine")]
    disks += [(group, told["body"]["properties"]["storageProfile"]["osDisk"]) for group, _, told in templates(stack)]
    found += [f"{who}: a disk that is not managed" for who, disk in disks if "managedDisk" not in disk or "vhd" in disk]
    for made in stack.of(":StorageAccount"):
        if made.inputs["minimumTlsVersion"] != "TLS1_2" or made.inputs["allowSharedKeyAccess"]:
            found.append(f"{made.name}: old TLS, or a key that opens everything")
        if made.inputs["kind"] != "FileStorage" and not made.inputs["enableHttpsTrafficOnly"]:
            found.append(f"{made.name}: not encrypted on the way")
    return found


def ingress(stack: Stack, design: Design) -> list[str]:
    found = []
    for group in stack.of(":NetworkSecurityGroup"):
        for rule in group.inputs["securityRules"]:
            sources = rule.get("sourceAddressPrefixes") or [rule["sourceAddressPrefix"]]
            if rule["access"] == "Allow" and set(sources) & set(WORLD):
                found.append(f"{group.name}: {rule['name']} is open to the world")
            if rule["name"] == "ssh" and (sources != [CALLER] or rule["destinationPortRange"] != "22"):
                found.append(f"{group.name}: SSH is open to {sources}")
        last = max(group.inputs["securityRules"], key=lambda rule: rule["priority"])
        if (last["access"], last["sourceAddressPrefix"], last["protocol"]) != ("Deny", "*", "*"):
            found.append(f"{group.name}: what is not allowed is not denied")
    accounts = [made for made in stack.of(":StorageAccount") if made.inputs["networkRuleSet"]["defaultAction"] != "Deny"]
    return found + [f"{made.name} is open to the world" for made in accounts]


def metadata(stack: Stack, design: Design) -> list[str]:
    """The service wants a header as it is; it hands out userData to all, customData to nobody."""
    found = [f"{group}: userData" for group, _, told in templates(stack) if "userData" in told["body"]["properties"]]
    found += [f"{made.name}: userData" for made in stack.of(":VirtualMachine") if "userData" in made.inputs]
    data = {made.id for made in stack.of(":UserAssignedIdentity") if made.name == "data-identity"}
    for group, _, told in templates(stack):
        mine = set(told["body"].get("identity", {}).get("userAssignedIdentities", {}))
        found += [f"{group}: a token of {', '.join(mine - data)}" for _ in [0] if mine - data]
    return found


def _assigned(stack: Stack, to: Made) -> list[tuple[Made, list[str], str]]:
    """(role, its actions, where it is assigned) of one principal."""
    principal = to.outputs.get("principalId") or to.outputs["identity"]["principalId"]
    roles = {made.id: made for made in stack.of(":RoleDefinition")}
    mine = [made.inputs for made in stack.of(":RoleAssignment") if made.inputs["principalId"] == principal]
    return [
        (role, [action for each in role.inputs["permissions"] for action in each["actions"]], each["scope"])
        for each in mine
        if (role := roles.get(each["roleDefinitionId"])) is not None
    ]


def actions(stack: Stack, design: Design) -> list[str]:
    found = []
    for role in stack.of(":RoleDefinition"):
        wild = [
            action
            for each in role.inputs["permissions"]
            for action in (*each["actions"], *each.get("dataActions", ()))
            if "*" in action
        ]
        found += [f"{role.name}: {action}" for action in wild]
        found += [
            f"{role.name} may be assigned at {at}" for at in role.inputs["assignableScopes"] if "/resourceGroups/" not in at
        ]
    for made in stack.of(":RoleAssignment"):
        if f"/resourceGroups/{design.run.id}" not in made.inputs["scope"]:
            found.append(f"{made.name} reaches {made.inputs['scope']}")
    return found


class Recording(launcher.Session):
    """What launch and end call, answered as if all went well."""

    def __init__(self) -> None:
        super().__init__(lambda: "token")
        self.calls: list[tuple[str, str]] = []

    def call(self, method: str, path: str, api: str = "", body: Any = None, absent: bool = False) -> launcher.Answer:
        self.calls.append((method, path.partition("?")[0]))
        nic = {
            "virtualMachine": {"id": "/x/test-abc234-a-1"},
            "ipConfigurations": [{"properties": {"privateIPAddress": "10.0.0.9"}}],
        }
        value = [{"properties": nic}] if path.endswith("networkInterfaces") else []
        return launcher.Answer(path, 200, {}, {"value": value})


def called(template: dict[str, Any]) -> set[str]:
    """The actions behind the calls of `launch` and `end`, and those that Azure asks for beside ("LinkedAuthorizationFailed")."""
    session = Recording()
    told = {**template, "custom_data": "/dev/null"}
    launcher.launch(["a-1"], told, "spot", session)
    launcher.end(["a-1"], told, session)
    verbs = {"PUT": "write", "GET": "read", "DELETE": "delete"}
    found = {"/".join([*path.partition("/providers/")[2].split("/")[:2], verbs[method]]) for method, path in session.calls}
    properties = template["body"]["properties"]
    found |= {
        "Microsoft.Network/networkInterfaces/write",
        "Microsoft.Network/networkInterfaces/join/action",
        "Microsoft.Compute/disks/write",
    }
    found |= {"Microsoft.Network/networkSecurityGroups/join/action", "Microsoft.Network/virtualNetworks/subnets/join/action"}
    found |= {f"Microsoft.Compute/{key}s/write" for key in ("availabilitySet", "proximityPlacementGroup") if key in properties}
    return found | (
        {"Microsoft.ManagedIdentity/userAssignedIdentities/assign/action"} if "identity" in template["body"] else set()
    )


def called_at_the_end(told: dict[str, Any]) -> set[str]:
    """The actions behind the calls of the run's end, where the group may go, and where it and one machine may not."""
    found: set[str] = set()
    for trouble in (None, always(refusal(409, "ScopeLocked"), "DELETE", "resourceGroups/")):
        with azure_api.serving() as azure, unittest.mock.patch.object(end_azure, "time", Still()):
            azure.group, azure.machines = "Succeeded", {f"{told['run']}-{name}": {} for name in ("head", "cpu-1")}
            azure.troubles = [trouble] if trouble else []
            session = launcher.Session(lambda: "token", azure.url, sleep=lambda seconds: None)
            end_azure.Ending(told, session, launcher).all()
            found |= {action(method, path) for method, path, _ in azure.asked}
            assert azure.wrong == []
    return found


def calls(stack: Stack, design: Design) -> list[str]:
    head = next(made for made in stack.of(":UserAssignedIdentity") if made.name == "head-identity")
    group = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{design.run.id}"
    may = {action for _, granted, at in _assigned(stack, head) if at == group for action in granted}
    wanted = {each for _, _, told in templates(stack, login=False) for each in called(told)}
    files = unpacked(os_profile(stack.of(":VirtualMachine")[0])["customData"])["files"]
    ends = called_at_the_end(json.loads(files["/opt/burst/end.json"]["content"]))
    # Azure does not tell capital letters from small ones.
    may, wanted, ends = ({each.lower() for each in some} for some in (may, wanted, ends))
    idle = {each for each in may - ends if "resourcegroups/" in each or each.endswith("/deallocate/action")}
    found = [f"the head calls {each}, and may not" for each in sorted((wanted | ends) - may)]
    return [*found, *(f"the head may {each}, and never calls it" for each in sorted(idle))]


def size(stack: Stack, design: Design) -> list[str]:
    return [f"{len(stack.resources)} resources for {design.groups[0].max} nodes"] if len(stack.resources) > 40 else []


def secrets(stack: Stack, design: Design) -> list[str]:
    hidden = (KEYS.munge_key.decode(), KEYS.host_key.strip(), json.loads(KEYS.dumps())["munge_key"])
    found = [f"an output has {text!r}" for text in hidden if text in json.dumps(stack.outputs)]
    for made in stack.resources:
        shown = json.loads(json.dumps(made.inputs))
        profile = shown.pop("osProfile", None)
        found += [f"{made.name} has {text!r}" for text in hidden if text in json.dumps(shown)]
        if profile is not None:
            # As Pulumi marks what its state has to encrypt.
            found += [f"{made.name}: user-data is no secret" for _ in [0] if profile.get(SECRET) is None]
            found += ["an output has user-data" for _ in [0] if os_profile(made)["customData"] in json.dumps(stack.outputs)]
    return found


def existing(stack: Stack, design: Design) -> list[str]:
    wrong = (
        ":VirtualNetwork",
        ":RouteTable",
        ":NatGateway",
        ":BastionHost",
        ":UserAssignedIdentity",
        ":StorageAccount",
        ":FileShare",
    )
    found = [f"{made.name} is made" for made in stack.of(*wrong, ":BlobContainer", ":AmlFilesystem", ":RoleDefinition")]
    subnet = f"{VNET}/subnets/theirs"
    head = stack.of(":NetworkInterface")[0].inputs["ipConfigurations"][0]["subnet"]["id"]
    used = {
        head,
        *(interface(t)["properties"]["ipConfigurations"][0]["properties"]["subnet"]["id"] for _, _, t in templates(stack)),
    }
    found += [f"{other} is used" for other in used - {subnet}]
    mounts = {
        "/nfs": "10.1.0.9:/export",
        "/files": "theirs.file.core.windows.net:/theirs/s",
        "/scratch": "10.1.2.4@tcp:/lustrefs",
        "/data": "theirs/c",
    }
    found += [f"{at} is not {source}" for at, source in mounts.items() if stack.outputs["mounts"].get(at) != source]
    own = stack.of(":VirtualMachine")[0].inputs["identity"]["userAssignedIdentities"]
    return found + ([f"the head is {own}"] if list(own) != [IDENTITY] else [])


def fabric(stack: Stack, design: Design) -> list[str]:
    sets = {made.id: made.inputs for made in stack.of(":AvailabilitySet")}
    found = []
    for group, market, told in templates(stack, login=False):
        properties = told["body"]["properties"]
        if group != "ib":
            found += [f"{group}: an availability set" for _ in [0] if "availabilitySet" in properties]
            continue
        mine = sets.get(properties.get("availabilitySet", {}).get("id"), {})
        if (mine.get("platformFaultDomainCount"), mine.get("sku", {}).get("name")) != (1, "Aligned"):
            found.append("no availability set of one fault domain: no InfiniBand")
        if market == "spot" or "zones" in told["body"]:
            found.append("a spot machine or a zone in an availability set")
        if properties["storageProfile"]["imageReference"].get("offer") != "ubuntu-hpc":
            found.append("an image without InfiniBand's drivers")
        if not interface(told)["properties"]["enableAcceleratedNetworking"]:
            found.append("no accelerated networking")
    return found
