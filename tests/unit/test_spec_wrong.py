"""One mistake in a file is one finding, with its line, what was written, and the fix. `# <<<` marks the line."""

from __future__ import annotations

from pathlib import Path

import pytest
from making import RIGHT, found_in, marked, write

from provisioner.findings import Finding, Level
from provisioner.spec.load import FileRefused, load


def only(folder: Path, text: str) -> Finding:
    """The one finding, which is on the marked line of the file."""
    (found,) = found_in(folder, text)
    assert found.level is Level.ERROR
    assert found.file == str(folder / "burst.yaml")
    assert [found.line] == marked(text)
    return found


@pytest.mark.parametrize(
    ("text", "key", "fix"),
    [
        ("tagret: local  # <<<", "tagret", "did you mean 'target'?"),
        ("limits:\n  tll: 2h  # <<<", "limits.tll", "did you mean 'ttl'?"),
        ("head:\n  disc: 50GiB  # <<<", "head.disc", "did you mean 'disk'?"),
        ("jobs:\n  melt:\n    scirpt: melt.sbatch  # <<<", "jobs.melt.scirpt", "did you mean 'script'?"),
        ("jobs:\n  melt: {command: ls, out puts: [a]}  # <<<", "jobs.melt.out puts", "did you mean 'outputs'?"),
        ("software:\n  package: [a]  # <<<", "software.package", "did you mean 'packages'?"),
        (
            "jobs:\n  melt:\n    command: ls\n    outputs:\n    - {path: a, optinal: true}  # <<<",
            "jobs.melt.outputs.0.optinal",
            "did you mean 'optional'?",
        ),
        ("limits:\n  xyzzy: 1  # <<<", "limits.xyzzy", "known here: cost, ttl, idle, unused"),
        (
            "7: seven  # <<<",
            "7",
            "known here: version, name, target, rank, head, login, groups, filesystems, image, network, identity, software, jobs, results, limits",
        ),
    ],
)
def test_an_unknown_key(folder: Path, text: str, key: str, fix: str) -> None:
    found = only(folder, RIGHT + text)
    assert (found.code, found.message, found.fix) == ("unknown-key", f"unknown key {key!r}", fix)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("limits:\n  ttl: 2 hours  # <<<", "limits.ttl: '2 hours' is not a time: write 30s, 10m, 2h, 1d12h or Slurm's 02:00:00"),
        ("limits:\n  ttl: 7200  # <<<", "limits.ttl: 7200 has no unit: write it like 2h"),
        ("limits:\n  idle: 0s  # <<<", "limits.idle: '0s' is not between one second and a year"),
        ("limits:\n  cost: 25 EUR  # <<<", "limits.cost: '25 EUR' is not an amount: write it as 25 USD"),
        ("limits:\n  cost: 25  # <<<", "limits.cost: 25 has no unit: write it like 25 USD"),
        ("head:\n  disk: 50gb  # <<<", "head.disk: '50gb' has the unknown unit 'gb': did you mean 50GB?"),
        ("head:\n  disk: 50  # <<<", "head.disk: 50 has no unit: write it like 50GiB"),
        ("head:\n  disk: true  # <<<", "head.disk: True has no unit: write it like 50GiB"),
        ("filesystems:\n  /shared:\n    size: 1.2TiBs  # <<<", "filesystems./shared.size: '1.2TiBs' has the unknown unit 'TiBs'"),
        ("jobs:\n  melt:\n    command: ls\n    time: 1:30  # <<<", "jobs.melt.time: '1:30' is not a time"),
        (
            "jobs:\n  melt:\n    command: ls\n    memory: 4G  # <<<",
            "jobs.melt.memory: '4G' has the unknown unit 'G': did you mean 4GiB?",
        ),
    ],
)
def test_a_wrong_unit(folder: Path, text: str, said: str) -> None:
    found = only(folder, RIGHT + text)
    assert found.code == "value"
    assert found.message.startswith(said)


@pytest.mark.parametrize("key", ["inputs", "outputs"])
@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("../a", "leaves its folder: '..' is not allowed"),
        ("a/../../b", "leaves its folder: '..' is not allowed"),
        ("/etc/passwd", "is absolute: write it relative to the folder"),
        ("~/a", "'~' is not expanded here"),
        ("~root/a", "'~' is not expanded here"),
        ('""', "an empty path"),
        ('"a\\0b"', "an empty path"),
    ],
)
def test_a_path_that_leaves_its_folder(folder: Path, key: str, path: str, said: str) -> None:
    text = f"{RIGHT}jobs:\n  melt:\n    command: ls\n    {key}:\n    - {path}  # <<<"
    found = only(folder, text)
    assert found.code == "value"
    assert found.message.startswith(f"jobs.melt.{key}.0: ")
    assert said in found.message


@pytest.mark.parametrize("text", ["jobs: {melt: {script: ../melt.sh}}  # <<<", "software: {setup: /etc/rc.local}  # <<<"])
def test_a_script_that_lies_elsewhere(folder: Path, text: str) -> None:
    assert only(folder, RIGHT + text).code == "value"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("jobs:\n  melt: {command: ls, nodes: 0}  # <<<", "jobs.melt.nodes: 0: input should be greater than or equal to 1"),
        ("jobs:\n  melt: {command: ls, nodes: 1.5}  # <<<", "jobs.melt.nodes: 1.5: input should be a valid integer"),
        ('jobs:\n  melt: {command: ls, nodes: "2"}  # <<<', "jobs.melt.nodes: '2': input should be a valid integer"),
        ("jobs:\n  melt: {command: ls, nodes: true}  # <<<", "jobs.melt.nodes: True: input should be a valid integer"),
        ("jobs:\n  melt: {command: 3}  # <<<", "jobs.melt.command: 3: input should be a valid string"),
        ("jobs:\n  melt: ls  # <<<", "jobs.melt: 'ls': write a mapping"),
        ("jobs:\n  melt:  # <<<", "jobs.melt: nothing: write a mapping"),
        ("jobs: [melt]  # <<<", "jobs: ['melt']: write a mapping"),
        ("jobs:\n  melt: {command: ls, array: 5-1}  # <<<", "jobs.melt.array: '5-1': 5-1 runs backwards"),
        ("jobs:\n  melt: {command: ls, array: 0-9:0}  # <<<", "jobs.melt.array: '0-9:0': a step of 0 goes nowhere"),
        ("jobs:\n  melt: {command: ls, array: 0-10001}  # <<<", "jobs.melt.array: '0-10001': the largest index is 10000"),
        ("jobs:\n  melt: {command: ls, array: [1, 2]}  # <<<", "jobs.melt.array: [1, 2] is not an array"),
        (
            "jobs:\n  melt:\n    command: ls\n    env:\n      A: true  # <<<",
            "jobs.melt.env.A: True is not text: put it in quotes",
        ),
        ("jobs:\n  melt:\n    command: ls\n    env:\n      a-b: x  # <<<", "jobs.melt.env.a-b: 'a-b' is not a variable's name"),
        ("jobs:\n  Melt It: {command: ls}  # <<<", "jobs.Melt It: 'Melt It' is not a name: "),
        ("software: {packages: [lammps; rm -rf /]}  # <<<", "software.packages.0: 'lammps; rm -rf /' is not a package's name"),
        ("filesystems:\n  shared: {size: 1GiB}  # <<<", "filesystems.shared: 'shared' is not a mount point"),
        ("filesystems:\n  //shared: {}  # <<<", "filesystems.//shared: '//shared' is not a mount point"),
        ("filesystems:\n  /usr/local: {}  # <<<", "filesystems./usr/local: '/usr/local' would hide the system's /usr"),
        (
            "filesystems:\n  /shared: {type: gpfs}  # <<<",
            "filesystems./shared.type: 'gpfs': input should be 'nfs', 'managed-nfs', 'lustre' or 'bucket'",
        ),
        ("target: ec2  # <<<", "target: 'ec2' is not a target: one of local, nspawn, aws, gcp, azure"),
        ("target: local/here  # <<<", "target: 'local/here': local has no region 'here'"),
        ("target:\n- local\n- aws/  # <<<", "target.1: 'aws/': aws has no region ''"),
        ("target: []  # <<<", "target: []: there must be something in it"),
        ("target: 3  # <<<", "target: 3: write a list"),
    ],
)
def test_a_value_of_the_wrong_kind(folder: Path, text: str, said: str) -> None:
    found = only(folder, RIGHT + text)
    assert found.code == "value"
    assert found.message.startswith(said)


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        ("version: 2  # <<<\nname: a\ngroups: {cpu: {nodes: 1}}", "value", "version: 2: input should be 1"),
        ("name: a  # <<<\ngroups: {cpu: {nodes: 1}}", "missing", "'version' is missing"),
        ("version: 1  # <<<\ngroups: {cpu: {nodes: 1}}", "missing", "'name' is missing"),
        ("version: 1  # <<<\nname: a", "missing", "'groups' is missing"),
        ("version: 1\nname: a\ngroups: {}  # <<<", "value", "groups: {}: there must be something in it"),
        ("version: 1\nname: a\ngroups:  # <<<", "value", "groups: nothing: write a mapping"),
        ("version: 1\nname: a\ngroups: {cpu: {spot: never}}  # <<<", "missing", "'groups.cpu.nodes' is missing"),
        ("version: 1\nname: a\ngroups: {cpu: {nodes: {min: 2}}}  # <<<", "missing", "'groups.cpu.nodes.max' is missing"),
        (
            "version: 1\nname: a\ngroups: {cpu: {nodes: {min: 2, max: 1}}}  # <<<",
            "value",
            "groups.cpu.nodes: min (2) is more than max (1)",
        ),
        ("version: 1\nname: a\ngroups: {cpu: {nodes: 0}}  # <<<", "value", "groups.cpu.nodes: 0: input should be greater"),
        ("version: 1\nname: a\ngroups: {cpu: {nodes: many}}  # <<<", "value", "groups.cpu.nodes: 'many': write a mapping"),
        ("version: 1\nname: LJ Melt  # <<<\ngroups: {cpu: {nodes: 1}}", "value", "name: 'LJ Melt' is not a name: "),
        ("version: 1\nname: 7  # <<<\ngroups: {cpu: {nodes: 1}}", "value", "name: 7: input should be a valid string"),
    ],
)
def test_what_must_be_there(folder: Path, text: str, code: str, said: str) -> None:
    found = only(folder, text)
    assert found.code == code
    assert found.message.startswith(said)


def test_a_name_is_suggested(folder: Path) -> None:
    found = only(folder, "version: 1\nname: LJ Melt (large)!  # <<<\ngroups: {cpu: {nodes: 1}}")
    assert found.message.endswith("at most 20 characters; did you mean 'lj-melt-large'?")


def test_load_refuses_with_exit_2_and_every_finding(folder: Path) -> None:
    path = write(folder, "version: 2\nname: a\ngroups: {cpu: {nodes: 0}}\n")
    with pytest.raises(FileRefused, match="2 errors") as refused:
        load(path)
    assert refused.value.exit_code == 2
    assert [found.line for found in refused.value.findings] == [1, 3]
    assert refused.value.fix == f"mend the lines above, then: burst validate {path}"
