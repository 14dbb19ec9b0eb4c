"""The steps of stacks/gcp, in an order in which each comes after what it waits for."""

from __future__ import annotations

from collections.abc import Iterator

from provisioner.design.model import Design, Filesystem
from provisioner.design.timeline.step import Step

NETWORK, SUBNET, RDMA, ADDRESS = "network", "subnetwork", "RDMA subnetwork", "head's address"
ACCOUNTS, ROLES, PLACEMENT, TEMPLATES = "service accounts", "custom roles", "placement policies", "instance templates"
PEERED, HEAD = "private services access", "head"


def gateway(design: Design) -> bool:
    return design.network.egress == "gateway" or design.network.access == "tunnel"


def steps(design: Design) -> Iterator[Step]:
    yield from _network(design)
    created = design.identity.create and design.identity.id is None
    bucket = any(fs.type == "bucket" for fs in design.filesystems)
    if created:
        yield from _identity(design, bucket)
    own = design.network.id is None
    if own and any(fs.type == "lustre" and fs.id is None for fs in design.filesystems):
        yield Step("addresses for private services", "peering-address", (NETWORK,), ("compute/globalAddress:peered",))
        waits = ("addresses for private services", NETWORK)
        yield Step(PEERED, "peering", waits, ("servicenetworking/connection:peered",))
    mounted = tuple(s for i, fs in enumerate(design.filesystems) for s in _filesystem(f"fs{i}", fs, created))
    yield from mounted
    made = tuple(step.name for step in mounted if step.kind != "member")
    if any(group.fabric == "auto" and node.fabric for group in design.groups for node in group.alternatives):
        yield Step(PLACEMENT, "resource-policy", (), ("compute/resourcePolicy:*",))
    files = (ACCOUNTS,) if created and bucket else ()
    waits = (ADDRESS, SUBNET, RDMA, PLACEMENT, *files, *made)
    yield Step(TEMPLATES, "instance-template", waits, ("compute/instanceTemplate:*",))
    yield Step(HEAD, "instance", (TEMPLATES, ADDRESS, SUBNET, ACCOUNTS, *made), ("compute/instance:head",))


def _network(design: Design) -> Iterator[Step]:
    if design.network.id is None:
        yield Step(NETWORK, "network", (), ("compute/network:network",))
        yield Step(SUBNET, "subnetwork", (NETWORK,), ("compute/subnetwork:subnet",))
    if any(group.fabric == "auto" and n.fabric == "rdma" for group in design.groups for n in group.alternatives):
        yield Step("RDMA network", "network", (), ("compute/network:rdma",))
        yield Step(RDMA, "subnetwork", ("RDMA network",), ("compute/subnetwork:rdma",))
    yield Step("firewall rules", "firewall", (NETWORK,), ("compute/firewall:*",))
    yield Step(ADDRESS, "address", (SUBNET,), ("compute/address:head-address",))
    if gateway(design):
        yield Step("router", "router", (NETWORK,), ("compute/router:router",))
        yield Step("Cloud NAT", "router-nat", ("router", SUBNET), ("compute/routerNat:nat",))
    else:
        yield Step("route to the head", "route", (NETWORK, ADDRESS), ("compute/route:way-out",))


def _identity(design: Design, bucket: bool) -> Iterator[Step]:
    yield Step(ACCOUNTS, "service-account", (), ("serviceaccount/account:*",))
    yield Step(ROLES, "custom-role", (), ("projects/iAMCustomRole:*",))
    yield Step("head's roles", "project-member", (ACCOUNTS, ROLES), ("projects/iAMMember:*",))
    own = (ROLES,) if design.network.id is None else ()
    waits = (ACCOUNTS, *own, SUBNET, RDMA)
    yield Step("head's role on the subnetwork", "member", waits, ("compute/subnetworkIAMMember:*",))
    if bucket:
        yield Step("head's role on the nodes' account", "member", (ACCOUNTS,), ("serviceaccount/iAMMember:*",))


def _filesystem(part: str, fs: Filesystem, created: bool) -> Iterator[Step]:
    name = fs.mount
    if fs.type == "managed-nfs" and fs.id is None:
        yield Step(f"{name}: Filestore", "filestore", (NETWORK,), (f"filestore/instance:{part}",))
    elif fs.type == "lustre" and fs.id is None:
        yield Step(f"{name}: Managed Lustre", "lustre", (PEERED, NETWORK), (f"lustre/instance:{part}",))
    elif fs.type == "bucket":
        if fs.id is None:
            yield Step(f"{name}: bucket", "bucket", (), (f"storage/bucket:{part}",))
        if created:
            # The head ends what was made, by a role of its own.
            waits = (f"{name}: bucket", ACCOUNTS, *((ROLES,) if fs.id is None else ()))
            yield Step(f"{name}: bucket's roles", "member", waits, (f"storage/bucketIAMMember:{part}-*",))


def needs(design: Design) -> tuple[str, ...]:
    """What a node's launch needs there: its template."""
    return (TEMPLATES,)
