"""Watch: who died is told and helped, who ended is told once, and a line that drops ends nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from making import Planned, task
from standing_in import SlurmHead

from provisioner import clock
from provisioner.events import Event, Events
from provisioner.executor.process import CommandFailed
from provisioner.jobs.follow import Follower
from provisioner.jobs.model import Submitted
from provisioner.jobs.watch import ClusterLost, Watch
from provisioner.slurm.states import Task

RUNNING: dict[str, Any] = {"state": "RUNNING", "ended": None}
Act = Callable[[], object]


class Watched:
    """A watch over jobs on a head, by a clock of its own: `plan` has what happens after so many seconds."""

    def __init__(self, *jobs: str) -> None:
        self.head = SlurmHead()
        self.events: list[Event] = []
        self.healed: list[tuple[float, list[str]]] = []
        self.ended: list[str] = []
        self.head.jobs = {name: task(job_id=i, own_id=i, **RUNNING) for i, name in enumerate(jobs, 1)}
        self.submitted = {name: Submitted(name=name, slurm_id=i, folder=f"/work/{name}") for i, name in enumerate(jobs, 1)}

    def ends(self, name: str, **known: Any) -> Act:
        number = self.submitted[name].slurm_id
        return lambda: self.head.jobs.update({name: task(job_id=number, own_id=number, **known)})

    def node(self, name: str, state: str) -> Act:
        return lambda: self.head.nodes.update({name: state})

    def over(self, plan: dict[float, Act], *, follow: Follower | None = None, life: float = 10_000.0) -> Watch:
        """Until every job has ended; times in `healed` are seconds from the beginning."""
        with clock.use(Planned(plan)):
            began = clock.now()
            watch = Watch(self.head, self.submitted, Events("a", [self.events.append]))

            def heal(names: Sequence[str]) -> None:
                self.healed.append((clock.now() - began, list(names)))

            watch.until_over(heal, follow, began + life, self.ended.append)
        return watch

    def kinds(self) -> list[str]:
        return [event.kind for event in self.events if event.kind != "job.state"]


def test_who_died_is_told_and_healed_once() -> None:
    watched = Watched("melt")
    watched.head.nodes = {"cpu-1": "idle", "cpu-2": "allocated"}
    watched.over({10: watched.node("cpu-2", "allocated*"), 12: watched.node("cpu-2", "down*"), 250: watched.ends("melt")})
    ((at, names),) = watched.healed
    assert (names, 10 <= at <= 10 + 2 + 2) == (["cpu-2"], True)
    assert [(e.message, e.data["nodes"]) for e in watched.events if e.kind == "node.dead"] == [
        ("cpu-2 does not answer", ["cpu-2"])
    ]
    assert watched.head.ran == ["sudo scontrol update nodename=cpu-2 state=DOWN reason=burst: does not answer"]


def test_who_does_not_come_back_is_given_up_again_when_it_had_time_to_boot() -> None:
    watched = Watched("melt")
    watched.over({0: watched.node("cpu-1", "down*"), 700: watched.ends("melt")})
    first, second, third = (at for at, _ in watched.healed)
    assert first < 5
    assert 300 <= second - first <= 304
    assert 300 <= third - second <= 304


def test_who_came_back_and_dies_again_is_healed_again() -> None:
    watched = Watched("melt")
    states = {10: "idle*", 30: "idle", 40: "allocated*", 50: "powering_down*"}
    watched.over({at: watched.node("cpu-1", state) for at, state in states.items()} | {60: watched.ends("melt")})
    assert [round(at) // 10 for at, _ in watched.healed] == [1, 4]


def test_each_is_mourned_by_itself() -> None:
    watched = Watched("melt")
    watched.over({1: watched.node("b-1", "idle*"), 20: watched.node("a-1", "idle*"), 40: watched.ends("melt")})
    assert [names for _, names in watched.healed] == [["b-1"], ["a-1"]]
    watched = Watched("melt")
    watched.head.nodes = {"b-1": "idle*", "a-1": "mixed*", "c-1": "idle"}
    watched.over({40: watched.ends("melt")})
    assert [names for _, names in watched.healed] == [["a-1", "b-1"]]


@pytest.mark.parametrize(
    "state", ["idle", "down", "drained", "powering_up*", "powering_down*", "idle~", "idle*~", "idle#*", "idle%*"]
)
def test_who_is_not_dead_is_left_alone(state: str) -> None:
    watched = Watched("melt")
    watched.head.nodes = {"cpu-1": state}
    watched.over({30: watched.ends("melt")})
    assert (watched.healed, watched.head.ran, watched.kinds()) == ([], [], [])


@pytest.mark.parametrize("command", ["scontrol update nodename", "sinfo"])
def test_a_cluster_that_does_not_take_the_words_is_no_reason_to_stop(command: str) -> None:
    watched = Watched("melt")
    watched.head.nodes = {"cpu-1": "idle*"}
    watched.head.fails[command] = "Unable to contact slurm controller"
    watched.over({20: watched.head.fails.clear, 30: watched.ends("melt")})
    assert len(watched.healed) == 1


def test_each_job_ends_once() -> None:
    watched = Watched("one", "two", "three")
    plan = {5: watched.ends("two"), 10: watched.ends("one", state="FAILED", exit_code=3), 400: watched.ends("three")}
    watch = watched.over(plan)
    assert watched.ended == ["two", "one", "three"]
    assert {name: tasks[0].state for name, tasks in watch.tasks.items()} == {
        "one": "FAILED",
        "two": "COMPLETED",
        "three": "COMPLETED",
    }


def test_a_job_of_which_nothing_is_known_has_not_ended() -> None:
    watched = Watched("melt")
    watched.head.jobs = {}
    watched.over({5: lambda: watched.ended.append("now"), 6: watched.ends("melt")})
    assert watched.ended == ["now", "melt"]


class Dropping(Follower):
    """A follower whose line drops twice."""

    def __init__(self, head: SlurmHead) -> None:
        super().__init__(head, lambda label, line: self.lines.append(f"{label} {line}"))
        self.lines: list[str] = []
        self.drops = 2

    def read(self, tasks: dict[str, tuple[Task, ...]]) -> None:
        if self.drops:
            self.drops -= 1
            raise CommandFailed(["ssh"], 255, "", "Connection closed by remote host")
        super().read(tasks)


def test_a_line_that_drops_while_a_log_is_read_ends_nothing(folder: Path) -> None:
    watched = Watched("melt")
    log = folder / "slurm-1.out"
    log.write_text("one\ntwo\n")
    watched.head.jobs["melt"] = task(stdout=str(log), **RUNNING)
    follower = Dropping(watched.head)
    watched.over({30: watched.ends("melt", stdout=str(log))}, follow=follower)
    assert (watched.ended, follower.drops) == (["melt"], 0)
    assert follower.lines == ["melt one", "melt two"]


def test_a_slurmctld_that_is_silent_for_long_has_gone() -> None:
    watched = Watched("melt")

    def deaf() -> None:
        watched.head.fails["scontrol"] = "Unable to contact slurm controller"

    watched.over({10: deaf, 35: watched.head.fails.clear, 50: watched.ends("melt")})
    assert watched.ended == ["melt"]
    watched = Watched("melt")
    with pytest.raises(ClusterLost) as caught:
        watched.over({10: deaf})
    assert caught.value.why == "Unable to contact slurm controller"


def test_at_the_end_of_its_life_jobs_are_cancelled() -> None:
    watched = Watched("melt", "plot")
    plan = {5: watched.ends("plot"), 110: watched.ends("melt", state="CANCELLED")}
    watch = watched.over(plan, life=100)
    assert (watch.expired, watched.head.ran, watched.kinds()) == (True, ["scancel 1"], ["expired"])


def test_a_requeued_job_does_not_wait_but_not_for_ever_either() -> None:
    watched = Watched("melt")
    held: dict[str, Any] = {"state": "PENDING", "reason": "BeginTime", "nodes": "", "started": None, "ended": None}
    watched.over(
        {1: watched.ends("melt", restarts=1, **held), 2: watched.ends("melt", restarts=1, **RUNNING), 9: watched.ends("melt")}
    )
    assert set(watched.head.ran) == {"scontrol update jobid=1 starttime=now"}
    watched = Watched("melt")
    watched.over({1: watched.ends("melt", restarts=6, **held), 1.5: watched.ends("melt", state="CANCELLED", restarts=6)})
    assert set(watched.head.ran) == {"scancel 1"}


def test_a_node_that_never_came_up_is_offered_once_more_and_not_at_once() -> None:
    watched = Watched("melt")
    watched.head.nodes = {"cpu-1": "down~", "cpu-2": "down", "cpu-3": "idle~"}
    watched.over({60: watched.ends("melt")})
    assert watched.head.ran == [], "who refused it asks again by itself (launch/resume.py)"
    watched = Watched("melt")
    watched.head.nodes = {"cpu-1": "down~", "cpu-2": "down", "cpu-3": "idle~"}
    watched.over({100: lambda: watched.head.nodes.update({"cpu-1": "idle~"}), 300: watched.ends("melt")})
    assert watched.head.ran[0] == "sudo scontrol update nodename=cpu-1 state=POWER_DOWN"
    assert "node.again" in watched.kinds()
