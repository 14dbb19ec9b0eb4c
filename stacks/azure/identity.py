"""What the machines may do: the head makes and ends the machines of its run, and in the end the run; whoever mounts a bucket
reads and writes it.

Both are managed identities: a token from the machine's metadata, no secret anywhere. A role is assigned at the resource
group of the run, and at what lies outside of it (an existing subnet, the user's own image) with nothing but the one action
that a new machine needs there.
"""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
from pulumi_azure_native import authorization, managedidentity
from scope import Scope, group_of, name_of

from provisioner.stack.identity import described

# What launch/azure.py calls, and what Azure asks of the caller for the things that a machine is made with
# ("Azure resource provider operations": Microsoft.Compute, Microsoft.Network, Microsoft.ManagedIdentity).
LAUNCH = (
    "Microsoft.Compute/availabilitySets/read",
    "Microsoft.Compute/availabilitySets/write",
    "Microsoft.Compute/disks/delete",
    "Microsoft.Compute/disks/read",
    "Microsoft.Compute/disks/write",
    "Microsoft.Compute/proximityPlacementGroups/read",
    "Microsoft.Compute/proximityPlacementGroups/write",
    "Microsoft.Compute/virtualMachines/delete",
    "Microsoft.Compute/virtualMachines/read",
    "Microsoft.Compute/virtualMachines/write",
    "Microsoft.ManagedIdentity/userAssignedIdentities/assign/action",
    "Microsoft.Network/networkInterfaces/delete",
    "Microsoft.Network/networkInterfaces/join/action",
    "Microsoft.Network/networkInterfaces/read",
    "Microsoft.Network/networkInterfaces/write",
    "Microsoft.Network/networkSecurityGroups/join/action",
    "Microsoft.Network/virtualNetworks/subnets/join/action",
)
# A login node's public address, where the head launches login nodes.
LOGIN = (
    "Microsoft.Network/publicIPAddresses/delete",
    "Microsoft.Network/publicIPAddresses/join/action",
    "Microsoft.Network/publicIPAddresses/read",
    "Microsoft.Network/publicIPAddresses/write",
)
# What alone/end_azure.py calls: the run's group, itself in it, and where that is refused its machines one by one ("To delete a
# resource group, you need access to the delete action for it": Azure Resource Manager, "Delete resources").
GROUP = ("Microsoft.Resources/subscriptions/resourceGroups/delete", "Microsoft.Resources/subscriptions/resourceGroups/read")
END = (*GROUP, "Microsoft.Compute/virtualMachines/deallocate/action")
_JOIN = ("Microsoft.Network/virtualNetworks/subnets/join/action",)
_IMAGE = ("Microsoft.Compute/images/read", "Microsoft.Compute/galleries/images/versions/read")
# "Azure built-in roles for Storage": Storage Blob Data Contributor.
_BLOBS = "ba92f5b4-2d11-453d-a403-e96b0029c9fe"


@dataclass(frozen=True)
class IdentityArgs:
    """`subnet` is an existing one by id, outside of the run's group; `images` are the user's own; `first` is whether the
    head launches what is always there. `results` is the container, by id, that a detached run's results go to.
    """

    scope: Scope
    first: bool
    subnet: pulumi.Output[str] | None
    images: tuple[str, ...]
    results: str | None = None


class Identity(pulumi.ComponentResource):
    """`head` and `data` are managed identities as (id, client id), None where there is none.

    An identity that is given by id is the head's, and mounts buckets everywhere: its rights are the user's own affair.
    """

    def __init__(self, name: str, args: IdentityArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("burst:azure:Identity", name, None, opts)
        self._scope = args.scope
        asked = args.scope.design.identity
        self.head: Managed | None = None
        self.data: Managed | None = None
        self.created = asked.create and asked.id is None
        if asked.id is not None:
            found = managedidentity.get_user_assigned_identity_output(
                resource_group_name=name_of(group_of(asked.id)), resource_name=name_of(asked.id)
            )
            self.head = Managed(pulumi.Output.from_input(asked.id), found.client_id, found.principal_id)
        elif asked.create:
            self.head = self._made("head")
            self._launching(self.head, args)
        if self.created and self.head is not None and args.results is not None:
            assignment(args.scope, "results", self._whole(_BLOBS), args.results, self.head.principal, self)
        if any(fs.type == "bucket" for fs in args.scope.design.filesystems):
            self.data = self._made("data") if self.created else self.head
        self.register_outputs({})

    def _made(self, part: str) -> Managed:
        scope = self._scope
        made = managedidentity.UserAssignedIdentity(
            f"{part}-identity",
            resource_name_=scope.named(part),
            resource_group_name=scope.group,
            location=scope.region,
            tags=scope.tags,
            opts=pulumi.ResourceOptions(parent=self),
        )
        return Managed(made.id, made.client_id, made.principal_id)

    def _launching(self, head: Managed, args: IdentityArgs) -> None:
        scope = args.scope
        public = args.first and scope.design.login is not None and scope.design.network.access == "public"
        role(scope, "head", (*LAUNCH, *END, *(LOGIN if public else ())), scope.group_id, scope.group_id, head.principal, self)
        if args.subnet is not None:
            role(scope, "subnet", _JOIN, args.subnet.apply(group_of), args.subnet, head.principal, self)
        for i, image in enumerate(args.images, 1):
            role(scope, f"image-{i}", _IMAGE, pulumi.Output.from_input(group_of(image)), image, head.principal, self)

    def blobs(self, part: str, container: pulumi.Input[str]) -> None:
        """Let the data identity read and write a container or an account, and nothing beside it."""
        if not self.created or self.data is None:
            return
        assignment(self._scope, part, self._whole(_BLOBS), container, self.data.principal, self)

    def _whole(self, role: str) -> pulumi.Output[str]:
        """The id of a role of Azure's own."""
        where = f"/providers/Microsoft.Authorization/roleDefinitions/{role}"
        return pulumi.Output.concat("/subscriptions/", self._scope.subscription, where)


@dataclass(frozen=True)
class Managed:
    """A managed identity."""

    id: pulumi.Output[str]
    client: pulumi.Output[str]
    principal: pulumi.Output[str]


def role(
    scope: Scope,
    part: str,
    actions: tuple[str, ...],
    assignable: pulumi.Input[str],
    at: pulumi.Input[str],
    principal: pulumi.Input[str],
    parent: pulumi.Resource,
) -> None:
    """A role of the run's own, assignable in one resource group, assigned to one principal at one place.

    Roles have no tags and belong to the whole directory: name and description say whose they are.
    """
    made = authorization.RoleDefinition(
        f"{part}-role",
        role_definition_id=scope.guid(f"{part}-role"),
        role_name=scope.named(part),
        role_type="CustomRole",
        description=described(scope.design),
        scope=assignable,
        assignable_scopes=[assignable],
        permissions=[authorization.PermissionArgs(actions=list(actions), not_actions=[])],
        opts=pulumi.ResourceOptions(parent=parent),
    )
    assignment(scope, part, made.id, at, principal, parent)


def assignment(
    scope: Scope,
    part: str,
    definition: pulumi.Input[str],
    at: pulumi.Input[str],
    principal: pulumi.Input[str],
    parent: pulumi.Resource,
) -> None:
    """A role assigned to a managed identity."""
    authorization.RoleAssignment(
        f"{part}-assignment",
        role_assignment_name=scope.guid(f"{part}-assignment"),
        role_definition_id=definition,
        scope=at,
        principal_id=principal,
        # Said, an identity need not have reached the whole directory yet ("Assign Azure roles using templates").
        principal_type=authorization.PrincipalType.SERVICE_PRINCIPAL,
        description=described(scope.design),
        opts=pulumi.ResourceOptions(parent=parent),
    )
