"""Slurm's ResumeProgram and SuspendProgram, and the calls of one of its launchers."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from provisioner.launch import nspawn, resume

LAUNCHER = """\
import json, os
CALLS = []
class Refused(Exception):
    def __init__(self, kind, message):
        super().__init__(message)
        self.kind = kind
def launch(names, template, market):
    CALLS.append(("launch", list(names), template["kind"], market))
    if template["kind"] in template.get("refused", {}):
        raise Refused(*template["refused"][template["kind"]])
    if template["kind"] == "pair" and len(names) == 2:
        raise Refused("CAPACITY", "no room for two")
    if template["kind"] == "broken":
        raise OSError("no such luck")
def end(names, template):
    CALLS.append(("end", list(names), template["kind"], ""))
"""
FULL = {"small": ["CAPACITY", "no room for small"], "big": ["CAPACITY", "no room for big"], "bad": ["QUOTA", "0 of 8 left"]}


class Launcher:
    """Makes what it is asked for but kinds that are refused."""

    def __init__(self, **refused: str) -> None:
        self.calls: list[tuple[str, str]] = []
        self._refused = refused

    def launch(self, names: Sequence[str], template: dict[str, Any], market: str) -> None:
        self.calls.append((template["kind"], market))
        if template["kind"] in self._refused:
            raise nspawn.Refused(self._refused[template["kind"]], f"no {template['kind']} today")


def tried(*kinds: str, market: str = "spot") -> list[dict[str, Any]]:
    return [{"market": market, "template": {"kind": kind, "refused": FULL}} for kind in kinds]


def first(launcher: Launcher, *kinds: str) -> tuple[dict[str, Any], list[str]]:
    told: list[str] = []
    return resume.first_to_be_had(launcher, ["cpu-1", "cpu-2"], tried(*kinds), lambda _, problem: told.append(str(problem))), told


def test_the_first_that_is_to_be_had_is_taken() -> None:
    launcher = Launcher(a="CAPACITY")
    taken, told = first(launcher, "a", "b", "c")
    assert taken["template"]["kind"] == "b"
    assert launcher.calls == [("a", "spot"), ("b", "spot")]
    assert told == ["no a today"]


def test_a_quota_is_a_types_own() -> None:
    """Another type, or the other market, may have one that is larger."""
    taken, told = first(Launcher(a="QUOTA"), "a", "b")
    assert (taken["template"]["kind"], told) == ("b", ["no a today"])
    for kinds, kind, words in (
        ({"a": "QUOTA", "b": "QUOTA"}, "QUOTA", "no a today"),
        # Another place may have room: that it has none here is what counts.
        ({"a": "CAPACITY", "b": "QUOTA"}, "CAPACITY", "no a today"),
        ({"a": "QUOTA", "b": "CAPACITY"}, "CAPACITY", "no b today"),
    ):
        with pytest.raises(nspawn.Refused, match=words) as caught:
            first(Launcher(**kinds), "a", "b")
        assert caught.value.kind == kind


@pytest.mark.parametrize("kind", ["THROTTLE", "AUTH", "CONFIG", "TRANSIENT"])
def test_what_no_other_type_would_mend_is_raised(kind: str) -> None:
    launcher = Launcher(a=kind)
    with pytest.raises(nspawn.Refused, match="no a today"):
        first(launcher, "a", "b")
    assert launcher.calls == [("a", "spot")]


def test_what_is_no_refusal_goes_on() -> None:
    class Broken(Launcher):
        def launch(self, names: Sequence[str], template: dict[str, Any], market: str) -> None:
            super().launch(names, template, market)
            raise OSError("broken")

    broken = Broken()
    with pytest.raises(OSError, match="broken"):
        first(broken, "a", "b")
    assert len(broken.calls) == 1


def test_the_last_ones_words_are_those_that_are_told() -> None:
    launcher = Launcher(a="CAPACITY", b="CAPACITY")
    with pytest.raises(nspawn.Refused, match="no b today") as caught:
        first(launcher, "a", "b")
    assert caught.value.kind == "CAPACITY"
    assert len(launcher.calls) == 2


class Slurm:
    """What stands for subprocess.run: scontrol, whose hostlists are names with blanks between."""

    def __init__(self) -> None:
        self.ran: list[list[str]] = []
        self.status = 0

    def __call__(self, argv: list[str], *, env: dict[str, str], **_: Any) -> subprocess.CompletedProcess[str]:
        assert env["SLURM_CONF"] == "/x"
        assert argv[:2] == ["scontrol", "-v"]
        if argv[2:4] == ["show", "hostnames"]:
            return subprocess.CompletedProcess(argv, self.status, argv[4].replace(" ", "\n") + "\n", "")
        self.ran.append(argv[2:])
        return subprocess.CompletedProcess(argv, 0, "", "")


@pytest.fixture
def slurm(monkeypatch: pytest.MonkeyPatch) -> Slurm:
    slurm = Slurm()
    monkeypatch.setattr(resume.subprocess, "run", slurm)
    return slurm


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    slept: list[float] = []
    monkeypatch.setattr(resume.time, "sleep", slept.append)
    return slept


Told = Callable[..., str]


@pytest.fixture
def told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Told:
    """What the head was told, with kinds of machines by group; a launcher beside the program."""
    (folder / "fake.py").write_text(LAUNCHER)
    monkeypatch.setattr(resume, "__file__", str(folder / "resume.py"))

    def write(**groups: Sequence[str]) -> str:
        attempts = {group.replace("_", "-"): tried(*kinds) for group, kinds in groups.items()}
        content = {"launcher": "fake", "scontrol": ["scontrol", "-v"], "env": {"SLURM_CONF": "/x"}, "groups": attempts}
        (folder / "launch.json").write_text(json.dumps(content))
        return str(folder / "launch.json")

    return write


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, list[str], str, str]]:
    """What every launcher that is loaded from here on is asked for."""
    calls: list[tuple[str, list[str], str, str]] = []
    beside = resume._beside

    def loaded(name: str) -> Any:
        module = beside(name)
        module.CALLS = calls
        return module

    monkeypatch.setattr(resume, "_beside", loaded)
    return calls


Calls = list[tuple[str, list[str], str, str]]


@pytest.mark.usefixtures("slurm")
def test_names_are_parted_by_group(told: Told) -> None:
    cluster = resume.Cluster(told(a=["x"], a_1=["y"], gpu=["z"]))
    parted = cluster.groups("gpu-2 a-1 a-10 a-2 gpu-1 a-1-1")
    assert [(names, attempts[0]["template"]["kind"]) for names, attempts in parted] == [
        (["a-1", "a-10", "a-2"], "x"),
        (["a-1-1"], "y"),
        (["gpu-1", "gpu-2"], "z"),
    ]


def test_a_hostlist_that_slurm_does_not_know_is_told(slurm: Slurm, told: Told) -> None:
    slurm.status = 1
    with pytest.raises(subprocess.CalledProcessError):
        resume.main("resume", told(cpu=["x"]), "cpu-[")


def test_each_group_is_made_as_a_whole(slurm: Slurm, slept: list[float], told: Told, calls: Calls) -> None:
    assert resume.main("resume", told(cpu=["small", "fine"], gpu=["fine"]), "cpu-2 gpu-1 cpu-1") == 0
    assert [call for call in calls if call[1] != ["gpu-1"]] == [
        ("launch", ["cpu-1", "cpu-2"], "small", "spot"),
        ("launch", ["cpu-1", "cpu-2"], "fine", "spot"),
    ]
    assert ("launch", ["gpu-1"], "fine", "spot") in calls
    assert (slurm.ran, slept) == ([], [])


# As slurmctld 22.05.8 wrote it, and with the keys of 24.11's power_save.html.
RESUME_FILES = {
    "22.05": {"jobs": [{"job_id": 1, "nodes": "cpu-1 cpu-2"}, {"job_id": 2, "nodes": "cpu-3 gpu-1"}], "all_nodes": "x"},
    "24.11": {
        "jobs": [
            {"job_id": 1, "nodes_alloc": "cpu-1 cpu-2", "nodes_resume": "cpu-1 cpu-2", "partition": "cpu"},
            {"job_id": 2, "nodes_alloc": "cpu-3 gpu-1 cpu-9", "nodes_resume": "cpu-3 gpu-1", "partition": "cpu"},
        ],
        "all_nodes_resume": "x",
    },
}


@pytest.mark.parametrize("version", RESUME_FILES)
@pytest.mark.usefixtures("slurm")
def test_each_jobs_nodes_are_made_all_or_none(
    told: Told, calls: Calls, folder: Path, version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "resume.json").write_text(json.dumps(RESUME_FILES[version]))
    monkeypatch.setenv("SLURM_RESUME_FILE", str(folder / "resume.json"))
    assert resume.main("resume", told(cpu=["fine"], gpu=["fine"]), "cpu-1 cpu-2 cpu-3 cpu-4 gpu-1") == 0
    assert sorted(call[1] for call in calls) == [["cpu-1", "cpu-2"], ["cpu-3"], ["cpu-4"], ["gpu-1"]]


@pytest.mark.parametrize("text", ["", "{}", '{"jobs": [7]}', '{"jobs": [{"job_id": 1}]}', "[]"])
@pytest.mark.usefixtures("slurm")
def test_a_resume_file_that_says_nothing_parts_nothing(
    told: Told, calls: Calls, folder: Path, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "resume.json").write_text(text)
    monkeypatch.setenv("SLURM_RESUME_FILE", str(folder / "resume.json"))
    assert resume.main("resume", told(cpu=["fine"]), "cpu-1 cpu-2") == 0
    assert [call[1] for call in calls] == [["cpu-1", "cpu-2"]]


@pytest.mark.usefixtures("slept")
def test_one_jobs_refusal_is_not_anothers(
    slurm: Slurm, told: Told, calls: Calls, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two jobs in one group one gets what there is, and only the other's nodes say why."""
    (folder / "resume.json").write_text(json.dumps(RESUME_FILES["22.05"]))
    monkeypatch.setenv("SLURM_RESUME_FILE", str(folder / "resume.json"))
    assert resume.main("resume", told(cpu=["pair"]), "cpu-1 cpu-2 cpu-3") == 1
    assert slurm.ran[0] == ["update", "nodename=cpu-1,cpu-2", "state=DOWN", "reason=CAPACITY: no room for two"]
    assert slurm.ran[1:] == [["update", "nodename=cpu-1,cpu-2", "state=POWER_DOWN"]]


def test_the_first_nodes_are_made_without_slurmctld(slurm: Slurm, slept: list[float], told: Told, calls: Calls) -> None:
    assert resume.main("first", told(cpu=["small", "fine"], gpu=["bad"]), "cpu-1 gpu-1") == 1
    assert ("launch", ["cpu-1"], "fine", "spot") in calls
    assert (slurm.ran, slept) == ([], []), "nothing is told to it, and nothing waited for"


def test_a_refusal_is_written_on_the_nodes_and_they_are_offered_again(
    slurm: Slurm, slept: list[float], told: Told, calls: Calls, capsys: pytest.CaptureFixture[str]
) -> None:
    assert resume.main("resume", told(cpu=["small", "big"], gpu=["fine"]), "cpu-1 cpu-2 gpu-1") == 1
    assert slurm.ran == [
        ["update", "nodename=cpu-1,cpu-2", "state=DOWN", "reason=CAPACITY: no room for big"],
        ["update", "nodename=cpu-1,cpu-2", "state=POWER_DOWN"],
    ]
    assert slept == [60.0]
    assert ("launch", ["gpu-1"], "fine", "spot") in calls, "one group's refusal is not the others'"
    said = capsys.readouterr().out.splitlines()
    assert [line.split(" ", 1)[1] for line in said] == [
        "cpu-1,cpu-2: no room for small",
        "cpu-1,cpu-2: no room for big",
        "cpu-1,cpu-2: CAPACITY: no room for big",
    ]


def test_nodes_are_offered_again_only_after_the_pause(slurm: Slurm, told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    before: list[int] = []
    monkeypatch.setattr(resume.time, "sleep", lambda _: before.append(len(slurm.ran)))
    resume.main("resume", told(cpu=["bad"], gpu=["bad"]), "cpu-1 gpu-1")
    assert before == [2], "once for all of them"
    assert slurm.ran[2:] == [["update", "nodename=cpu-1,gpu-1", "state=POWER_DOWN"]]


@pytest.mark.parametrize(("kind", "reason"), [("bad", "QUOTA: 0 of 8 left"), ("broken", "TRANSIENT: no such luck")])
@pytest.mark.usefixtures("slept")
def test_the_class_of_a_refusal_is_in_its_reason(slurm: Slurm, told: Told, kind: str, reason: str) -> None:
    assert resume.main("resume", told(cpu=[kind]), "cpu-1") == 1
    assert slurm.ran[0][-1] == f"reason={reason}"


def test_suspend_ends_them(slurm: Slurm, slept: list[float], told: Told, calls: Calls) -> None:
    assert resume.main("suspend", told(cpu=["small", "big"], gpu=["fine"]), "cpu-2 gpu-1 cpu-1") == 0
    assert calls == [("end", ["cpu-1", "cpu-2"], "small", ""), ("end", ["gpu-1"], "fine", "")]
    assert (slurm.ran, slept) == ([], [])


def test_first_makes_what_is_always_there_and_asks_slurm_for_nothing(
    slurm: Slurm, slept: list[float], told: Told, calls: Calls, capsys: pytest.CaptureFixture[str]
) -> None:
    assert resume.main("first", told(cpu=["small", "fine"], gpu=["fine"]), "cpu-1 cpu-2 gpu-1") == 0
    assert calls == [
        ("launch", ["cpu-1", "cpu-2"], "small", "spot"),
        ("launch", ["cpu-1", "cpu-2"], "fine", "spot"),
        ("launch", ["gpu-1"], "fine", "spot"),
    ]
    assert (slurm.ran, slept) == ([], [])
    assert [line.split(" ", 1)[1] for line in capsys.readouterr().out.splitlines()] == ["cpu-1,cpu-2: no room for small"]


@pytest.mark.parametrize(("kind", "said"), [("bad", "cpu-1: QUOTA: 0 of 8 left"), ("broken", "cpu-1: TRANSIENT: no such luck")])
def test_where_the_first_are_refused_the_phase_fails_with_its_words_and_the_others_are_made(
    slurm: Slurm, slept: list[float], told: Told, calls: Calls, capsys: pytest.CaptureFixture[str], kind: str, said: str
) -> None:
    """Not said on the nodes, and not asked again: slurmctld is not there yet, and phase.sh tells the log's end."""
    assert resume.main("first", told(cpu=[kind], gpu=["fine"]), "cpu-1 gpu-1") == 1
    assert calls[-1] == ("launch", ["gpu-1"], "fine", "spot")
    assert (slurm.ran, slept) == ([], [])
    assert capsys.readouterr().out.splitlines()[-1].endswith(said)


TEMPLATE = {"endpoint": "unix:/provider.sock", "kind": "c7a.xlarge"}


class Provider:
    """What stands for `nspawn.ask`: refuses as often as it is told to."""

    def __init__(self, kind: str, times: int) -> None:
        self.asked: list[tuple[Any, ...]] = []
        self._kind, self._times = kind, times

    def __call__(self, *call: Any) -> Any:
        self.asked.append(call)
        if len(self.asked) <= self._times:
            raise nspawn.Refused(self._kind, f"no, for the {len(self.asked)}. time")
        return {"machines": {"cpu-1": "10.77.1.1"}}


def asked(monkeypatch: pytest.MonkeyPatch, kind: str, times: int) -> tuple[Provider, list[float]]:
    provider, slept = Provider(kind, times), list[float]()
    monkeypatch.setattr(nspawn, "ask", provider)
    monkeypatch.setattr(nspawn, "time", SimpleNamespace(sleep=slept.append))
    return provider, slept


def test_a_refusal_carries_its_class() -> None:
    refused = nspawn.Refused("CAPACITY", "no room")
    assert (refused.kind, str(refused)) == ("CAPACITY", "no room")


@pytest.mark.parametrize("kind", ["THROTTLE", "TRANSIENT"])
def test_what_is_busy_is_asked_again(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    provider, slept = asked(monkeypatch, kind, 5)
    assert nspawn.launch(["cpu-1"], TEMPLATE, "spot") == {"cpu-1": "10.77.1.1"}
    body = {"names": ["cpu-1"], "kind": "c7a.xlarge", "market": "spot"}
    assert provider.asked == [("unix:/provider.sock", "POST", "/machines", body)] * 6
    assert slept == sorted(slept)
    assert len(slept) == 5


@pytest.mark.parametrize("kind", ["THROTTLE", "TRANSIENT"])
def test_but_not_for_ever(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    provider, _ = asked(monkeypatch, kind, 99)
    with pytest.raises(nspawn.Refused, match=r"for the 6\. time"):
        nspawn.end(["cpu-1"], TEMPLATE)
    assert provider.asked[-1] == ("unix:/provider.sock", "DELETE", "/machines", {"names": ["cpu-1"]})


@pytest.mark.parametrize("kind", ["CAPACITY", "QUOTA", "AUTH", "CONFIG"])
def test_a_last_word_is_not_asked_again(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    provider, slept = asked(monkeypatch, kind, 1)
    with pytest.raises(nspawn.Refused) as caught:
        nspawn.launch(["cpu-1"], TEMPLATE)
    assert (caught.value.kind, len(provider.asked), slept) == (kind, 1, [])


@pytest.mark.parametrize("name", ["aws", "gcp", "azure", "nspawn", "local"])
def test_a_head_can_load_every_launcher(name: str) -> None:
    """As it does there: by its file alone, dataclasses and all."""
    assert resume._beside(name).launch.__name__ == "launch"
