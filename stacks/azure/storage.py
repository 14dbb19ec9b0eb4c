"""The shared folders: those that the head serves, Azure's own services, and existing ones, which are mounted and left."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
from identity import Identity
from network import Network
from pulumi_azure_native import storage, storagecache
from scope import Scope, group_of, name_of

from provisioner.bootstrap.seam import Mount, served
from provisioner.design.model import Filesystem
from provisioner.stack.identity import tags
from provisioner.stack.site import SITE

_GIB, _TIB = 2**30, 2**40
# "Mount an NFS Azure file share on Linux"; with these a server that restarts is waited for.
_FILES = "hard,noatime,_netdev,retry=0,vers=4.1,sec=sys,nconnect=4,noresvport,actimeo=30"
# "Connect clients to an Azure Managed Lustre file system".
_LUSTRE = "noatime,flock,_netdev"
# "Create an Azure Managed Lustre file system", Throughput configurations: (steps in TiB, SKU), the cheapest first.
_SKUS = ((48, 40), (16, 125), (8, 250), (4, 500))


@dataclass(frozen=True)
class StorageArgs:
    scope: Scope
    network: Network
    identity: Identity


class Storage(pulumi.ComponentResource):
    """`mounts` are all of them, in the order of the file, /home first."""

    def __init__(self, name: str, args: StorageArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("burst:azure:Storage", name, None, opts)
        self._scope, self._network, self._identity = args.scope, args.network, args.identity
        folders = served(args.scope.design)
        own = [Mount(folder, f"{SITE.controller}:{folder}") for folder in folders]
        others = [self._mount(fs) for fs in args.scope.design.filesystems if fs.mount not in folders]
        self.mounts: pulumi.Output[Sequence[Mount]] = pulumi.Output.all(*own, *others)
        self.register_outputs({})

    def _mount(self, fs: Filesystem) -> pulumi.Output[Mount]:
        if fs.type == "nfs":
            return pulumi.Output.from_input(Mount(fs.mount, str(fs.id), on_head=True))
        if fs.type == "managed-nfs":
            account, share = self._share(fs) if fs.id is None else _part_of(fs.id)
            source = pulumi.Output.concat(account, ".file.core.windows.net:/", account, "/", share)
            return source.apply(lambda told: Mount(fs.mount, told, options=_FILES, on_head=True, made=fs.id is None))
        if fs.type == "lustre":
            source = pulumi.Output.concat(self._lustre(fs) if fs.id is None else _lustre_at(fs.id), "@tcp:/lustrefs")
            return source.apply(
                lambda told: Mount(
                    fs.mount, told, "lustre", _LUSTRE, on_head=True, client="client-lustre-azure.sh", made=fs.id is None
                )
            )
        return self._bucket(fs)

    def _share(self, fs: Filesystem) -> tuple[pulumi.Output[str], str]:
        """NFS 4.1 needs a FileStorage account that takes unencrypted connections, which only the run's subnets can open."""
        account = self._account(fs, storage.Kind.FILE_STORAGE, storage.SkuName.PREMIUM_LRS, https=False)
        storage.FileShare(
            f"share-{fs.slug}",
            share_name=self._scope.folder(fs),
            account_name=account.name,
            resource_group_name=self._scope.group,
            enabled_protocols=storage.EnabledProtocols.NFS,
            # /home's owner makes folders there, and everybody's setup runs as root.
            root_squash=storage.RootSquashType.NO_ROOT_SQUASH,
            share_quota=-(-fs.size // _GIB),
            metadata=self._metadata,
            opts=pulumi.ResourceOptions(parent=self),
        )
        return account.name, self._scope.folder(fs)

    def _bucket(self, fs: Filesystem) -> pulumi.Output[Mount]:
        data = self._identity.data
        if data is None:
            raise pulumi.RunError(f"filesystems.{fs.mount}: nobody may open a bucket with identity: none")
        if fs.id is None:
            made = self._account(fs, storage.Kind.STORAGE_V2, storage.SkuName.STANDARD_LRS)
            container = storage.BlobContainer(
                f"container-{fs.slug}",
                container_name=self._scope.folder(fs),
                account_name=made.name,
                resource_group_name=self._scope.group,
                public_access=storage.PublicAccess.NONE,
                metadata=self._metadata,
                opts=pulumi.ResourceOptions(parent=self),
            )
            self._identity.blobs(f"bucket-{fs.slug}", made.id)
            account, name = made.name, container.name
        else:
            self._identity.blobs(f"bucket-{fs.slug}", fs.id)
            account, name = (pulumi.Output.from_input(part) for part in _part_of(fs.id))
        return pulumi.Output.all(account, name, data.client).apply(
            lambda told: Mount(
                fs.mount,
                f"{told[0]}/{told[1]}",
                "blobfuse2",
                f"_netdev,client_id={told[2]}",
                on_head=True,
                client="client-blob.sh",
            )
        )

    @property
    def _metadata(self) -> dict[str, str]:
        """What has no tags of its own has metadata, whose keys are identifiers."""
        return {key.replace("-", "_"): value for key, value in tags(self._scope.design).items()}

    def _account(self, fs: Filesystem, kind: storage.Kind, sku: storage.SkuName, https: bool = True) -> storage.StorageAccount:
        """Of no key that could be lost, and open to the run's subnets alone."""
        scope, subnets = self._scope, {"head": self._network.head, "compute": self._network.compute}
        if scope.design.network.id is not None:
            subnets.pop("compute")
        return storage.StorageAccount(
            f"account-{fs.slug}",
            # 3 to 24 lower-case letters and digits, in no other use in the world: no room for the run's id.
            account_name=f"burst{hashlib.sha256(scope.folder(fs).encode()).hexdigest()[:19]}",
            resource_group_name=scope.group,
            location=scope.region,
            kind=kind,
            sku=storage.SkuArgs(name=sku),
            allow_blob_public_access=False,
            allow_shared_key_access=False,
            enable_https_traffic_only=https,
            minimum_tls_version=storage.MinimumTlsVersion.TLS1_2,
            network_rule_set=storage.NetworkRuleSetArgs(
                default_action=storage.DefaultAction.DENY,
                bypass=storage.Bypass.NONE,
                virtual_network_rules=[
                    storage.VirtualNetworkRuleArgs(virtual_network_resource_id=subnet) for subnet in subnets.values()
                ],
            ),
            tags=scope.tags,
            opts=pulumi.ResourceOptions(parent=self),
        )

    def _lustre(self, fs: Filesystem) -> pulumi.Output[str]:
        """Its management server's address. The SKU is the cheapest that comes in the size that was asked for."""
        size = fs.size / _TIB
        sku = next((sku for step, sku in _SKUS if size and size % step == 0), None)
        if sku is None:
            raise pulumi.RunError(f"filesystems.{fs.mount}: Azure Managed Lustre comes in steps of 4TiB")
        scope = self._scope
        made = storagecache.AmlFilesystem(
            f"lustre-{fs.slug}",
            aml_filesystem_name=scope.folder(fs),
            resource_group_name=scope.group,
            location=scope.region,
            sku=storagecache.SkuNameArgs(name=f"AMLFS-Durable-Premium-{sku}"),
            storage_capacity_ti_b=size,
            filesystem_subnet=self._network.lustre,
            # It must be in one ("zones is required").
            zones=scope.zones or ["1"],
            maintenance_window=storagecache.AmlFilesystemMaintenanceWindowArgs(
                day_of_week=storagecache.MaintenanceDayOfWeekType.SUNDAY, time_of_day_utc="03:00"
            ),
            tags=scope.tags,
            opts=pulumi.ResourceOptions(parent=self),
        )
        return made.client_info.apply(lambda told: str(told.mgs_address))


def _part_of(resource_id: str) -> tuple[str, str]:
    """(account, share or container) of …/storageAccounts/ACCOUNT/…/NAME."""
    return resource_id.split("/storageAccounts/")[1].split("/")[0], name_of(resource_id)


def _lustre_at(resource_id: str) -> pulumi.Output[str]:
    found = storagecache.get_aml_filesystem_output(
        resource_group_name=name_of(group_of(resource_id)), aml_filesystem_name=name_of(resource_id)
    )
    return found.client_info.apply(lambda told: str(told.mgs_address))
