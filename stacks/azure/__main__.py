"""A run on Azure: one resource group with everything in it.

network → identity → storage → the head's interface → groups (models of machines) → head; and its end, a Logic App.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pulumi
from expiry import Expiry, ExpiryArgs
from groups import Groups, GroupsArgs
from head import Head, HeadArgs, Interface, InterfaceArgs
from identity import Identity, IdentityArgs
from network import Network, NetworkArgs
from pulumi_azure_native import authorization, resources
from scope import Scope
from storage import Storage, StorageArgs

from provisioner.bootstrap.seam import Seam
from provisioner.bootstrap.secrets import Keys
from provisioner.stack.given import given
from provisioner.stack.identity import tags
from provisioner.stack.outputs import publish

told = given("azure")
design = told.design
group = resources.ResourceGroup("group", resource_group_name=design.run.id, location=design.region, tags=tags(design))
account = authorization.get_client_config_output().subscription_id
scope = Scope(design, account, group.name, group.id, told.zone)
# Public, and therefore no secret, although it comes with those that are.
public_key = pulumi.Output.unsecret(told.keys.apply(lambda text: Keys.loads(text).authorized_key))

network = Network("network", NetworkArgs(scope, told.ssh_from))
images = (design.image, *(each.image for each in design.groups))
own_images = tuple(dict.fromkeys(image for image in images if image is not None and image.startswith("/subscriptions/")))
subnet = network.compute if design.network.id else None
identity = Identity("identity", IdentityArgs(scope, told.first, subnet, own_images, told.results))
storage = Storage("storage", StorageArgs(scope, network, identity))
interface = Interface("interface", InterfaceArgs(scope, network))
groups = Groups("groups", GroupsArgs(scope, network, identity, public_key))
head = Head("head", HeadArgs(told, scope, network, interface, identity, storage.mounts, groups.attempts, public_key))
Expiry("end", ExpiryArgs(scope, identity))


def with_seam(both: list[Any]) -> dict[str, Any]:
    """For the client, which has no other way to learn what it tells the nodes that it launches (targets/cloud/target.py)."""
    attempts, seam = both
    assert isinstance(seam, Seam)
    place = {"shape": seam.shape, "mounts": [asdict(mount) for mount in seam.mounts], "behind_head": seam.behind_head}
    return {
        name: [{**each, "template": {**each["template"], "seam": place}} for each in tried] for name, tried in attempts.items()
    }


publish(
    {
        "run_id": design.run.id,
        "target": "azure",
        "region": design.region,
        "zone": told.zone or "",
        "account": account,
        "head_id": head.id,
        "head_address": interface.public,
        "head_private_address": interface.private,
        "network": network.id,
        "firewall": network.head_security,
        "attempts": pulumi.Output.all(groups.attempts, head.seam).apply(with_seam),
        "mounts": storage.mounts.apply(lambda mounts: {mount.folder: mount.source for mount in mounts}),
    }
)
