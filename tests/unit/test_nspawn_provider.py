"""The provider of machines without one machine: what it refuses, ends, announces and answers."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from making import Still

from provisioner import clock
from provisioner.launch import nspawn as launcher
from provisioner.launch.nspawn import Refused
from provisioner.targets.nspawn import machines, network, serving
from provisioner.targets.nspawn.imds import SHAPES
from provisioner.targets.nspawn.layout import Layout
from provisioner.targets.nspawn.machines import Machine
from provisioner.targets.nspawn.provider import Provider
from provisioner.targets.nspawn.rehearsal import Rehearsal

NOW = 1_800_000_000.0
EXPIRES = NOW + 3600
ADDRESSES = {"head": network.HEAD, "login-1": "10.77.0.11"} | {f"cpu-{i}": f"10.77.1.{i}" for i in range(1, 5)}
HEAD, CPU, STRANGER = network.HEAD, "10.77.1.1", "10.77.9.9"


@pytest.fixture(autouse=True)
def still() -> Iterator[Still]:
    still = Still(NOW)
    with clock.use(still):
        yield still


class Off:
    """A machine's process, as far as the provider looks."""

    def __init__(self) -> None:
        self.status: int | None = None

    def poll(self) -> int | None:
        return self.status


class Host:
    """What stands for `machines`: a set of names. Machines in `broken` do not boot."""

    def __init__(self) -> None:
        self.on: dict[str, Machine] = {}
        self.done: list[str] = []
        self.broken: set[str] = set()
        self.told: list[tuple[Path, dict[str, str], bool]] = []

    def boot(self, layout: Layout, machine: Machine, base: Path, served: dict[str, str], gpus: int, *, way_out: bool) -> None:
        self.done.append(f"boot {machine.name}")
        self.told.append((base, served, way_out))
        if machine.name in self.broken:
            raise OSError(28, "No space left on device")
        machine.process = Off()  # type: ignore[assignment]
        self.on[machine.name] = machine

    def end(self, layout: Layout, name: str) -> None:
        self.done.append(f"end {name}")
        self.on.pop(name, None)


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Host:
    host = Host()
    monkeypatch.setattr(machines, "boot", host.boot)
    monkeypatch.setattr(machines, "end", host.end)
    return host


@pytest.fixture
def layout(folder: Path) -> Layout:
    root = folder / "a-abc234"
    root.mkdir()
    return Layout(root)


def provider(layout: Layout, **asked: Any) -> Provider:
    told = {
        "expires": EXPIRES,
        "shape": "aws",
        "region": "us-east-2",
        "tags": {"burst-run": "a-abc234"},
        "base": "/base",
        "served": {"/home": "/exports/home"},
        "way_out": True,
        "gpus": 0,
        "addresses": ADDRESSES,
    }
    layout.told.write_text(json.dumps(told))
    layout.rehearsal.write_text(json.dumps(Rehearsal.model_validate(asked).model_dump()))
    return Provider(layout)


def refused(provider: Provider, *names: str, kind: str = "big", market: str = "spot") -> tuple[str, str]:
    with pytest.raises(Refused) as caught:
        provider.launch(names, kind, market)
    return caught.value.kind, str(caught.value)


# --- launching -------------------------------------------------------------------------------------------------------


def test_machines_are_made_and_listed(layout: Layout, host: Host) -> None:
    made = provider(layout, faults={"cpu-2": "no-exports"})
    assert made.launch(["cpu-1", "cpu-2"], "big", "spot") == {"cpu-1": "10.77.1.1", "cpu-2": "10.77.1.2"}
    assert {name: machine.fault for name, machine in host.on.items()} == {"cpu-1": "", "cpu-2": "no-exports"}
    assert host.told == [(Path("/base"), {"/home": "/exports/home"}, True)] * 2
    assert made.listed()[0] == {"name": "cpu-1", "address": CPU, "kind": "big", "market": "spot", "launched": NOW}


def test_a_name_that_the_file_has_not_is_refused(layout: Layout, host: Host) -> None:
    kind, words = refused(provider(layout), "cpu-1", "cpu-9", "x")
    assert (kind, words) == ("CONFIG", "no such machine: cpu-9, x")
    assert host.done == []


@pytest.mark.parametrize(
    ("capacity", "asked", "room"),
    [
        ({"spot": 2}, ("big", "spot"), 2),
        ({"spot": 0}, ("big", "spot"), 0),
        ({"spot": 0}, ("big", "on-demand"), 4),
        ({"big": 1}, ("big", "on-demand"), 1),
        ({"big": 1}, ("small", "spot"), 4),
        ({"big": 3, "spot": 1}, ("big", "spot"), 1),
        ({}, ("big", "spot"), 4),
    ],
)
def test_there_is_so_much_room_of_a_market_or_a_type(
    layout: Layout, host: Host, capacity: dict[str, int], asked: tuple[str, str], room: int
) -> None:
    made = provider(layout, capacity=capacity)
    names = [f"cpu-{i}" for i in range(1, 5)]
    for name in names[:room]:
        made.launch([name], *asked)
    for name in names[room:]:
        kind, words = refused(made, name, kind=asked[0], market=asked[1])
        assert kind == "CAPACITY"
        assert words.endswith("room for 0")
    assert sorted(host.on) == names[:room]


def test_there_is_room_for_all_of_them_or_for_none(layout: Layout, host: Host) -> None:
    made = provider(layout, capacity={"spot": 2})
    kind, words = refused(made, "cpu-1", "cpu-2", "cpu-3")
    assert (kind, words) == ("CAPACITY", "InsufficientInstanceCapacity: 3 spot big asked for, room for 2")
    assert (host.on, made.listed()) == ({}, [])


def test_the_head_and_login_nodes_are_not_counted(layout: Layout, host: Host) -> None:
    made = provider(layout, capacity={"on-demand": 1})
    made.launch(["head", "login-1"], "big", "on-demand")
    made.launch(["cpu-1"], "big", "on-demand")
    assert refused(made, "cpu-2", market="on-demand")[0] == "CAPACITY"
    made.launch(["login-1"], "big", "on-demand")
    assert set(host.on) == {"head", "login-1", "cpu-1"}


def test_who_is_made_anew_does_not_take_room_twice(layout: Layout, host: Host, still: Still) -> None:
    made = provider(layout, capacity={"spot": 2})
    made.launch(["cpu-1", "cpu-2"], "big", "spot")
    still.sleep(10)
    made.launch(["cpu-2"], "big", "spot")
    assert host.done == ["boot cpu-1", "boot cpu-2", "end cpu-2", "boot cpu-2"]
    assert {machine["name"]: machine["launched"] for machine in made.listed()} == {"cpu-1": NOW, "cpu-2": NOW + 10}


def test_where_one_does_not_boot_none_stays(layout: Layout, host: Host) -> None:
    made = provider(layout)
    made.launch(["cpu-4"], "big", "spot")
    host.broken = {"cpu-2"}
    kind, words = refused(made, "cpu-1", "cpu-2", "cpu-3")
    assert kind == "TRANSIENT"
    assert "cpu-1, cpu-2, cpu-3 could not be started: [Errno 28] No space left on device" in words
    assert set(host.on) == {"cpu-4"}
    assert [machine["name"] for machine in made.listed()] == ["cpu-4"]
    assert {"end cpu-1", "end cpu-2", "end cpu-3"} <= set(host.done), "what was begun of it, too"


def test_the_first_calls_are_told_to_come_back_later(layout: Layout, host: Host) -> None:
    made = provider(layout, throttle=2)
    assert [refused(made, "cpu-1")[0] for _ in range(2)] == ["THROTTLE", "THROTTLE"]
    assert host.done == []
    made.launch(["cpu-1"], "big", "spot")
    assert set(host.on) == {"cpu-1"}


def test_a_launch_takes_its_time(layout: Layout, host: Host, still: Still) -> None:
    made = provider(layout, delay="20s")
    made.launch(["cpu-1"], "big", "spot")
    assert (still.at, host.on["cpu-1"].launched) == (NOW + 20, NOW + 20)


def test_ending_what_is_not_there_is_nothing(layout: Layout, host: Host) -> None:
    made = provider(layout)
    made.launch(["cpu-1"], "big", "spot")
    for _ in range(2):
        made.end(["cpu-1", "cpu-2"])
    assert host.done == ["boot cpu-1", "end cpu-1"]


# --- the life of a run -----------------------------------------------------------------------------------------------


def test_who_switches_itself_off_is_taken_away(layout: Layout, host: Host) -> None:
    made = provider(layout)
    made.launch(["cpu-1", "cpu-2"], "big", "spot")
    assert made.tick()
    assert len(host.on) == 2
    host.on["cpu-1"].process.status = 0  # type: ignore[union-attr]
    assert made.tick()
    assert (set(host.on), host.done[2:]) == ({"cpu-2"}, ["end cpu-1"])


def test_a_notice_is_carried_out_when_it_is_due(layout: Layout, host: Host, still: Still) -> None:
    made = provider(layout)
    made.launch(["cpu-1", "cpu-2"], "big", "spot")
    made.give_notice("cpu-1", 120)
    facts = made.facts(CPU)
    assert facts is not None
    assert facts.notice == NOW + 120
    still.sleep(119.9)
    assert made.tick()
    assert set(host.on) == {"cpu-1", "cpu-2"}
    still.sleep(0.1)
    assert made.tick()
    assert set(host.on) == {"cpu-2"}


def test_notices_come_so_long_after_the_launch(layout: Layout, host: Host, still: Still) -> None:
    made = provider(layout, notices={"cpu-1": {"after": "20s", "warning": 30.0}, "cpu-3": {"after": 1.0}})
    still.sleep(100)
    made.launch(["cpu-1", "cpu-2"], "big", "spot")
    for seconds, notice in ((0.0, None), (19.9, None), (0.1, NOW + 150), (5.0, NOW + 150)):
        still.sleep(seconds)
        assert made.tick()
        assert host.on["cpu-1"].notice == notice
    assert host.on["cpu-2"].notice is None
    still.sleep(25)
    assert made.tick()
    assert set(host.on) == {"cpu-2"}


def test_the_run_ends_when_its_time_has_come_and_its_machines_have_gone(layout: Layout, host: Host, still: Still) -> None:
    made = provider(layout)
    assert made.tick(), "there is none yet"
    made.launch(["cpu-1"], "big", "spot")
    still.at = EXPIRES
    assert made.tick(), "each machine ends itself"
    host.on["cpu-1"].process.status = 0  # type: ignore[union-attr]
    assert not made.tick()


def test_what_hangs_at_the_expiry_is_waited_for_and_no_longer(layout: Layout, host: Host, still: Still) -> None:
    made = provider(layout)
    made.launch(["cpu-1"], "big", "spot")
    still.at = EXPIRES + 19.9
    assert made.tick()
    still.at = EXPIRES + 20
    assert not made.tick()


# --- what a machine is told of itself --------------------------------------------------------------------------------


def test_each_machine_is_told_of_itself(layout: Layout, host: Host) -> None:
    made = provider(layout, faults={"cpu-2": "no-metadata"})
    made.launch(["head"], "small", "on-demand")
    made.launch(["cpu-1", "cpu-2"], "big", "spot")
    facts = made.facts(CPU)
    assert facts is not None
    assert (facts.name, facts.kind, facts.market, facts.address) == ("a-abc234-cpu-1", "big", "spot", CPU)
    assert (facts.zone, facts.notice, facts.started) == ("us-east-2a", None, NOW)
    assert facts.tags == {"Name": "a-abc234-cpu-1", "burst-run": "a-abc234"}
    head = made.facts(HEAD)
    assert head is not None
    assert (head.name, head.kind) == ("a-abc234-head", "small")
    assert [made.facts(address) for address in (STRANGER, "", ADDRESSES["cpu-2"], ADDRESSES["cpu-3"])] == [None] * 4
    made.end(["cpu-1"])
    assert made.facts(CPU) is None


def test_a_machine_made_anew_is_another_one(layout: Layout, host: Host, still: Still) -> None:
    made, ids = provider(layout), set()
    for _ in range(3):
        made.launch(["cpu-1"], "big", "spot")
        facts = made.facts(CPU)
        assert facts is not None
        ids.add(facts.machine_id)
        still.sleep(0.01)
    assert len(ids) == 3


# --- its sockets -----------------------------------------------------------------------------------------------------


class Wire:
    """A connection that has brought one request and keeps the answer."""

    def __init__(self, request: bytes) -> None:
        self._request, self.said = request, b""

    def makefile(self, *_: Any) -> io.BytesIO:
        return io.BytesIO(self._request)

    def sendall(self, data: bytes) -> None:
        self.said += bytes(data)


def asked(handler: Any, method: str, path: str, body: bytes = b"", peer: str = HEAD, **headers: str) -> tuple[int, bytes]:
    """Status and body. A unix socket has no peer."""
    lines = [f"{method} {path} HTTP/1.0", f"Content-Length: {len(body)}", *(f"{k}: {v}" for k, v in headers.items())]
    wire = Wire("\r\n".join([*lines, "", ""]).encode() + body)
    handler(wire, (peer, 4711) if peer else "", None)
    head, _, content = wire.said.partition(b"\r\n\r\n")
    return int(head.split()[1]), content


def call(made: Provider, method: str, path: str, told: Any = None, peer: str = HEAD) -> tuple[int, Any]:
    status, content = asked(serving._api(made), method, path, b"" if told is None else json.dumps(told).encode(), peer)
    return status, json.loads(content)


LAUNCH = {"names": ["cpu-1"], "kind": "big", "market": "spot"}


@pytest.mark.parametrize("peer", [HEAD, ""])
def test_the_head_and_the_client_make_and_end_machines(layout: Layout, host: Host, peer: str) -> None:
    made = provider(layout)
    assert call(made, "POST", "/machines", LAUNCH, peer) == (200, {"machines": {"cpu-1": CPU}})
    status, listed = call(made, "GET", "/machines", None, peer)
    assert (status, [machine["name"] for machine in listed["machines"]]) == (200, ["cpu-1"])
    assert call(made, "POST", "/notice", {"name": "cpu-1", "warning": 5}, peer) == (200, {})
    assert host.on["cpu-1"].notice == NOW + 5
    assert call(made, "DELETE", "/machines", {"names": ["cpu-1"]}, peer) == (200, {})
    assert host.on == {}
    assert call(made, "PUT", "/rehearsal", {"capacity": {"spot": 0}}, peer) == (200, {})
    assert call(made, "POST", "/machines", LAUNCH, peer)[0] == 503


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/machines"), ("POST", "/machines"), ("DELETE", "/machines"), ("PUT", "/x")]
)
@pytest.mark.parametrize("peer", [CPU, STRANGER, network.BRIDGE])
def test_nobody_else_may(layout: Layout, host: Host, method: str, path: str, peer: str) -> None:
    status, answer = call(provider(layout), method, path, LAUNCH, peer)
    assert (status, answer["kind"]) == (403, "AUTH")
    assert peer in answer["message"]
    assert host.done == []


@pytest.mark.parametrize(
    ("method", "path", "told", "words"),
    [
        ("GET", "/", None, "GET /"),
        ("PUT", "/machines", {}, "PUT /machines"),
        ("POST", "/machines", {"names": ["cpu-1"], "kind": "big"}, "without 'market'"),
        ("POST", "/notice", {"name": "cpu-1", "warning": 5}, "cpu-1"),
        ("POST", "/machines", None, "names"),
        ("POST", "/machines", [1], "not a JSON object"),
    ],
)
def test_what_it_does_not_know_is_a_mistake(layout: Layout, host: Host, method: str, path: str, told: Any, words: str) -> None:
    status, answer = call(provider(layout), method, path, told)
    assert (status, answer["kind"], host.done) == (400, "CONFIG", [])
    assert words in answer["message"]


@pytest.mark.parametrize("body", [b"{", b"\xff\xfe", b"names=cpu-1"])
def test_what_is_not_json_is_a_mistake(layout: Layout, host: Host, body: bytes) -> None:
    status, content = asked(serving._api(provider(layout)), "POST", "/machines", body)
    assert (status, json.loads(content)["kind"]) == (400, "CONFIG")


@pytest.mark.parametrize(
    ("kind", "status"),
    [("CAPACITY", 503), ("QUOTA", 400), ("THROTTLE", 429), ("AUTH", 403), ("CONFIG", 400), ("TRANSIENT", 500)],
)
def test_each_class_has_a_status(layout: Layout, monkeypatch: pytest.MonkeyPatch, kind: str, status: int) -> None:
    def refuse(*_: Any) -> None:
        raise Refused(kind, "no, ünd that is that")

    made = provider(layout)
    monkeypatch.setattr(made, "launch", refuse)
    assert call(made, "POST", "/machines", LAUNCH) == (status, {"kind": kind, "message": "no, ünd that is that"})


def test_the_launcher_understands_the_provider(layout: Layout, host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """launch/nspawn.py's own call, with everything but the socket between them."""
    made = provider(layout, capacity={"spot": 1})

    class Connection:
        def __init__(self, where: str, timeout: float) -> None:
            assert where == "/provider.sock"

        def request(self, method: str, path: str, body: str, headers: dict[str, str]) -> None:
            self.status, self._said = asked(serving._api(made), method, path, body.encode(), "", **headers)

        def getresponse(self) -> Connection:
            return self

        def read(self) -> bytes:
            return self._said

        def close(self) -> None:
            pass

    monkeypatch.setattr(launcher, "_OverSocket", Connection)
    template = {"endpoint": "unix:/provider.sock", "kind": "big"}
    assert launcher.launch(["cpu-1"], template, "spot") == {"cpu-1": CPU}
    with pytest.raises(Refused) as caught:
        launcher.launch(["cpu-2"], template, "spot")
    assert (caught.value.kind, "room for 0" in str(caught.value)) == ("CAPACITY", True)
    launcher.end(["cpu-1"], template)
    assert host.on == {}


@pytest.mark.parametrize("shape", SHAPES)
def test_only_machines_of_the_run_have_metadata(layout: Layout, host: Host, shape: str) -> None:
    made = provider(layout)
    made.told["shape"] = shape
    made.launch(["cpu-1"], "big", "spot")
    metadata = serving._metadata(made)
    assert asked(metadata, "GET", "/", peer=STRANGER) == (503, b"")
    assert asked(metadata, "GET", "/", peer=CPU)[0] != 503


def test_metadata_tells_who_asks(layout: Layout, host: Host) -> None:
    made = provider(layout)
    made.launch(["cpu-1", "cpu-2"], "big", "spot")
    metadata = serving._metadata(made)
    ttl = {"X-aws-ec2-metadata-token-ttl-seconds": "60"}
    for number in "12":
        peer = f"10.77.1.{number}"
        status, token = asked(metadata, "PUT", "/latest/api/token", peer=peer, **ttl)
        assert status == 200
        named = {"X-aws-ec2-metadata-token": token.decode()}
        path = "/latest/meta-data/tags/instance/Name"
        assert asked(metadata, "GET", path, peer=peer, **named) == (200, f"a-abc234-cpu-{number}".encode())
        assert asked(metadata, "HEAD", path, peer=peer, **named) == (200, b"")
