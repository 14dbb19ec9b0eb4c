"""Jobs and groups → how long the cluster works, and for how many node-seconds: every job takes all the time that it may.

Slurm's own choices are not modelled: jobs are as side by side as their needs and their group's nodes allow. So more nodes
may make the whole shorter. What a script's own #SBATCH lines say is not read.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from provisioner.design.model import Design, Group, Job

# What is taken for a job, and each task of an array, that says no time of its own. Slurm gives it all that is left of the
# cluster's life (DefaultTime), which is the longest run and no expectation; an hour is the usual default of public queues.
ASSUMED = 3600


def assumed(design: Design) -> dict[str, int]:
    """Job → the seconds that are taken for it, where neither file nor command line says how long it may run."""
    return {job.name: min(ASSUMED, design.working_life) for job in design.jobs if _limit(job) is None}


@dataclass(frozen=True)
class Schedule:
    """`times`: the seconds of each job, or of each task of its array."""

    design: Design
    times: Mapping[str, int]

    @property
    def span(self) -> float:
        """Seconds from the first job's start to the last one's end: the longest chain of needs, or a group's work on all its
        nodes, whichever is more; no more than jobs may run.
        """
        ends: dict[str, float] = {}
        for job in self.design.jobs:
            start = max((ends[need] for need in job.needs), default=0.0)
            ends[job.name] = start + _waves(job, self.design.group(job.group)) * self.times[job.name]
        longest = max([*ends.values(), *(self.work(group) / group.max for group in self.design.groups)])
        return min(longest, self.design.working_life)

    def work(self, group: Group) -> float:
        """Node-seconds: a node that a task has a part of is there for all of it."""
        return sum(_waves(job, group) * self.times[job.name] * _nodes(job, group) for job in self._jobs(group))

    def _jobs(self, group: Group) -> list[Job]:
        return [job for job in self.design.jobs if job.group == group.name]

    def elastic(self, group: Group, wanted: float, life: float) -> float:
        """Node-seconds of the nodes that come and go, with the time that they idle before they go; none lives longer than the
        cluster, which would live for `wanted` seconds if it might, and does for `life`.

        What those that are always there lose by a life cut short is the others': no more work ever costs less.
        """
        jobs = self._jobs(group)
        more = max(0, min(group.max, sum(_nodes(job, group) for job in jobs)) - group.min)
        lost = group.min * (wanted - life)
        # Of all the work what those cannot do that are always there; and of each job what goes beyond them while it runs.
        beyond = sum(max(0, _nodes(job, group) - group.min) * _waves(job, group) * self.times[job.name] for job in jobs)
        working = max(0.0, self.work(group) - group.min * self.span, beyond)
        return min(working + more * self.design.idle + lost, more * life)


def schedule(design: Design) -> Schedule | None:
    """None where there are no jobs, of which nothing can be expected."""
    if not design.jobs:
        return None
    taken = assumed(design)
    return Schedule(design, {job.name: _limit(job) or taken[job.name] for job in design.jobs})


def _waves(job: Job, group: Group) -> int:
    return -(-_tasks(job)[0] // _side_by_side(job, group))


def _side_by_side(job: Job, group: Group) -> int:
    """Tasks of an array that run at once; 1 for a job that is none."""
    tasks, limit = _tasks(job)
    return max(1, min(tasks, limit, int(group.max / _share(job, group))))


def _nodes(job: Job, group: Group) -> int:
    """Nodes that a job has at once, with all the tasks of its array that are side by side."""
    return min(group.max, math.ceil(_side_by_side(job, group) * _share(job, group)))


def _share(job: Job, group: Group) -> Fraction:
    """Nodes of a job, or of one task of an array, which may be a part of one (slurm.conf: CR_Core_Memory)."""
    if nodes := _option(job, "nodes"):
        return Fraction(min(int(nodes), group.max))
    node = group.node
    cpus = int(_option(job, "ntasks") or 1) * int(_option(job, "cpus-per-task") or 1)
    gpus = Fraction(int(_option(job, "gpus") or 0), node.gpus) if node.gpus else Fraction(0)
    memory = Fraction(int((_option(job, "mem") or "0M").removesuffix("M")), node.memory_mib)
    return min(Fraction(group.max), max(Fraction(cpus, node.cpus), gpus, memory))


def _limit(job: Job) -> int | None:
    """Its time limit: sbatch's --time, in minutes."""
    minutes = _option(job, "time")
    return int(minutes) * 60 if minutes else None


def _tasks(job: Job) -> tuple[int, int]:
    """(tasks, how many at once) of an array as sbatch has it: 0-99:2%4."""
    indexes, _, limit = (_option(job, "array") or "0").partition("%")
    count = sum(_indexes(part) for part in indexes.split(","))
    return count, int(limit) if limit else count


def _indexes(part: str) -> int:
    match = re.fullmatch(r"(\d+)-(\d+)(?::(\d+))?", part)
    if match is None:
        return 1
    first, last, step = int(match[1]), int(match[2]), int(match[3] or 1)
    return max(1, (last - first) // max(1, step) + 1)


def _option(job: Job, name: str) -> str:
    begin = f"--{name}="
    return next((option.removeprefix(begin) for option in job.options if option.startswith(begin)), "")
