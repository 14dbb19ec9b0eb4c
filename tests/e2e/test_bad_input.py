"""What a wrong file or command line looks like: exit 2, everything at once, a place, a fix, never a traceback."""

from __future__ import annotations

import json

import pytest

from tests.e2e.conftest import HELLO, Burst

pytestmark = pytest.mark.e2e

WRONG = """\
version: 1
name: Wrong_Name
gruops:
  cpu: {nodes: 1}
groups:
  cpu: {needs: {cores: 2, memory: 4GB B}, nodes: {min: 3, max: 1}}
  gpu: {instance: x9.huge, nodes: 1}
jobs:
  a: {group: cpuu, script: nowhere.sh, outputs: [../up, /abs]}
  b: {needs: [c], command: x}
  c: {needs: [b], command: x, gropu: cpu}
limits: {ttl: 2 weeks}
"""


def test_everything_that_is_wrong_is_told_at_once(burst: Burst) -> None:
    burst.write({"burst.yaml": WRONG})
    done = burst("validate")
    assert (done.returncode, done.stdout) == (2, "")
    for told in (
        "burst.yaml:2: error: name: 'Wrong_Name' is not a name",
        "burst.yaml:3: error: unknown key 'gruops'\n    did you mean 'groups'?",
        "burst.yaml:6: error: groups.cpu.needs.memory",
        "burst.yaml:6: error: groups.cpu.nodes: min (3) is more than max (1)",
        "burst.yaml:9: error: jobs.a.group: nobody defined the group 'cpuu'\n    did you mean 'cpu'?",
        "burst.yaml:9: error: jobs.a.script: nowhere.sh: there is no such file",
        "burst.yaml:9: error: jobs.a.outputs",
        "burst.yaml:10: error: jobs need each other in a circle",
        "burst.yaml:11: error: unknown key 'jobs.c.gropu'\n    did you mean 'group'?",
        "burst.yaml:12: error: limits.ttl: '2 weeks' is not a time",
    ):
        assert told in done.stderr, f"{told}\n---\n{done.stderr}"
    assert "Traceback" not in done.stderr
    as_json = json.loads(burst("validate", "-o", "json").stdout)
    assert as_json["error"]["exit_code"] == 2
    assert {finding["line"] for finding in as_json["findings"]} == {2, 3, 6, 9, 10, 11, 12}


@pytest.mark.parametrize("verb", ["run", "up", "validate", "plan", "render"])
@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "No such file"),
        (b"", "the file is empty"),
        (b"name: caf\xe9\n", "burst.yaml:1: error: byte 0xe9 is not UTF-8"),
        (b"a: &a [x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c]\n"
         b"e: &e [*d,*d,*d,*d,*d,*d,*d,*d]\nf: [*e,*e,*e,*e,*e,*e,*e,*e]\n", "aliases make it more than"),
        (b"version: 1\nversion: 1\n", "burst.yaml:2: error: key 'version' stands twice"),
        (b"{", "not YAML"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_read(burst: Burst, verb: str, content: bytes | None, told: str) -> None:
    if content is not None:
        burst.write({"burst.yaml": content})
    done = burst(verb)
    assert done.returncode == 2
    assert told in done.stderr
    assert "Traceback" not in done.stderr
    assert burst.left() == []


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["rnu"], "Did you mean 'run'?"),
        (["run", "--nope"], "No such option"),
        (["run", "-t", "mars"], "'mars' is not a target"),
        (["run", "-t", "local/eu"], "local has no region"),
        (["run", "-o", "xml"], "is not one of"),
        (["init", "nothing"], "there is no template 'nothing'"),
        (["render", "--only", "x.conf"], "there is no 'x.conf'"),
    ],
)
def test_a_wrong_command_line(burst: Burst, words: list[str], told: str) -> None:
    burst.write({"burst.yaml": HELLO})
    done = burst(*words)
    assert done.returncode == 2
    assert told in done.stderr


def test_results_that_cannot_be_written(burst: Burst) -> None:
    burst.write({"burst.yaml": HELLO, "taken": "a file"})
    done = burst("run", "--results", "taken/deeper")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert burst.left() == []


def test_the_other_verbs_print_what_they_promise(burst: Burst) -> None:
    burst.write({"burst.yaml": HELLO})
    assert "burst.yaml: fine" in burst("validate").stdout
    plan = burst("plan")
    assert "cpu" in plan.stdout
    assert "cost: nothing" in plan.stdout
    assert json.loads(burst("plan", "-o", "json").stdout)["design"]["groups"][0]["name"] == "cpu"
    rendered = json.loads(burst("render", "-o", "json").stdout)
    assert {"slurm.conf", "user-data.head", "user-data.compute"} <= set(rendered)
    assert burst("render", "--only", "slurm.conf").stdout == rendered["slurm.conf"]
    assert json.loads(burst("schema").stdout)["properties"]["jobs"]
    assert burst("doctor").returncode == 0
    assert "_BURST_COMPLETE" in burst("completion", "bash").stdout
    assert "hpc7a.96xlarge" in burst("catalog").stdout
    assert burst("--version").stdout.strip() == "0.1.0"
    made = burst("init", "hello", "--into", "new")
    assert made.returncode == 0
    assert burst("validate", "new/burst.yaml").returncode == 0
    assert "already there" in burst("init", "hello", "--into", "new").stderr
