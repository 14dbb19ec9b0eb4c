"""What the project may have in a region, against what a design would take of it: summed over all its machines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence

from provisioner.design.model import Design, Group
from provisioner.findings import Finding, error, warning
from provisioner.launch.gcp import Session
from provisioner.targets.gcp import limits
from provisioner.targets.gcp.draws import CPU_FAMILY, GPU_FAMILY, Pool, Taken, always, cpu_pool, gpu_pool, options, preemptible
from provisioner.targets.gcp.limits import Quota, Told

# What is tried for a group's nodes: (its words, what they take).
Options = Sequence[tuple[str, Taken]]


def check(session: Session, design: Design) -> Iterator[Finding]:
    """The head, login nodes and fixed nodes must fit, each group's as one of its types; that all may not fit is said."""
    region = str(design.region)
    told = limits.asked(session, region, _families(design))
    if told.refused is not None:
        names = ", ".join(str(pool) for pool in sorted(_families(design)))
        fix = f"gcloud services enable cloudquotas.googleapis.com --project {session.project}, and roles/cloudquotas.viewer"
        yield warning("unchecked", f"quotas {names} are not known: {told.refused}", fix)
    yield from _short(_Asked(session.project, region, told), design)


def _short(ask: _Asked, design: Design) -> Iterator[Finding]:
    base = always(design, ask.granted)
    if ask.short(base):
        yield from (ask.finding(error, pool, base, "the head, login nodes and the network take") for pool in ask.short(base))
        return
    tried = [(group, options(group, group.min, ask.granted)) for group in design.groups if group.min]
    groups = [(group, some) for group, some in tried if some]
    chosen = _fitting(ask, base, [some for _, some in groups])
    if chosen is None:
        yield from _none(ask, base, [some for _, some in groups])
        return
    yield from _later(groups, chosen)
    picked = {group.name: i for (group, _), i in zip(groups, chosen, strict=True)}
    most = base + sum((_most(ask, group, picked.get(group.name, 0)) for group in design.groups), Counter())
    # With the fixed nodes alone nothing is short any more.
    yield from (ask.finding(warning, pool, most, "all nodes together would take") for pool in ask.short(most))


class _Asked:
    """Quotas of one region, and what is said of those that are short."""

    def __init__(self, project: str, region: str, told: Told) -> None:
        self._project, self._region, self._told = project, region, told
        self.granted = told.granted

    def short(self, taken: Taken) -> list[Pool]:
        """What is not known is not short."""
        quotas: Mapping[Pool, Quota] = self._told.quotas
        return sorted(pool for pool, number in taken.items() if pool in quotas and number > quotas[pool].free)

    def finding(self, level: Callable[[str, str, str], Finding], pool: Pool, taken: Taken, who: str, more: str = "") -> Finding:
        """An on-demand machine with GPUs that has a time limit, as all of a run's have, may draw on the preemptible quota
        ("GPU VMs and preemptible allocation quotas"): where there is one, nobody knows beforehand.
        """
        quota = self._told.quotas[pool]
        instead = preemptible(pool) if pool.metric == GPU_FAMILY or pool.metric.startswith("NVIDIA_") else None
        make = warning if instead in self.granted else level
        where = "" if pool.everywhere else f" in {self._region}"
        said = f"quota {pool}{where} has {quota.free:g} of {quota.limit:g} left, {who} {taken[pool]}{more}"
        return make("quota", said, self._fix(pool, quota.used + taken[pool]))

    def _fix(self, pool: Pool, wanted: float) -> str:
        """ "Request quota adjustments" by the Cloud Quotas API."""
        where = ",".join(f"{key}={value}" for key, value in pool.dimensions(self._region).items())
        asked = f"gcloud beta quotas preferences create --service compute.googleapis.com --project {self._project}"
        asked += f" --quota-id {pool.id} --preferred-value {wanted:.0f}" + (f" --dimensions {where}" if where else "")
        return f"{asked}, or fewer or smaller nodes"


def _families(design: Design) -> set[Pool]:
    """Those quotas of a design that have a value for each family."""
    types = {design.head.instance, *([design.login.node.instance] if design.login else [])}
    types |= {node.instance for group in design.groups for node in group.alternatives}
    pools = {pool for name in types for pool in (cpu_pool(name), gpu_pool(name)) if pool is not None}
    return {pool for pool in pools if pool.metric in (CPU_FAMILY, GPU_FAMILY)}


def _fitting(ask: _Asked, taken: Taken, groups: Sequence[Options]) -> list[int] | None:
    """Of each group the option that is tried first of those with which all fit; None where there are none."""
    if not groups:
        return []
    # What the others take in any case: without it every combination would be gone through before the last one is short.
    rest: Taken = sum((_least(tried) for tried in groups[1:]), Counter())
    for i, (_, more) in enumerate(groups[0]):
        if not ask.short(taken + more + rest):
            others = _fitting(ask, taken + more, groups[1:])
            if others is not None:
                return [i, *others]
    return None


def _least(tried: Options) -> Taken:
    least = tried[0][1]
    for _, taken in tried[1:]:
        least = least & taken
    return least


def _none(ask: _Asked, base: Taken, groups: Sequence[Options]) -> Iterator[Finding]:
    """As the first of what is tried would have it."""
    first = base + sum((tried[0][1] for tried in groups), Counter())
    several = any(len(tried) > 1 for tried in groups)
    more = ", and with no other of the groups' types it fits" if several else ""
    yield from (ask.finding(error, pool, first, "the head and the fixed nodes take", more) for pool in ask.short(first))


def _later(groups: Sequence[tuple[Group, Options]], chosen: Sequence[int]) -> Iterator[Finding]:
    """Where the first of what is tried has no quota, the next is tried, which may be dearer."""
    for (group, tried), i in zip(groups, chosen, strict=True):
        if i:
            words, fits = tried[0][0], tried[i][0]
            said = f"group {group.name} does not fit into the quotas as {words}, but as {fits}"
            yield warning("quota", said, f"groups: {{{group.name}: …}}: {fits.partition(',')[0]} first, or more quota")


def _most(ask: _Asked, group: Group, picked: int) -> Taken:
    """Of all its nodes, as its fixed ones are, or as the first that is tried."""
    tried = options(group, group.max, ask.granted)
    return tried[picked][1] if tried else Counter()
