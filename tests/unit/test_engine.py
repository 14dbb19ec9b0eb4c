"""The engine without an engine: finding it, what is said of it, and its events and failures in our words."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner
from pulumi.automation import EngineEvent

from provisioner import files
from provisioner.cli.doctor import command
from provisioner.errors import Kind, Refused
from provisioner.events import Event, Events
from provisioner.executor import process
from provisioner.findings import errors
from provisioner.lifecycle import overview
from provisioner.targets.cloud import engine, health, installation
from provisioner.targets.cloud.engine import Engine
from provisioner.targets.cloud.faults import FIXES
from provisioner.targets.cloud.installation import Installed
from provisioner.targets.cloud.layout import Layout
from provisioner.targets.cloud.progress import Progress

VPC = "urn:pulumi:r-1::burst-aws::burst:aws:Network$aws:ec2/vpc:Vpc::r-1-vpc"
QUOTA = "creating EC2 VPC: api error VpcLimitExceeded: The maximum number of VPCs has been reached."


class Machine:
    """A machine on which `pulumi` answers by its path; the language host lies beside each."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.asked = folder, list[tuple[str, ...]]()
        self.versions: dict[str, str] = {}
        monkeypatch.setenv("XDG_DATA_HOME", str(folder / "data"))
        monkeypatch.setenv("PATH", str(folder / "path"))
        monkeypatch.setattr(process, "call", self.call)
        installation._version.cache_clear()

    def has(self, where: str, version: str, host: bool = True) -> Path:
        at = self.folder / "path" if where == "path" else installation.folder() / "bin"
        at.mkdir(parents=True)
        for name in ("pulumi", *([installation.HOST] if host else [])):
            (at / name).write_text("")
            (at / name).chmod(0o700)
        self.versions[str(at / "pulumi")] = version
        return at / "pulumi"

    def call(self, argv: Sequence[str], **known: Any) -> process.Completed:
        self.asked.append(tuple(argv))
        return process.Completed(tuple(argv), 0, f"v{self.versions[argv[0]]}\n", "")


@pytest.fixture
def machine(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(folder, monkeypatch)


def test_the_one_on_path_comes_first(machine: Machine) -> None:
    machine.has("ours", "3.260.0")
    on_path = machine.has("path", "3.261.1")
    assert installation.find() == Installed(on_path, "3.261.1")
    assert installation.find().numbers == (3, 261, 1)


@pytest.mark.parametrize(
    ("version", "why"),
    [
        ("3.205.0", "is 3.205.0; 3.206 or newer of 3 is needed"),
        ("2.25.2", "is 2.25.2; 3.206 or newer of 3 is needed"),
        ("4.0.0", "is 4.0.0; 3.206 or newer of 3 is needed"),
        ("what?", "says of its version: what?"),
    ],
)
def test_one_of_another_release_is_passed_over(machine: Machine, version: str, why: str) -> None:
    on_path = machine.has("path", version)
    with pytest.raises(Refused) as caught:
        installation.find()
    assert caught.value.why == f"{on_path} {why}"
    assert caught.value.fix == "burst doctor --fix"
    ours = machine.has("ours", "3.272.0")
    assert installation.find().path == ours


def test_one_without_its_language_host_will_not_do(machine: Machine) -> None:
    path = machine.has("path", "3.260.0", host=False)
    assert installation.engines()[0].wrong == f"{path} has no pulumi-language-python beside it"


def test_its_version_is_asked_once(machine: Machine) -> None:
    machine.has("path", "3.260.0")
    for _ in range(3):
        installation.find()
    assert len(machine.asked) == 1


def test_findings_say_what_to_type(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    (found,) = engine.findings()
    assert found.code == "engine"
    assert found.fix == "burst doctor --fix"
    assert f"no pulumi on PATH, nor in {installation.folder()}" in found.message
    monkeypatch.setattr(installation, "sdk", lambda package="pulumi": None)
    assert [f.fix for f in engine.findings()] == ["pip install 'burst-hpc[aws]' (or [gcp], [azure])", "burst doctor --fix"]
    machine.has("path", "3.260.0")
    monkeypatch.undo()
    monkeypatch.setenv("PATH", str(machine.folder / "path"))
    monkeypatch.setattr(process, "call", machine.call)
    assert engine.findings() == ()


def test_an_engine_that_cannot_be_run_is_told(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(argv: Sequence[str], **known: Any) -> None:
        raise process.CommandFailed(argv, None, "", "Exec format error: pulumi")

    path = machine.has("path", "")
    monkeypatch.setattr(process, "call", fails)
    assert installation.engines()[0].wrong == f"{path} says of its version: Exec format error: pulumi"


def test_without_the_sdk_nothing_says_which_engine(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installation, "sdk", lambda package="pulumi": None)
    with pytest.raises(Refused, match="nothing says which engine") as caught:
        installation.command()
    assert "pip install" in caught.value.fix


def test_the_extras_packages_are_the_projects_own() -> None:
    project = tomllib.loads((files.packaged("cloud-init").parent / "pyproject.toml").read_text())
    for name, packages in health.PACKAGES.items():
        listed = {re.split(r"[\[>=]", line)[0] for line in project["project"]["optional-dependencies"][name]}
        assert {"pulumi", *packages} == listed


def test_a_cloud_lacks_its_extra_its_engine_its_credentials(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installation, "sdk", lambda package="pulumi": None if package == "pulumi-gcp" else "3.272.0")
    found = health.lacking("gcp", lambda: True)
    assert [f.code for f in found] == ["extra", "engine"]
    assert (found[0].message, found[0].fix) == ("not installed: pulumi-gcp", "pip install 'burst-hpc[gcp]'")
    machine.has("path", "3.260.0")
    (login,) = health.lacking("aws", lambda: False)
    assert login.code == "credentials"
    assert "aws configure" in login.fix
    assert health.lacking("azure", lambda: True) == ()
    assert [f.code for f in errors(health.lacking("azure", None))] == ["target"]


def test_doctor_has_a_row_for_each_target(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overview.local, "programs", lambda: ())
    monkeypatch.setattr(overview.nspawn, "rights", lambda: ())
    monkeypatch.setattr(overview.nspawn, "programs", lambda: ())
    monkeypatch.setattr(overview, "REGISTRY", {**overview.REGISTRY, "aws": "somewhere"})
    monkeypatch.setattr(overview, "open_target", lambda name: SimpleNamespace(configured=lambda: False))
    machine.has("path", "3.260.0")
    said = CliRunner().invoke(command, [], catch_exceptions=False)
    assert re.findall(r"target (\w+)\)", said.stdout) == ["local", "nspawn", "aws", "gcp", "azure"]
    assert "no credentials for aws seem to be configured" in said.stdout
    assert said.exit_code == 0
    told = json.loads(CliRunner().invoke(command, ["-o", "json"]).stdout)
    assert [found["code"] for found in told["targets"]["aws"]] == ["credentials"]


def test_doctor_fix_shows_the_command_first(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    def call(argv: Sequence[str], **known: Any) -> process.Completed:
        if argv[0] == "sh":
            machine.asked.append(tuple(argv))
            machine.has("ours", "3.272.0")
            return process.Completed(tuple(argv), 0, "", "")
        return machine.call(argv)

    monkeypatch.setattr(process, "call", call)
    monkeypatch.setattr(installation, "sdk", lambda package="pulumi": "3.272.0")
    monkeypatch.setattr(overview, "health", lambda: {"local": ()})
    said = CliRunner().invoke(command, ["--fix"], catch_exceptions=False)
    line = installation.command()
    assert said.stderr.splitlines()[0] == f"$ {line}"
    assert ("sh", "-c", line) in machine.asked
    assert line.endswith(f"--version 3.272.0 --install-root {installation.folder()} --no-edit-path")


# What the engine tells, as its events are on the wire.


def step(op: str, urn: str = VPC, custom: bool = True) -> dict[str, Any]:
    kind = urn.split("::")[2].rpartition("$")[2]
    state = {"type": kind, "urn": urn, "id": "", "parent": "", "provider": "", "custom": custom, "inputs": {}, "outputs": {}}
    return {"metadata": {"op": op, "urn": urn, "type": kind, "provider": "", "old": None, "new": state}}


def diagnostic(words: str, urn: str = VPC, severity: str = "error") -> dict[str, Any]:
    return {"diagnosticEvent": {"message": words, "color": "never", "severity": severity, "urn": urn}}


def told(*told: dict[str, Any], secrets: Sequence[str] = ()) -> tuple[Progress, list[Event]]:
    said: list[Event] = []
    progress = Progress(Events("r-1", [said.append]), secrets)
    for number, each in enumerate(told):
        progress(EngineEvent.from_json({"sequence": number, "timestamp": 0, **each}))
    return progress, said


def classify(words: str) -> tuple[str, str] | None:
    return ("QUOTA", "VpcLimitExceeded") if "VpcLimitExceeded" in words else None


def test_a_resource_is_one_line() -> None:
    _, said = told({"resourcePreEvent": step("create")}, {"resOutputsEvent": step("create")})
    assert [event.message for event in said] == ["make aws:ec2/vpc:Vpc r-1-vpc", "aws:ec2/vpc:Vpc r-1-vpc created 0.0s"]
    assert said[0].data == {"step": "make", "type": "aws:ec2/vpc:Vpc", "name": "r-1-vpc"}, "the journal has it before"
    assert said[1].kind == "resource"
    assert said[1].data == {"type": "aws:ec2/vpc:Vpc", "name": "r-1-vpc", "done": "created", "seconds": 0.0}


def test_components_providers_and_the_stack_are_none() -> None:
    stack = "urn:pulumi:r-1::burst-aws::pulumi:pulumi:Stack::burst-aws-r-1"
    provider = "urn:pulumi:r-1::burst-aws::pulumi:providers:aws::default"
    component = "urn:pulumi:r-1::burst-aws::burst:aws:Network::network"
    _, said = told(
        {"resOutputsEvent": step("create", stack, custom=False)},
        {"resOutputsEvent": step("create", provider)},
        {"resOutputsEvent": step("create", component, custom=False)},
        {"resOutputsEvent": step("same")},
    )
    assert said == []


def test_a_failure_has_the_providers_words_and_their_class() -> None:
    words = f"  1 error occurred:\n\t* {QUOTA}\n\n"
    progress, said = told(diagnostic("update failed", urn=""), diagnostic("throttled", severity="warning"), diagnostic(words))
    assert [event.kind for event in said] == ["resource.failed"]
    problem = progress.not_created(classify, "")
    assert problem.message == "aws:ec2/vpc:Vpc r-1-vpc could not be made"
    assert problem.why == f"1 error occurred:\n* {QUOTA}"
    assert (problem.kind, problem.fix) == (Kind.QUOTA, FIXES[Kind.QUOTA])


def test_of_several_failures_the_one_with_a_class_is_told() -> None:
    progress, _ = told(diagnostic("context canceled", VPC.replace("vpc", "eip")), diagnostic(QUOTA))
    assert progress.not_created(classify, "").kind is Kind.QUOTA
    progress, _ = told(diagnostic("one"), diagnostic("two"))
    problem = progress.not_created(classify, "")
    assert (problem.why, problem.kind) == ("one", None)
    assert problem.fix


def test_what_the_engine_says_of_itself() -> None:
    progress, _ = told()
    problem = progress.not_created(classify, "\n code: 255\n stdout: Updating\n stderr: error: no resource plugin 'aws'")
    assert (problem.message, problem.why) == ("the stack could not be made", "error: no resource plugin 'aws'")
    problem = progress.not_created(classify, "\n code: 255\n stdout: Updating\n stderr: ")
    assert "Updating" in problem.why


def test_no_secret_is_repeated() -> None:
    keys = json.dumps({"munge_key": "bXVuZ2U=", "none": ""})
    progress, said = told(diagnostic(f"bad user data: bXVuZ2U= in {keys}"), secrets=[keys])
    assert progress.failures[0].words == "bad user data: [secret] in [secret]"
    assert "bXVuZ2U=" not in str(said)


def test_words_end_somewhere() -> None:
    progress, _ = told(diagnostic("\n".join(str(number) for number in range(500))))
    assert len(progress.failures[0].words.splitlines()) == 20


def test_destroy_needs_no_engine_where_create_had_not_begun(machine: Machine) -> None:
    layout = Layout(machine.folder / "r-1")
    layout.root.mkdir()
    place: Any = SimpleNamespace(name="aws", classify=classify)
    Engine(layout, place, {}).destroy(Events("r-1", []))
    assert machine.asked == []
