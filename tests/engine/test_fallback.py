"""No room, with the real engine on an AWS served by moto: another zone, then another region, of the same run.

What the first place made is gone, by the account's own listing, when the next one is begun.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from making import design

from provisioner.errors import Kind, NotCreated
from provisioner.events import Event
from provisioner.lifecycle import state, teardown
from provisioner.lifecycle.acquire import acquire
from provisioner.lifecycle.candidates import Candidate
from provisioner.lifecycle.prepare import Work
from provisioner.lifecycle.record import Record, claim
from provisioner.targets.aws.target import AwsTarget
from provisioner.targets.base import Zone
from tests.engine.driving import Around
from tests.engine.test_faults import _FORMS

FILE = "version: 1\nname: walk\ngroups: {cpu: {instance: c7i.large, nodes: 2}}\nfilesystems: {/shared: {size: 20GiB}}\n"
FULL = {"aws:ec2/instance:Instance": _FORMS["aws"].format("InsufficientInstanceCapacity")}


@pytest.mark.timeout(900)
def test_another_zone_then_another_region(aws: Around, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target, told = AwsTarget(), list[Event]()
    decided = {region: design(FILE, f"aws/{region}") for region in ("us-east-2", "us-west-2")}
    run_id = decided["us-east-2"].run.id
    zones = (Zone("us-east-2b"), Zone("us-east-2a"))
    candidates = (Candidate(decided["us-east-2"], (), target, zones), Candidate(decided["us-west-2"], (), target))
    left: list[int] = []

    def watch(event: Event) -> None:
        told.append(event)
        if event.kind == "fallback":
            left.append(len(target.remains(run_id)))
            # The second region has room.
            if len(left) == len(zones):
                aws.order()
                monkeypatch.setenv("BURST_TEST_REGION", "us-west-2")

    aws.order(faults=FULL)
    with state.begin(run_id) as remembered:
        record = Record(decided["us-east-2"], remembered, claim(tmp_path / "r"), [watch])
        cluster = acquire(record, Work(tmp_path / "burst.yaml", tmp_path, candidates))
        assert left == [0, 0]
        assert [(attempt.target, attempt.zone, attempt.made) for attempt in record.course.attempts] == [
            ("aws/us-east-2", "us-east-2b", False),
            ("aws/us-east-2", "us-east-2a", False),
            ("aws/us-west-2", "", True),
        ]
        assert (set(cluster.inventory.nodes), cluster.inventory.place["region"]) == ({"cpu-1", "cpu-2"}, "us-west-2")
        # Roles are in no region.
        regional = [each for each in target.remains(run_id) if each.kind not in ("role", "instance-profile")]
        assert {resource.region for resource in regional} == {"us-west-2"}
        ended = teardown.destroy(target, run_id, record.events, remembered.journal)
    assert (ended.remains, aws.ledger.left()) == ((), {})


@pytest.mark.timeout(600)
def test_the_stack_is_where_the_design_says(aws: Around, tmp_path: Path) -> None:
    """The zone that is tried is the machines' own; another refusal than of room is nobody else's to try."""
    target = AwsTarget()
    decided = design(FILE, "aws")
    here = Candidate(decided, (), target, (Zone("us-east-2c"), Zone("us-east-2a")))
    with state.begin(decided.run.id) as remembered:
        record = Record(decided, remembered, claim(tmp_path / "r"), [])
        work = Work(tmp_path / "burst.yaml", tmp_path, (here,))
        cluster = acquire(record, work)
        assert cluster.inventory.place["zone"] == "us-east-2c"
        assert teardown.destroy(target, decided.run.id, record.events, remembered.journal).remains == ()
        aws.order(faults={"aws:ec2/instance:Instance": _FORMS["aws"].format("VcpuLimitExceeded")})
        with pytest.raises(NotCreated) as caught:
            acquire(record, work)
        assert (caught.value.kind, record.design.zone) == (Kind.QUOTA, "us-east-2c")
        assert teardown.destroy(target, decided.run.id, record.events, remembered.journal).remains == ()
