"""From the head's machine to the first node that is ready: the phases of cloud-init/*.j2, in their order."""

from __future__ import annotations

from collections.abc import Iterator

from provisioner.design.model import Design, Filesystem
from provisioner.design.timeline import azure, gcp
from provisioner.design.timeline.step import Step

PACKAGES, CACHE, EXPORTS, SLURMCTLD = "head: packages", "head: cache and NAT", "head: exports", "head: slurmctld"
BOOTS, LAUNCH, READY = "head: boots", "nodes: launched", "node: joins"


def behind_head(design: Design) -> bool:
    """Whether nodes reach packages through the head (Seam.behind_head)."""
    return design.network.egress == "head" if design.target == "azure" else not gcp.gateway(design)


def steps(design: Design, done: str, needed: tuple[str, ...]) -> Iterator[Step]:
    """`done` is the step with which Pulumi returns, `needed` what a launch could not do without."""
    yield from _chain(_head(design), azure.HEAD)
    fixed = bool(design.fixed)
    # Elastic ones are launched by the head, for the first job.
    needs = (*needed, *(() if fixed else (SLURMCTLD,)))
    yield Step(LAUNCH, "launch", (done if fixed else SLURMCTLD,), needs=needs)
    yield from _chain(_node(design), LAUNCH)


def _chain(steps: Iterator[Step], first: str) -> Iterator[Step]:
    """Each waits for the one before, too."""
    before = first
    for step in steps:
        yield Step(step.name, step.kind, (before, *step.waits), step.covers)
        before = step.name


def _head(design: Design) -> Iterator[Step]:
    yield Step(BOOTS, "head-boot", (), ("head:reports", "head:name", "head:expiry"))
    if behind_head(design):
        yield Step(CACHE, "head-cache", (), ("head:gateway",))
    # pmix.sh looks for a library, and takes no time.
    yield Step(PACKAGES, "head-packages", (), ("head:packages", "head:pmix"))
    yield from _clients("head", design)
    yield Step(EXPORTS, "head-exports", (), ("head:exports",))
    if any(not _served(fs) for fs in design.filesystems):
        yield Step("head: filesystems", "mounts", (), ("head:filesystems", "head:open"))
    yield from _own("head", design)
    yield Step(SLURMCTLD, "head-slurmctld", (), ("head:slurmctld",))


def _node(design: Design) -> Iterator[Step]:
    yield Step("node: boots", _boot(design), (), ("node:name", "node:expiry"))
    if behind_head(design):
        yield Step("node: way out", "node-way-out", (CACHE,), ("node:way-out",))
    yield Step("node: packages", "node-packages", (), ("node:packages", "node:pmix"))
    yield from _clients("node", design)
    yield Step("node: filesystems", "mounts", (EXPORTS,), ("node:filesystems",))
    yield from _own("node", design)
    yield Step(READY, "node-join", (SLURMCTLD,), ("node:notice", "node:join"))


def _boot(design: Design) -> str:
    """That of the quickest group: groups are launched side by side."""
    groups = [group for group in design.groups if group.min] or design.groups
    special = [group.node.gpus or (group.fabric == "auto" and group.node.fabric not in ("", "tier1")) for group in groups]
    return "node-boot-hpc" if all(special) else "node-boot"


def _served(fs: Filesystem) -> bool:
    return fs.type == "nfs" and fs.id is None


def _clients(role: str, design: Design) -> Iterator[Step]:
    kinds = {"lustre": f"client-lustre-{design.target}", "bucket": f"client-{_BUCKETS[design.target]}"}
    names = dict.fromkeys(kinds[fs.type] for fs in design.filesystems if fs.type in kinds)
    for name in names:
        yield Step(f"{role}: {name}", "client", (), (f"{role}:{name}",))


_BUCKETS = {"aws": "s3", "gcp": "gcs", "azure": "blob"}


def _own(role: str, design: Design) -> Iterator[Step]:
    if design.software.packages:
        yield Step(f"{role}: software", "software", (), (f"{role}:software",))
    if design.software.setup:
        yield Step(f"{role}: setup", "setup", (), (f"{role}:setup",))
