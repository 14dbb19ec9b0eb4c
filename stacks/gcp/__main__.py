"""One run on Google Cloud: a network, who the machines are, filesystems, templates of the nodes to be, and the head."""

from __future__ import annotations

import pulumi
from groups import Groups, GroupsArgs
from head import Head, HeadArgs, ending, head_seam, nodes_seam
from identity import Identity, IdentityArgs
from network import Network, NetworkArgs
from storage import Storage, StorageArgs
from zones import chosen

from provisioner.stack import machines, outputs
from provisioner.stack.given import given

told = given("gcp")
design = told.design
where = chosen(design, told.zone)
network = Network("network", NetworkArgs(told, where))
identity = Identity("identity", IdentityArgs(design, where, network))
storage = Storage("storage", StorageArgs(design, where, network, identity))

surroundings = pulumi.Output.all(storage.mounts, network.behind_head)
nodes = surroundings.apply(lambda found: nodes_seam(design, *found))
groups = Groups(
    "groups",
    GroupsArgs(
        design,
        where,
        network,
        identity,
        compute=machines.text(told, "compute", seam=nodes, address=network.head_address),
        login=machines.text(told, "login", seam=nodes, address=network.head_address),
    ),
)
attempts = pulumi.Output.from_input(groups.attempts)
ends = ending(design, where, storage.made)
seam = pulumi.Output.all(storage.mounts, network.behind_head, attempts).apply(
    lambda found: head_seam(design, *found, ending=ends, first=told.first, launches=identity.head is not None)
)
user_data = machines.text(told, "head", seam=seam, address=network.head_address)
head = Head("head", HeadArgs(design, where, network, identity, user_data))

outputs.publish(
    {
        "run_id": design.run.id,
        "target": "gcp",
        "region": where.region,
        "zone": where.zone,
        "account": where.project,
        "head_id": head.id,
        "head_address": head.address,
        "head_private_address": network.head_address,
        "network": network.id,
        "firewall": network.firewall,
        "attempts": attempts,
        "mounts": storage.mounts.apply(lambda mounts: {mount.folder: mount.source for mount in mounts}),
    }
)
