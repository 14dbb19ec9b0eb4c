"""The verbs of a cluster that is kept, one after the other, as a person would type them."""

from __future__ import annotations

import json

import pytest

from tests.e2e.conftest import HELLO, Burst

pytestmark = pytest.mark.e2e


def test_up_submit_status_logs_ssh_fetch_down(burst: Burst) -> None:
    burst.write(
        {"burst.yaml": HELLO, "more.yaml": HELLO.replace('hello: {command: "echo hello', 'more: {command: "echo said; echo more')}
    )
    up = burst("up")
    assert up.returncode == 0, up.stderr
    assert "burst submit hello-" in up.stdout
    assert burst("status").stdout.count("idle") == 2
    assert "no jobs were submitted" in burst("status", "hello").stdout

    assert burst("submit", "hello").returncode == 0
    again = burst("submit", "hello")
    assert again.returncode == 2
    assert "nothing to submit" in again.stderr
    waited = burst("submit", "hello", "more.yaml", "--wait")
    assert waited.returncode == 0, waited.stderr
    assert "more | said" in waited.stderr
    assert burst("logs", "hello", "more").stdout == "said\n"
    assert burst("logs", "hello", "more", "-o", "json").stdout == '{"job": "more", "line": "said"}\n'
    nobody = burst("logs", "hello", "nobody")
    assert (nobody.returncode, "submitted: hello, more" in nobody.stderr) == (2, True)

    inside = burst("ssh", "hello", "--", "sh", "-c", "pwd; sinfo --noheader --format=%P; exit 7")
    assert inside.returncode == 7
    assert inside.stdout.splitlines()[1:] == ["cpu*"]

    fetched = burst.receipt("fetch", "hello", "--results", "f")
    assert fetched["status"] == "kept"
    assert (burst.folder / "f/more/out.txt").read_text() == "more\n"
    listed = json.loads(burst("list", "-o", "json").stdout)
    assert [(row["state"], row["target"]) for row in listed] == [("kept", "local")]
    status = json.loads(burst("status", "-o", "json").stdout)
    assert {name: [task["state"] for task in tasks] for name, tasks in status["jobs"].items()} == {
        "hello": ["COMPLETED"],
        "more": ["COMPLETED"],
    }
    assert burst("sweep").stdout == "nothing to sweep\n"

    down = burst.receipt("down", "hello")
    assert (down["status"], down["remains"]) == ("done", [])
    assert set(down["jobs"]) == {"hello", "more"}
    assert burst("list").stdout == "no runs\n"
    assert burst.left() == []


def test_down_discards_outputs_only_when_told(burst: Burst) -> None:
    burst.write({"burst.yaml": HELLO})
    run_id = burst.receipt("up", "--results", "r")["run_id"]
    assert burst("submit", run_id, "burst.yaml", "--wait").returncode == 0
    assert burst("down", run_id, "--discard").returncode == 0
    assert not (burst.folder / "r/hello").exists()
    assert burst.left() == []


def test_there_is_no_cluster(burst: Burst) -> None:
    for words in (("status",), ("down", "nobody"), ("fetch",), ("logs", "x", "y"), ("ssh",), ("submit", "x")):
        done = burst(*words)
        assert (done.returncode, done.stdout) == (2, ""), words
        assert "burst list" in done.stderr
