"""The client goes away: the head runs the jobs, fills the bucket, ends the machines; later somebody asks for what there is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.machines.conftest import Machines, until

FILE = """\
version: 1
name: away
target: [nspawn, aws/us-east-2]
groups:
  cpu: {needs: {cores: 1, memory: 1GiB}, nodes: 1}
  more: {needs: {cores: 1, memory: 1GiB}, nodes: {min: 0, max: 1}}
results: s3://theirs/of/ada
jobs:
  first: {group: cpu, command: "echo one; mkdir d; echo 1 > d/a; echo 2 > 'd/b c'; chmod 700 d/a", outputs: ["d/**"]}
  then:
    group: more
    needs: [first]
    command: "cat ../first/d/* > sum.txt; %s"
    outputs: [sum.txt, {path: extra, optional: true}]
"""


@pytest.fixture
def away(burst: Machines, tmp_path: Path) -> Machines:
    """A user whose buckets are the test's own."""
    burst.env["BURST_BUCKETS_DIR"] = str(tmp_path / "buckets")
    return burst


def bucket(burst: Machines, run_id: str) -> Path:
    return Path(burst.env["BURST_BUCKETS_DIR"]) / "s3/theirs/of/ada" / run_id


def handed_over(burst: Machines, then: str) -> str:
    """The id of a run that was handed over to its head."""
    burst.write({"burst.yaml": FILE % then})
    receipt = burst.receipt("run", "--detach", "--results", "r")
    assert (receipt["status"], receipt["jobs"]) == ("detached", {})
    run_id: str = receipt["run_id"]
    return run_id


def gone(burst: Machines, run_id: str) -> bool:
    """Nothing of its machines is there, ended by nobody but themselves; only what this user remembers."""
    return [line.split()[0] for line in burst.left(run_id)] == ["state"]


def test_a_run_goes_on_without_its_client_and_is_fetched(away: Machines) -> None:
    run_id = handed_over(away, "until [ -e ../first/go ]; do sleep 0.2; done")
    # While it goes on it is nobody's to sweep.
    assert away("sweep").stdout == "nothing to sweep\n"
    (row,) = json.loads(away("list", "-o", "json").stdout)
    assert (row["run_id"], row["state"]) == (run_id, "detached")
    assert "detached: " in away("status", run_id).stdout
    more = away("submit", run_id, "burst.yaml")
    assert (more.returncode, "takes no more jobs" in more.stderr) == (2, True)
    until("an output in the bucket", (bucket(away, run_id) / "first.json").exists)
    early = away.receipt("fetch", run_id)
    assert (early["status"], set(early["jobs"])) == ("detached", {"first"})
    assert (away.folder / "r/first/d/a").read_text() == "1\n"
    # On the folder of this host that stands for the head's disk.
    (away.machines / run_id / "exports/home/burst/jobs/first/go").touch()
    until("its receipt", (bucket(away, run_id) / "receipt.json").exists, 120)
    told = json.loads((bucket(away, run_id) / "receipt.json").read_text())
    assert (told["status"], told["exit_code"]) == ("ended-alone", 0)
    assert [finding["code"] for finding in told["findings"]][-1] == "unproven"
    until("the end of its machines", lambda: gone(away, run_id))
    assert "ended-alone" in away("status", run_id).stdout
    log = away("logs", run_id, "first")
    assert (log.returncode, f"burst fetch {run_id}" in log.stderr) == (2, True)

    receipt = away.receipt("fetch", run_id, "--results", "f")
    assert (receipt["status"], receipt["remains"]) == ("done", [])
    assert {name: (job["state"], job["nodes"]) for name, job in receipt["jobs"].items()} == {
        "first": ("COMPLETED", ["cpu-1"]),
        "then": ("COMPLETED", ["more-1"]),
    }
    f = away.folder / "f"
    assert (f / "then/sum.txt").read_text() == "1\n2\n"
    assert (f / "first/d/b c").read_text() == "2\n"
    assert (f / "first/d/a").stat().st_mode & 0o777 == 0o700
    assert next((f / "first").glob("slurm-*.out")).read_text() == "one\n"
    assert json.loads((f / "receipt.json").read_text()) == receipt
    assert away.left() == []


def test_a_job_that_fails_is_told_by_the_head_and_by_whoever_fetches(away: Machines) -> None:
    run_id = handed_over(away, "echo why; exit 3")
    until("the end of its machines", lambda: gone(away, run_id), 120)
    # As on another machine: nothing is known but where the results are.
    away.env["XDG_STATE_HOME"] = str(away.folder / "elsewhere")
    place = f"file://{bucket(away, run_id).parent}"
    receipt = away.receipt("fetch", run_id, "--from", place, expect=5)
    assert (receipt["status"], receipt["remains"]) == ("job-failed", [])
    assert (receipt["jobs"]["then"]["exit_code"], receipt["jobs"]["then"]["log_tail"]) == (3, "why")
    assert (away.folder / "results" / run_id / "then/sum.txt").read_text() == "1\n2\n"


def test_a_head_that_may_not_write_is_told_before_any_job(away: Machines) -> None:
    away.rehearse("bucket: denied")
    away.write({"burst.yaml": FILE % "true"})
    done = away("run", "--detach", "--results", "r")
    assert done.returncode == 4
    assert "AccessDenied" in done.stderr + done.stdout
    assert away.left() == []
