"""The file's shape. docs/file.md and the JSON Schema are made from this module: a field's description is its manual."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator

from provisioner.spec.fields import (
    Array,
    Cidr,
    Duration,
    Environment,
    Money,
    MountPoint,
    Name,
    Package,
    RelativePath,
    Results,
    Size,
)

TARGETS = ("local", "nspawn", "aws", "gcp", "azure")


class Part(BaseModel):
    """What every part of the file is: frozen, and closed to keys nobody defined."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, populate_by_name=False)


class TargetRef(Part):
    """A place by name, with a region after a slash where it has any: aws/us-east-2."""

    name: str
    region: str | None = None

    def __str__(self) -> str:
        return self.name if self.region is None else f"{self.name}/{self.region}"


def parse_target(text: str) -> TargetRef:
    """`local`, `aws/us-east-2`. Raises ValueError naming what is accepted."""
    name, slash, region = text.partition("/")
    if name not in TARGETS:
        raise ValueError(f"{text!r} is not a target: one of {', '.join(TARGETS)}, a region after a slash")
    if slash and (name in ("local", "nspawn") or not region or not region.replace("-", "").isalnum()):
        raise ValueError(f"{text!r}: {name} has no region {region!r}")
    return TargetRef(name=name, region=region or None)


def parse_targets(text: str) -> tuple[TargetRef, ...]:
    """`aws,gcp/us-central1`: each once. Raises ValueError naming what is accepted."""
    return tuple(dict.fromkeys(parse_target(name.strip()) for name in text.split(",")))


def _target(value: Any) -> TargetRef:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is not a target: one of {', '.join(TARGETS)}, a region after a slash")
    return parse_target(value)


def _listed(value: Any) -> Any:
    """One thing where a list is meant is a list of one; YAML lists become tuples, which are frozen."""
    if isinstance(value, str | dict):
        return (value,)
    return tuple(value) if isinstance(value, list) else value


Targets = Annotated[
    tuple[Annotated[TargetRef, BeforeValidator(_target)], ...],
    BeforeValidator(_listed),
    Field(min_length=1),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}),
]
_Strings = WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]})
Paths = Annotated[tuple[RelativePath, ...], BeforeValidator(_listed), _Strings]
Names = Annotated[tuple[str, ...], BeforeValidator(_listed), _Strings]
Positive = Annotated[int, Field(ge=1, le=1_000_000)]
GpuCount = Annotated[int, Field(ge=0, le=64)]


class Head(Part):
    """The machine that runs slurmctld and exports the shared folders."""

    instance: str = Field("auto", description="An instance type by the cloud's name; `auto` takes the cheapest that fits.")
    disk: Size = Field(
        default=50 * 2**30, description="The head's disk, for the system and /home; its NFS folders' sizes are added."
    )


class Login(Part):
    """Machines to log in to and submit from, beside the head."""

    instance: str = Field("auto", description="An instance type by the cloud's name; `auto` takes the cheapest that fits.")
    nodes: Annotated[int, Field(ge=1, le=16)] = Field(1, description="How many: login-1, login-2 …")


class Needs(Part):
    """A node described by what it must have; the cheapest type of the catalogue that fits is taken."""

    cores: Positive = Field(2, description="Physical cores at least.")
    memory: Size = Field(default=4 * 2**30, description="Memory at least.")
    gpus: GpuCount = Field(0, description="GPUs at least.")
    gpu: Names = Field((), description="GPU models; the first of which the cloud has a type is taken: L4, A10G, H100 …")


class Elastic(Part):
    """Nodes that Slurm's power saving starts when jobs wait for them and ends when they idle."""

    min: Annotated[int, Field(ge=0, le=100_000)] = Field(0, description="Nodes that are always there.")
    max: Annotated[int, Field(ge=1, le=100_000)] = Field(description="Nodes at most.")

    @model_validator(mode="after")
    def _ordered(self) -> Elastic:
        if self.min > self.max:
            raise ValueError(f"min ({self.min}) is more than max ({self.max})")
        return self


def _nodes(value: Any) -> Any:
    """`nodes: 4` is a group that is always four."""
    if isinstance(value, int) and not isinstance(value, bool):
        return {"min": value, "max": value}
    return value


Nodes = Annotated[
    Elastic,
    BeforeValidator(_nodes),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 1},
                {
                    "type": "object",
                    "properties": {"min": {"type": "integer", "minimum": 0}, "max": {"type": "integer", "minimum": 1}},
                    "required": ["max"],
                    "additionalProperties": False,
                },
            ]
        }
    ),
]


class Group(Part):
    """A compute group: a Slurm partition of nodes of one kind."""

    instance: Names = Field((), description="Instance types by the cloud's name, tried in order.")
    needs: Needs | None = Field(None, description="What a node must have, portable between clouds.")
    nodes: Nodes = Field(description="How many: a number, or {min, max} for elastic.")
    spot: Literal["never", "prefer", "only"] = Field("never", description="Whether nodes may be spot.")
    fabric: Literal["auto", "never"] = Field(
        "auto", description="EFA, Tier_1 or InfiniBand with a placement group, where the type has it."
    )
    image: str | None = Field(None, description="The nodes' image, by the cloud's id; otherwise the file's, or one is looked up.")


class Filesystem(Part):
    """A folder that every node sees at the same path."""

    type: Literal["nfs", "managed-nfs", "lustre", "bucket"] = Field(
        "nfs",
        description="`nfs` is exported by the head. The cloud's own: `managed-nfs` (EFS, Filestore, Azure Files), `lustre` "
        "(FSx for Lustre, Google Cloud Managed Lustre, Azure Managed Lustre), `bucket` (S3, Cloud Storage, Blob Storage).",
    )
    size: Size = Field(default=100 * 2**30, description="Its size; EFS and buckets have none.")
    id: str | None = Field(
        None,
        description="An existing one, mounted and never deleted, as its cloud names it; of any NFS server its HOST:/EXPORT.",
    )


class Network(Part):
    """The network that machines are in, and who may reach the head."""

    id: str | None = Field(
        None, description="An existing one, by the id of the VPC (AWS, GCP) or VNet (Azure); a new one when left out."
    )
    subnet: str | None = Field(None, description="A subnet of the existing network.")
    access: Literal["public", "tunnel"] = Field(
        "public",
        description="How the head is reached: over a public address, or without one through the cloud's own `tunnel` "
        "(Session Manager, Identity-Aware Proxy, Bastion).",
    )
    ssh_from: Annotated[tuple[Cidr, ...], BeforeValidator(_listed), _Strings] = Field(
        (), description="Address ranges that may reach the head's SSH; the caller's own address when left out."
    )
    egress: Literal["head", "gateway"] = Field(
        "head",
        description="How machines without a public address reach the world: through the head (free of charge), or a NAT "
        "gateway of the cloud's (billed).",
    )


class Identity(Part):
    """What the head may do in the cloud: make and end the nodes of its own run."""

    create: bool = Field(True, description="Whether a role is made for the run; without one only fixed nodes are possible.")
    id: str | None = Field(
        None, description="An existing one: an instance profile (AWS), service account (GCP) or managed identity (Azure)."
    )
    boundary: str | None = Field(None, description="A permissions boundary for the role that is made (AWS).")


def _identity(value: Any) -> Any:
    """`identity: none` is a head that may do nothing; a word is an id."""
    if isinstance(value, str):
        return {"create": False} if value == "none" else {"id": value}
    return value


class Software(Part):
    """What nodes need beyond the image."""

    packages: Annotated[tuple[Package, ...], BeforeValidator(_listed), _Strings] = Field(
        (), description="The distribution's packages."
    )
    setup: RelativePath | None = Field(None, description="A script that runs once on each machine before it joins.")


class Output(Part):
    """A pattern of files that a job makes. `*`, `?`, `[…]` and `**` as in bash's globstar; a folder brings all of it."""

    path: RelativePath = Field(description="The pattern, relative to the job's folder.")
    optional: bool = Field(False, description="Whether the run is fine without it.")


def _outputs(value: Any) -> Any:
    items = [value] if isinstance(value, str | dict) else value
    if not isinstance(items, list):
        return value
    return tuple({"path": item} if isinstance(item, str) else item for item in items)


Outputs = Annotated[
    tuple[Output, ...],
    BeforeValidator(_outputs),
    WithJsonSchema(
        {
            "type": "array",
            "items": {
                "anyOf": [
                    {"type": "string"},
                    {
                        "type": "object",
                        "properties": {"path": {"type": "string"}, "optional": {"type": "boolean"}},
                        "required": ["path"],
                        "additionalProperties": False,
                    },
                ]
            },
        }
    ),
]


class Job(Part):
    """One piece of work, submitted by sbatch from a folder of its own; the folders of all jobs lie side by side."""

    group: str | None = Field(None, description="The group it runs on; the first one when left out.")
    script: RelativePath | None = Field(None, description="An sbatch script, which runs unchanged.")
    command: str | None = Field(
        None,
        description="A command for /bin/sh, instead of a script. Its last status counts: begin with `set -e` to stop earlier.",
    )
    needs: Names = Field((), description="Jobs that must have succeeded before (a Slurm dependency, afterok).")
    array: Array | None = Field(None, description="Array indexes, as sbatch --array has them: 0-99%4.")
    nodes: Positive | None = Field(None, description="Nodes (sbatch --nodes).")
    tasks: Positive | None = Field(None, description="Tasks (sbatch --ntasks).")
    tasks_per_node: Positive | None = Field(None, description="Tasks on each node (sbatch --ntasks-per-node).")
    cpus_per_task: Positive | None = Field(None, description="CPUs for each task (sbatch --cpus-per-task).")
    gpus: Positive | None = Field(None, description="GPUs for the job (sbatch --gpus).")
    gpus_per_node: Positive | None = Field(None, description="GPUs on each node (sbatch --gpus-per-node).")
    memory: Size | None = Field(None, description="Memory on each node (sbatch --mem).")
    time: Duration | None = Field(None, description="Time limit (sbatch --time).")
    env: Environment = Field(default={}, description="Variables for the job.")
    inputs: Paths = Field((), description="Files of the file's folder, by pattern, that the job finds in its own.")
    outputs: Outputs = Field((), description="Files that come back, by pattern; each is required unless `optional`.")


class Limits(Part):
    """When it ends."""

    cost: Money | None = Field(
        None,
        description="The most it may cost, by the published prices: before it is spent, jobs are cancelled, outputs brought, "
        "everything destroyed.",
    )
    ttl: Duration = Field(default=8 * 3600, description="The cluster's longest life.")
    idle: Duration = Field(default=600, description="An elastic node that idles this long is ended.")
    unused: Duration | None = Field(
        None,
        description="A kept cluster in which no job was and nobody logged in for so long ends itself, with what was not fetched "
        "(on `local` that is saved first); at ttl when left out.",
    )


class Spec(Part):
    """The whole file."""

    version: Literal[1] = Field(description="The format's version: 1.")
    name: Name = Field(description="What names are made of.")
    target: Targets = Field(
        default=(TargetRef(name="local"),),
        description="Where: local, nspawn, aws, gcp or azure, a region after a slash. Of a list the one that `rank` has "
        "first is taken, and the next where there is no room.",
    )
    rank: Literal["cost", "time", "listed"] = Field(
        "cost",
        description="Which of several targets comes first: the cheapest by what is expected, the first to be ready, or as they "
        "are `listed`.",
    )
    head: Head = Field(default=Head(), description="The head.")
    login: Login | None = Field(None, description="Machines to submit from beside the head; none when left out.")
    groups: Annotated[dict[Name, Group], Field(min_length=1)] = Field(description="The compute groups, by name.")
    filesystems: dict[MountPoint, Filesystem] = Field(default={}, description="Shared folders, by mount point.")
    image: str | None = Field(
        None, description="Every machine's image, by the cloud's id: Debian 12 or 13, or Ubuntu 24.04, with cloud-init."
    )
    network: Network = Field(default=Network(), description="The network, and who may reach the head.")
    identity: Annotated[Identity, BeforeValidator(_identity)] = Field(
        default=Identity(), description="What the head may do in the cloud; `none`, or the id of an existing identity."
    )
    software: Software = Field(default=Software(), description="What nodes need beyond the image.")
    jobs: dict[Name, Job] = Field(default={}, description="The work, by name.")
    results: Results | None = Field(
        None,
        description="Where `burst run --detach` puts outputs and the receipt: a bucket of yours, as s3://BUCKET/PREFIX, "
        "gs://BUCKET/PREFIX or https://ACCOUNT.blob.core.windows.net/CONTAINER/PREFIX; on this machine a folder, file:///FOLDER.",
    )
    limits: Limits = Field(default=Limits(), description="When it ends.")
