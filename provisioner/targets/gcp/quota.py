"""What the project may have in a region, against what a design would take of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from provisioner.design.model import Design, Node
from provisioner.findings import Finding, error, warning
from provisioner.launch.gcp import COMPUTE, Session

# "Allocation quotas": families that have a quota of their own among the region's; the others here share CPUS. Newer
# families' quotas (C3D, C4, H4D, H100 …) are not told by the Compute Engine API.
_CPUS = {
    **{family: f"{family.upper()}_CPUS" for family in ("n2", "n2d", "c2", "c2d", "c3", "a2", "t2d")},
    **dict.fromkeys(("e2", "n1"), "CPUS"),
}
_GPUS = {"a100": "NVIDIA_A100_GPUS", "l4": "NVIDIA_L4_GPUS", "t4": "NVIDIA_T4_GPUS", "v100": "NVIDIA_V100_GPUS"}
_FIX = "ask for more (console: IAM & Admin, Quotas), or for fewer or smaller nodes"


def check(session: Session, design: Design) -> Iterator[Finding]:
    """Fixed nodes must fit; that all may not fit is said. Spot machines have quotas of their own, and are not counted."""
    region = str(design.region)
    told = session.call("GET", f"{COMPUTE}/projects/{session.project}/regions/{region}")["quotas"]
    told += session.call("GET", f"{COMPUTE}/projects/{session.project}").get("quotas", [])
    free = {quota["metric"]: quota["limit"] - quota["usage"] for quota in told}
    always, most = _taken(design, fixed=True), _taken(design, fixed=False)
    for metric in sorted(most.keys() & free.keys()):
        said = f"quota {metric} in {region} has {free[metric]:g} left"
        if always[metric] > free[metric]:
            yield error("quota", f"{said}, the head and the fixed nodes take {always[metric]}", _FIX)
        elif most[metric] > free[metric]:
            yield warning("quota", f"{said}, all nodes together would take {most[metric]}", _FIX)


def _taken(design: Design, *, fixed: bool) -> Counter[str]:
    taken: Counter[str] = Counter()
    _add(taken, design.head, 1)
    if design.login:
        _add(taken, design.login.node, design.login.nodes)
    for group in design.groups:
        # Where there is a choice, nobody knows which of the types it will be.
        if group.spot == "never" and (len(group.alternatives) == 1 or not fixed):
            _add(taken, group.alternatives[0], group.min if fixed else group.max)
    return taken


def _add(taken: Counter[str], node: Node, count: int) -> None:
    cpus, gpus = _CPUS.get(node.instance.partition("-")[0]), _GPUS.get(node.gpu)
    taken.update({metric: node.cpus * count for metric in (cpus, "CPUS_ALL_REGIONS") if metric})
    if node.gpus:
        taken.update({metric: node.gpus * count for metric in (gpus, "GPUS_ALL_REGIONS") if metric})
