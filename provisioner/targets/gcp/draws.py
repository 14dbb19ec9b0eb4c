"""What a design draws on: which quotas of Compute Engine each of its machines, disks and addresses takes from, and how much.

"Allocation quotas" names them, and says of what each counts: the vCPUs of the older families have a quota each among a region's
(N1 and E2 share CPUS); those of newer ones have a value for each family in CPUS-PER-VM-FAMILY. Machines of the series A2, A3,
A4, G2 and G4 need a quota of GPUs and none of CPUs. A spot machine draws on the preemptible quota where the project was granted
one in the region, else on the same as any other ("Preemptible quotas"; "Spot VMs": there is no going back to the other).
CPUS_ALL_REGIONS counts spot machines, too (seen: H4D on the spot market was refused by it).
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

from provisioner.catalog.filesystems import gib
from provisioner.design import gcp_disk
from provisioner.design.attempts import order
from provisioner.design.model import Design, Group, Node
from provisioner.targets.gcp.network import gateway


@dataclass(frozen=True, order=True)
class Pool:
    """A quota by its metric; `family` where it has a value for each of them."""

    metric: str
    family: str = ""

    def __str__(self) -> str:
        return f"{self.metric} ({self.family})" if self.family else self.metric

    @property
    def everywhere(self) -> bool:
        """Whether it is the project's, of no region."""
        return self.metric in _PROJECT

    @property
    def id(self) -> str:
        """As the Cloud Quotas API calls it."""
        return f"{self.metric.replace('_', '-')}-per-project{'' if self.everywhere else '-region'}"

    def dimensions(self, region: str) -> dict[str, str]:
        """Of its value in a region."""
        more = {_DIMENSIONS[self.metric]: self.family} if self.family else {}
        return {} if self.everywhere else {"region": region, **more}


CPU_FAMILY, GPU_FAMILY = "CPUS_PER_VM_FAMILY", "GPUS_PER_GPU_FAMILY"
_DIMENSIONS = {CPU_FAMILY: "vm_family", GPU_FAMILY: "gpu_family"}
_PROJECT = {
    "CPUS_ALL_REGIONS",
    "GPUS_ALL_REGIONS",
    "NETWORKS",
    "SUBNETWORKS",
    "FIREWALLS",
    "ROUTES",
    "ROUTERS",
    "INSTANCE_TEMPLATES",
}
_SHARED_CPUS = ("n1", "e2", "f1", "g1")
_OWN_CPUS = ("n2", "n2d", "c2", "c2d", "c3", "t2d", "t2a", "m1", "m2", "m3")
_NO_CPUS = ("a2", "a3", "a4", "a4x", "g2", "g4")
# A type's beginning → where its GPUs are counted. The longest that fits comes first.
_GPUS: tuple[tuple[str, Pool], ...] = (
    ("a2-ultragpu", Pool("NVIDIA_A100_80GB_GPUS")),
    ("a2-", Pool("NVIDIA_A100_GPUS")),
    ("g2-", Pool("NVIDIA_L4_GPUS")),
    ("a3-ultragpu", Pool(GPU_FAMILY, "NVIDIA_H200")),
    ("a3-megagpu", Pool(GPU_FAMILY, "NVIDIA_H100_MEGA")),
    ("a3-", Pool(GPU_FAMILY, "NVIDIA_H100")),
    ("a4-", Pool(GPU_FAMILY, "NVIDIA_B200")),
    ("g4-", Pool(GPU_FAMILY, "NVIDIA_RTX_PRO_6000")),
)
_DISKS = {"pd-balanced": "SSD_TOTAL_GB", "hyperdisk-balanced": "HDB_TOTAL_GB"}


def cpu_pool(instance: str) -> Pool | None:
    """Where a type's vCPUs are counted; None where they are not."""
    family = instance.partition("-")[0]
    if family in _NO_CPUS:
        return None
    if family in _SHARED_CPUS:
        return Pool("CPUS")
    return Pool(f"{family.upper()}_CPUS") if family in _OWN_CPUS else Pool(CPU_FAMILY, family.upper())


def gpu_pool(instance: str) -> Pool | None:
    """Where a type's GPUs are counted; None where it has none, or nobody knows."""
    return next((pool for begins, pool in _GPUS if instance.startswith(begins)), None)


def preemptible(pool: Pool) -> Pool | None:
    """The one that stands for it on the spot market; None where it has none."""
    if pool.metric == CPU_FAMILY or pool.metric.endswith("_CPUS") or pool.metric == "CPUS":
        return Pool("PREEMPTIBLE_CPUS")
    if pool.metric == GPU_FAMILY:
        return Pool(f"PREEMPTIBLE_{pool.family}_GPUS")
    return Pool(f"PREEMPTIBLE_{pool.metric}") if pool.metric.startswith("NVIDIA_") else None


def vcpus(instance: str, otherwise: int = 0) -> int:
    """Of the type's name ("Machine type naming": c3-standard-4, h4d-highmem-192-lssd); of shared cores it has no number."""
    number = re.search(r"-(\d+)(?:-|$)", instance)
    return int(number[1]) if number else otherwise


Taken = Counter[Pool]


def machine(node: Node, market: str, granted: frozenset[Pool], disk: int, count: int = 1) -> Taken:
    """`granted` are the preemptible quotas that the project has in the region; `disk` in GiB."""
    taken: Taken = Counter({Pool("INSTANCES"): count, Pool(_DISKS[gcp_disk.kind(node)]): disk * count})

    def draw(pool: Pool | None, everywhere: str, number: int) -> None:
        if pool is not None and number:
            instead = preemptible(pool) if market == "spot" else None
            taken[instead if instead in granted and instead is not None else pool] += number * count
            taken[Pool(everywhere)] += number * count

    draw(cpu_pool(node.instance), "CPUS_ALL_REGIONS", vcpus(node.instance, node.cpus))
    draw(gpu_pool(node.instance), "GPUS_ALL_REGIONS", node.gpus)
    return taken


def always(design: Design, granted: frozenset[Pool]) -> Taken:
    """The head and login nodes, and what the network is made of."""
    taken = machine(design.head, "on-demand", granted, gib(design.head_storage))
    network = design.network
    public = network.access == "public"
    addresses = 1 if public else 0
    if design.login:
        node, number = design.login.node, design.login.nodes
        taken += machine(node, "on-demand", granted, gcp_disk.size(node, None), number)
        addresses += number if public and network.egress == "head" else 0
    taken[Pool("IN_USE_ADDRESSES")] += addresses
    taken[Pool("INTERNAL_ADDRESSES")] += 1
    taken[Pool("INSTANCE_TEMPLATES")] += sum(len(order(g, "gcp")) for g in design.groups) + bool(design.login)
    if network.id is None:
        rdma = any(node.fabric == "rdma" for g in design.groups if g.fabric == "auto" for node in g.alternatives)
        for metric, number in (("NETWORKS", 1 + rdma), ("SUBNETWORKS", 1 + rdma), ("FIREWALLS", 2)):
            taken[Pool(metric)] += number
        taken[Pool("ROUTERS" if gateway(design) else "ROUTES")] += 1
    return +taken


def options(group: Group, count: int, granted: frozenset[Pool]) -> list[tuple[str, Taken]]:
    """(words, what so many of its nodes take) of each type and market that is tried for a group, in order."""
    return [
        (f"{node.instance}, {market}", machine(node, market, granted, gcp_disk.size(node, group), count))
        for market, node in order(group, "gcp")
    ]
