"""The contract over Google Cloud's program: how each rule is seen there."""

from __future__ import annotations

import base64
import contextlib
import gzip
import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import yaml
from google_fake import Google, serving
from making import design

from provisioner.alone import end_gcp
from provisioner.design.model import Design
from provisioner.launch import gcp
from provisioner.stack.identity import described, tags
from provisioner.targets.gcp.kinds import KINDS, WITHIN
from tests.stacks.contract import Cloud, Rule
from tests.stacks.gcp_answers import EXISTING, PLAIN, TEXT, ZONE, call, create
from tests.stacks.gcp_ending import ended, one_of_each
from tests.stacks.programs import CALLER, KEYS, Made, Stack

_KINDS = {type_: kind for kind in KINDS for type_ in kind.made_by}
MACHINES = ("compute/instance:Instance", "compute/instanceTemplate:InstanceTemplate")
_CHOSEN = ("name", "accountId", "displayName", "instanceId", "roleId", "title")
_SECRET = "4dabf18193072939515e22adb298388d"
_METADATA = {"user-data", "user-data-encoding", "block-project-ssh-keys", "serial-port-logging-enable"}
# What Google itself grants with a role of its own, and on what alone.
_GOOGLES = {"roles/storage.objectUser": "BucketIAMMember", "roles/iam.serviceAccountUser": "serviceaccount/iAMMember:IAMMember"}
# What no condition on names and no policy of its own can narrow: type of the stack → the permission that its making brings.
_WHOLE = {"filestore/instance:Instance": "file.instances.delete", "lustre/instance:Instance": "lustre.instances.delete"}
_FILES = ["https://www.googleapis.com/auth/devstorage.read_write"]


def short(made: Made) -> str:
    return made.type.removeprefix("gcp:")


def identity(stack: Stack, design: Design) -> list[str]:
    """Labels where there are any, else the description; a part of another thing (kinds.WITHIN) goes with that."""
    wrong = []
    for made in stack.resources:
        if short(made) in WITHIN:
            continue
        if short(made) not in _KINDS:
            wrong.append(f"{made.type} is nothing that `remains` would see: give it a place in kinds.KINDS or kinds.WITHIN")
        elif "labels" in made.inputs and made.inputs["labels"] != tags(design):
            wrong.append(f"{made.name}: labels {made.inputs['labels']}")
        elif "labels" not in made.inputs and made.inputs.get("description") != described(design):
            wrong.append(f"{made.name}: neither labels nor a description")
    for made in stack.of("compute/instanceTemplate:InstanceTemplate"):
        for disk in made.inputs["disks"]:
            if disk.get("labels") != tags(design) or made.inputs.get("description") != described(design):
                wrong.append(f"{made.name}: its disks, or it itself")
    return wrong


def named(stack: Stack, design: Design) -> list[str]:
    """Also where the alphabet has underscores for dashes (roles' ids)."""
    begins = (f"{design.run.id}-", f"{design.run.id.replace('-', '_')}_")
    chosen = [(made.name, made.inputs[key]) for made in stack.resources for key in _CHOSEN if key in made.inputs]
    return [f"{name} is called {called}" for name, called in chosen if not called.startswith(begins)]


def expiry(stack: Stack, design: Design) -> list[str]:
    """Google deletes machines before their own timers would only switch them off; a head that ends its run itself has had
    its time for that, and is not switched off yet (end.sh: a minute for slurmctld, 1200 s for the rest; Google: 30 s late).
    """
    wrong = []
    for made in stack.of(*MACHINES):
        scheduling = made.inputs.get("scheduling", {})
        ends = datetime.fromisoformat(scheduling.get("terminationTime", "1970-01-01T00:00:00Z")).timestamp()
        itself = made.name == "head" and "/opt/burst/end.json" in written(made)
        first, last = (60 + end_gcp._WORK, 1200 - 30) if itself else (-120, -1)
        if not first < ends - design.run.expires <= last:
            wrong.append(f"{made.name} ends {ends - design.run.expires:+.0f} s from the expiry")
        if scheduling.get("instanceTerminationAction") != "DELETE":
            wrong.append(f"{made.name} is not deleted at its end")
    for made in stack.resources:
        kind = _KINDS.get(short(made))
        told = json.dumps([made.inputs.get("labels"), made.inputs.get("description")])
        if kind and kind.billed and str(design.run.expires) not in told:
            wrong.append(f"{made.name} is billed and does not say until when")
    return wrong


def compute_private(stack: Stack, design: Design) -> list[str]:
    """Only the head, and login nodes where nothing else lets them out, have an address in the world."""
    templates = [made for made in stack.of("InstanceTemplate") if made.name != "login"]
    machines = [made for made in stack.of("compute/instance:Instance") if made.name != "head"]
    wrong = [f"{made.name} is a machine of the stack's own" for made in machines]
    for made in (*templates, *machines):
        for nic in made.inputs["networkInterfaces"]:
            if nic.get("accessConfigs") or nic.get("ipv6AccessConfigs"):
                wrong.append(f"{made.name} has a public address")
    return wrong


def encrypted(stack: Stack, design: Design) -> list[str]:
    """Google encrypts every disk, Filestore, Lustre and bucket with keys of its own, or with the customer's in Cloud KMS
    ("Default encryption at rest"): what would be wrong is a key that somebody brings in the open.
    """
    raw = ("rawkey", "encryptionkeyraw", "encryptionkeyrsa", "rsaencryptedkey")
    return [f"{made.name}: {key}" for made in stack.resources for key in keys(made.inputs) if key.lower().endswith(raw)]


def keys(value: Any) -> Iterator[str]:
    """Every key in it, at any depth."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from keys(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from keys(inner)


def ingress(stack: Stack, design: Design) -> list[str]:
    """A rule is for the run's machines: from one another, or SSH from the caller."""
    wrong = []
    for made in stack.of("Firewall"):
        given = made.inputs
        if not all(tag.startswith(design.run.id) for tag in given.get("targetTags") or ["everything"]):
            wrong.append(f"{made.name} is for {given.get('targetTags')}")
        if given.get("sourceTags") == [design.run.id] and "sourceRanges" not in given:
            continue
        if given.get("sourceRanges") != [CALLER] or given["allows"] != [{"protocol": "tcp", "ports": ["22"]}]:
            wrong.append(f"{made.name} lets in {given.get('sourceRanges')}: {given['allows']}")
    return wrong


def metadata(stack: Stack, design: Design) -> list[str]:
    """Google's wants a header always; what it hands out beside user-data is what is given here, and a token where there is
    an account: compute's reaches buckets alone.
    """
    wrong = []
    for made in stack.of(*MACHINES):
        given = plain(made.inputs.get("metadata", {}))
        if set(given) != _METADATA or given["block-project-ssh-keys"] != "TRUE":
            wrong.append(f"{made.name}: metadata {sorted(given)}")
        account = made.inputs.get("serviceAccount")
        if account and made.name != "head" and account["scopes"] != _FILES:
            wrong.append(f"{made.name} may use {account['scopes']}")
    return wrong


def written(made: Made) -> dict[str, str]:
    """path → content, of what a machine writes."""
    data = plain(plain(made.inputs["metadata"])["user-data"])
    config = yaml.safe_load(gzip.decompress(base64.b64decode(data)))
    return {item["path"]: item["content"] for item in config["write_files"]}


def plain(value: Any) -> Any:
    """What a secret holds: Pulumi wraps it, with everything that it is a part of, in a dictionary of its own."""
    return value["value"] if isinstance(value, dict) and _SECRET in value else value


def permitted(stack: Stack) -> set[str]:
    """What all roles that the stack makes allow."""
    return {permission for made in stack.of("IAMCustomRole") for permission in made.inputs["permissions"]}


_CHANGES = ("create", "delete", "set", "update", "useReadOnly")


def actions(stack: Stack, design: Design) -> list[str]:
    """What changes anything is granted on what has the run's name, or at that itself; what has none is read, or used beside
    it. Filesystems of Google's are the exception (stacks/gcp/identity.py), where the run makes one.
    """
    wrong = [f"{permission} in a role" for permission in permitted(stack) if "*" in permission or permission.count(".") != 2]
    roles = {made.outputs["name"]: made.inputs["permissions"] for made in stack.of("IAMCustomRole")}
    whole = {_WHOLE[short(made)] for made in stack.resources if short(made) in _WHOLE}
    own = {made.inputs["name"] for made in stack.of("storage/bucket:Bucket")}
    for made in stack.resources:
        role = made.inputs.get("role")
        if role is None:
            continue
        if "bucketIAMMember" in made.type and made.inputs["bucket"] not in own and role in roles:
            wrong.append(f"{made.name} reaches {made.inputs['bucket']}")
        if role not in roles and _GOOGLES.get(role, "nothing") not in made.type:
            wrong.append(f"{made.name} grants {role}")
        if made.type == "gcp:projects/iAMMember:IAMMember":
            changes = [p for p in roles.get(role, ()) if p.rpartition(".")[2].startswith(_CHANGES) and p not in whole]
            parts = made.inputs.get("condition", {}).get("expression", "").split(" || ")
            if changes and not all(p.startswith("resource.name.startsWith(") and f'/{design.run.id}-")' in p for p in parts):
                wrong.append(f"{made.name} may {', '.join(changes)} where {parts}")
    return wrong


# Method → the permissions that its page of the API reference lists, for what the templates here ask.
_PERMISSIONS = {
    "compute.instances.bulkInsert": {
        "compute.instances.create",
        "compute.instances.setLabels",
        "compute.instances.setMetadata",
        "compute.instances.setServiceAccount",
        "compute.instances.setTags",
        "compute.instanceTemplates.useReadOnly",
        "compute.disks.create",
        "compute.disks.setLabels",
        "compute.subnetworks.use",
        "compute.resourcePolicies.use",
    },
    "compute.instances.get": {"compute.instances.get"},
    "compute.instances.delete": {"compute.instances.delete"},
    "compute.zoneOperations.wait": {"compute.zoneOperations.get"},
    "compute.zoneOperations.list": {"compute.zoneOperations.list"},
    "compute.disks.get": {"compute.disks.get"},
    "compute.disks.delete": {"compute.disks.delete"},
    **{
        f"{api}.projects.locations.{method}": {f"{api}.{method}"}
        for api in ("file", "lustre")
        for method in ("instances.get", "instances.delete", "operations.get")
    },
    **{
        f"storage.{method}": {f"storage.{method}"}
        for method in ("buckets.get", "buckets.delete", "objects.list", "objects.delete")
    },
}


def calls(stack: Stack, design: Design) -> list[str]:
    """All that launch and end call, with room and without, and what ends the run is allowed; nothing is that they do not call."""
    template = stack.outputs["attempts"]["mpi"][0]["template"]
    with serving(Google()) as google:
        session = gcp.Session(lambda: "a-token", google.endpoint)
        gcp.launch(["mpi-1"], template, "spot", session)
        gcp.launch(["mpi-1"], template, "spot", session)
        gcp.end(["mpi-1"], template, session)
        google.room = 0
        with contextlib.suppress(gcp.Refused):
            gcp.launch(["mpi-1"], template, "spot", session)
        told = json.loads(written(next(made for made in stack.resources if made.name == "head"))["/opt/burst/end.json"])
        one_of_each(google, told, design.run.id)
        gone = ended(told, session)
        needed = {permission for method in google.calls for permission in _PERMISSIONS[method]}
    allowed = permitted(stack)
    wrong = [f"{path} is left" for path in google.things if not gone or "/instances/" in path]
    wrong += [f"{permission} is called for and not allowed" for permission in sorted(needed - allowed)]
    return [*wrong, *(f"{permission} is allowed and never called for" for permission in sorted(allowed - needed))]


def size(stack: Stack, design: Design) -> list[str]:
    """A thousand nodes against one of the right program's."""
    one = CLOUD.run(_design(PLAIN % 1))
    return (
        [] if len(stack.resources) == len(one.resources) else [f"{len(stack.resources)} for many, {len(one.resources)} for one"]
    )


def secrets(stack: Stack, design: Design) -> list[str]:
    """The key of munge and the host's own appear nowhere but within user-data, which is compressed."""
    wrong = []
    marks = (KEYS.host_key.strip(), KEYS.munge_key.decode(), KEYS.dumps()[:40])
    for where, told in [("outputs", stack.outputs), *((made.name, made.inputs) for made in stack.resources)]:
        text = json.dumps(told)
        wrong += [f"a key in {where}" for mark in marks if mark in text or json.dumps(mark)[1:-1] in text]
    return wrong


def existing(stack: Stack, design: Design) -> list[str]:
    """What is given is in use, and of its kind nothing is made."""
    kinds = (
        "Network",
        "Subnetwork",
        "Account",
        "IAMCustomRole",
        "IAMMember",
        "filestore/instance:Instance",
        "Bucket",
        "Connection",
    )
    wrong = [
        f"{made.type} is made"
        for made in stack.of(*(f":{kind}" if "/" not in kind else kind for kind in kinds), "lustre/instance:Instance")
    ]
    (head,) = stack.of("compute/instance:Instance")
    if head.inputs["networkInterfaces"][0]["subnetwork"] != "projects/host-1/regions/us-central1/subnetworks/hpc":
        wrong.append(f"the head is in {head.inputs['networkInterfaces']}")
    if head.inputs.get("serviceAccount", {}).get("email") != "hpc@p-1.iam.gserviceaccount.com":
        wrong.append("the head is somebody else")
    if stack.outputs["mounts"].get("/data") != "theirs":
        wrong.append("another bucket is mounted")
    return wrong


def fabric(stack: Stack, design: Design) -> list[str]:
    """H4D: a card for Cloud RDMA in a network with that profile, beside gVNIC. C3: Tier_1. Both close together."""
    made = {each.name: each.inputs for each in stack.of("InstanceTemplate")}
    rdma, tier1, wrong = made["mpi-0-spot"], made["mpi-1-spot"], []
    if [nic["nicType"] for nic in rdma["networkInterfaces"]] != ["GVNIC", "IRDMA"]:
        wrong.append(f"H4D has {rdma['networkInterfaces']}")
    profiled = [each for each in stack.of(":Network") if each.inputs.get("networkProfile", "").endswith(f"/{ZONE}-vpc-falcon")]
    subnets = [each.id for each in stack.of(":Subnetwork") if [each.inputs["network"]] == [network.id for network in profiled]]
    if [nic["subnetwork"] for nic in rdma["networkInterfaces"][1:]] != subnets:
        wrong.append("its card is not in the network for RDMA")
    if tier1.get("networkPerformanceConfig") != {"totalEgressBandwidthTier": "TIER_1"}:
        wrong.append("C3 has no Tier_1")
    for inputs in (rdma, tier1):
        if not inputs.get("resourcePolicies") or inputs["scheduling"]["onHostMaintenance"] != "TERMINATE":
            wrong.append("nothing places its nodes together")
    return wrong


def _design(text: str) -> Design:
    return design(text, "gcp")


RULES = {
    "identity": Rule(
        identity,
        (
            "storage.py",
            "            labels=tags(self._design),\n            location=self._args.where.region",
            "            location=self._args.where.region",
        ),
    ),
    "named": Rule(named, ("network.py", "name=named(self._design, part)", "name=part")),
    "expiry": Rule(expiry, ("groups.py", 'instance_termination_action="DELETE"', 'instance_termination_action="STOP"')),
    "compute-private": Rule(compute_private, ("groups.py", "public = group is None and", "public = group is not None and")),
    "encrypted": Rule(encrypted, ("head.py", "auto_delete=True,", 'auto_delete=True, disk_encryption_key_raw="c2VjcmV0",')),
    "ingress": Rule(ingress, ("network.py", "list(self._given.ssh_from)", '["0.0.0.0/0"]')),
    "metadata": Rule(metadata, ("images.py", '"block-project-ssh-keys": "TRUE"', '"block-project-ssh-keys": "FALSE"')),
    "actions": Rule(actions, ("identity.py", "expression=self._expression(own)", 'expression="true"')),
    "calls": Rule(calls, ("identity.py", '    "compute.instances.get",\n', "")),
    "size": Rule(
        size,
        ("groups.py", 'in order(group, "gcp")', 'in order(group, "gcp") * min(group.max, 3)'),
        PLAIN % 1000,
    ),
    "secrets": Rule(secrets, ("__main__.py", '"run_id": design.run.id', '"run_id": told.keys')),
    "existing": Rule(
        existing, ("network.py", "self._made() if asked.id is None else", "self._made() if asked.id else"), EXISTING
    ),
    "fabric": Rule(fabric, ("groups.py", 'nic_type="IRDMA"', 'nic_type="GVNIC"')),
}

CLOUD = Cloud("gcp", TEXT, RULES, create, call)
