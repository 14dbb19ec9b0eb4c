"""An ephemeral Slurm cluster on AWS: network → the head's address → storage → templates → identity → head → the way out.

The order is that of what each must know: nodes are told the head's address, so that comes first; the head is told the
templates' ids, so it comes last. Nodes are no resources: they are launched by name (provisioner/launch/aws.py).
"""

from __future__ import annotations

from typing import Any

import pulumi
import pulumi_aws as aws
from groups import Groups, GroupsArgs
from head import Head, HeadAddress, HeadAddressArgs, HeadArgs
from identity import HeadIdentity, HeadIdentityArgs, StorageIdentity, StorageIdentityArgs
from images import Images
from network import Network, NetworkArgs
from storage import Storage, StorageArgs

from provisioner.bootstrap.seam import Launcher, Mount, Seam, served
from provisioner.stack import outputs
from provisioner.stack.given import given

told = given("aws")
design = told.design
region, account = aws.get_region().region, aws.get_caller_identity().account_id
launches = design.identity.create or design.identity.id is not None
if region != design.region:
    raise pulumi.RunError(f"aws:region is {region}. Type: pulumi config set aws:region {design.region}")
if told.first and design.fixed and not launches:
    raise pulumi.RunError("nobody would launch the nodes: with identity: none the head may not, so use burst run")

images = Images(design)
network = Network("network", NetworkArgs(design, told.ssh_from, told.zone))
address = HeadAddress("head-address", HeadAddressArgs(design, network))
storage = Storage("storage", StorageArgs(design, network))
nodes = StorageIdentity("storage-identity", StorageIdentityArgs(design, storage.buckets))


def seam(mounts: tuple[Mount, ...], attempts: dict[str, Any] | None = None, made: dict[str, Any] | None = None) -> Seam:
    """What is told to nodes; with `attempts` to the head, and with what provisioner/alone/end_aws.py is told."""
    ending = {"run": design.run.id, "region": design.region, "tunnel": design.network.access == "tunnel", **(made or {})}
    launcher = Launcher("aws", {"launcher": "aws", "scontrol": ["scontrol"], "groups": attempts}, ending=ending)
    return Seam(
        shape="aws",
        served=served(design),
        mounts=mounts,
        launcher=launcher if attempts is not None and launches else None,
        behind_head=network.behind_head,
        first=told.first,
    )


groups = Groups("groups", GroupsArgs(told, network, images, storage.mounts.apply(seam), address.private, nodes.profile))
identity = HeadIdentity(
    "head-identity",
    HeadIdentityArgs(
        design,
        account,
        images=sorted({images.compute(group, node).id for group in design.groups for node in network.where.kinds(group)}),
        subnet=network.subnet,
        groups=[network.inside.id],
        buckets=storage.buckets,
        made=storage.made,
        passed=nodes.role,
    ),
)
ended = {**storage.made, "own": address.own}
head = Head(
    "head",
    HeadArgs(
        told,
        network,
        images,
        address,
        pulumi.Output.all(storage.mounts, groups.attempts, ended).apply(lambda known: seam(*known)),
        identity.profile,
    ),
)
network.through(head.interface)

outputs.publish(
    {
        "run_id": design.run.id,
        "target": "aws",
        "region": design.region,
        "zone": network.where.zone,
        "account": account,
        "head_id": head.id,
        "head_address": head.reached,
        "head_private_address": address.private,
        "network": network.vpc,
        "firewall": (network.ssh or network.inside).id,
        "attempts": groups.attempts,
        "mounts": storage.mounts.apply(lambda mounts: {mount.folder: mount.source for mount in mounts}),
    }
)
