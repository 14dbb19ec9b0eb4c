"""Reading Slurm's answers. `captured/` has what a real slurmctld 22.05.8 said (TZ=UTC, SLURM_TIME_FORMAT=standard)."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioner.slurm.states import TERMINAL, NodeState, Task, exit_code, parse_jobs, parse_nodes

CAPTURED = Path(__file__).parent / "captured"
WORK = "/tmp/burst-1000/cap-excr9e/work"


def captured(name: str) -> str:
    return (CAPTURED / name).read_bytes().decode()


def plain() -> dict[tuple[int, int | None], Task]:
    return {(task.job_id, task.index): task for task in parse_jobs(captured("scontrol-22.05.txt"))}


def test_every_record_is_read_once() -> None:
    assert sorted(plain(), key=str) == [
        (1, None),
        (2, None),
        (4, None),
        (5, None),
        (6, 0),
        (6, 1),
        (6, 2),
        (6, None),
        (7, None),
        (8, None),
    ]


def test_a_job_that_is_over() -> None:
    assert plain()[(1, None)] == Task(
        job_id=1,
        own_id=1,
        index=None,
        state="COMPLETED",
        reason="",
        exit_code=0,
        restarts=0,
        nodes="cpu-[1-2]",
        submitted=1795487610.0,
        started=1795487610.0,
        ended=1795487610.0,
        stdout="",
        stderr="",
    )


def test_states_are_slurms_and_not_those_in_a_jobs_name() -> None:
    tasks = plain()
    assert (tasks[(2, None)].state, tasks[(2, None)].over) == ("RUNNING", False)
    assert (tasks[(8, None)].state, tasks[(8, None)].over) == ("RUNNING", False)


def test_a_job_that_failed_and_one_that_was_killed() -> None:
    failed, killed = plain()[(4, None)], plain()[(5, None)]
    assert (failed.state, failed.reason, failed.exit_code) == ("FAILED", "NonZeroExitCode", 3)
    assert (killed.state, killed.exit_code) == ("FAILED", 128 + 9)


def test_tasks_of_an_array_have_the_number_that_sbatch_printed() -> None:
    tasks = plain()
    assert [(tasks[(6, i)].state, tasks[(6, i)].exit_code) for i in (0, 1, 2)] == [
        ("COMPLETED", 0),
        ("FAILED", 1),
        ("RUNNING", 0),
    ]
    assert [tasks[(6, i)].own_id for i in (0, 1, 2, None)] == [9, 10, 11, 6]
    assert tasks[(6, 1)].stdout == f"{WORK}/slurm-6_1.out"
    waiting = tasks[(6, None)]
    assert (waiting.state, waiting.reason, waiting.nodes) == ("PENDING", "JobArrayTaskLimit", "")


def test_times_are_utc_wherever_we_are(monkeypatch: pytest.MonkeyPatch) -> None:
    here = plain()
    monkeypatch.setenv("TZ", "Asia/Kathmandu")
    time.tzset()
    try:
        assert plain() == here
    finally:
        monkeypatch.undo()
        time.tzset()


def test_times_that_are_not_there_yet() -> None:
    held, running = plain()[(7, None)], plain()[(2, None)]
    assert (held.state, held.started, held.ended) == ("PENDING", None, None)
    assert held.submitted == 1795487611.0
    assert (running.started, running.ended) == (1795487611.0, None)


@pytest.mark.parametrize(
    ("job", "stdout", "stderr"),
    [
        (2, "a b=c/out Power=x.txt", "a b=c/out Power=x.txt"),
        (7, "a b=c/held StdIn=evil.out", "err JobState=EVIL.txt"),
        # Its comment is "hello StdOut=evil".
        (8, "slurm-8.out", "slurm-8.out"),
    ],
)
def test_paths_with_blanks_and_equals_signs(job: int, stdout: str, stderr: str) -> None:
    task = plain()[(job, None)]
    assert (task.stdout, task.stderr) == (f"{WORK}/{stdout}", f"{WORK}/{stderr}")


def test_names_that_look_like_slurms_own_words() -> None:
    tasks = parse_jobs(captured("scontrol-names-22.05.txt"))
    assert [(t.job_id, t.index, t.state) for t in tasks] == [
        (18, None, "COMPLETED"),  # two\nJobId=99 JobState=EVIL
        (19, None, "COMPLETED"),  # with U+2028, U+000B and U+001C, where str.splitlines would cut
        (20, None, "COMPLETED"),  # x UserId=1 ArrayTaskId=3 Command=y
        (21, None, "COMPLETED"),
        (22, None, "CONFIGURING"),
        (23, None, "FAILED"),
    ]
    assert tasks[3].stdout == f"{WORK}/new\nline.txt"
    assert tasks[2].stdout == f"{WORK}/slurm-20.out", "and mail to `me StdOut=x`"
    assert (tasks[5].stdout, tasks[5].exit_code) == (f"{WORK}/=a b/9.out", 128 + 53)


@pytest.mark.parametrize(
    "text", ["", "\n", "No jobs in the system\n", "slurm_load_jobs error: Unable to contact slurm controller\n", "JobId=1\n"]
)
def test_answers_without_jobs(text: str) -> None:
    assert parse_jobs(text) == ()


@given(st.text(min_size=1, max_size=40).filter(lambda name: "\0" not in name and " UserId=" not in name))
def test_any_name_leaves_the_record_as_it_is(name: str) -> None:
    text = captured("scontrol-22.05.txt")
    assert parse_jobs(text.replace("JobName=three ", f"JobName={name} ")) == parse_jobs(text)


@given(
    st.text(st.characters(codec="utf-8", exclude_characters="\0\n"), min_size=1, max_size=40).filter(lambda path: "=" not in path)
)
def test_any_path_comes_back(path: str) -> None:
    text = captured("scontrol-22.05.txt").replace("/slurm-4.out", f"/{path}.out")
    (task,) = [task for task in parse_jobs(text) if task.job_id == 4]
    assert (task.stdout, task.stderr) == (f"{WORK}/{path}.out",) * 2


def test_groups_of_users_may_have_blanks() -> None:
    text = captured("scontrol-22.05.txt").replace("GroupId=root(0)", "GroupId=domain users(513)")
    assert [task.state for task in parse_jobs(text)] == [task.state for task in parse_jobs(captured("scontrol-22.05.txt"))]


def test_a_record_of_a_newer_slurm() -> None:
    newer = captured("scontrol-22.05.txt").replace(" Power= ", " TresPerTask=cpu=1 ")
    assert {task.stdout for task in parse_jobs(newer) if task.job_id == 4} == {f"{WORK}/slurm-4.out"}


@pytest.mark.parametrize(
    ("text", "code"), [("0:0", 0), ("3:0", 3), ("0:9", 137), ("0:15", 143), ("1:9", 137), ("255:0", 255), ("2", 2)]
)
def test_exit_codes_are_the_shells(text: str, code: int) -> None:
    assert exit_code(text) == code


def test_only_what_a_job_never_leaves_by_itself_is_over() -> None:
    assert not TERMINAL & {"PENDING", "RUNNING", "COMPLETING", "CONFIGURING", "SUSPENDED", "REQUEUED", "RESIZING", "STAGE_OUT"}
    assert {"COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL", "OUT_OF_MEMORY"} <= TERMINAL


SINFO = """\
cpu-1|idle
cpu-2|mixed
cpu-3|idle*
cpu-4|down*
cpu-5|drained
cpu-6|draining
cpu-7|completing
el-1|allocated~
el-2|idle~
el-3|allocated#
"""


def test_nodes() -> None:
    nodes = parse_nodes(SINFO)
    assert {name: node.state for name, node in nodes.items()} == {
        "cpu-1": "idle",
        "cpu-2": "mixed",
        "cpu-3": "idle",
        "cpu-4": "down",
        "cpu-5": "drained",
        "cpu-6": "draining",
        "cpu-7": "completing",
        "el-1": "allocated",
        "el-2": "idle",
        "el-3": "allocated",
    }
    assert {name for name, node in nodes.items() if not node.responding} == {"cpu-3", "cpu-4"}
    assert {name for name, node in nodes.items() if not node.powered} == {"el-1", "el-2", "el-3"}


@pytest.mark.parametrize(
    ("mark", "responding", "powered"),
    [
        *(("*", False, True), ("*#", False, False)),
        *((mark, True, False) for mark in "~#!%"),
        *((mark, True, True) for mark in ("$", "@", "^", "-", "+", "")),
    ],
)
def test_each_mark_of_sinfo(mark: str, responding: bool, powered: bool) -> None:
    assert parse_nodes(f"n-1|idle{mark}\n") == {"n-1": NodeState("n-1", "idle", responding, powered, mark == "~")}


def test_no_nodes() -> None:
    assert parse_nodes("") == parse_nodes("\n\n") == {}
