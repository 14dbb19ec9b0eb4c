"""What machines do at their limits with every client gone: nobody calls anything, and it is looked at from outside."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.machines.conftest import Machines, until

FILE = """\
version: 1
name: alone
target: nspawn
groups:
  cpu: {needs: {cores: 1, memory: 1GiB}, nodes: NODES}
jobs:
  work: {command: "sleep 20; echo whole > out.txt", outputs: [out.txt]}
limits: {LIMITS}
"""
BOTH = """\
version: 1
name: alone
target: nspawn
groups:
  fix: {needs: {cores: 1, memory: 1GiB}, nodes: 1}
  more: {needs: {cores: 1, memory: 1GiB}, nodes: {min: 0, max: 1}}
jobs:
  short: {group: more, command: "echo precious > out.txt", outputs: [out.txt]}
  long: {group: fix, command: "sleep 300", outputs: [{path: out.txt, optional: true}]}
limits: {ttl: 70s, idle: 4s}
"""
KEEPER_LOG, KEEPER_STATE = "var/log/burst/keeper.log", "var/lib/burst/keeper.json"


def root_of(burst: Machines) -> Path:
    (root,) = burst.machines.iterdir()
    return root


def on_head(burst: Machines, path: str) -> Path:
    """A file of the head's, as its disk has it."""
    return root_of(burst) / "machines/head/upper" / path


def known(burst: Machines) -> dict[str, Any]:
    """What the keeper knows by now."""
    path = on_head(burst, KEEPER_STATE)
    return json.loads(path.read_text()) if path.exists() else {}


@contextlib.contextmanager
def held(*paths: Path) -> Iterator[list[str]]:
    """What the files say when they have been deleted, filled in when the block ends."""
    said: list[str] = []
    with contextlib.ExitStack() as stack:
        streams = [stack.enter_context(path.open(errors="replace")) for path in paths]
        yield said
        said.extend(stream.read() for stream in streams)


def gone(burst: Machines, seconds: float = 150) -> None:
    run = root_of(burst).name
    until("all gone", lambda: [line for line in burst.left(run) if not line.startswith("state ")] == [], seconds)


def hang_up(burst: Machines) -> None:
    """The client's connection ends at once, instead of a minute after its last use."""
    subprocess.run(["ssh", "-O", "exit", "-S", str(root_of(burst) / "ssh"), "head"], check=False, capture_output=True)


def test_a_dead_client_s_elastic_nodes_end_when_idle_and_all_the_rest_at_the_expiry(burst: Machines) -> None:
    burst.write({"burst.yaml": BOTH})
    client = burst.start("run", "--results", "r")
    until("the short job's outputs", (burst.folder / "r/short/out.txt").exists)
    os.killpg(client.pid, signal.SIGKILL)
    client.communicate()
    until("the elastic node ended", lambda: burst.names() == {"head", "fix-1"})
    expires = json.loads((root_of(burst) / "identity.json").read_text())["expires"]
    with held(root_of(burst) / "provider.log") as said:
        gone(burst)
    assert time.time() >= expires
    # /opt/burst/end.sh, by end_nspawn.py; the provider's own end says nothing.
    assert "the head ends the run" in said[0]
    assert (burst.folder / "r/short/out.txt").read_text() == "precious\n"
    assert burst("sweep").returncode == 0
    assert burst.left() == []


def test_with_the_head_dead_nodes_end_by_their_own_timers_and_the_provider_ends_the_rest(burst: Machines) -> None:
    burst.write({"burst.yaml": FILE.replace("NODES", "2").replace("LIMITS", "ttl: 40s")})
    burst.receipt("up", "--results", "r")
    burst.pull_the_plug("head")
    consoles = [root_of(burst) / f"consoles/{name}.log" for name in ("cpu-1", "cpu-2")]
    expires = json.loads((root_of(burst) / "identity.json").read_text())["expires"]
    with held(*consoles, root_of(burst) / "provider.log") as said:
        gone(burst)
    assert time.time() >= expires
    for console in said[:2]:
        assert "Power" in console, "its last words are systemd's"
    assert "the head ends the run" not in said[2]
    assert burst("sweep").returncode == 0
    assert burst.left() == []


def test_what_nobody_uses_ends_itself_and_what_somebody_uses_does_not(burst: Machines) -> None:
    # The job and the shell are each longer than what is allowed, by more than the looks are apart.
    burst.write({"burst.yaml": FILE.replace("NODES", "1").replace("LIMITS", "ttl: 30m, unused: 8s")})
    burst.receipt("up", "--results", "r")
    assert burst("submit", "alone", "burst.yaml").returncode == 0
    hang_up(burst)
    until("the job seen", lambda: known(burst)["used"].startswith("job "))
    until("the job's end", (root_of(burst) / "exports/home/burst/jobs/work/out.txt").exists)
    inside = burst("ssh", "alone", "--", "sh", "-c", "sleep 20; echo done")
    assert (inside.returncode, inside.stdout) == (0, "done\n"), inside.stderr
    assert known(burst)["used"] == "somebody is logged in"
    hang_up(burst)
    with held(on_head(burst, KEEPER_LOG), root_of(burst) / "provider.log") as said:
        gone(burst)
    assert "the end: limits.unused: no job was, and nobody logged in" in said[0]
    assert "the head ends the run" in said[1]
    assert burst("down", "--discard").returncode == 0
    assert burst.left() == []


def test_the_budget_is_told_of_and_then_ends_it_and_no_death_of_the_keeper_s_helps(burst: Machines) -> None:
    # 0.1 USD a second for a machine: the head alone could be paid until the expiry, with a node beside it that is no longer so.
    file = FILE.replace("NODES", "{min: 0, max: 1}").replace("sleep 20", "sleep 200")
    burst.write({"burst.yaml": file.replace("LIMITS", "ttl: 100s, cost: 11 USD")})
    burst.rehearse("image: bookworm")
    burst.env["BURST_REHEARSE_PRICE"] = "360"
    burst.receipt("up", "--results", "r")
    assert burst("submit", "alone", "burst.yaml").returncode == 0
    until("the node counted", lambda: known(burst).get("nodes") == {"cpu": 1})
    assert "of 11.00 USD are spent, 720.00 USD an hour" in burst("status").stdout
    # slurmctld goes away and comes back; the keeper is killed and started anew by systemd.
    assert burst("ssh", "alone", "--", "sudo", "systemctl", "restart", "slurmctld").returncode == 0
    assert burst("ssh", "alone", "--", "sudo", "systemctl", "kill", "--signal=KILL", "burst-keeper").returncode == 0
    before = known(burst)["spent"]
    with held(on_head(burst, KEEPER_LOG)) as said:
        until("started anew", lambda: on_head(burst, KEEPER_LOG).read_text().count("watching until") == 2)
        until("it goes on from what was spent", lambda: known(burst)["spent"] > before)
        gone(burst)
    lines = said[0].splitlines()
    assert sum("of 11.00 USD are spent: the cluster ends itself" in line for line in lines) == 1
    assert any("the end: limits.cost" in line for line in lines)
    assert burst("sweep").returncode == 0
    assert burst("down", "--discard").returncode in (0, 2)
    assert burst.left() == []
