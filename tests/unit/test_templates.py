"""Templates: what there is, where it is written, what a stack's project is given; and that every spec is right where it says."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from provisioner import files
from provisioner.catalog.table import bundled
from provisioner.design.decide import decide
from provisioner.errors import Invalid
from provisioner.findings import Level
from provisioner.lifecycle.papers import stacks, templates
from provisioner.lifecycle.prepare import decided
from provisioner.spec.load import load
from provisioner.spec.model import parse_target

SPECS = sorted(templates.templates())
NAMES = ["gpu-train", "hello", "lammps", "lustre-io", "mpi-cpu", "param-sweep", "python-ml", "sweep"]


@pytest.fixture
def packaged(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Files that come with the program, with a stack of the test's own for each cloud."""
    own = folder / "packaged"
    for name in stacks.CLOUDS:
        (own / "stacks" / name / "__pycache__").mkdir(parents=True)
        (own / "stacks" / name / "__pycache__/x.pyc").write_text("")
        (own / "stacks" / name / "Pulumi.yaml").write_text(
            f"name: burst-{name}\nruntime: python\ndescription: A cluster on {name}\n"
        )
        (own / "stacks" / name / "__main__.py").write_text("import network\n")
    for text in ("README.md.in", "burst.yaml.in"):
        shutil.copy(files.packaged("stacks") / text, own / "stacks" / text)
    (own / "examples").symlink_to(files.packaged("examples"))
    monkeypatch.setattr(files, "packaged", lambda name: own / name)
    return own


def test_the_specs() -> None:
    assert NAMES == SPECS
    assert all(about.endswith(".") for about in templates.templates().values())


@pytest.mark.usefixtures("packaged")
def test_every_template_has_its_kind_and_targets() -> None:
    every = {template.name: template for template in templates.every()}
    assert list(every) == [*NAMES, "aws", "gcp", "azure"]
    assert every["lammps"].targets == ("aws/us-east-2", "gcp/us-central1", "azure/eastus")
    assert (every["aws"].kind, every["aws"].targets, every["aws"].about) == ("stack", ("aws",), "A cluster on aws")


@pytest.mark.usefixtures("packaged")
@pytest.mark.parametrize("cloud", stacks.CLOUDS)
def test_a_stack_is_a_project_of_ones_own(folder: Path, cloud: str) -> None:
    into = folder / "My_Cluster.2"
    written = templates.export(cloud, into)
    names = [str(path.relative_to(into)) for path in written]
    assert names == sorted([".gitignore", "Pulumi.yaml", "README.md", "__main__.py", "burst.yaml"])
    assert (into / "Pulumi.yaml").read_text().startswith("name: my-cluster-2\nruntime: python\n")
    readme = (into / "README.md").read_text()
    assert re.findall(r"@[A-Z_]+@", readme) == []
    for said in ("pulumi up", "pulumi destroy", "burst keys keys | pulumi config set --secret burst:keys", f"burst-hpc[{cloud}]"):
        assert said in readme
    _, design, findings = decided(into / "burst.yaml")
    assert (design.name, design.target, findings) == ("my-cluster-2", cloud, ())


@pytest.mark.usefixtures("packaged")
def test_a_folder_that_is_taken_is_refused_and_an_empty_one_is_filled(folder: Path) -> None:
    (folder / "empty").mkdir()
    templates.export("aws", folder / "empty")
    with pytest.raises(Invalid, match="already there"):
        templates.export("aws", folder / "empty")
    templates.export("hello", folder / "spec")
    with pytest.raises(Invalid, match="already there"):
        templates.export("hello", folder / "spec")


@pytest.mark.usefixtures("packaged")
def test_what_is_no_template_is_told_with_those_that_are(folder: Path) -> None:
    with pytest.raises(Invalid) as caught:
        templates.export("awz", folder / "x")
    assert "hello" in caught.value.why
    assert "azure" in caught.value.why
    with pytest.raises(Invalid) as caught:
        templates.copy_template("aws", folder / "x")
    assert caught.value.fix == "burst template export aws my-aws"
    assert not (folder / "x").exists()


@pytest.mark.usefixtures("packaged")
def test_a_name_that_nothing_can_be_called(folder: Path) -> None:
    templates.export("aws", folder / "42")
    assert "name: mycluster\n" in (folder / "42/burst.yaml").read_text()


def test_only_stacks_that_are_there_are_listed(packaged: Path) -> None:
    shutil.rmtree(packaged / "stacks/gcp")
    assert list(stacks.stacks()) == ["aws", "azure"]


@pytest.mark.parametrize("name", SPECS)
def test_a_spec_is_right_on_every_target_that_it_names(name: str) -> None:
    spec = load(files.packaged("examples") / name / "burst.yaml").spec
    for target in spec.target:
        _, design, findings = decided(files.packaged("examples") / name / "burst.yaml", str(target))
        assert [f for f in findings if f.level is Level.ERROR] == []
        assert design.target == "local" or design.estimate.total_max is not None, "its price is known"
        if design.budget is not None and design.estimate.total_max is not None:
            assert design.estimate.total_max <= design.budget


@pytest.mark.parametrize("name", SPECS)
@pytest.mark.parametrize("place", ["local", "nspawn"])
def test_a_spec_can_be_rehearsed(name: str, place: str) -> None:
    loaded = load(files.packaged("examples") / name / "burst.yaml")
    run = decided(files.packaged("examples") / name / "burst.yaml")[1].run
    found = decide(loaded.spec, bundled(), run, parse_target(place))[1]
    assert (*loaded.findings, *found) == ()


@pytest.mark.parametrize("name", SPECS)
def test_a_readme_has_the_command_and_every_output(name: str) -> None:
    folder = files.packaged("examples") / name
    readme = (folder / "README.md").read_text()
    assert readme.startswith(f"# {name}\n")
    assert "burst run" in readme
    for job, said in load(folder / "burst.yaml").spec.jobs.items():
        for output in said.outputs:
            assert output.path in readme, f"{job}: {output.path}"
