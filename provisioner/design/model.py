"""The Design's shape. It serialises to JSON with `model_dump_json`."""

from __future__ import annotations

import re

from pydantic import BaseModel, ConfigDict


class Part(BaseModel):
    """Frozen and closed."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Run(Part):
    """The identity that everything of a run carries. `expires` is in epoch seconds."""

    id: str
    owner: str
    expires: int


class Node(Part):
    """What one machine is, as Slurm is told. `cpus` are what Slurm schedules; memory in MiB; price in USD an hour."""

    instance: str
    cpus: int
    cores: int
    memory_mib: int
    gpus: int = 0
    gpu: str = ""
    price: float | None = None
    spot_price: float | None = None
    arch: str = "x86_64"
    fabric: str = ""
    cards: int = 0


class Group(Part):
    """A Slurm partition: nodes `<name>-1` … `<name>-<max>`, of which the first `min` are always there.

    `node` is what is true of all of `alternatives`, which are tried in order.
    """

    name: str
    min: int
    max: int
    node: Node
    alternatives: tuple[Node, ...] = ()
    spot: str
    fabric: str
    image: str | None = None

    @property
    def fixed(self) -> tuple[str, ...]:
        """The names of the nodes that are always there."""
        return tuple(f"{self.name}-{i}" for i in range(1, self.min + 1))


class Filesystem(Part):
    """A shared folder. `size` in bytes."""

    mount: str
    type: str
    size: int
    id: str | None

    @property
    def variable(self) -> str:
        """The variable in which jobs find it: /shared → BURST_SHARED, /data/in → BURST_DATA_IN."""
        return "BURST_" + re.sub(r"\W", "_", self.mount.strip("/")).upper()

    @property
    def slug(self) -> str:
        """The name of a folder that stands for it: no two mount points have the same."""
        return slug(self.mount)


def slug(mount: str) -> str:
    """/shared → shared, /data/in → data-in, /data-in → data--in."""
    return mount.strip("/").replace("-", "--").replace("/", "-")


class Network(Part):
    """Where machines are: an existing network and subnet by id, or new ones. As spec/model.py has it."""

    id: str | None = None
    subnet: str | None = None
    access: str = "public"
    ssh_from: tuple[str, ...] = ()
    egress: str = "head"


class Identity(Part):
    """What the head may do: a role is made, or an existing one taken by `id`, or neither."""

    create: bool = True
    id: str | None = None
    boundary: str | None = None


class Login(Part):
    """Machines to log in to: `login-1` … `login-<nodes>`."""

    nodes: int
    node: Node

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(f"login-{i}" for i in range(1, self.nodes + 1))


class Output(Part):
    """A pattern in the job's folder."""

    path: str
    optional: bool


class Job(Part):
    """One submission. `options` are sbatch's, decided; `script` and `inputs` are relative to the file's folder."""

    name: str
    group: str
    script: str | None
    command: str | None
    needs: tuple[str, ...]
    options: tuple[str, ...]
    env: dict[str, str]
    inputs: tuple[str, ...]
    outputs: tuple[Output, ...]


class Software(Part):
    """The distribution's packages, and a script of the user's."""

    packages: tuple[str, ...]
    setup: str | None


class Market(Part):
    """What it costs in USD with machines of one market: `spot` wherever the file lets them be (what its price is at most is
    another market's affair), `on-demand` wherever it need not be spot.

    For each hour with the nodes that are always there, and with all; for the jobs' time on the types that are tried first; and
    for its whole life with every node. None where a price is not known, `expected` also where there are no jobs.
    """

    market: str
    hourly: float | None
    hourly_max: float | None
    expected: float | None
    total_max: float | None


class Estimate(Part):
    """What it costs, in USD: for each hour with the nodes that are always there, with all, and at most for its life, whichever
    type and market is to be had.

    None where a price is not known. `expected` is what it costs when every job takes the time that it may; None where one
    has no such time, too. `basis` says what is counted, `uncounted` what is billed beside it that nobody knows beforehand.
    `markets` has the same by market, with an `expected` in which each job of `assumed` takes so many seconds.
    """

    hourly: float | None
    hourly_max: float | None
    total_max: float | None
    expected: float | None = None
    basis: str
    markets: tuple[Market, ...] = ()
    assumed: dict[str, int] = {}
    uncounted: tuple[str, ...] = ()


def working_life(ttl: int) -> int:
    """A tenth of the life is for collecting, five minutes at most."""
    return ttl - min(300, ttl // 10)


class Design(Part):
    """The whole decision. `jobs` are in an order in which each comes after what it needs; times in seconds, sizes in bytes.

    `cloud` is the one that the file was written for, whose habits a rehearsal on this machine takes on; `rehearsed` what a
    machine costs there, in USD an hour, where a budget is rehearsed, too. `results` is where the head puts outputs of a run
    whose client goes away (spec/results.py); None where it stays. `zone` is the one that machines and filesystems are to be in,
    None where the place itself chooses.
    """

    version: int = 1
    run: Run
    name: str
    target: str
    region: str | None
    zone: str | None = None
    cloud: str | None = None
    head: Node
    head_disk: int = 50 * 2**30
    login: Login | None = None
    groups: tuple[Group, ...]
    filesystems: tuple[Filesystem, ...]
    image: str | None = None
    network: Network = Network()
    identity: Identity = Identity()
    software: Software
    jobs: tuple[Job, ...]
    ttl: int
    idle: int
    unused: int | None = None
    results: str | None = None
    budget: float | None
    rehearsed: float | None = None
    estimate: Estimate

    @property
    def place(self) -> str:
        """Where it is, as a file names it: aws/us-east-2."""
        return self.target + (f"/{self.region}" if self.region else "")

    @property
    def head_storage(self) -> int:
        """The head's disk in bytes: its own, and what it serves to all."""
        return self.head_disk + sum(fs.size for fs in self.filesystems if fs.type == "nfs" and fs.id is None)

    @property
    def working_life(self) -> int:
        """How long jobs may run, in seconds: the cluster's life without what is kept for bringing the outputs back."""
        return working_life(self.ttl)

    @property
    def fixed(self) -> tuple[str, ...]:
        """The names of all nodes that are always there."""
        return tuple(name for group in self.groups for name in group.fixed)

    @property
    def resumes(self) -> bool:
        """Whether Slurm starts nodes by itself: elastic ones, and those that take a lost spot machine's place."""
        return any(group.max > group.min or group.spot != "never" for group in self.groups)

    def group(self, name: str) -> Group:
        """The group of that name."""
        return next(g for g in self.groups if g.name == name)

    def job(self, name: str) -> Job:
        """The job of that name."""
        return next(j for j in self.jobs if j.name == name)
