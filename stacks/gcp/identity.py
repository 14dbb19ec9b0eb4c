"""What the head may do: a service account of the run's own, and roles that reach no further than its run."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_gcp as gcp
from network import Network
from zones import Where

from provisioner.design.model import Design
from provisioner.spec.results import parse
from provisioner.stack.identity import described, named

# What provisioner/launch/gcp.py calls, and alone/end_gcp.py of instances and disks, by what it does to what has the run's
# name ("Create VMs in bulk", "Delete a VM", "disks.delete").
NODES = (
    "compute.disks.create",
    "compute.disks.delete",
    "compute.disks.get",
    "compute.disks.setLabels",
    "compute.instanceTemplates.useReadOnly",
    "compute.instances.create",
    "compute.instances.delete",
    "compute.instances.get",
    "compute.instances.setLabels",
    "compute.instances.setMetadata",
    "compute.instances.setTags",
)
# Of what has no name of the run's, or none that a condition may ask for ("Resource attributes for IAM Conditions"): how an
# operation goes on, and being placed beside one another. Nothing of anybody is changed with these.
AROUND = ("compute.resourcePolicies.use", "compute.zoneOperations.get", "compute.zoneOperations.list")
SUBNET = ("compute.subnetworks.use",)
# What end_gcp.py calls of a filesystem that the run made. Filestore and Managed Lustre know no conditions on names, and their
# instances no policies of their own ("Configure resource-based access": which services; "Resource types that accept
# conditional role bindings"): so the grant is for the project's, only in runs that make one, and the program asks for the
# run's own by name and label alone. A router has no such condition either, and is free once its machines have gone: none.
STORED = {
    "managed-nfs": ("file.instances.delete", "file.instances.get", "file.operations.get"),
    "lustre": ("lustre.instances.delete", "lustre.instances.get", "lustre.operations.get"),
}
# Granted at the bucket itself.
BUCKET = ("storage.buckets.delete", "storage.buckets.get", "storage.objects.delete", "storage.objects.list")
_IMAGE, _ACCOUNT = "compute.images.useReadOnly", "compute.instances.setServiceAccount"
# Service accounts' ids have 6 to 30 characters ("Create service accounts").
_LONGEST = 30


@dataclass(frozen=True)
class IdentityArgs:
    design: Design
    where: Where
    network: Network


class Identity(pulumi.ComponentResource):
    """`head` is the head's service account by its address, `files` that of the machines that mount buckets; each may be
    None. Where an identity is given by id, it is both.
    """

    def __init__(self, name: str, args: IdentityArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("burst:gcp:Identity", name, None, opts)
        self._args, self._design = args, args.design
        self._below = pulumi.ResourceOptions(parent=self)
        asked = args.design.identity
        self._buckets = any(fs.type == "bucket" for fs in args.design.filesystems)
        self.head: pulumi.Output[str] | None = None
        self.files: pulumi.Output[str] | None = None
        # Who may be granted what a bucket has, the head first: nobody, where the identity is somebody else's affair.
        self.made: list[pulumi.Output[str]] = []
        if asked.id is not None:
            self.head = pulumi.Output.from_input(asked.id)
            self.files = self.head if self._buckets else None
        elif asked.create:
            self._make()
        self.register_outputs({"head": self.head})

    def _make(self) -> None:
        head = self._account("h")
        self.head = head.email
        self.made.append(head.member)
        self._grant(head.member)
        self._results(head.member)
        if self._buckets:
            files = self._account("f")
            self.files = files.email
            self.made.append(files.member)
            # The head makes machines that have it.
            gcp.serviceaccount.IAMMember(
                "files-used",
                service_account_id=files.name,
                role="roles/iam.serviceAccountUser",
                member=head.member,
                opts=self._below,
            )

    def _account(self, part: str) -> gcp.serviceaccount.Account:
        identity = named(self._design, part)
        if len(identity) > _LONGEST:
            raise pulumi.RunError(f"{self._design.run.id} is too long: a service account's id has {_LONGEST} characters")
        return gcp.serviceaccount.Account(
            part,
            account_id=identity,
            display_name=identity,
            description=described(self._design),
            opts=self._below,
        )

    def _grant(self, member: pulumi.Output[str]) -> None:
        project, own = self._args.where.project, self._own_images()
        more = [*([_IMAGE] if own else []), *([_ACCOUNT] if self._buckets else [])]
        nodes = self._role("nodes", [*NODES, *more])
        gcp.projects.IAMMember(
            "nodes",
            project=project,
            role=nodes.name,
            member=member,
            condition=gcp.projects.IAMMemberConditionArgs(
                title=self._design.run.id, description=described(self._design), expression=self._expression(own)
            ),
            opts=self._below,
        )
        gcp.projects.IAMMember("around", project=project, role=self._role("around", AROUND).name, member=member, opts=self._below)
        stored = [may for fs in self._design.filesystems if fs.id is None for may in STORED.get(fs.type, ())]
        if stored:
            role = self._role("stored", sorted(set(stored))).name
            gcp.projects.IAMMember("stored", project=project, role=role, member=member, opts=self._below)
        gcp.compute.SubnetworkIAMMember(
            "subnet",
            project=self._args.network.project,
            region=self._args.where.region,
            subnetwork=self._args.network.subnet,
            role=self._subnet_role(),
            member=member,
            opts=self._below,
        )
        if self._args.network.rdma is not None:
            gcp.compute.SubnetworkIAMMember(
                "rdma",
                project=project,
                region=self._args.where.region,
                subnetwork=self._args.network.rdma,
                role=self._subnet_role(),
                member=member,
                opts=self._below,
            )

    def _results(self, member: pulumi.Output[str]) -> None:
        """A detached run's results: objects below the run's own folder of the user's bucket, which has to have uniform access
        ("Overview of IAM Conditions"). Writing anew what is there counts as deleting: a role that only creates may not."""
        if self._design.results is None:
            return
        where = parse(self._design.results).below(self._design.run.id)
        gcp.storage.BucketIAMMember(
            "results",
            bucket=where.bucket,
            role="roles/storage.objectUser",
            member=member,
            condition=gcp.storage.BucketIAMMemberConditionArgs(
                title=self._design.run.id,
                description=described(self._design),
                expression=f'resource.name.startsWith("projects/_/buckets/{where.bucket}/objects/{where.prefix}/")',
            ),
            opts=self._below,
        )

    def ends(self, part: str, bucket: pulumi.Output[str]) -> None:
        """Let the head empty and delete a bucket that the run made."""
        if not self.made:
            return
        if not hasattr(self, "_bucket"):
            self._bucket = self._role("bucket", BUCKET).name
        gcp.storage.BucketIAMMember(f"{part}-end", bucket=bucket, role=self._bucket, member=self.made[0], opts=self._below)

    def _subnet_role(self) -> pulumi.Input[str]:
        """A project's own role is known in that project alone: in a shared VPC's it is Google's."""
        if self._args.network.project != self._args.where.project:
            return "roles/compute.networkUser"
        if not hasattr(self, "_subnet"):
            self._subnet = self._role("subnet", SUBNET).name
        return self._subnet

    def _role(self, part: str, permissions: list[str] | tuple[str, ...]) -> gcp.projects.IAMCustomRole:
        return gcp.projects.IAMCustomRole(
            f"role-{part}",
            # Letters, digits, underscores and dots ("Create custom roles").
            role_id=named(self._design, part).replace("-", "_"),
            title=named(self._design, part),
            description=described(self._design),
            permissions=sorted(permissions),
            opts=self._below,
        )

    def _own_images(self) -> list[str]:
        images = {self._design.image, *(group.image for group in self._design.groups)}
        return sorted(image for image in images if image and image.startswith(f"projects/{self._args.where.project}/"))

    def _expression(self, images: list[str]) -> str:
        """Only what has the run's name, and the run's own images ("Resource attributes for IAM Conditions")."""
        where, run = self._args.where, f"{self._design.run.id}-"
        zone = f"projects/{where.project}/zones/{where.zone}"
        prefixes = [f"{zone}/instances/{run}", f"{zone}/disks/{run}", f"projects/{where.project}/global/instanceTemplates/{run}"]
        begins = [f'resource.name.startsWith("{prefix}")' for prefix in prefixes]
        return " || ".join([*begins, *(f'resource.name == "{image}"' for image in images)])
