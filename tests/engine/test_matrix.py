"""The fault matrix on AWS: the whole client and the real engine on an account served by moto, each step × signal.

After the next command nothing of the run is there, and everything of another run in the same account is.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import boto3
import pytest
from making import design

from provisioner.events import Events
from provisioner.targets.aws.target import AwsTarget
from tests.engine.byhand import ByHand
from tests.engine.driving import CHECKOUT, Around, until
from tests.nothing_left import measured
from tests.stacks import programs

FILE = """\
version: 1
name: victim
target: aws/us-east-2
groups: {cpu: {instance: c7i.large, nodes: {min: 2, max: 4}}}
filesystems: {/shared: {size: 20GiB}}
jobs: {only: {command: "true"}}
"""
# Everything that the program can make in an account, listed without looking at any tag; what has ended is not there.
LISTED = (
    ("ec2", "describe_vpcs", "Vpcs", "VpcId"),
    ("ec2", "describe_subnets", "Subnets", "SubnetId"),
    ("ec2", "describe_route_tables", "RouteTables", "RouteTableId"),
    ("ec2", "describe_internet_gateways", "InternetGateways", "InternetGatewayId"),
    ("ec2", "describe_security_groups", "SecurityGroups", "GroupId"),
    ("ec2", "describe_network_interfaces", "NetworkInterfaces", "NetworkInterfaceId"),
    ("ec2", "describe_addresses", "Addresses", "AllocationId"),
    ("ec2", "describe_volumes", "Volumes", "VolumeId"),
    ("ec2", "describe_launch_templates", "LaunchTemplates", "LaunchTemplateId"),
    ("iam", "list_roles", "Roles", "RoleName"),
    ("iam", "list_instance_profiles", "InstanceProfiles", "InstanceProfileName"),
)


def account() -> set[str]:
    """What there is, by kind and id."""
    session = boto3.session.Session(region_name="us-east-2")
    found = {
        f"{kind} {each[identity]}"
        for service, call, kind, identity in LISTED
        for each in getattr(session.client(service), call)()[kind]
    }
    for some in session.client("ec2").describe_instances()["Reservations"]:
        found |= {f"instance {each['InstanceId']}" for each in some["Instances"] if each["State"]["Name"] != "terminated"}
    return found


class Client:
    """A user with a state folder of their own beside the neighbour's."""

    def __init__(self, around: Around) -> None:
        self.around, self.folder = around, around.root / "work"
        self.folder.mkdir()
        (self.folder / "burst.yaml").write_text(FILE)

    def start(
        self, *arguments: str, step: int = 0, signum: str = "SIGKILL", who: str = "client", home: str = ""
    ) -> subprocess.Popen[str]:
        argv = [sys.executable, "-m", "tests.engine.killed", str(self.around.root), str(step), signum, who, "--", *arguments]
        env = {**os.environ, "XDG_STATE_HOME": str(self.around.root / "state"), "PYTHONPATH": f"{CHECKOUT}:{CHECKOUT}/tests/unit"}
        if home:
            # Another machine: no journal, no Pulumi state.
            env |= {name: str(self.around.root / home) for name in ("XDG_STATE_HOME", "XDG_DATA_HOME")}
        return subprocess.Popen(
            argv, cwd=self.folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, process_group=0
        )

    def steps(self) -> list[str]:
        """What the journal of the only run has."""
        (journal,) = (self.around.root / "state/burst/runs").glob("victim-*/journal.jsonl")
        return [json.loads(line)["step"] for line in journal.read_text().splitlines()]

    def remembered(self) -> list[str]:
        return [path.name for path in (self.around.root / "state/burst/runs").glob("victim-*")]

    def swept(self) -> None:
        process = self.start("sweep", "--target", "aws", "-o", "json")
        out, err = process.communicate(timeout=300)
        assert process.returncode == 0, (out, err)


@pytest.fixture
def client(aws: Around, monkeypatch: pytest.MonkeyPatch) -> Client:
    """In an account in which somebody else, on another machine, has a run that has not expired."""
    decided = design(FILE.replace("victim", "neighbour"), "aws")
    with monkeypatch.context() as elsewhere:
        elsewhere.setenv("XDG_DATA_HOME", str(aws.root / "neighbour"))
        AwsTarget().create(decided, Events(decided.run.id, []), aws.root, aws.root / "neighbour")
    return Client(aws)


def walked(client: Client, signum: str, who: str) -> None:
    """Every step of the journal, one after the other, until there is none left before the cluster would be ready."""
    before, cases, left, others, step = account(), 0, 0, 0, 0
    while True:
        step += 1
        process = client.start("run", "--results", f"r{step}", step=step, signum=signum, who=who)
        out, err = process.communicate(timeout=300)
        cases += 1
        last = "settled" in (client.steps() if signum == "SIGKILL" else _told(client.folder / f"r{step}/events.jsonl"))
        if signum == "SIGKILL":
            assert process.returncode == -signal.SIGKILL, (step, out, err)
            client.swept()
        else:
            assert process.returncode == 130, (step, out, err)
        assert client.around.processes() == {}
        assert client.remembered() == [], step
        now = account()
        left, others = left + len(now - before), others + len(before - now)
        assert (left, others) == (0, 0), (step, now ^ before)
        if last:
            break
    assert cases > 20, "each of the stack's resources is a step"
    measured("steps", "aws (moto, real engine)", f"{signum} to {_whom(who)}", cases=cases, left=left, others=others)


def _whom(who: str) -> str:
    return "the client" if who == "client" else "the client, the engine and its plugin"


def _told(events: Path) -> list[str]:
    return [json.loads(line)["data"].get("step", "") for line in events.read_text().splitlines()]


@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    ("signum", "who"), [("SIGKILL", "client"), ("SIGKILL", "all"), ("SIGTERM", "client"), ("SIGINT", "client")]
)
def test_every_step(client: Client, signum: str, who: str) -> None:
    walked(client, signum, who)


@pytest.mark.timeout(600)
def test_a_ci_runners_cancel(client: Client) -> None:
    """SIGINT, 7.5 s, SIGTERM, 2.5 s, SIGKILL (GitHub Actions, "Workflow cancellation reference"), with everything slow."""
    before = account()
    client.around.order(delay=4.0, delete_delay=4.0)
    process = client.start("run", "--results", "r")
    until(lambda: account() - before)
    for signum, seconds in ((signal.SIGINT, 7.5), (signal.SIGTERM, 2.5), (signal.SIGKILL, 0)):
        os.killpg(process.pid, signum)
        time.sleep(seconds)
    process.communicate(timeout=60)
    assert process.returncode in (130, -signal.SIGKILL)
    client.around.order()
    client.swept()
    assert account() ^ before == set()
    assert client.around.processes() == {}
    measured("signals", "aws (moto, real engine)", "a CI runner's cancel: SIGINT, SIGTERM, SIGKILL", cases=1, left=0, others=0)


@pytest.mark.timeout(600)
def test_the_second_signal_names_the_command_that_ends_it(client: Client) -> None:
    before = account()
    client.around.order(delay=3.0)
    process = client.start("run", "--results", "r")
    until(lambda: len(account() - before) > 3)
    process.send_signal(signal.SIGINT)
    time.sleep(1.5)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "aws:ec2/vpc:Vpc" in err
    command = next(line.split() for line in err.splitlines() if line.startswith("  burst down"))
    client.around.order()
    ended = client.start(*command[1:])
    out, err = ended.communicate(timeout=300)
    assert ended.returncode == 0, out + err
    assert account() ^ before == set()
    assert client.around.processes() == {}
    measured("signals", "aws (moto, real engine)", "a second signal, then the command it printed", cases=1, left=0, others=0)


@pytest.mark.timeout(900)
def test_another_machine_ends_it_by_its_tags(client: Client) -> None:
    """Before its expiry only when it is named; after it with whatever has expired, wherever that is."""
    before = account()
    client.around.order(delay=0.5)
    (client.folder / "burst.yaml").write_text(FILE + "limits: {ttl: 60s}\n")
    began = time.time()
    for number in (1, 2):
        # On a machine of its own each, or the second would end the first.
        process = client.start("run", "--results", f"r{number}", home=f"m{number}")
        until(lambda: len(account() - before) > 12 * number)  # noqa: B023 - waited for here
        for pid in (*client.around.processes(), process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.communicate(timeout=60)
    first, second = (path.name for number in (1, 2) for path in client.around.root.glob(f"m{number}/burst/runs/victim-*"))

    def told(*arguments: str) -> str:
        process = client.start(*arguments, home="elsewhere")
        out, err = process.communicate(timeout=600)
        assert process.returncode == 0, out + err
        return out

    there = account()
    if time.time() < began + 60:
        assert "nothing to sweep" in told("sweep", "--target", "aws/us-east-2")
        assert account() == there
    assert f"{first}: asked for; nothing is left" in told("down", first, "--target", "aws/us-east-2")
    assert there - account() != set()
    time.sleep(max(0.0, began + 125 - time.time()))
    assert f"{second}: nobody remembers it; to end: " in told(
        "sweep", "--target", "aws", "--all-regions", "--expired", "--dry-run"
    )
    assert "nothing to sweep" in told("sweep", "--target", "aws", "--all-regions", "--owner", "somebody-else")
    assert f"{second}: nobody remembers it; nothing is left" in told("sweep", "--target", "aws", "--all-regions", "--expired")
    assert account() ^ before == set()
    measured(
        "signals", "aws (moto, real engine)", "killed with its machine, ended from another by tags", cases=2, left=0, others=0
    )


@pytest.mark.timeout(900)
@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_plain_pulumi(aws: Around, tmp_path: Path, signum: signal.Signals) -> None:
    """What the same program leaves with Pulumi alone: cut at three moments, then `pulumi refresh` and `pulumi destroy`."""
    left: list[int] = []
    for moment in (3, 8, 14):
        before = account()
        left.append(_plain(aws, tmp_path / f"{signum.name}-{moment}", signum, moment, before))
    assert signum is not signal.SIGKILL or sum(left) > 0, "else there would be no need of all this"
    lost = sum(left)
    measured(
        "plain",
        "aws (moto, real engine)",
        f"{signum.name} to `pulumi up` and its plugin",
        cases=len(left),
        left=lost,
        exact=False,
    )


def _plain(aws: Around, folder: Path, signum: signal.Signals, moment: int, before: set[str]) -> int:
    folder.mkdir()
    (folder / "burst.yaml").write_text(FILE)
    decided = programs.configured(design(FILE, "aws"))
    told: dict[str, Any] = {"burst:file": str(folder / "burst.yaml"), "burst:expires": "4000000000"}
    told |= {"burst:run": folder.name.lower(), "aws:region": "us-east-2", "burst:ssh_from": '["203.0.113.7/32"]'}
    mine = ByHand(folder / "mine", aws.program, told, {"burst:keys": decided["burst:keys"]})
    aws.order(delay=0.7)
    up = mine.start("up", "--yes", "--skip-preview")
    until(lambda: len(account() - before) >= moment)
    os.killpg(up.pid, signum)
    if signum is signal.SIGKILL:
        # Its plugins have groups of their own, and live on: as when the machine goes off, they do not.
        for pid in aws.processes():
            os.kill(pid, signum)
    up.communicate(timeout=120)
    until(lambda: not aws.processes())
    aws.order()
    mine.pulumi("cancel", "--yes")
    mine.pulumi("refresh", "--yes", "--skip-preview", "--clear-pending-creates")
    # What it does not know of may hold what it does: then that fails, too.
    with contextlib.suppress(AssertionError):
        mine.pulumi("destroy", "--yes", "--skip-preview")
    return len(account() - before)
