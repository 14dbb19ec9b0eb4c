"""Azure's program under test: files with every kind of thing in them, and a rule for every name of the contract."""

from __future__ import annotations

from tests.stacks import azure_rules as rules
from tests.stacks.azure_answers import CONTAINER, IDENTITY, LUSTRE, SHARE, VNET, call, create
from tests.stacks.contract import Cloud, Rule

TEXT = """\
version: 1
name: every
login: {nodes: 1}
groups:
  cpu: {instance: [Standard_D64s_v6, Standard_F64as_v6], nodes: {min: 1, max: 8}, spot: prefer}
  ib: {instance: Standard_HB120rs_v3, nodes: 2}
  gpu: {instance: Standard_NC24ads_A100_v4, nodes: {min: 0, max: 2}, spot: only}
filesystems:
  /shared: {size: 200GiB}
  /files: {type: managed-nfs, size: 100GiB}
  /scratch: {type: lustre, size: 4TiB}
  /data: {type: bucket}
"""
EXISTING = f"""\
version: 1
name: existing
groups: {{cpu: {{instance: Standard_D4s_v5, nodes: 2}}}}
network: {{id: {VNET}, subnet: theirs}}
identity: {IDENTITY}
filesystems:
  /nfs: {{id: "10.1.0.9:/export"}}
  /files: {{type: managed-nfs, id: {SHARE}}}
  /scratch: {{type: lustre, id: {LUSTRE}}}
  /data: {{type: bucket, id: {CONTAINER}}}
"""
MANY = "version: 1\nname: many\ngroups: {ib: {instance: Standard_D64s_v6, nodes: {min: 1000, max: 1000}}}\n"


CLOUD = Cloud(
    name="azure",
    text=TEXT,
    create=create,
    call=call,
    rules={
        "identity": Rule(
            rules.identity,
            ("groups.py", '"tags": scope.tags,\n            "properties"', '"tags": {},\n            "properties"'),
        ),
        "named": Rule(rules.named, ("network.py", 'scope.named("network")', '"network"')),
        "expiry": Rule(rules.expiry, ("expiry.py", '"method": "DELETE"', '"method": "GET"')),
        "compute-private": Rule(
            rules.compute_private, ("network.py", 'default_outbound_access=name == "lustre"', "default_outbound_access=True")
        ),
        "encrypted": Rule(rules.encrypted, ("storage.py", "https: bool = True", "https: bool = False")),
        "ingress": Rule(rules.ingress, ("network.py", "list(ssh_from)", '["*"]')),
        "metadata": Rule(
            rules.metadata, ("groups.py", '"hardwareProfile": {', '"userData": "",\n                "hardwareProfile": {')
        ),
        "actions": Rule(rules.actions, ("identity.py", '"Microsoft.Compute/disks/delete"', '"Microsoft.Compute/*"')),
        "calls": Rule(rules.calls, ("identity.py", '    "Microsoft.Network/networkInterfaces/read",\n', "")),
        "size": Rule(
            rules.size,
            ("groups.py", "for node in group.alternatives}", "for node in group.alternatives * group.max}"),
            MANY.replace("D64s_v6", "HB120rs_v3").replace("1000", "80"),
        ),
        "secrets": Rule(rules.secrets, ("__main__.py", "Keys.loads(text).authorized_key", "Keys.loads(text).host_key")),
        "existing": Rule(rules.existing, ("network.py", "if asked.id is not None:", "if False:"), EXISTING),
        "fabric": Rule(rules.fabric, ("groups.py", 'if fabric == "infiniband":', 'if fabric == "":')),
    },
)
