"""No room, on real machines: zone by zone, then another target; what a place had made is gone before the next is begun."""

from __future__ import annotations

import json
import math
import signal
from typing import Any

from tests.machines.conftest import Machines, until

FILE = """\
version: 1
name: walk
target: nspawn
rank: listed
groups:
  cpu: {needs: {cores: 1, memory: 1GiB}, nodes: 2}
jobs:
  only: {command: "srun hostname > out.txt", nodes: 2, outputs: [out.txt]}
"""
ROOM_IN_B = "zones: {a: {on-demand: 1}, b: {on-demand: 2}}\n"


def told(burst: Machines, folder: str = "r") -> list[dict[str, Any]]:
    path = burst.folder / folder / "events.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def where(receipt: dict[str, Any]) -> list[tuple[str, int, bool]]:
    return [(attempt["zone"], len(attempt["nodes"]), attempt["made"]) for attempt in receipt["attempts"]]


def test_the_next_zone_has_room(burst: Machines) -> None:
    """The first one's head is ended, and the place asked, before the second one's is made. The next run knows better."""
    burst.write({"burst.yaml": FILE})
    burst.rehearse(ROOM_IN_B)
    burst.env["BURST_REHEARSE_PRICE"] = "3600"
    receipt = burst.receipt("run", "--results", "r")
    assert where(receipt) == [("a", 1, True), ("a", 2, False), ("b", 1, True), ("b", 2, True)]
    assert sorted((burst.folder / "r/only/out.txt").read_text().split()) == ["cpu-1", "cpu-2"]
    events = told(burst)
    kinds = [event["kind"] for event in events]
    begins = [i for i, event in enumerate(events) if event["data"].get("step") == "begin"]
    assert [events[i]["data"]["zone"] for i in begins] == ["a", "b"]
    assert "destroyed" in kinds[begins[0] : begins[1]]
    # A dollar a second for each machine: of the one head that was for nothing, too.
    heads = next(item for item in receipt["cost"]["items"] if item["name"] == "head")
    first = [e["time"] for e in events if e["data"].get("step") == "create.folder"]
    gone = [e["time"] for e in events if e["kind"] == "destroyed"]
    # By the second, each begun one whole.
    assert heads["usd"] == sum(math.ceil(end - begun) for begun, end in zip(first, gone, strict=True))
    again = burst.receipt("run", "--results", "again")
    assert where(again) == [("b", 1, True), ("b", 2, True)]
    assert burst.left() == []


def test_a_kept_clusters_last_receipt_knows_where_it_went(burst: Machines) -> None:
    """Also when another command, or a sweep after the client died, writes it."""
    burst.write({"burst.yaml": FILE})
    burst.rehearse(ROOM_IN_B)
    attempts = burst.receipt("up", "--results", "r")["attempts"]
    assert [attempt["zone"] for attempt in attempts] == ["a", "a", "b", "b"]
    receipt = burst.receipt("down", "walk", "--results", "r")
    assert receipt["attempts"] == attempts
    assert [choice["target"] for choice in receipt["choices"]] == ["nspawn"]
    assert burst.left() == []


def test_another_target_is_the_last_resort(burst: Machines) -> None:
    burst.write({"burst.yaml": FILE.replace("target: nspawn", "target: [nspawn, local]")})
    # munged wants every folder above its socket to be executable by others.
    burst.runtime.chmod(0o711)
    burst.rehearse("zones: {a: {on-demand: 1}, b: {on-demand: 0}}\n")
    receipt = burst.receipt("run", "--results", "r")
    assert receipt["target"] == "local"
    assert where(receipt) == [("a", 1, True), ("a", 2, False), ("b", 1, True), ("b", 2, False)]
    assert [(choice["target"], choice["chosen"]) for choice in receipt["choices"]] == [("nspawn", True), ("local", False)]
    assert burst.left() == []


def test_nobody_has_room(burst: Machines) -> None:
    burst.write({"burst.yaml": FILE})
    burst.rehearse("zones: {a: {on-demand: 1}, b: {on-demand: 0}}\n")
    done = burst("run", "--results", "r")
    assert done.returncode == 4, done.stderr
    assert "no room for 2 machines" in done.stdout
    assert json.loads((burst.folder / "r/receipt.json").read_text())["problem"]["kind"] == "CAPACITY"
    assert burst.left() == []


def test_a_client_that_dies_on_the_way_leaves_nothing_to_the_sweep(burst: Machines) -> None:
    """In the first zone, between the two, and in the second one."""
    burst.write({"burst.yaml": FILE})
    burst.rehearse(f"{ROOM_IN_B}delay: 1s\n")
    moments = ("launch.refused", "fallback", "launched")
    for number, moment in enumerate(moments):
        (burst.state / "burst" / "refusals.jsonl").unlink(missing_ok=True)
        folder = f"r{number}"
        process = burst.start("run", "--results", folder)
        until(moment, lambda: _there(burst, folder, moment))  # noqa: B023 - waited for here
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=60)
        swept = burst("sweep")
        assert (swept.returncode, burst.left()) == (0, []), (moment, swept.stdout, swept.stderr)


def _there(burst: Machines, folder: str, moment: str) -> bool:
    """`launched` is meant in the second zone."""
    kinds = [event["kind"] for event in told(burst, folder)]
    return moment in (
        kinds[kinds.index("fallback") :]
        if moment == "launched" and "fallback" in kinds
        else kinds
        if moment != "launched"
        else []
    )


def test_ctrl_c_on_the_way_takes_everything_down(burst: Machines) -> None:
    burst.write({"burst.yaml": FILE})
    burst.rehearse(f"{ROOM_IN_B}delay: 1s\n")
    process = burst.start("run", "--results", "r")
    until("the walk", lambda: _there(burst, "r", "fallback"))
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=120)
    assert process.returncode == 130
    assert burst.left() == []
