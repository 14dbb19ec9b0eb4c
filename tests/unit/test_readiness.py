"""Ready, or not and why: given up as soon as a machine has, and told with that machine's own words."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from making import Planned, design, inventory
from standing_in import ListedTarget, SlurmHead

from provisioner import clock
from provisioner.errors import Kind, NotCreated
from provisioner.events import Event, Events
from provisioner.lifecycle import readiness
from provisioner.lifecycle.readiness import Readiness

DESIGN = design("""\
version: 1
name: a
login: {nodes: 1}
groups: {cpu: {nodes: {min: 2, max: 4}}}
jobs: {melt: {command: ls, nodes: 3}}
""")
READY = {"cpu-1": "idle", "cpu-2": "idle", "cpu-3": "idle~", "cpu-4": "idle~"}
DEAF = "ssh: connect to host 10.77.0.10 port 22: Connection refused"


def told(log: str = "", **phases: int | None) -> str:
    """What a machine tells: phase → its status, None while it goes on."""
    lines = []
    for i, (name, status) in enumerate(phases.items()):
        lines.append({"phase": name, "event": "begin", "at": float(i)})
        if status is not None:
            lines.append({"phase": name, "event": "end", "at": i + 0.5, "status": status})
    if log:
        lines.append({"phase": "x", "event": "log", "base64": base64.b64encode(log.encode()).decode()})
    return "".join(json.dumps(line) + "\n" for line in lines)


UP = {"head": told(boot=0, slurmctld=0), "login_1": told(boot=0, login=0)}


class Starting:
    """A cluster that starts: `plan` has what happens so many seconds after its machines were launched."""

    def __init__(self, folder: Path, *, reports: bool = True) -> None:
        self.head = SlurmHead()
        self.head.nodes = {**READY, "cpu-1": "down*", "cpu-2": "down*"}
        self.target = ListedTarget()
        self.events: list[Event] = []
        self.results = folder / "results"
        self.inventory = inventory(DESIGN, folder, reports=reports)
        self.took = 0.0

    def tell(self, **machines: str) -> None:
        self.head.told = "\n".join(f"==> {name.replace('_', '-')}.jsonl <==\n{text}" for name, text in machines.items())

    def readiness(self) -> Readiness:
        return Readiness(self.target, self.head, DESIGN, self.inventory, Events("a", [self.events.append]), self.results)

    def prove(self, plan: dict[float, Callable[[], object]] | None = None) -> set[str]:
        """The names of the machines that told of their start."""
        with clock.use(Planned(plan or {})):
            began = clock.now()
            try:
                events = Events("a", [self.events.append])
                return set(readiness.prove(self.target, self.head, DESIGN, self.inventory, events, self.results))
            finally:
                self.took = clock.now() - began

    def fails(self, plan: dict[float, Callable[[], object]] | None = None) -> NotCreated:
        with pytest.raises(NotCreated) as caught:
            self.prove(plan)
        return caught.value

    def console(self, name: str) -> str:
        return (self.results / "consoles" / f"{name}.log").read_text()


@pytest.fixture
def starting(folder: Path) -> Starting:
    return Starting(folder)


def test_ready_is_proven_by_a_probe(starting: Starting) -> None:
    every = {name: told(boot=0, join=0) for name in ("cpu_1", "cpu_2", "login_1")}
    starting.tell(head=told(boot=0, slurmctld=0), **every)
    assert starting.prove({10: lambda: starting.head.nodes.update(READY)}) == {"head", "cpu-1", "cpu-2", "login-1"}
    assert 10 <= starting.took < 11
    assert [event.kind for event in starting.events] == ["step", "nodes.asked", "nodes.ready", "probe", "machines.phases"]
    assert (
        starting.events[-1].message
        == "the slowest of each phase: boot 0.50s (login-1), slurmctld 0.50s (head), join 0.50s (login-1)"
    )
    power_up, probe = starting.head.ran
    assert power_up == "sudo scontrol update nodename=cpu-3 state=POWER_UP", "once, for what the first job needs"
    assert probe.startswith("srun --partition=cpu --nodes=2 --ntasks-per-node=1")
    assert not starting.results.exists()


def test_a_phase_that_failed_is_not_waited_for(starting: Starting) -> None:
    starting.target.consoles = {"cpu-2": "a console"}
    log = "E: Unable to locate package lammsp\n"
    problem = starting.fails({7: lambda: starting.tell(head=told(boot=0), cpu_2=told(log, boot=0, software=100))})
    assert 7 <= starting.took < 8
    assert problem.message == "cpu-2: its phase software failed with 100"
    assert (problem.why, problem.kind) == (log, Kind.CONFIG)
    assert problem.fix == f"read {starting.results}/consoles/cpu-2.log"
    assert starting.console("cpu-2") == "a console"


@pytest.mark.parametrize("name", ["head", "login-1", "cpu-1"])
def test_each_machine_that_is_always_there_counts(starting: Starting, name: str) -> None:
    starting.tell(**{name: told("words", boot=0, packages=1)})
    assert starting.fails().message == f"{name}: its phase packages failed with 1"
    assert starting.took < 1


@pytest.mark.parametrize("name", ["cpu-3", "strange-1"])
def test_a_machine_that_comes_later_does_not(starting: Starting, name: str) -> None:
    starting.tell(**UP, **{name: told("words", boot=0, packages=1)})
    assert starting.prove({10: lambda: starting.head.nodes.update(READY)}) == {"head", "login-1", name}


@pytest.mark.parametrize("late", ["head", "login_1"])
def test_nodes_that_have_joined_are_not_enough(starting: Starting, late: str) -> None:
    """The head serves its folders, and does what the file's software asks for, after its slurmctld answers."""
    starting.head.nodes = dict(READY)
    starting.tell(**{**UP, late: told(boot=0, filesystems=None)})
    starting.prove({30: lambda: starting.tell(**UP)})
    assert starting.took >= 30
    assert [event.kind for event in starting.events][1:] == ["nodes.asked", "nodes.ready", "probe", "machines.phases"]


def test_a_head_that_never_comes_to_its_end_is_named(starting: Starting) -> None:
    starting.head.nodes = dict(READY)
    starting.tell(**{**UP, "head": told("exporting\n", boot=0, filesystems=None)})
    problem = starting.fails()
    assert (problem.message, problem.why) == (
        "head did not become ready within 120 s",
        "head is in its phase filesystems\nexporting",
    )


def test_a_head_that_is_up_while_its_slurmctld_is_not_tells_who_failed(starting: Starting) -> None:
    starting.head.fails["sinfo"] = "Unable to contact slurm controller"
    starting.tell(head=told("words", boot=0, munge=2))
    assert starting.fails().message == "head: its phase munge failed with 2"


def test_who_never_booted_is_told_with_its_console(starting: Starting) -> None:
    starting.target.consoles = {"cpu-1": "\x1b[1;31mNo bootable device\x1b[0m\x07\nPress any key\n", "cpu-2": "fine"}
    starting.tell(head=told(boot=0))
    problem = starting.fails({5: lambda: starting.head.nodes.update({"cpu-2": "idle"})})
    assert 120 <= starting.took < 121
    assert problem.message == "cpu-1 did not become ready within 120 s"
    assert problem.kind is Kind.TRANSIENT
    assert problem.why == "cpu-1 has not booted: it never told the head anything\nNo bootable device\nPress any key"
    assert "\x1b[1;31m" in starting.console("cpu-1"), "as it was"
    assert not (starting.results / "consoles" / "cpu-2.log").exists()


def test_who_is_late_is_told_with_its_phase_and_that_phases_log(starting: Starting) -> None:
    starting.tell(
        head=told(boot=0), cpu_1=told("mount.nfs: Connection refused\n", boot=0, filesystems=None), cpu_2=told(boot=None)
    )
    starting.target.consoles = {"cpu-1": "a console"}
    problem = starting.fails()
    assert problem.message == "cpu-1, cpu-2 did not become ready within 120 s"
    assert problem.why == "cpu-1 is in its phase filesystems\nmount.nfs: Connection refused"
    assert (starting.console("cpu-1"), starting.console("cpu-2")) == ("a console", "")


def test_where_there_is_no_log_yet_there_is_the_console(starting: Starting) -> None:
    starting.tell(cpu_1=told(boot=0, packages=None))
    starting.target.consoles = {"cpu-1": "a console"}
    assert starting.fails().why == "cpu-1 is in its phase packages\na console"


def test_a_head_that_nobody_reaches(starting: Starting) -> None:
    starting.head.fails[""] = DEAF
    problem = starting.fails()
    assert problem.message == "head did not become ready within 120 s"
    assert problem.why == f"head has not booted: it never told the head anything\n{DEAF}"
    assert starting.head.ran == []


def test_a_head_that_comes_late_is_in_time(starting: Starting) -> None:
    starting.head.fails[""] = DEAF
    starting.head.nodes = dict(READY)
    starting.tell(**UP)
    assert starting.prove({60: starting.head.fails.clear}) == {"head", "login-1"}
    assert 65 <= starting.took < 66, "for the nodes' last word, which does not come"


def test_where_nobody_reports_nobody_is_asked(folder: Path) -> None:
    starting = Starting(folder, reports=False)
    starting.head.fails["sh -c"] = "nobody may ask"
    starting.tell(cpu_1=told("words", boot=0, packages=1))
    starting.target.consoles = {"cpu-1": "x" * 3000 + "\x1b[Kend\n"}
    assert starting.readiness().look() == {}
    problem = starting.fails()
    assert problem.why == "x" * 1997 + "end"
    assert problem.message == "cpu-1, cpu-2 did not become ready within 120 s"


def test_what_is_known_stays_when_the_line_drops(starting: Starting) -> None:
    readiness = starting.readiness()
    starting.tell(head=told(boot=0))
    assert set(readiness.look()) == {"head"}
    starting.head.fails["sh -c"] = DEAF
    assert set(readiness.look()) == {"head"}


def test_a_line_that_drops_at_the_very_end_costs_no_cluster(starting: Starting) -> None:
    starting.head.nodes = dict(READY)
    starting.tell(**UP)
    # Told it has been once; then the nodes' last word is waited for.
    assert starting.prove({1: lambda: starting.head.fails.update({"sh -c": DEAF})}) == {"head", "login-1"}


def test_a_report_that_nobody_can_read_costs_no_cluster(starting: Starting) -> None:
    starting.tell(**UP, cpu_1="{junk}\n" + told(boot=0))
    assert starting.prove({3: lambda: starting.head.nodes.update(READY)}) == {"head", "login-1", "cpu-1"}


def test_a_probe_that_fails_saves_the_consoles(starting: Starting) -> None:
    starting.head.nodes = dict(READY)
    starting.tell(**UP)
    starting.head.fails["srun"] = "/shared: Read-only file system"
    starting.target.consoles = {"cpu-1": "one", "cpu-2": "two"}
    problem = starting.fails()
    assert (problem.message, problem.why) == ("the probe of group cpu failed", "/shared: Read-only file system")
    assert [starting.console(name) for name in ("cpu-1", "cpu-2")] == ["one", "two"]


def test_gpus_are_counted_where_they_are_real(folder: Path) -> None:
    text = "version: 1\nname: a\ngroups: {gpu: {instance: g6.48xlarge, nodes: 2}}\n"
    ran = []
    for target in ("aws", "local"):
        starting, decided = Starting(folder), design(text, target)
        events, known = Events("a", []), inventory(decided, folder)
        readiness._probe_all(starting.target, starting.head, decided, known, events, starting.results)
        ran.append(starting.head.ran[0])
    assert "--gpus-per-node=8" in ran[0]
    assert "nvidia-smi -L" in ran[0]
    assert "gpus" not in ran[1]
    assert "nvidia-smi" not in ran[1]
