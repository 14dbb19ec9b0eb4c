"""The steps of stacks/azure, in an order in which each comes after what it waits for."""

from __future__ import annotations

from collections.abc import Iterator

from provisioner.design.model import Design, Filesystem
from provisioner.design.timeline.step import Step

GROUP, VNET, ROUTES, NAT, ADDRESSES = "resource group", "VNet", "route table", "NAT gateway", "public addresses"
SECURITY, IDENTITIES, ROLES, EXPIRY = "network security groups", "managed identities", "roles", "expiry's Logic App"
INTERFACE, PLACEMENT, HEAD = "head's interface", "availability sets", "head"


def steps(design: Design) -> Iterator[Step]:
    yield Step(GROUP, "resource-group", (), ("resources/ResourceGroup:group",))
    yield from _network(design)
    yield from _identity(design)
    mounted = tuple(step for fs in design.filesystems for step in _filesystem(fs, design))
    yield from mounted
    # A share's address is its account's; a role on a container is nobody's who waits.
    made = tuple(step.name for step in mounted if step.kind != "role-assignment" and not step.name.endswith(": share"))
    public = (ADDRESSES,) if design.network.access == "public" else ()
    yield Step(INTERFACE, "network-interface", (VNET, SECURITY, *public, GROUP), ("network/NetworkInterface:*",))
    if any(group.fabric == "auto" and node.fabric for group in design.groups for node in group.alternatives):
        covers = ("compute/AvailabilitySet:*", "compute/ProximityPlacementGroup:*")
        yield Step(PLACEMENT, "placement", (GROUP,), covers)
    waits = (INTERFACE, SECURITY, IDENTITIES, VNET, PLACEMENT, GROUP, *made)
    yield Step(HEAD, "machine", waits, ("compute/VirtualMachine:head",))


def _network(design: Design) -> Iterator[Step]:
    asked, own = design.network, design.network.id is None
    gateway = own and (asked.access == "tunnel" or asked.egress == "gateway")
    yield Step(SECURITY, "security-group", (GROUP,), ("network/NetworkSecurityGroup:*",))
    if gateway or asked.access == "public":
        yield Step(ADDRESSES, "public-address", (GROUP,), ("network/PublicIPAddress:*",))
    if not own:
        return
    if gateway:
        yield Step(NAT, "nat-gateway", (ADDRESSES, GROUP), ("network/NatGateway:gateway",))
    if asked.egress == "head":
        yield Step(ROUTES, "route-table", (GROUP,), ("network/RouteTable:routes",))
    yield Step(VNET, "vnet", (ROUTES, NAT, GROUP), ("network/VirtualNetwork:vnet",))
    if asked.access == "tunnel":
        yield Step("Bastion", "bastion", (VNET, ADDRESSES, GROUP), ("network/BastionHost:bastion",))


def _identity(design: Design) -> Iterator[Step]:
    created = design.identity.create and design.identity.id is None
    if created:
        yield Step(IDENTITIES, "identity", (GROUP,), ("managedidentity/UserAssignedIdentity:*",))
        yield Step(ROLES, "role-definition", (GROUP,), ("authorization/RoleDefinition:*",))
        covers = tuple(f"authorization/RoleAssignment:{part}-assignment" for part in ("head", "subnet", "image-*"))
        yield Step("head's rights", "role-assignment", (IDENTITIES, ROLES, GROUP), covers)
    if created or design.identity.id is not None:
        yield Step(EXPIRY, "workflow", (GROUP,), ("logic/Workflow:expiry",))
    if created:
        covers = ("authorization/RoleAssignment:expiry-assignment",)
        yield Step("expiry's rights", "role-assignment", (EXPIRY, ROLES, GROUP), covers)


def _filesystem(fs: Filesystem, design: Design) -> Iterator[Step]:
    name, slug, account = fs.mount, fs.slug, f"{fs.mount}: storage account"
    if fs.type in ("managed-nfs", "bucket") and fs.id is None:
        yield Step(account, "storage-account", (VNET, GROUP), (f"storage/StorageAccount:account-{slug}",))
    if fs.type == "managed-nfs" and fs.id is None:
        yield Step(f"{name}: share", "share", (account, GROUP), (f"storage/FileShare:share-{slug}",))
    elif fs.type == "bucket":
        if fs.id is None:
            yield Step(f"{name}: container", "share", (account, GROUP), (f"storage/BlobContainer:container-{slug}",))
        if design.identity.create and design.identity.id is None:
            covers = (f"authorization/RoleAssignment:bucket-{slug}-assignment",)
            yield Step(f"{name}: rights", "role-assignment", (account, IDENTITIES), covers)
    elif fs.type == "lustre" and fs.id is None:
        yield Step(f"{name}: Managed Lustre", "lustre", (VNET, GROUP), (f"storagecache/AmlFilesystem:lustre-{slug}",))


def needs(design: Design) -> tuple[str, ...]:
    """What a node's launch needs there: no template, so all that its request names."""
    stored = tuple(
        s.name for fs in design.filesystems for s in _filesystem(fs, design) if s.kind in ("storage-account", "lustre")
    )
    return (GROUP, VNET, SECURITY, IDENTITIES, PLACEMENT, *stored)
