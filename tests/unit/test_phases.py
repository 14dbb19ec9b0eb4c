"""What machines told of their start: read whole, cut or spoiled; and how the head keeps it."""

from __future__ import annotations

import base64
import io
import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioner.bootstrap.phases import Machine, Phase, parse, slowest
from provisioner.launch import reports

RUN_ID = "melt-abc123"


def line(phase: str, event: str, at: float = 0.0, **more: Any) -> str:
    return json.dumps({"phase": phase, "event": event, "at": at, **more}) + "\n"


def log(text: bytes, phase: str = "x") -> str:
    return json.dumps({"phase": phase, "event": "log", "base64": base64.b64encode(text).decode()}) + "\n"


def done(phase: str, began: float, ended: float, status: int = 0) -> str:
    return line(phase, "begin", began) + line(phase, "end", ended, status=status)


def tail(**reports: str) -> str:
    """As tail(1) prints them, in the shell's order of names."""
    parts = (f"==> {name.replace('_', '-')}.jsonl <==\n{text}" for name, text in sorted(reports.items()))
    return "\n".join(parts)


def only(text: str) -> Machine:
    (machine,) = parse(tail(cpu_1=text), RUN_ID).values()
    return machine


def test_several_machines() -> None:
    told = tail(head=done("boot", 1, 3) + line("packages", "begin", 3), cpu_1=done("boot", 2, 2.5, 0), cpu_2="")
    machines = parse(told, RUN_ID)
    assert set(machines) == {"head", "cpu-1", "cpu-2"}
    assert machines["head"].phases == (Phase("boot", 1, 3, 0), Phase("packages", 3))
    assert machines["cpu-1"].phases == (Phase("boot", 2, 2.5, 0),)
    assert (machines["cpu-2"].phases, machines["cpu-2"].now, machines["cpu-2"].failed) == ((), "", None)


def test_nobody_told_anything() -> None:
    assert parse("", RUN_ID) == {}


def test_a_phase_that_goes_on_and_one_that_failed() -> None:
    running = only(done("boot", 1, 2) + line("join", "begin", 5))
    assert (running.now, running.failed) == ("join", None)
    assert (running.phases[-1].seconds, running.phases[0].seconds) == (None, 1.0)
    failed = only(done("boot", 1, 2) + done("setup", 2, 4.25, 7))
    assert failed.failed == Phase("setup", 2, 4.25, 7)
    assert (failed.now, failed.phases[-1].seconds) == ("setup", 2.25)


def test_the_order_is_that_of_their_beginnings() -> None:
    names = ["boot", "setup", "join", "a"]
    assert [phase.name for phase in only("".join(done(name, i, i + 1) for i, name in enumerate(names))).phases] == names


@pytest.mark.parametrize(
    "spoiled", ["", "junk\n", "{junk}\n", "{}\n", "[1]\n", '{"phase": "x"}\n', '{"phase": "x", "event": "log"}\n']
)
def test_what_nobody_can_read_is_passed_over(spoiled: str) -> None:
    machine = only(done("boot", 1, 2) + spoiled + log(b"last words") + spoiled)
    assert (machine.phases, machine.log) == ((Phase("boot", 1, 2, 0),), "last words")


def test_a_log_that_is_not_base64_is_passed_over() -> None:
    assert only(log(b"words") + '{"phase": "x", "event": "log", "base64": "a"}\n').log == "words"


def test_wherever_a_report_is_cut_what_was_said_before_counts() -> None:
    whole = done("boot", 1, 2) + done("setup", 2, 3, 1) + log(b"it broke")
    ends = [i for i, c in enumerate(whole) if c == "}"]
    for cut in range(len(whole)):
        machine = only(whole[:cut])
        assert len(machine.phases) == sum(end < cut for end in (ends[0], ends[2]))
        assert (machine.failed is not None) is (ends[3] < cut)


def test_an_end_without_a_beginning_is_no_phase() -> None:
    assert only(line("boot", "end", 2, status=1)).phases == ()


def test_a_machine_has_one_name_before_and_after_it_knows_its_own() -> None:
    before, after = done("boot", 1, 2) + line("name", "begin", 2), done("boot", 1, 2) + done("name", 2, 2.1)
    (machine,) = parse(tail(**{"cpu-1": after, f"{RUN_ID}-cpu-1": before}), RUN_ID).values()
    assert (machine.name, machine.phases[-1].ended) == ("cpu-1", 2.1), "the later one, which comes first in the folder"
    (machine,) = parse(tail(**{f"{RUN_ID}-cpu-1": before}), RUN_ID).values()
    assert (machine.name, machine.now) == ("cpu-1", "name")
    (machine,) = parse(tail(**{"zoo-1": after, f"{RUN_ID}-zoo-1": before}), RUN_ID).values()
    assert machine.phases[-1].ended == 2.1


@given(st.binary(max_size=4000))
def test_whatever_a_log_holds_arrives(content: bytes) -> None:
    machine = only(done("setup", 1, 2, 1) + log(content))
    assert machine.log == content.decode(errors="replace")
    assert machine.failed is not None


def test_the_slowest_of_each_phase() -> None:
    told = tail(cpu_1=done("boot", 0, 1) + done("join", 1, 9), cpu_2=done("boot", 0, 3) + line("join", "begin", 3))
    assert slowest(parse(told, RUN_ID)) == {"boot": (3.0, "cpu-2"), "join": (8.0, "cpu-1")}
    assert slowest(parse(tail(cpu_1=done("boot", 1, 1)), RUN_ID)) == {"boot": (0.0, "cpu-1")}
    assert slowest({}) == {}


class Call(reports.Report):
    """One machine's call without a socket."""

    def __init__(self, said: bytes) -> None:
        self.rfile = io.BufferedReader(io.BytesIO(said))
        self.handle()


@pytest.fixture
def kept(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], dict[str, bytes]]:
    monkeypatch.setattr(reports.Report, "folder", str(folder))
    return lambda: {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("name", [b"head", b"cpu-1", b"melt-abc123-cpu-1", b"a" * 81])
def test_a_report_is_kept_under_its_machines_name(kept: Callable[[], dict[str, bytes]], name: bytes) -> None:
    Call(name + b"\nwords\n")
    assert kept() == {f"{name.decode()}.jsonl": b"words\n"}


@pytest.mark.parametrize(
    "name",
    [b"", b"../cpu-1", b"a/b", b"/etc/passwd", b"Cpu-1", b"1cpu", b"-rf", b"a.b", b"a" * 82, b"a" * 1000, b"a\0b", b"a\xff"],
)
def test_any_other_name_is_nobodys(kept: Callable[[], dict[str, bytes]], name: bytes) -> None:
    Call(name + b"\nwords\n")
    assert kept() == {}


def test_a_report_is_so_long_and_no_longer(kept: Callable[[], dict[str, bytes]]) -> None:
    Call(b"cpu-1\n" + b"x" * (1 << 17))
    assert kept() == {"cpu-1.jsonl": b"x" * (1 << 16)}


def test_who_hangs_up_or_says_nothing_harms_nobody(kept: Callable[[], dict[str, bytes]]) -> None:
    class Silent(io.RawIOBase):
        def readable(self) -> bool:
            return True

        def readinto(self, _: Any) -> int:
            raise TimeoutError("timed out")

    call = Call.__new__(Call)
    call.rfile = io.BufferedReader(Silent())
    call.handle()
    assert kept() == {}


def test_the_later_one_stays(folder: Path) -> None:
    path = folder / "cpu-1.jsonl"
    for said, there in ((b"1\n", b"1\n"), (b"1\n2\n", b"1\n2\n"), (b"1\n", b"1\n2\n"), (b"1\nx\n", b"1\nx\n"), (b"", b"1\nx\n")):
        reports.keep(str(path), said)
        assert path.read_bytes() == there
    assert list(folder.iterdir()) == [path]


def test_a_reader_sees_all_of_one_or_of_the_other(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = folder / "cpu-1.jsonl"
    reports.keep(str(path), b"1\n")
    replace = reports.os.replace
    seen: list[bytes] = []

    def look_and_replace(new: str, old: str) -> None:
        seen.extend([Path(old).read_bytes(), Path(new).read_bytes()])
        assert not new.endswith(".jsonl"), "who reads them all must not find it"
        replace(new, old)

    monkeypatch.setattr(reports.os, "replace", look_and_replace)
    reports.keep(str(path), b"1\n2\n")
    assert seen == [b"1\n", b"1\n2\n"]


def test_one_that_was_overtaken_on_its_way_replaces_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A phase's end and the next one's beginning are told within milliseconds, a thread each."""
    path, replace, overtaken = str(folder / "cpu-1.jsonl"), reports.os.replace, threading.Event()
    later = threading.Thread(target=lambda: (reports.keep(path, b"1\n2\n"), overtaken.set()))

    def slowly(new: str, old: str) -> None:
        if Path(new).read_bytes() == b"1\n":
            later.start()
            overtaken.wait(0.2)
        replace(new, old)

    monkeypatch.setattr(reports.os, "replace", slowly)
    reports.keep(path, b"1\n")
    later.join()
    assert Path(path).read_bytes() == b"1\n2\n"
