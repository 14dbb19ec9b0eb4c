"""The timeline's order is the programs' own: what a program makes wait for something new, the model has to know."""

from __future__ import annotations

import base64
import gzip
import re
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
from making import design
from pulumi.runtime.mocks import MockMonitor

from provisioner.bootstrap import user_data
from provisioner.bootstrap.needs import Role
from provisioner.bootstrap.seam import Launcher, Mount, Seam, served
from provisioner.design.model import Design
from provisioner.design.timeline import machines, steps
from provisioner.design.timeline.step import Step
from provisioner.stack.site import SITE
from tests.stacks.contract import mutated
from tests.stacks.test_contract import NAMES, cloud_of

PLAIN = "version: 1\nname: plain\ngroups: {cpu: {needs: {cores: 8}, nodes: 2}}\n"
DESIGNS = {
    "plain": PLAIN,
    "tunnel": PLAIN + "network: {access: tunnel}\n",
    "gateway": PLAIN + "network: {egress: gateway}\n",
    "no identity": PLAIN + "identity: none\n",
}
CASES = [*DESIGNS, "whole", "existing"]
Made = dict[str, list[str]]


def decided(name: str, case: str) -> Design:
    cloud = cloud_of(name)
    texts = {**DESIGNS, "whole": cloud.text, "existing": cloud.rules["existing"].text}
    return design(texts[case], name)


def key(urn_or_type: str, name: str) -> str:
    """module/type:name, as Step.covers has it: ec2/vpc:vpc, network/VirtualNetwork:vnet."""
    module, _, kind = urn_or_type.rpartition("$")[2].partition(":")[2].partition(":")
    return f"{module if '/' in module else f'{module}/{kind}'}:{name}"


@contextmanager
def dependencies() -> Iterator[Made]:
    """Resource → those that it waits for, as Pulumi's own SDK tells its engine."""
    found: Made = {}
    register, read = MockMonitor.RegisterResource, MockMonitor.ReadResource

    def keep(request: Any) -> None:
        parts = [urn.split("::")[-2:] for urn in request.dependencies]
        found[key(request.type, request.name)] = [key(*part) for part in parts]

    def registered(self: MockMonitor, request: Any) -> Any:
        if request.custom:
            keep(request)
        return register(self, request)

    def was_read(self: MockMonitor, request: Any) -> Any:
        keep(request)
        return read(self, request)

    patch = pytest.MonkeyPatch()
    patch.setattr(MockMonitor, "RegisterResource", registered)
    patch.setattr(MockMonitor, "ReadResource", was_read)
    try:
        yield found
    finally:
        patch.undo()


def of(resource: str, found: tuple[Step, ...]) -> str:
    """The one step that stands for it."""
    names = [step.name for step in found if any(fnmatchcase(resource, pattern) for pattern in step.covers)]
    assert len(names) == 1, f"{resource} is in {names}: give it one step in provisioner/design/timeline"
    return names[0]


def closure(waits: dict[str, set[str]]) -> dict[str, set[str]]:
    whole: dict[str, set[str]] = {}

    def reached(name: str) -> set[str]:
        if name not in whole:
            whole[name] = set()
            for each in waits[name]:
                whole[name] |= {each} | reached(each)
        return whole[name]

    return {name: reached(name) for name in waits}


def compared(name: str, about: Design, program: Path | None = None) -> tuple[dict[str, set[str]], dict[str, set[str]]]:
    """What each step waits for, directly or not: as it is modelled, as the program has it."""
    with dependencies() as made:
        cloud_of(name).run(about, program)
    resources = tuple(s for s in steps(about) if s.covers and not s.covers[0].startswith(("head:", "node:")))
    real: dict[str, set[str]] = {step.name: set() for step in resources}
    seen = set()
    for resource, waits in made.items():
        step = of(resource, resources)
        seen.add(step)
        real[step] |= {of(each, resources) for each in waits} - {step}
    assert seen == real.keys(), "a step of nothing that the program makes"
    return closure({step.name: set(step.waits) & real.keys() for step in resources}), closure(real)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("name", NAMES)
def test_each_step_waits_for_what_the_program_makes_it_wait_for(name: str, case: str) -> None:
    modelled, real = compared(name, decided(name, case))
    assert modelled == real


def test_a_program_that_waits_for_more_is_noticed(tmp_path: Path) -> None:
    right, wrong = "storage.mounts.apply(seam), address.private", "storage.mounts.apply(seam), network.ready[0].id"
    modelled, real = compared(
        "aws", decided("aws", "plain"), mutated(cloud_of("aws").folder, tmp_path, ("__main__.py", right, wrong))
    )
    assert real["launch templates"] - modelled["launch templates"] >= {"internet gateway", "route to the world"}


def test_a_program_that_makes_more_is_noticed(tmp_path: Path) -> None:
    more = ("network.py", 'if asked.access == "tunnel":\n            self._bastion()', "self._bastion()")
    with pytest.raises(AssertionError, match="BastionHost:bastion is in"):
        compared("azure", decided("azure", "plain"), mutated(cloud_of("azure").folder, tmp_path, more))


def seam(about: Design) -> Seam:
    """As a stack has it, but for the ids."""
    own = served(about)
    mounts = [Mount(folder, f"head:{folder}") for folder in own]
    bucket = {"aws": "client-s3.sh", "gcp": "client-gcs.sh", "azure": "client-blob.sh"}[about.target]
    clients = {"lustre": f"client-lustre-{about.target}.sh", "bucket": bucket}
    for fs in about.filesystems:
        if fs.mount not in own:
            mounts.append(
                Mount(fs.mount, "x", on_head=True, client=clients.get(fs.type, ""), made=fs.id is None and fs.type != "bucket")
            )
    launcher = Launcher(about.target, {"launcher": about.target, "groups": {}})
    behind = "10.0.0.0/8" if machines.behind_head(about) else ""
    return Seam(about.target, served=own, mounts=tuple(mounts), launcher=launcher, behind_head=behind)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("name", NAMES)
def test_machines_go_through_the_phases_of_their_user_data(name: str, case: str) -> None:
    about = decided(name, case)
    found = steps(about)
    for part, role in (("head", "head"), ("node", "compute")):
        wanted: Role = role  # type: ignore[assignment]
        text = user_data.render(about, wanted, setup=None, site=SITE, seam=seam(about))
        phases = [f"{part}:{phase}" for phase in re.findall(r'^- \["/opt/burst/phase.sh", "([\w-]+)"', text, re.MULTILINE)]
        assert phases, text
        # pmix.sh looks for a file and takes no time, wherever it stands.
        order = [of(phase, found) for phase in phases if not phase.endswith(":pmix")]
        modelled = [step.name for step in found if step.covers and step.covers[0].startswith(f"{part}:")]
        assert list(dict.fromkeys(order)) == modelled


def texts(value: Any) -> Iterator[str]:
    """Everything that is user-data in a resource's inputs: base64 of gzip."""
    for each in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from texts(each)
    if isinstance(value, str) and value.startswith("H4sI"):
        yield gzip.decompress(base64.b64decode(value)).decode()


@pytest.mark.parametrize("case", ["plain", "tunnel", "gateway"])
@pytest.mark.parametrize("name", NAMES)
def test_nodes_are_behind_the_head_where_the_program_says_so(name: str, case: str) -> None:
    about = decided(name, case)
    stack = cloud_of(name).run(about)
    (head,) = [made for made in stack.of(":Instance", ":VirtualMachine") if made.name == "head"]
    told = "\n".join(texts(head.inputs))
    assert "slurmctld" in told
    assert ('phase.sh", "gateway"' in told) == machines.behind_head(about)
