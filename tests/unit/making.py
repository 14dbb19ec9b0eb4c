"""What the unit tests make their material with: files, Specs, Designs, jobs' tasks."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

from provisioner.catalog.rows import Offer, Shape
from provisioner.catalog.table import Catalogue, InstanceType, bundled
from provisioner.design import model
from provisioner.design.decide import decide
from provisioner.findings import Finding
from provisioner.slurm.states import Task
from provisioner.spec.load import check
from provisioner.spec.model import Spec, parse_target
from provisioner.targets.base import Inventory

RUN = model.Run(id="test-abc234", owner="ada", expires=1_800_000_000)

# A file in which nothing is wrong; what a test adds comes after it.
RIGHT = """\
version: 1
name: right
groups:
  cpu: {nodes: 2}
"""


def write(folder: Path, text: str | bytes, name: str = "burst.yaml") -> Path:
    """A file of that content; text loses its common indent."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else textwrap.dedent(text).encode())
    return path


def found_in(folder: Path, text: str | bytes) -> tuple[Finding, ...]:
    """What `check` says of a file with that content."""
    return check(write(folder, text))[2]


def spec(text: str) -> Spec:
    """A Spec of data that are right, without a file."""
    from ruamel.yaml import YAML

    return Spec.model_validate(YAML(typ="safe", pure=True).load(textwrap.dedent(text)))


def design(text: str, target: str = "local", catalogue: Catalogue | None = None, *, wrong: bool = False) -> model.Design:
    """A Design in which nothing is wrong; with `wrong` one that design/rules.py objects to, for whoever checks it again."""
    decided, found = decide(spec(text), catalogue or bundled(), RUN, parse_target(target))
    assert wrong or not [finding for finding in found if finding.level.value == "error"], found
    return decided


def instance(name: str, **known: Any) -> InstanceType:
    """A type of a catalogue of the test's own; USD 1 an hour where nothing is said."""
    plain: dict[str, Any] = {
        "cloud": "aws",
        "region": "us-east-2",
        "vcpus": 4,
        "cores": 2,
        "memory_mib": 16 * 1024,
        "gpus": 0,
        "gpu": "",
        "arch": "x86_64",
        "fabric": "",
        "cards": 0,
        "on_demand": 1.0,
        "spot": None,
        "as_of": "2026-01-02",
        "source": "a test",
    }
    return InstanceType(name=name, **(plain | known))


def catalogue(*types: InstanceType) -> Catalogue:
    """Of these alone, each where it says that it is sold."""
    return Catalogue([_shape(t) for t in types], [_offer(t) for t in types])


def _shape(t: InstanceType) -> Shape:
    return Shape(
        t.cloud,
        t.name,
        t.vcpus,
        t.cores,
        t.vcpus // t.cores,
        t.memory_mib,
        t.gpus,
        t.gpu,
        t.gpu_memory,
        t.arch,
        t.network,
        t.tier1,
        t.fabric,
        t.cards,
        t.shape_as_of or t.as_of,
        t.shape_source or t.source,
    )


def _offer(t: InstanceType) -> Offer:
    return Offer(t.cloud, t.region, t.name, t.on_demand, t.spot, t.as_of, t.source)


class Still:
    """A clock that goes on only when somebody sleeps."""

    def __init__(self, at: float = 1_800_000_000.0) -> None:
        self.at = at

    def now(self) -> float:
        return self.at

    def monotonic(self) -> float:
        return self.at

    def sleep(self, seconds: float) -> None:
        self.at += seconds


class Planned(Still):
    """A clock by which things happen: `plan` has what is done so many seconds after its beginning."""

    def __init__(self, plan: dict[float, Callable[[], object]], at: float = 1_800_000_000.0) -> None:
        super().__init__(at)
        self._left = sorted((self.at + seconds, act) for seconds, act in plan.items())

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds)
        while self._left and self._left[0][0] <= self.at:
            self._left.pop(0)[1]()


def inventory(decided: model.Design, workdir: Path, *, reports: bool = False) -> Inventory:
    """Everything of a design, each machine by its name."""
    return Inventory(
        run_id=decided.run.id,
        target=decided.target,
        head="head",
        address="head",
        nodes={name: name for name in decided.fixed},
        logins={name: name for name in (decided.login.names if decided.login else ())},
        workdir=str(workdir),
        mounts={fs.mount: fs.mount for fs in decided.filesystems},
        reports=reports,
        slurm_version="24.11",
        place={},
    )


def task(**known: Any) -> Task:
    """A job that ran for ten seconds and is fine, but for what is said."""
    plain: dict[str, Any] = {
        "job_id": 1,
        "own_id": 1,
        "index": None,
        "state": "COMPLETED",
        "reason": "None",
        "exit_code": 0,
        "restarts": 0,
        "nodes": "cpu-1",
        "submitted": 100.0,
        "started": 101.0,
        "ended": 111.0,
        "stdout": "",
        "stderr": "",
    }
    return Task(**(plain | known))


def marked(text: str) -> list[int]:
    """The 1-based lines on which `# <<<` stands."""
    return [i for i, line in enumerate(textwrap.dedent(text).splitlines(), 1) if line.endswith("# <<<")]
