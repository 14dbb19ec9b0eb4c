"""Of any right file the Design is the same each time, comes back from JSON, and its slurm.conf has each group once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from making import RUN

from provisioner.catalog.table import bundled
from provisioner.design.decide import decide
from provisioner.design.model import Design
from provisioner.findings import errors
from provisioner.slurm.conf import Site, render
from provisioner.spec.load import load

NAMES = st.from_regex(r"[a-z]([-a-z0-9]{0,8}[a-z0-9])?", fullmatch=True)
FREE = NAMES.filter(lambda name: name not in ("head", "login", "all", "default"))
TYPES = [kind.name for kind in bundled().types]


@st.composite
def groups(draw: st.DrawFn) -> dict[str, Any]:
    group: dict[str, Any] = {"nodes": draw(st.integers(1, 50))}
    if draw(st.booleans()):
        least = draw(st.integers(0, 5))
        group["nodes"] = {"min": least, "max": least + draw(st.integers(1, 20))}
    if draw(st.booleans()):
        group["instance"] = draw(st.lists(st.sampled_from(TYPES), min_size=1, max_size=3))
    else:
        gpus = draw(st.integers(0, 8))
        group["needs"] = {"cores": draw(st.integers(1, 96)), "memory": f"{draw(st.integers(1, 512))}GiB", "gpus": gpus}
        if gpus:
            group["needs"]["gpu"] = draw(st.lists(st.sampled_from(["L4", "A10G", "H100 NVL", "Z9"]), max_size=2))
    return group | draw(st.fixed_dictionaries({}, optional={"spot": st.sampled_from(["never", "prefer", "only"])}))


@st.composite
def files(draw: st.DrawFn) -> dict[str, Any]:
    """Data that are right: jobs need only what was named before them, and ask for one node of theirs."""
    chosen = draw(st.dictionaries(FREE, groups(), min_size=1, max_size=4))
    jobs: dict[str, Any] = {}
    for name in draw(st.lists(NAMES, unique=True, max_size=6)):
        jobs[name] = {"command": draw(st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S")), min_size=1))}
        jobs[name]["group"] = draw(st.sampled_from(sorted(chosen)))
        if len(jobs) > 1:
            jobs[name]["needs"] = draw(st.lists(st.sampled_from(sorted(set(jobs) - {name})), unique=True, max_size=3))
        jobs[name] |= draw(
            st.fixed_dictionaries(
                {},
                optional={
                    "nodes": st.just(1),
                    "array": st.sampled_from(["0-9", "1,3,7", "0-99%4", 5]),
                    "time": st.sampled_from(["30s", "2h", "02:00:00"]),
                    "env": st.dictionaries(
                        st.sampled_from(["A", "B_1"]), st.text(st.characters(codec="ascii", categories=["L"]))
                    ),
                    "outputs": st.just(["log", {"path": "dump/**", "optional": True}]),
                },
            )
        )
    data: dict[str, Any] = {"version": 1, "name": draw(NAMES), "groups": chosen, "jobs": jobs}
    targets = st.lists(st.sampled_from(["local", "aws/us-east-2", "gcp", "azure/eastus"]), min_size=1, unique=True)
    data["target"] = draw(targets)
    data["filesystems"] = draw(st.dictionaries(st.sampled_from(["/shared", "/scratch"]), st.just({"size": "10GiB"})))
    return data


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("designs") / "burst.yaml"


@given(files())
def test_a_right_file(place: Path, data: dict[str, Any]) -> None:
    # JSON is YAML; ruamel writes some texts (`?0` in a flow mapping) in a way that it does not read again.
    place.write_text(json.dumps(data, ensure_ascii=False), encoding="utf-8")
    spec = load(place).spec
    for target in spec.target:
        first, found = decide(spec, bundled(), RUN, target)
        text = first.model_dump_json()
        assert decide(load(place).spec, bundled(), RUN, target)[0].model_dump_json() == text
        assert Design.model_validate_json(text) == first
        assert Design.model_validate_json(text).model_dump_json() == text
        names = [job.name for job in first.jobs]
        assert all(names.index(need) < names.index(job.name) for job in first.jobs for need in job.needs)
        assert all(group.node.memory_mib <= node.memory_mib for group in first.groups for node in group.alternatives)
        if not errors(found):
            renders_each_group_once(first)


def renders_each_group_once(design: Design) -> None:
    files = render(design, Site())
    assert render(design, Site()) == files
    lines = files["slurm.conf"].splitlines()
    for group in design.groups:
        nodes = [line for line in lines if line.startswith(f"NodeName={group.name}-")]
        exact = [
            line for line in nodes if line.split(" ")[0] in (f"NodeName={group.name}-1", f"NodeName={group.name}-[1-{group.max}]")
        ]
        assert len(exact) == 1
        assert len([line for line in lines if line.startswith(f"PartitionName={group.name} ")]) == 1
    assert len([line for line in lines if line.startswith("NodeName=")]) == len(design.groups)
    assert len([line for line in lines if " Default=YES " in line]) == 1
    has_gpus = any(group.node.gpus for group in design.groups)
    assert ("GresTypes=gpu" in lines) == has_gpus == ("gres.conf" in files)
    keys = [line.split("=")[0] for line in lines if not line.startswith(("NodeName=", "PartitionName="))]
    assert len(keys) == len(set(keys)), "slurmctld refuses a parameter that stands twice"
