"""The sizes in which the clouds' managed filesystems come, in GiB. What is not here has no size: EFS, buckets.

FSx for Lustre, SSD: Amazon FSx API Reference, CreateFileSystem, StorageCapacity (2026-11).
Google Cloud Managed Lustre: "Performance tiers" (2026-11): steps of 9,000 GiB at 1000 MBps per TiB, of 18,000, 36,000 and
    72,000 GiB in the slower tiers.
Filestore, zonal: "Zonal service tier" (2026-11).
Azure Managed Lustre: "Create an Azure Managed Lustre file system", Throughput configurations (2024-11): steps of 4 TiB at
    500 MBps per TiB, of 8, 16 and 48 TiB in the slower tiers.
Azure Files, NFS: "Understand Azure Files billing", provisioned v1 SSD shares (2026-11).

Where a service has several tiers, these are the sizes of the fastest: each size of the others is one of them.
"""

from __future__ import annotations

from dataclasses import dataclass

from provisioner.catalog.prices import price
from provisioner.units import GIB


@dataclass(frozen=True)
class Steps:
    """`least`, and each `step` more up to `most` (None: as many as the account may have)."""

    least: int
    step: int
    most: int | None = None

    def above(self, gib: int) -> int | None:
        """The smallest size here that is at least `gib`."""
        size = self.least + max(0, -(-(gib - self.least) // self.step)) * self.step
        return size if self.most is None or size <= self.most else None

    def below(self, gib: int) -> int | None:
        """The largest size here that is at most `gib`."""
        if gib < self.least:
            return None
        size = self.least + (gib - self.least) // self.step * self.step
        return size if self.most is None else min(size, self.least + (self.most - self.least) // self.step * self.step)


@dataclass(frozen=True)
class Service:
    """What a `type` of the file is on a cloud. `said` is how a person would say its sizes; `tiers` are (item of prices.csv,
    the step in GiB of its sizes), the slowest and cheapest first: the first that has a size is taken.
    """

    name: str
    said: str
    ranges: tuple[Steps, ...]
    tiers: tuple[tuple[str, int], ...]

    def item(self, gib: int) -> str:
        """What it is called in prices.csv in that size; in a size in which it does not come, the dearest."""
        return next((item for item, step in self.tiers if gib and gib % step == 0), self.tiers[-1][0])

    def nearest(self, gib: int) -> tuple[int, ...]:
        """`gib` alone where it comes in that size; otherwise the next smaller and the next larger one, if there are."""
        lower = [size for steps in self.ranges if (size := steps.below(gib)) is not None]
        upper = [size for steps in self.ranges if (size := steps.above(gib)) is not None]
        return tuple(dict.fromkeys([*([max(lower)] if lower else []), *([min(upper)] if upper else [])]))


# (cloud, the file's type) → its service.
SERVICES: dict[tuple[str, str], Service] = {
    ("aws", "lustre"): Service(
        "FSx for Lustre",
        "1200GiB, 2400GiB and each 2400GiB more",
        (Steps(1200, 1, 1200), Steps(2400, 2400)),
        (("fsx-lustre", 1),),
    ),
    ("gcp", "lustre"): Service(
        "Google Cloud Managed Lustre",
        "multiples of 9000GiB",
        (Steps(9000, 9000),),
        (("lustre-125", 72_000), ("lustre-250", 36_000), ("lustre-500", 18_000), ("lustre-1000", 9_000)),
    ),
    ("gcp", "managed-nfs"): Service(
        "Filestore",
        "1TiB to 9.75TiB by 256GiB, 10TiB to 100TiB by 2.5TiB",
        (Steps(1024, 256, 9984), Steps(10240, 2560, 102400)),
        (("filestore-zonal", 1),),
    ),
    ("azure", "lustre"): Service(
        "Azure Managed Lustre",
        "4TiB to 128TiB by 4TiB",
        (Steps(4096, 4096, 131072),),
        (("lustre-40", 49152), ("lustre-125", 16384), ("lustre-250", 8192), ("lustre-500", 4096)),
    ),
    ("azure", "managed-nfs"): Service("Azure Files", "100GiB to 100TiB", (Steps(100, 1, 102400),), (("files-premium", 1),)),
}


def hourly(cloud: str, service: Service, size: int) -> float:
    """USD an hour for `size` GiB, in the cloud's default region."""
    return round(price(cloud, None, service.item(size)).hourly(size), 2)


def gib(size: int) -> int:
    """Bytes in whole GiB, rounded up."""
    return -(-size // GIB)


def shown(size: int) -> str:
    """GiB as a file has it, exactly: 1200GiB, 4TiB."""
    return f"{size}GiB" if size % 1024 else f"{size // 1024}TiB"
