"""Shared filesystems: EFS, FSx for Lustre and S3 buckets, made or taken by id; what the head serves needs nothing here."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws
from naming import carried
from network import Network

from provisioner.bootstrap.seam import UID, Mount, served
from provisioner.design.model import Design, Filesystem
from provisioner.stack import identity as run_identity
from provisioner.stack.site import SITE

# Amazon EFS User Guide, "Recommended NFS mount options"; retry=0 as bootstrap/seam.py says.
_EFS = "nfsvers=4.1,rsize=1048576,wsize=1048576,hard,timeo=600,retrans=2,noresvport,_netdev,retry=0"
# FSx for Lustre User Guide, "Mounting from an Amazon EC2 instance".
_LUSTRE = "relatime,flock,_netdev"
# Mountpoint for Amazon S3, "Configuring Mountpoint": objects have no owner, so all are the one user's.
_BUCKET = f"_netdev,nosuid,nodev,rw,allow-other,allow-delete,allow-overwrite,uid={UID},gid={UID},region={{}}"


@dataclass(frozen=True)
class StorageArgs:
    """Where the filesystems are, and of what."""

    design: Design
    network: Network


class Storage(pulumi.ComponentResource):
    """`mounts`: what the machines mount, as tuple[Mount, …]; `buckets`: the names of those that they read and write;
    `made`: what is the run's own, efs and fsx by id, bucket by name.
    """

    def __init__(self, name: str, args: StorageArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("burst:aws:Storage", name, None, opts)
        self._design, self._network = args.design, args.network
        self._of = pulumi.ResourceOptions(parent=self)
        self.buckets: list[pulumi.Input[str]] = []
        self.made: dict[str, list[pulumi.Input[str]]] = {"efs": [], "fsx": [], "bucket": []}
        own = served(args.design)
        mounts: list[pulumi.Input[Mount]] = [Mount(folder, f"{SITE.controller}:{folder}") for folder in own]
        mounts += [self._mount(fs) for fs in args.design.filesystems if fs.mount not in own]
        self.mounts: pulumi.Output[tuple[Mount, ...]] = pulumi.Output.all(*mounts).apply(tuple)
        self.register_outputs({})

    def _mount(self, fs: Filesystem) -> pulumi.Input[Mount]:
        if fs.type == "managed-nfs":
            return self._efs(fs)
        if fs.type == "lustre":
            return self._lustre(fs)
        if fs.type == "bucket":
            return self._bucket(fs)
        return Mount(fs.mount, fs.id or "", on_head=True)

    def _efs(self, fs: Filesystem) -> pulumi.Output[Mount]:
        identity = pulumi.Output.from_input(fs.id) if fs.id else self._new_efs(fs)

        def mount(identity: str) -> Mount:
            return Mount(
                fs.mount, f"{identity}.efs.{self._design.region}.amazonaws.com:/", options=_EFS, on_head=True, made=fs.id is None
            )

        return identity.apply(mount)

    def _new_efs(self, fs: Filesystem) -> pulumi.Output[str]:
        made = aws.efs.FileSystem(
            fs.slug,
            creation_token=run_identity.named(self._design, fs.slug)[:64],
            encrypted=True,
            throughput_mode="elastic",
            tags=carried(self._design, fs.slug),
            opts=self._of,
        )
        target = aws.efs.MountTarget(
            fs.slug,
            file_system_id=made.id,
            subnet_id=self._network.subnet,
            security_groups=[self._network.inside.id],
            opts=self._of,
        )
        # Its name is known in the network once there is a target.
        self.made["efs"].append(target.file_system_id)
        return target.file_system_id

    def _lustre(self, fs: Filesystem) -> pulumi.Output[Mount]:
        if fs.id is not None:
            # Read, not managed: its mount name is nowhere else.
            found = aws.fsx.LustreFileSystem.get(fs.slug, fs.id, opts=self._of)
        else:
            found = aws.fsx.LustreFileSystem(
                fs.slug,
                storage_capacity=fs.size // 2**30,
                subnet_ids=self._network.subnet,
                security_group_ids=[self._network.inside.id],
                # No replication and no backups: what is worth keeping comes back with the outputs.
                deployment_type="SCRATCH_2",
                storage_type="SSD",
                file_system_type_version="2.15",
                tags=carried(self._design, fs.slug),
                opts=self._of,
            )
            self.made["fsx"].append(found.id)

        def mount(told: list[str]) -> Mount:
            source = f"{told[0]}@tcp:/{told[1]}"
            return Mount(fs.mount, source, "lustre", _LUSTRE, on_head=True, client="client-lustre-aws.sh", made=fs.id is None)

        return pulumi.Output.all(found.dns_name, found.mount_name).apply(mount)

    def _bucket(self, fs: Filesystem) -> pulumi.Output[Mount]:
        if not self._design.identity.create and self._design.identity.id is None:
            raise pulumi.RunError(f"{fs.mount} is a bucket, which nobody may read with identity: none")
        name = pulumi.Output.from_input(fs.id) if fs.id else self._new_bucket(fs)
        self.buckets.append(name)

        def mount(bucket: str) -> Mount:
            options = _BUCKET.format(self._design.region)
            return Mount(fs.mount, f"s3://{bucket}/", "mount-s3", options, on_head=True, client="client-s3.sh")

        return name.apply(mount)

    def _new_bucket(self, fs: Filesystem) -> pulumi.Output[str]:
        made = aws.s3.Bucket(
            fs.slug,
            bucket=bucket_name(self._design, fs),
            force_destroy=True,
            tags=carried(self._design, fs.slug),
            opts=self._of,
        )
        aws.s3.BucketPublicAccessBlock(
            fs.slug,
            bucket=made.id,
            block_public_acls=True,
            block_public_policy=True,
            ignore_public_acls=True,
            restrict_public_buckets=True,
            opts=self._of,
        )
        rule = aws.s3.BucketServerSideEncryptionConfigurationRuleArgs(
            apply_server_side_encryption_by_default=aws.s3.BucketServerSideEncryptionConfigurationRuleApplyServerSideEncryptionByDefaultArgs(
                sse_algorithm="AES256"
            )
        )
        aws.s3.BucketServerSideEncryptionConfiguration(fs.slug, bucket=made.id, rules=[rule], opts=self._of)
        self.made["bucket"].append(made.bucket)
        return made.bucket


def bucket_name(design: Design, fs: Filesystem) -> str:
    """3 to 63 lower-case letters, digits and dashes, and nobody else's (S3 User Guide, "Bucket naming rules")."""
    buckets = [each for each in design.filesystems if each.type == "bucket" and each.id is None]
    return f"{run_identity.named(design, 'bucket')[:60].rstrip('-')}-{buckets.index(fs)}"
