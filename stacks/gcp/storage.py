"""Filesystems that the head does not serve itself: Filestore, Managed Lustre, buckets; made, or mounted where given by id."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_gcp as gcp
from identity import Identity
from network import Network
from zones import Where

from provisioner.bootstrap.seam import UID, Mount, served
from provisioner.design.model import Design, Filesystem
from provisioner.stack.identity import described, named, tags
from provisioner.stack.site import SITE

_GIB = 2**30
# "Create a Managed Lustre instance", performance tiers: MB/s for each TiB → the step of its sizes in GiB. The slower, the
# cheaper for its size: the slowest that has the size is taken.
LUSTRE_STEPS = {"125": 72_000, "250": 36_000, "500": 18_000, "1000": 9_000}
# "Service tiers": zonal has what HPC needs and begins at 1 TiB.
_TIER, _SHARE = "ZONAL", "share"
_NFS = "hard,noatime,_netdev,retry=0,nfsvers=3"
_LUSTRE = "noatime,flock,_netdev"
# "Cloud Storage FUSE: mount options", by fstab: everybody's folder, and folders that were never made as such.
_BUCKET = f"rw,_netdev,allow_other,implicit_dirs,uid={UID},gid={UID},file_mode=666,dir_mode=777"
# What Private Services Access has addresses from ("Configure a VPC network" for Managed Lustre): a /20 at least.
_PEERED = 20


@dataclass(frozen=True)
class StorageArgs:
    design: Design
    where: Where
    network: Network
    identity: Identity


class Storage(pulumi.ComponentResource):
    """`mounts` are the lines of everybody's fstab, those of the head's own folders first; `made` is type → names of what
    was made for the run.
    """

    def __init__(self, name: str, args: StorageArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("burst:gcp:Storage", name, None, opts)
        self._args, self._design = args, args.design
        self._below = pulumi.ResourceOptions(parent=self)
        self._peering: list[pulumi.Resource] | None = None
        self.made: dict[str, list[str]] = {"managed-nfs": [], "lustre": [], "bucket": []}
        own = set(served(args.design))
        mounts = [pulumi.Output.from_input(Mount(folder, f"{SITE.controller}:{folder}")) for folder in served(args.design)]
        mounts += [self._mount(f"fs{i}", fs) for i, fs in enumerate(args.design.filesystems) if fs.mount not in own]
        self.mounts: pulumi.Output[list[Mount]] = pulumi.Output.all(*mounts).apply(list)
        self.register_outputs({})

    def _mount(self, part: str, fs: Filesystem) -> pulumi.Output[Mount]:
        if fs.type == "nfs":
            return pulumi.Output.from_input(Mount(fs.mount, str(fs.id), on_head=True))
        if fs.type == "managed-nfs":
            source, kind, options, client = self._filestore(part, fs), "nfs", _NFS, ""
        elif fs.type == "lustre":
            source, kind, options, client = self._lustre(part, fs), "lustre", _LUSTRE, "client-lustre-gcp.sh"
        else:
            source, kind, options, client = self._bucket(part, fs), "gcsfuse", _BUCKET, "client-gcs.sh"
        # A bucket's modes are those of its mount.
        made = fs.id is None and fs.type != "bucket"
        return source.apply(lambda found: Mount(fs.mount, found, kind, options, on_head=True, client=client, made=made))

    def _filestore(self, part: str, fs: Filesystem) -> pulumi.Output[str]:
        if fs.id is not None:
            return self._known(fs.id) or self._found_filestore(fs.id)
        network = self._args.network
        shared = network.project != self._args.where.project
        made = gcp.filestore.Instance(
            part,
            name=self._named(part, fs),
            description=described(self._design),
            labels=tags(self._design),
            location=self._args.where.zone,
            tier=_TIER,
            file_shares=gcp.filestore.InstanceFileSharesArgs(name=_SHARE, capacity_gb=fs.size // _GIB),
            networks=[
                gcp.filestore.InstanceNetworkArgs(
                    # By name where it is the project's own, else in full ("Create an instance on a Shared VPC network").
                    network=network.id if shared else network.id.apply(lambda identity: identity.rpartition("/")[2]),
                    modes=["MODE_IPV4"],
                    connect_mode="PRIVATE_SERVICE_ACCESS" if shared else "DIRECT_PEERING",
                )
            ],
            opts=self._below,
        )
        return made.networks.apply(lambda networks: f"{(networks[0].ip_addresses or [''])[0]}:/{_SHARE}")

    def _found_filestore(self, identity: str) -> pulumi.Output[str]:
        project, location, name = self._placed(identity)
        found = gcp.filestore.get_instance(name=name, project=project, location=location)
        return pulumi.Output.from_input(f"{found.networks[0].ip_addresses[0]}:/{found.file_shares[0].name}")

    def _lustre(self, part: str, fs: Filesystem) -> pulumi.Output[str]:
        if fs.id is not None:
            return self._known(fs.id) or self._found_lustre(fs.id)
        size = fs.size // _GIB
        speed = next((speed for speed, step in LUSTRE_STEPS.items() if size and size % step == 0), None)
        if speed is None:
            raise pulumi.RunError(f"{fs.mount}: Managed Lustre has sizes of 9000 GiB and its multiples, not {size} GiB")
        made = gcp.lustre.Instance(
            part,
            instance_id=self._named(part, fs),
            description=described(self._design),
            labels=tags(self._design),
            location=self._args.where.zone,
            capacity_gib=str(size),
            per_unit_storage_throughput=speed,
            # At most eight letters and digits; it is no name among others.
            filesystem="burst",
            network=self._args.network.id,
            opts=pulumi.ResourceOptions(parent=self, depends_on=self._peered()),
        )
        return made.mount_point

    def _found_lustre(self, identity: str) -> pulumi.Output[str]:
        project, zone, name = self._placed(identity)
        found = gcp.lustre.get_instance(instance_id=name, project=project, zone=zone)
        return pulumi.Output.from_input(found.mount_point)

    def _peered(self) -> list[pulumi.Resource]:
        """Private Services Access, once. A network that exists has it already: there is one connection for each network."""
        if self._peering is None:
            self._peering = self._connected() if self._args.network.own else []
        return self._peering

    def _connected(self) -> list[pulumi.Resource]:
        addresses = gcp.compute.GlobalAddress(
            "peered",
            name=named(self._design, "peered"),
            description=described(self._design),
            labels=tags(self._design),
            purpose="VPC_PEERING",
            address_type="INTERNAL",
            prefix_length=_PEERED,
            network=self._args.network.id,
            opts=self._below,
        )
        connection = gcp.servicenetworking.Connection(
            "peered",
            network=self._args.network.id,
            service="servicenetworking.googleapis.com",
            reserved_peering_ranges=[addresses.name],
            opts=self._below,
        )
        return [connection]

    def _bucket(self, part: str, fs: Filesystem) -> pulumi.Output[str]:
        bucket = pulumi.Output.from_input(fs.id.removeprefix("gs://").strip("/")) if fs.id else self._made_bucket(part, fs)
        if not fs.id:
            self._args.identity.ends(part, bucket)
        for i, member in enumerate(self._args.identity.made):
            gcp.storage.BucketIAMMember(
                f"{part}-{i}", bucket=bucket, role="roles/storage.objectUser", member=member, opts=self._below
            )
        return bucket

    def _made_bucket(self, part: str, fs: Filesystem) -> pulumi.Output[str]:
        return gcp.storage.Bucket(
            part,
            name=self._named(part, fs),
            labels=tags(self._design),
            location=self._args.where.region,
            force_destroy=True,
            uniform_bucket_level_access=True,
            public_access_prevention="enforced",
            # Deleted objects would be kept, and billed, for a week ("Soft delete").
            soft_delete_policy=gcp.storage.BucketSoftDeletePolicyArgs(retention_duration_seconds=0),
            opts=self._below,
        ).name

    def _named(self, part: str, fs: Filesystem) -> str:
        """What it is called, remembered for who ends the run."""
        self.made[fs.type].append(named(self._design, part))
        return self.made[fs.type][-1]

    def _known(self, identity: str) -> pulumi.Output[str] | None:
        """An id that says itself what is mounted: HOST:/EXPORT, ADDRESS@tcp:/NAME."""
        return pulumi.Output.from_input(identity) if ":/" in identity else None

    def _placed(self, identity: str) -> tuple[str, str, str]:
        """(project, location, name) of projects/P/locations/L/instances/N, or of N alone."""
        parts = identity.split("/")
        if len(parts) == 1:
            return self._args.where.project, self._args.where.zone, identity
        return parts[parts.index("projects") + 1], parts[parts.index("locations") + 1], parts[-1]
