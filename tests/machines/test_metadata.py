"""provisioner/launch/metadata.py as machines run it, against the rehearsal's services on a real port."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from provisioner.targets.nspawn.imds import Answer, Facts, answer

CLIENT = Path(__file__).parents[2] / "provisioner" / "launch" / "metadata.py"
SHAPES = ("aws", "gcp", "azure")
FACTS = Facts(
    name="cpu-0001",
    machine_id="4711",
    kind="c6i.large",
    address="10.0.0.7",
    market="spot",
    tags={"burst-run": "r1", "burst-owner": "Zoë"},
    region="eu-west-1",
    zone="eu-west-1a",
    user_data="",
    started=1.7e9,
    notice=None,
)


class Service(ThreadingHTTPServer):
    """Serves one machine; each of `troubles` befalls one request before the others are answered."""

    daemon_threads = True

    def __init__(self, shape: str, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.shape = shape
        self.facts = FACTS
        self.troubles: list[Callable[[], Answer | None]] = []
        self.said: dict[str, Answer] = {}
        self.asked: list[str] = []

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is what some tests are about."""


class Handler(BaseHTTPRequestHandler):
    server: Service

    def do_GET(self) -> None:
        server = self.server
        server.asked.append(self.path)
        trouble = server.troubles.pop(0)() if server.troubles else None
        said = trouble or server.said.get(self.path.rpartition("/")[2])
        said = said or answer(server.shape, self.command, self.path, dict(self.headers), server.facts, time.time())
        self.send_response(said.status)
        for name, value in said.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(said.body)))
        self.end_headers()
        self.wfile.write(said.body)

    def do_PUT(self) -> None:
        self.do_GET()

    def log_message(self, *args: Any) -> None:
        """Nothing."""


def status(number: int) -> Callable[[], Answer]:
    return lambda: Answer(number, b"busy", {})


def late(seconds: float) -> Callable[[], None]:
    return lambda: time.sleep(seconds)


def serving(service: Service) -> Iterator[Service]:
    thread = threading.Thread(target=service.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield service
    service.shutdown()
    thread.join()
    service.server_close()


@pytest.fixture(params=SHAPES)
def service(request: pytest.FixtureRequest) -> Iterator[Service]:
    yield from serving(Service(request.param))


@pytest.fixture
def aws() -> Iterator[Service]:
    yield from serving(Service("aws"))


@pytest.fixture
def azure() -> Iterator[Service]:
    yield from serving(Service("azure"))


@pytest.fixture
def gcp() -> Iterator[Service]:
    yield from serving(Service("gcp"))


def run(place: str, *argv: str) -> subprocess.CompletedProcess[str]:
    """The client with nothing but the standard library; a proxy that would fail stands by, and nobody asks it."""
    proxy = "http://127.0.0.1:9"
    env = {"PATH": os.environ["PATH"], "BURST_METADATA": place, "http_proxy": proxy, "HTTP_PROXY": proxy, "all_proxy": proxy}
    argv = (sys.executable, "-I", "-S", "-W", "error", str(CLIENT), *argv)
    return subprocess.run(argv, env=env, capture_output=True, text=True, timeout=60, check=False)


def place(service: Service) -> str:
    return f"http://127.0.0.1:{service.server_port}"


def ask(service: Service, *verb: str) -> subprocess.CompletedProcess[str]:
    return run(place(service), service.shape, *verb)


def said(service: Service, *verb: str) -> str:
    got = ask(service, *verb)
    assert (got.returncode, got.stderr) == (0, "")
    assert got.stdout.endswith("\n")
    return got.stdout[:-1]


def refused(got: subprocess.CompletedProcess[str], code: int) -> str:
    """Exit code, no output, one line of reason."""
    assert (got.returncode, got.stdout) == (code, "")
    (line,) = got.stderr.splitlines()
    assert line.startswith("metadata: ")
    return line


def test_every_verb(service: Service) -> None:
    assert said(service, "name") == "cpu-0001"
    assert said(service, "tag", "burst-run") == "r1"
    assert said(service, "tag", "burst-owner") == "Zoë"
    assert said(service, "address") == "10.0.0.7"
    assert said(service, "market") == "spot"
    service.facts = replace(FACTS, market="on-demand")
    assert said(service, "market") == "on-demand"


def test_no_such_tag(service: Service) -> None:
    for key in ("nobody", "with space", "burst-run/", "../name", "é"):
        refused(ask(service, "tag", key), 3)


def test_a_tags_key_is_one_name_of_the_path_and_written_plainly(aws: Service) -> None:
    aws.facts = replace(FACTS, tags={"burst:run@1": "r1"})
    assert said(aws, "tag", "burst:run@1") == "r1"
    assert aws.asked[-1] == "/latest/meta-data/tags/instance/burst:run@1"
    refused(ask(aws, "tag", "../Name"), 3)
    assert aws.asked[-1] == "/latest/meta-data/tags/instance/..%2FName"


def test_no_notice(service: Service) -> None:
    refused(ask(service, "notice"), 3)


def test_notice(service: Service) -> None:
    service.facts = replace(FACTS, notice=float(int(time.time()) + 100))
    before = time.time()
    got = float(said(service, "notice"))
    if service.shape == "gcp":
        assert int(before) + 30 <= got <= time.time() + 30
    else:
        assert got == service.facts.notice


def test_notice_under_way(service: Service) -> None:
    service.facts = replace(FACTS, notice=float(int(time.time()) - 5))
    before = int(time.time())
    got = float(said(service, "notice"))
    if service.shape == "aws":
        assert got == service.facts.notice
    else:
        assert before <= got <= time.time() + 30


def events(*each: tuple[str, str, str]) -> Answer:
    """Azure's document, of (type, machine, NotBefore)."""
    rows = [{"EventType": kind, "Resources": [name], "NotBefore": when} for kind, name, when in each]
    return Answer(200, json.dumps({"DocumentIncarnation": 1, "Events": rows}).encode(), {})


def test_azure_other_machines_and_other_events_are_no_notice(azure: Service) -> None:
    when = "Mon, 19 Sep 2016 18:29:47 GMT"
    document = "scheduledevents?api-version=2020-07-01"
    azure.said[document] = events(("Preempt", "cpu-0002", when), ("Reboot", "cpu-0001", when), ("Freeze", "cpu-0001", when))
    refused(ask(azure, "notice"), 3)
    azure.said[document] = events(
        ("Terminate", "CPU-0001", "Mon, 19 Sep 2016 18:29:50 GMT"), ("Preempt", "cpu-0001", when), ("Preempt", "cpu-0002", "")
    )
    assert said(azure, "notice") == "1474309787"


def test_azure_tag_names_have_no_case(azure: Service) -> None:
    assert said(azure, "tag", "Burst-Run") == "r1"


@pytest.mark.parametrize("body", [b"<html>", b"{}", b"[]", b'{"Events": [{"EventType": "Preempt"}]}'])
def test_an_answer_of_another_shape_is_told(azure: Service, body: bytes) -> None:
    azure.said["scheduledevents?api-version=2020-07-01"] = Answer(200, body, {})
    assert "documented shape" in refused(ask(azure, "notice"), 1)


@pytest.mark.parametrize("number", [429, 500, 503])
def test_busy_twice_then_well(service: Service, number: int) -> None:
    service.troubles = [status(number), status(number)]
    assert said(service, "name") == "cpu-0001"
    assert not service.troubles


def test_an_answer_that_is_late_is_asked_for_again(service: Service) -> None:
    service.troubles = [late(4)]
    assert said(service, "name") == "cpu-0001"
    assert len(service.asked) > 1


@pytest.mark.parametrize("trouble", [status(503), status(429), late(4)])
def test_notice_asks_once(service: Service, trouble: Callable[[], Answer | None]) -> None:
    service.troubles = [trouble]
    before = time.monotonic()
    refused(ask(service, "notice"), 1)
    assert len(service.asked) == 1
    assert time.monotonic() - before < 4


@pytest.mark.parametrize("number", [400, 401, 403, 301])
def test_a_refusal_is_final(service: Service, number: int) -> None:
    service.troubles = [status(number)]
    assert f"HTTP {number}" in refused(ask(service, "name"), 1)
    assert len(service.asked) == 1


def test_a_service_that_comes_up_late() -> None:
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
    services: list[Service] = []

    def begin() -> None:
        services.append(Service("gcp", port))
        services[0].serve_forever(poll_interval=0.05)

    timer = threading.Timer(2, begin)
    timer.start()
    try:
        got = run(f"http://127.0.0.1:{port}", "gcp", "name")
        assert (got.returncode, got.stdout) == (0, "cpu-0001\n")
    finally:
        services[0].shutdown()
        timer.join()
        services[0].server_close()


def test_it_gives_up(gcp: Service) -> None:
    gcp.troubles = [late(30)] * 20
    before = time.monotonic()
    assert "timed out" in refused(ask(gcp, "name"), 1)
    assert 12 < time.monotonic() - before < 24
    assert len(gcp.asked) > 3


def test_nobody_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
    assert "refused" in refused(run(f"http://127.0.0.1:{port}", "aws", "notice"), 1)


@pytest.mark.parametrize("wrong", ["https://127.0.0.1", "127.0.0.1:80", "http://", "http://127.0.0.1:x", "http://127.0.0.1/x"])
def test_a_wrong_service_is_told(wrong: str) -> None:
    refused(run(wrong, "aws", "name"), 1)


@pytest.mark.parametrize("argv", [(), ("aws",), ("oracle", "name"), ("aws", "age"), ("aws", "tag"), ("aws", "name", "x")])
def test_usage(argv: tuple[str, ...]) -> None:
    assert "usage" in refused(run("http://127.0.0.1:9", *argv), 2)
