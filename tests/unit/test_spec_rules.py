"""Each rule can fire, is called by `check`, and says where and what to do. A rule that is not in this table fails here."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from making import RIGHT, found_in, marked, write

from provisioner.findings import Finding, Level
from provisioner.spec import load as loading
from provisioner.spec.load import check
from provisioner.spec.rules import RULES, Rule

JOB = RIGHT + "jobs:\n  melt:\n"

WARNINGS = {"time_fits_the_life", "a_tunnel_has_no_ranges"}

# rule → files that it alone objects to, each with the message and the fix.
TABLE: dict[str, list[tuple[str, str, str]]] = {
    "group_is_defined": [
        (
            JOB + "    command: ls\n    group: cpus  # <<<\n",
            "jobs.melt.group: nobody defined the group 'cpus'",
            "did you mean 'cpu'?",
        ),
        (JOB + "    command: ls\n    group: xyz  # <<<\n", "jobs.melt.group: nobody defined the group 'xyz'", "defined: cpu"),
    ],
    "needed_jobs_are_defined": [
        (
            JOB + "    command: ls\n    needs:\n    - plot\n    - plto  # <<<\n  plot: {command: ls}\n",
            "jobs.melt.needs: nobody defined the job 'plto'",
            "did you mean 'plot'?",
        ),
        (JOB + "    command: ls\n    needs: x  # <<<\n", "jobs.melt.needs: nobody defined the job 'x'", "defined: none"),
    ],
    "needs_have_no_cycle": [
        (
            JOB + "    command: ls\n    needs: plot  # <<<\n  plot: {command: ls, needs: melt}\n",
            "jobs need each other in a circle: melt → plot → melt",
            "take one of these needs out",
        ),
        (
            JOB + "    command: ls\n    needs: melt  # <<<\n",
            "jobs need each other in a circle: melt → melt",
            "take one of these needs out",
        ),
    ],
    "script_or_command": [
        (RIGHT + "jobs:\n  melt: {nodes: 1}  # <<<\n", "jobs.melt has neither a script nor a command", "give it exactly one"),
        (
            RIGHT + "jobs:\n  melt: {script: good.sh, command: ls}  # <<<\n",
            "jobs.melt has both a script and a command",
            "give it exactly one",
        ),
        (JOB + "    command: ' '  # <<<\n", "jobs.melt.command is empty", ""),
    ],
    "scripts_are_there": [
        (JOB + "    script: god.sh  # <<<\n", "jobs.melt.script: god.sh: there is no such file", "did you mean 'good.sh'?"),
        (JOB + "    script: sub  # <<<\n", "jobs.melt.script: sub: it is not a file", "paths start from HERE"),
        (
            JOB + "    script: bad.sh  # <<<\n",
            "jobs.melt.script: bad.sh does not begin with #!, and sbatch refuses such a script",
            "begin it with #!/bin/bash",
        ),
        (JOB + "    script: dangling  # <<<\n", "jobs.melt.script: dangling: there is no such file", "paths start from HERE"),
        (
            JOB + f"    script: {'a' * 300}  # <<<\n",
            f"jobs.melt.script: {'a' * 300}: File name too long",
            "paths start from HERE",
        ),
        (RIGHT + "software:\n  setup: good  # <<<\n", "software.setup: good: there is no such file", "did you mean 'good.sh'?"),
    ],
    "inputs_are_there": [
        (
            JOB + "    command: ls\n    inputs:\n    - sub\n    - god.sh  # <<<\n",
            "jobs.melt.inputs: nothing matches 'god.sh'",
            "did you mean 'good.sh'?",
        ),
        (
            JOB + "    command: ls\n    inputs: '*.xyz'  # <<<\n",
            "jobs.melt.inputs: nothing matches '*.xyz'",
            "paths start from HERE",
        ),
        (
            JOB + "    command: ls\n    inputs: [sub, 'dang*']  # <<<\n",
            "jobs.melt.inputs: dangling: there is no such file",
            "take it away, or leave it out",
        ),
        (
            JOB + "    command: ls\n    inputs: pipe  # <<<\n",
            "jobs.melt.inputs: pipe: it is not a file",
            "take it away, or leave it out",
        ),
    ],
    "inputs_are_not_everything": [
        (
            JOB + "    command: ls\n    inputs: .  # <<<\n",
            "jobs.melt: '.' is the folder itself",
            "write ** for everything in it, or name what is needed",
        ),
        (
            JOB + "    command: ls\n    outputs: ././  # <<<\n",
            "jobs.melt: '././' is the folder itself",
            "write ** for everything in it, or name what is needed",
        ),
    ],
    "jobs_fit_their_group": [
        (
            JOB + "    command: ls\n    nodes: 3  # <<<\n",
            "jobs.melt.nodes: 3 nodes, but its group has at most 2",
            "ask for at most 2, or give the group more",
        ),
    ],
    "groups_say_what_they_are": [
        (
            RIGHT + "  gpu:\n    nodes: 1\n    instance: g6.xlarge\n    needs: {cores: 2}  # <<<\n",
            "groups.gpu has both instance and needs",
            "keep one: types by name, or what a node must have",
        ),
        (
            RIGHT + "  gpu:\n    nodes: 1\n    needs: {gpu: L4}  # <<<\n",
            "groups.gpu.needs names GPU models but no number of them",
            "add gpus: 1",
        ),
    ],
    "time_fits_the_life": [
        (
            JOB + "    command: ls\n    time: 9h  # <<<\n",
            "jobs.melt.time is longer than limits.ttl; it is clipped to what is left for jobs",
            "raise limits.ttl",
        ),
    ],
    "group_names_are_free": [
        (RIGHT + "  head: {nodes: 1}  # <<<\n", "groups.head: the name is taken", "call it otherwise, such as cpu"),
        (RIGHT + "  all: {nodes: 1}  # <<<\n", "groups.all: the name is taken", "call it otherwise, such as cpu"),
    ],
    "mounts_do_not_nest": [
        (
            RIGHT + "filesystems:\n  /data/in: {}  # <<<\n  /data: {}\n",
            "filesystems: /data/in lies inside /data",
            "mount them side by side",
        ),
    ],
    "subnet_of_a_network": [
        (
            RIGHT + "network:\n  subnet: subnet-1  # <<<\n",
            "network.subnet is subnet-1, but network.id does not say of which network",
            "add id: the VPC (AWS, GCP) or VNet (Azure) that it is in",
        ),
    ],
    "a_tunnel_has_no_ranges": [
        (
            RIGHT + "network:\n  access: tunnel\n  ssh_from: 203.0.113.0/24  # <<<\n",
            "network.ssh_from is not used with access: tunnel: who may open it is said by the cloud's own permissions",
            "leave ssh_from out, or write access: public",
        ),
    ],
}

CASES = [pytest.param(rule, *case, id=f"{rule}-{i}") for rule, cases in TABLE.items() for i, case in enumerate(cases)]


@pytest.fixture
def here(folder: Path) -> Path:
    """A folder with a script, one without its first line, a link to nothing, a pipe, a subfolder with a file."""
    write(folder, "#!/bin/bash\ntrue\n", "good.sh")
    write(folder, "true\n", "bad.sh")
    write(folder, "", "sub/a")
    (folder / "dangling").symlink_to("nothing")
    os.mkfifo(folder / "pipe")
    return folder


@pytest.mark.parametrize(("rule", "text", "message", "fix"), CASES)
def test_a_rule_fires(here: Path, rule: str, text: str, message: str, fix: str) -> None:
    (found,) = found_in(here, text)
    assert (found.message, found.fix) == (message, fix.replace("HERE", str(here)))
    assert (found.file, [found.line]) == (str(here / "burst.yaml"), marked(text))
    assert found.level is (Level.WARNING if rule in WARNINGS else Level.ERROR)


@pytest.mark.parametrize(("rule", "text", "message", "fix"), CASES)
def test_nothing_fires_without_that_rule(
    here: Path, rule: str, text: str, message: str, fix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "RULES", [known for known in RULES if known.__name__ != rule])
    assert found_in(here, text) == ()


def test_every_rule_is_in_the_table() -> None:
    assert [rule.__name__ for rule in RULES] == list(TABLE)


def test_check_calls_every_rule(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[str] = []

    def spy(name: str) -> Rule:
        def spied(*_: object) -> tuple[Finding, ...]:
            called.append(name)
            return ()

        return spied

    monkeypatch.setattr(loading, "RULES", [spy(rule.__name__) for rule in RULES])
    check(write(here, RIGHT))
    assert called == list(TABLE)


def test_a_right_file_of_every_feature_has_no_findings(here: Path) -> None:
    text = """\
    version: 1
    name: lj-melt
    target: [aws/us-east-2, aws/us-west-2, gcp/us-central1]
    head: {instance: auto, disk: 50GiB}
    groups:
      cpu: {instance: [hpc7a.96xlarge, c7a.48xlarge], nodes: 4, spot: prefer, fabric: auto}
      gpu: {needs: {gpus: 1, gpu: [L4, A10G]}, nodes: {min: 0, max: 2}}
    filesystems:
      /shared: {type: nfs, size: 200GiB}
      /shared2: {type: lustre, size: 1200GiB}
    software: {packages: [lammps, "libfoo=1.2-3~bpo+1"], setup: good.sh}
    jobs:
      melt: {group: cpu, script: good.sh, nodes: 4, inputs: [sub, "*.sh"], outputs: [log.lammps, {path: dump/**, optional: true}]}
      plot: {needs: [melt], command: "python3 plot.py", array: 0-99%4, time: 8h, env: {A: 1}, outputs: melt.png}
    limits: {cost: 25 USD, ttl: 8h, idle: 10m}
    """
    assert found_in(here, text) == ()


def test_a_script_that_cannot_be_read(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Root reads everything, so the file's own bits would prove nothing there.
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    (found,) = found_in(here, JOB + "    script: good.sh\n")
    assert found.message == "jobs.melt.script: good.sh: it cannot be read"


def test_inputs_may_lie_behind_links(here: Path, tmp_path: Path) -> None:
    write(tmp_path, "x", "elsewhere/data.txt")
    (here / "linked").symlink_to(tmp_path / "elsewhere")
    assert found_in(here, JOB + "    command: ls\n    inputs: [linked, linked/*.txt]\n") == ()
