"""`burst run --detach` on this machine: the client itself goes on when its terminal has gone."""

from __future__ import annotations

import os
import signal

import pytest

from tests.e2e.conftest import HELLO, Burst

pytestmark = pytest.mark.e2e


def test_the_terminal_may_close(burst: Burst) -> None:
    wait = f"until [ -e {burst.folder}/go ]; do sleep 0.1; done; echo hello"
    burst.write({"burst.yaml": HELLO.replace("echo hello", wait)})
    client = burst.start("run", "--detach", "--results", "r")
    said, err = client.communicate(timeout=burst.patience)
    assert client.returncode == 0, err
    run_id = next(word for word in said.split() if word.startswith("hello-"))
    assert f"burst fetch {run_id}" in said
    # What closing the terminal sends to everybody that it had started.
    with pytest.raises(ProcessLookupError):
        os.killpg(client.pid, signal.SIGHUP)
    waiting = burst.start("fetch", run_id, "--results", "r", "-o", "json")
    (burst.folder / "go").touch()
    told, err = waiting.communicate(timeout=burst.patience)
    assert waiting.returncode == 0, err
    assert '"status": "done"' in told
    assert (burst.folder / "r/hello/out.txt").read_text() == "hello\n"
    assert "hello COMPLETED" in (burst.folder / "r/burst.log").read_text()
    # Also when it is over: nothing is remembered of it but what it brought.
    assert burst("fetch", run_id, "--results", "r").returncode == 0
    assert burst.left() == []


def test_where_results_go_is_asked_before_anything_is_made(burst: Burst) -> None:
    burst.write({"burst.yaml": HELLO})
    nowhere = burst("run", "-t", "aws", "--detach")
    assert (nowhere.returncode, "--to s3://BUCKET/PREFIX" in nowhere.stderr) == (2, True)
    theirs = burst("run", "-t", "aws", "--detach", "--to", "gs://bucket")
    assert (theirs.returncode, "writes to Amazon S3 alone" in theirs.stderr) == (2, True)
    alone = burst("run", "--to", "s3://bucket")
    assert (alone.returncode, "add --detach" in alone.stderr) == (2, True)
    wrong = burst("run", "--detach", "--to", "s3://b/*")
    assert (wrong.returncode, "no place for results" in wrong.stderr) == (2, True)
