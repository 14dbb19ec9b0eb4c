"""Jobs and callers that do what nobody expects: the run still ends by itself, tells it, and leaves nothing."""

from __future__ import annotations

import json
import subprocess

import pytest

from tests.e2e.conftest import BURST, HELLO, Burst

pytestmark = pytest.mark.e2e

DEEP = 'python3 -c \'import os\nfor i in range(1500): os.mkdir("d"); os.chdir("d")\'; echo hello > out.txt'
SPOILT = "o=$(ls slurm-*.out); rm $o; {}; sleep 1; echo hello > out.txt"


@pytest.mark.parametrize(
    ("command", "code"),
    [
        pytest.param(DEEP, 0, id="a tree deeper than Python's recursion"),
        pytest.param(SPOILT.format("mkfifo $o"), 0, id="a pipe where the log was"),
        pytest.param(SPOILT.format("ln -s /dev/zero $o"), 0, id="a device that never ends where the log was"),
        pytest.param(SPOILT.format("mkdir $o"), 0, id="a folder where the log was"),
        pytest.param("echo hello > out.txt; mkdir x; touch x/y; chmod 000 x", 0, id="a folder without rights"),
        pytest.param("echo hello > out.txt; cd ..; rm -rf hello", 6, id="its own folder removed"),
        pytest.param("echo hello > out.txt; printf '\\033[2Jx' ; head -c 3000000 /dev/zero", 0, id="a log without a line's end"),
    ],
)
def test_a_hostile_job(burst: Burst, command: str, code: int) -> None:
    burst.write({"burst.yaml": HELLO.replace('"echo hello > out.txt"', json.dumps(command))})
    done = burst("run", "--results", "r")
    assert done.returncode == code, done.stderr[-2000:]
    assert "Traceback" not in done.stderr
    assert "\033[2J" not in done.stderr
    assert burst.left() == []


def test_a_name_that_is_not_utf8_is_refused_and_costs_nothing_else(burst: Burst) -> None:
    command = 'echo hello > out.txt; python3 -c \'open(b"bad\\xff", "w")\''
    burst.write(
        {"burst.yaml": HELLO.replace('"echo hello > out.txt", outputs: [out.txt]', f'{json.dumps(command)}, outputs: ["*"]')}
    )
    receipt = burst.receipt("run", "--results", "r", expect=6)
    assert [finding for finding in receipt["findings"] if "bad\\xff" in finding["message"] and "not UTF-8" in finding["message"]]
    assert (burst.folder / "r/hello/out.txt").read_text() == "hello\n"
    assert burst.left() == []


def test_the_results_folder_vanishes_in_the_middle(burst: Burst) -> None:
    burst.write({"burst.yaml": HELLO.replace("echo hello > out.txt", f"rm -rf {burst.folder}/r; echo hello > out.txt")})
    done = burst("run", "--results", "r")
    assert "Traceback" not in done.stderr
    assert "left: nothing" in done.stdout
    assert burst.left() == []


@pytest.mark.parametrize("reader", ["head -1", "true"])
def test_a_reader_that_goes_away_does_not_end_the_run(burst: Burst, reader: str) -> None:
    burst.write({"burst.yaml": HELLO.replace("echo hello", "seq 1000; echo hello")})
    script = f"({BURST} run --results r 2>&1; echo $? > status) | {reader}"
    subprocess.run(["sh", "-c", script], cwd=burst.folder, env=burst.env, timeout=100, check=True, capture_output=True)
    assert (burst.folder / "status").read_text() == "0\n"
    assert (burst.folder / "r/hello/out.txt").read_text() == "hello\n"
    assert burst.left() == []


def test_a_job_s_variables_are_its_own(burst: Burst) -> None:
    job = '{command: "echo $PATH > out.txt", env: {PATH: "/nowhere"}, outputs: [out.txt]}'
    burst.write({"burst.yaml": HELLO.replace('{command: "echo hello > out.txt", outputs: [out.txt]}', job)})
    assert burst("run", "--results", "r").returncode == 0
    assert (burst.folder / "r/hello/out.txt").read_text() == "/nowhere\n"


def test_a_command_longer_than_a_command_line(burst: Burst) -> None:
    command = "echo hello > out.txt #" + "x" * 200_000
    burst.write({"burst.yaml": HELLO.replace('"echo hello > out.txt"', json.dumps(command))})
    assert burst("run").returncode == 0


def test_what_a_job_with_needs_writes_is_on_the_screen_before_its_end(burst: Burst) -> None:
    burst.write({"burst.yaml": HELLO + '  say: {needs: [hello], command: "echo said"}\n'})
    lines = burst("run").stderr.splitlines()
    said = next(i for i, line in enumerate(lines) if line == "say | said")
    assert said < next(i for i, line in enumerate(lines) if line.endswith("say COMPLETED"))


def test_a_relative_runtime_folder(burst: Burst) -> None:
    burst.write({"burst.yaml": HELLO})
    burst.env["BURST_RUNTIME_DIR"] = "../../../../" + str(burst.runtime)
    assert burst("run").returncode in (0, 3)
    assert burst.left() == []
