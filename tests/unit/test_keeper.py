"""What a head watches by itself: its clocks turned, Slurm's answers given, its memory a file."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from making import Still, design

from provisioner import clock
from provisioner.alone import keeper
from provisioner.alone.keeper import Keeper, Time
from provisioner.lifecycle.away import keeping

NOW = 1_800_000_000.0


class Clocks(Time):
    """They go on when they are told to; `jump` is what the wall clock is off by."""

    def __init__(self) -> None:
        self.at, self.jump, self.since_boot, self.boots = NOW, 0.0, 1000.0, 1

    def wall(self) -> float:
        return self.at + self.jump

    def steady(self) -> float:
        return self.since_boot

    def boot(self) -> str:
        return f"boot {self.boots}"

    def go_on(self, seconds: float) -> None:
        self.at += seconds
        self.since_boot += seconds

    def reboot(self, seconds: float) -> None:
        self.at += seconds
        self.since_boot, self.boots = seconds, self.boots + 1


class Head(Keeper):
    """A keeper to whom Slurm says `squeue` and `sinfo`, or is silent where they are None."""

    squeue: str | None = ""
    sinfo: str | None = "cpu|2|idle\ncpu|1|idle~\nbig|4|idle~\n"
    there = False

    def __init__(self, told: dict[str, Any], clocks: Clocks) -> None:
        self.turned = clocks
        self.warnings: list[str] = []
        super().__init__(told, clocks)

    def _ask(self, command: Sequence[str]) -> str | None:
        return {"squeue": self.squeue, "sinfo": self.sinfo}[command[0]]

    def somebody(self) -> bool:
        return self.there

    def warn(self, text: str) -> None:
        self.warnings.append(text)

    def after(self, seconds: float) -> str:
        """What a look says then."""
        self.turned.go_on(seconds)
        return self.look()


def told(folder: Path, **known: Any) -> dict[str, Any]:
    return {
        "expires": NOW + 3600,
        "unused": None,
        "budget": None,
        "since": NOW,
        "spent": 0.0,
        "hourly": 0.0,
        "nodes": {},
        "margin": 60.0,
        "squeue": ["squeue"],
        "sinfo": ["sinfo"],
        "env": {},
        "finished": str(folder / "jobcomp"),
        "state": str(folder / "state.json"),
        "every": 5.0,
        "end": ["end.sh", "cpu-[1-3]"],
        **known,
    }


def head(folder: Path, **known: Any) -> Head:
    return Head(told(folder, **known), Clocks())


def test_it_ends_at_the_expiry_and_not_before(folder: Path) -> None:
    watching = head(folder)
    assert (watching.after(0), watching.after(3599), watching.after(1)) == ("", "", "limits.ttl")


def test_a_wall_clock_that_went_back_gives_no_life(folder: Path) -> None:
    watching = head(folder)
    watching.look()
    watching.turned.jump = -86_400
    assert (watching.after(3599), watching.after(1)) == ("", "limits.ttl")


def test_a_machine_that_slept_past_the_expiry_ends_when_it_wakes(folder: Path) -> None:
    """CLOCK_BOOTTIME goes on in a sleep; where a clock does not, the wall clock tells."""
    watching = head(folder)
    watching.turned.at += 4000
    assert watching.look() == "limits.ttl"


def test_nobody_for_as_long_as_allowed_is_the_end(folder: Path) -> None:
    watching = head(folder, unused=600)
    assert [watching.after(300), watching.after(299)] == ["", ""]
    assert watching.after(1) == "limits.unused: no job was, and nobody logged in, for 600 s"


@pytest.mark.parametrize(
    ("used", "unused", "words"),
    [
        ({"squeue": "7\n8\n"}, {"squeue": ""}, "job 7"),
        ({"there": True}, {"there": False}, "somebody is logged in"),
        ({"squeue": None}, {"squeue": ""}, "slurmctld does not answer"),
    ],
)
def test_each_use_begins_the_count_anew(folder: Path, used: dict[str, Any], unused: dict[str, Any], words: str) -> None:
    watching = head(folder, unused=600, expires=NOW + 1e6)
    watching.after(599)
    vars(watching).update(used)
    assert (watching.after(1), watching.after(3000)) == ("", "")
    assert watching.known["used"] == words
    vars(watching).update(unused)
    assert (watching.after(599), watching.known["used"]) == ("", "")
    assert watching.after(1).startswith("limits.unused")


def test_a_job_between_two_looks_is_a_use(folder: Path) -> None:
    watching = head(folder, unused=600)
    watching.after(599)
    (folder / "jobcomp").write_text("JobId=2 …\n")
    assert (watching.after(5), watching.known["used"]) == ("", "a job was")
    assert (watching.after(599), watching.after(1)[:13]) == ("", "limits.unused")


def test_without_limits_unused_nobody_asks(folder: Path) -> None:
    watching = head(folder)
    watching.squeue = watching.sinfo = None
    assert watching.after(3000) == ""


def test_the_money_is_counted_by_the_nodes_that_are_there(folder: Path) -> None:
    watching = head(folder, budget=10.0, hourly=1.0, nodes={"cpu": 2.0, "big": 9.0}, spent=0.5, expires=NOW + 1e6)
    assert watching.after(0) == ""
    assert (watching.known["spent"], watching.known["rate"]) == (0.5, 5.0)
    watching.after(3600)
    assert watching.known["spent"] == pytest.approx(5.5)
    # Powering up and down costs as being there does (sinfo(1): # and %); DOWN does, too.
    watching.sinfo = "cpu|1|idle#\ncpu|1|down*\ncpu|1|idle%\nbig|3|down~\n"
    watching.after(36)
    assert watching.known["spent"] == pytest.approx(5.57)


def test_it_is_told_at_80_percent_once_and_ended_while_the_end_can_still_be_paid(folder: Path) -> None:
    watching = head(folder, budget=10.0, nodes={"cpu": 3.0}, margin=300.0, expires=NOW + 1e6)
    # Two nodes: 6 USD an hour, 0.5 USD for the end.
    assert (watching.after(0), watching.after(4799), watching.warnings) == ("", "", [])
    assert (watching.after(2), watching.after(2)) == ("", "")
    assert len(watching.warnings) == 1
    assert watching.warnings[0].startswith("8.00 of 10.00 USD are spent")
    assert watching.after(890) == ""
    assert watching.after(9) == "limits.cost: 9.50 of 10.00 USD are spent, its end may cost 0.50"


def test_a_silent_slurmctld_makes_nothing_cheaper(folder: Path) -> None:
    watching = head(folder, budget=10.0, nodes={"cpu": 3.0}, margin=0.0, expires=NOW + 1e6)
    watching.after(0)
    watching.sinfo = None
    assert (watching.after(5999), watching.after(2)[:11]) == ("", "limits.cost")


@pytest.mark.parametrize("budget", [None, 0.0])
def test_what_costs_nothing_is_not_ended_for_its_cost(folder: Path, budget: float | None) -> None:
    assert head(folder, budget=budget).after(3000) == ""


def test_who_comes_after_it_goes_on_from_what_it_knew(folder: Path) -> None:
    first = head(folder, budget=10.0, nodes={"cpu": 3.0}, unused=600, expires=NOW + 1e6)
    first.after(0)
    first.after(360)
    # Money goes on being spent while nobody watches, and so does the time without use.
    first.turned.go_on(120)
    second = Head(first.told, first.turned)
    assert second.look() == ""
    assert (second.known["spent"], second.known["idle"]) == (pytest.approx(0.8), 480)
    # After a boot only the wall clock tells for how long it was off.
    first.turned.reboot(60)
    third = Head(first.told, first.turned)
    third.look()
    assert third.known["spent"] == pytest.approx(0.9)


def test_what_is_told_anew_begins_anew(folder: Path) -> None:
    first = head(folder, budget=10.0, nodes={"cpu": 3.0}, expires=NOW + 1e6)
    first.after(0)
    first.after(3600)
    again = Head({**first.told, "since": NOW + 3600, "spent": 1.0}, first.turned)
    again.look()
    assert again.known["spent"] == 1.0


@pytest.mark.parametrize("kept", ["", "{", "[]", '{"since": 1}'])
def test_a_memory_that_cannot_be_read_is_none(folder: Path, kept: str) -> None:
    (folder / "state.json").write_text(kept)
    assert (head(folder).after(0), head(folder).after(3600)) == ("", "limits.ttl")


def test_a_disk_that_is_full_keeps_nobody_alive(folder: Path) -> None:
    watching = head(folder, state=str(folder / "no" / "such" / "folder"))
    assert (watching.after(0), watching.after(3600)) == ("", "limits.ttl")


def test_the_end_is_asked_for_until_it_comes(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Over(Exception):
        pass

    ends: list[str] = []

    class Ending(Head):
        def end(self, reason: str) -> None:
            ends.append(reason)

    watching = Ending(told(folder), Clocks())
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        watching.turned.go_on(seconds + 1800)
        if len(slept) == 4:
            raise Over

    monkeypatch.setattr(time, "sleep", sleep)
    with pytest.raises(Over):
        keeper.watch(watching)
    assert (ends, slept[:2]) == (["limits.ttl"] * 2, [5.0, 5.0])
    assert min(slept[2:]) > 5.0, "it is given its time"


PRICED = """\
    version: 1
    name: priced
    target: aws/us-east-2
    login: {nodes: 2}
    groups:
      cpu: {instance: [c7a.48xlarge], nodes: {min: 1, max: 4}}
      cheap: {instance: [c7a.48xlarge], nodes: {min: 0, max: 4}, spot: only}
      maybe: {instance: [c7a.48xlarge], nodes: {min: 0, max: 4}, spot: prefer}
    limits: {cost: 1000 USD, ttl: 2h, unused: 20m}
"""


def test_the_head_is_told_the_design_s_limits_and_prices() -> None:
    decided = design(PRICED, target="aws")
    with clock.use(Still(NOW)):
        said = keeping.instructions(decided, 1.5)
    assert (said["expires"], said["unused"], said["budget"]) == (decided.run.expires, 1200, 1000.0)
    assert (said["spent"], said["since"]) == (1.5, NOW)
    assert decided.head.price is not None
    assert said["hourly"] > 3 * decided.head.price, "the head, two login nodes, their disks and addresses"
    assert said["nodes"].keys() == {"cpu", "cheap", "maybe"}
    assert said["end"] == ["/opt/burst/end.sh", "cpu-[1-4],cheap-[1-4],maybe-[1-4]"]
    assert json.loads(json.dumps(said)) == said


def test_a_rehearsal_costs_what_it_is_told_to() -> None:
    decided = design(PRICED, target="nspawn")
    free = keeping.instructions(decided, 0.0)
    assert (free["hourly"], set(free["nodes"].values()) - {0.0}) == (0.0, set())
    taken = keeping.instructions(decided.model_copy(update={"rehearsed": 2.0}), 0.0)
    assert (taken["hourly"], set(taken["nodes"].values())) == (6.0, {2.0})


def test_where_the_client_has_left_its_jobs_to_the_head_they_are_brought_away_first(folder: Path) -> None:
    status = folder / "detached.json"
    more = {"detached": str(status), "collect": 300, "unused": 60, "budget": 10.0, "hourly": 36.0, "margin": 60}
    watching = Head(told(folder, **more), Clocks())
    assert watching.after(600) != "", "nobody has left anything: it is unused"
    status.write_text("{}")
    watching = Head(told(folder, **more, since=NOW + 1), Clocks())
    assert watching.after(600) == ""
    assert watching.known["used"] == "its results are on their way"
    stop = folder / "detached.json.stop"
    assert (watching.known["spent"], stop.exists()) == (pytest.approx(6.0), False)
    assert watching.after(100) == ""
    assert json.loads(stop.read_text())["why"] == "limits.cost: 7.00 of 10.00 USD are spent"
    assert watching.after(240).startswith("limits.cost: 9.40 of 10.00 USD")
