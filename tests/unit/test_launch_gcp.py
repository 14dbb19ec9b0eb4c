"""Machines on Google Cloud, asked of a Google of the tests' own that takes nothing which the real one does not describe."""

from __future__ import annotations

import ast
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import google_apis
import here_only
import pytest
from google_fake import PROJECT, ZONE, Fault, Google, error, rpc_error, serving

from provisioner.launch import gcp
from provisioner.launch.gcp import Refused, Session
from provisioner.launch.resume import first_to_be_had

TEMPLATE = {
    "instance": "c3-standard-4",
    "run": "test-abc234",
    "project": PROJECT,
    "zone": ZONE,
    "template": f"projects/{PROJECT}/global/instanceTemplates/test-abc234-cpu-0-on-demand",
}
NAMES = ["cpu-1", "cpu-2", "cpu-3"]
BULK, GET, DELETE = "compute.instances.bulkInsert", "compute.instances.get", "compute.instances.delete"


@pytest.fixture(autouse=True)
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Nobody waits; what would have been waited is counted, and time goes on by it."""
    pauses: list[float] = []
    here_only.open_here(monkeypatch)
    monkeypatch.setattr(gcp, "time", _Clock(pauses))
    return pauses


class _Clock:
    def __init__(self, pauses: list[float]) -> None:
        self._pauses, self.sleep = pauses, pauses.append

    def monotonic(self) -> float:
        return 1000.0 + sum(self._pauses)


@pytest.fixture
def google() -> Iterator[Google]:
    with serving(Google()) as served:
        yield served


def session(google: Google) -> Session:
    return Session(lambda: "a-token", google.endpoint)


def launch(google: Google, names: list[str] = NAMES) -> dict[str, str]:
    return gcp.launch(names, TEMPLATE, "on-demand", session(google))


def refused(google: Google, names: list[str] = NAMES) -> Refused:
    with pytest.raises(Refused) as caught:
        launch(google, names)
    return caught.value


def test_machines_are_made_by_name_in_one_call(google: Google) -> None:
    addresses = launch(google)
    assert google.machines() == ["test-abc234-cpu-1", "test-abc234-cpu-2", "test-abc234-cpu-3"]
    assert addresses.keys() == set(NAMES)
    assert len(set(addresses.values())) == 3
    assert google.calls.count(BULK) == 1
    body = next(body for method, _, body in google.asked if method == BULK)
    assert body == {
        "count": "3",
        "minCount": "3",
        "sourceInstanceTemplate": TEMPLATE["template"],
        "perInstanceProperties": {f"test-abc234-{name}": {} for name in NAMES},
    }


def test_those_that_exist_are_ended_first(google: Google) -> None:
    google.machine("test-abc234-cpu-2")
    google.machine("test-abc234-cpu-9")
    launch(google)
    assert google.calls.count(DELETE) == 1
    assert google.machines() == [f"test-abc234-cpu-{i}" for i in (1, 2, 3, 9)]


def test_end_ends_what_there_is_and_nothing_else(google: Google) -> None:
    for name in ("test-abc234-cpu-1", "test-abc234-gpu-1", "test-xyz-cpu-1"):
        google.machine(name)
    gcp.end(["cpu-1", "cpu-2"], TEMPLATE, session(google))
    assert google.machines() == ["test-abc234-gpu-1", "test-xyz-cpu-1"]


def test_more_than_one_request_holds_are_still_all_or_none(google: Google, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gcp, "_AT_ONCE", 2)
    google.room = 4
    assert len(launch(google, [f"cpu-{i}" for i in range(1, 5)])) == 4
    assert google.calls.count(BULK) == 2
    google.room = 3
    assert refused(google, [f"big-{i}" for i in range(1, 5)]).kind == "CAPACITY"
    assert not [name for name in google.machines() if "big" in name]


def test_no_room_says_why_in_googles_words(google: Google) -> None:
    google.room = 2
    problem = refused(google)
    assert (problem.kind, problem.code) == ("CAPACITY", "ZONE_RESOURCE_POOL_EXHAUSTED_WITH_DETAILS")
    assert "does not have enough resources" in str(problem)
    assert google.machines() == []
    assert google.calls.count(BULK) == 1


def test_a_quota_behind_a_minimum_is_a_quota(google: Google) -> None:
    google.room, google.why = 0, ("QUOTA_EXCEEDED", "Quota 'C3_CPUS' exceeded. Limit: 24.0 in region us-central1.")
    problem = refused(google)
    assert problem.kind == "QUOTA"
    assert "C3_CPUS" in str(problem)


def test_where_nobody_says_why_it_is_room(google: Google) -> None:
    google.room = 0
    google.answers["compute.zoneOperations.list"] = error(403, "forbidden", "Required 'compute.zoneOperations.list'")
    problem = refused(google)
    assert (problem.kind, problem.code) == ("CAPACITY", "VM_MIN_COUNT_NOT_REACHED")


def test_what_a_failed_call_left_is_ended(google: Google) -> None:
    """The answer to the last read fails for good: the machines are there, and must not stay."""
    google.faults = [Fault("compute.zoneOperations.wait", error(400, "invalid"))]
    assert refused(google).kind == "CONFIG"
    assert google.machines() == []


def test_what_could_not_be_ended_is_said(google: Google) -> None:
    google.faults = [
        Fault("compute.zoneOperations.wait", error(400, "invalid", "first")),
        Fault(DELETE, error(400, "invalid", "second"), times=9),
    ]
    assert "first; and what was made could not be ended: invalid: second" in str(refused(google))


@pytest.mark.parametrize(
    ("answer", "kind", "code"),
    [
        (error(503, "insufficientCapacity"), "CAPACITY", "insufficientCapacity"),
        (error(403, "quotaExceeded"), "QUOTA", "quotaExceeded"),
        (error(400, "invalid", "Invalid value for field 'resource.count'"), "CONFIG", "invalid"),
        (error(404, "notFound", "The template was not found"), "CONFIG", "notFound"),
        (rpc_error(403, "PERMISSION_DENIED", "SERVICE_DISABLED"), "CONFIG", "SERVICE_DISABLED"),
    ],
)
def test_what_is_the_last_word_is_not_asked_again(google: Google, slept: list[float], answer: Any, kind: str, code: str) -> None:
    google.faults = [Fault(BULK, answer, times=9)]
    problem = refused(google)
    assert (problem.kind, problem.code) == (kind, code)
    assert google.calls.count(BULK) == 1
    assert answer[1]["error"]["message"] in str(problem)
    assert slept == []


@pytest.mark.parametrize(
    "fault",
    [
        Fault(BULK, error(403, "rateLimitExceeded")),
        Fault(BULK, error(429, "rateLimitExceeded"), times=3),
        Fault(BULK, rpc_error(429, "RESOURCE_EXHAUSTED")),
        Fault(BULK, error(500, "internalError")),
        Fault(BULK, error(503, "backendError"), times=2),
        Fault(BULK, (502, {"html": "Bad Gateway"})),
        Fault(BULK, drop="before"),
        Fault(BULK, drop="after"),
        Fault("compute.zoneOperations.wait", drop="after"),
        Fault(GET, error(503, "backendError")),
    ],
)
def test_what_passes_is_asked_again(google: Google, slept: list[float], fault: Fault) -> None:
    google.faults = [fault]
    assert launch(google).keys() == set(NAMES)
    assert len(google.machines()) == 3
    assert slept[0] == 1.0


def test_a_request_that_is_repeated_is_the_same_request(google: Google) -> None:
    google.faults = [Fault(BULK, drop="after", times=2)]
    launch(google)
    requests = [query["requestId"] for method, query, _ in google.asked if method == BULK]
    assert len(requests) == 3
    assert len({str(request) for request in requests}) == 1


@pytest.mark.parametrize(
    ("answer", "kind"), [(error(403, "rateLimitExceeded"), "THROTTLE"), (error(503, "backendError"), "TRANSIENT")]
)
def test_what_does_not_pass_is_told_in_the_end(google: Google, slept: list[float], answer: Any, kind: str) -> None:
    google.faults = [Fault(BULK, answer, times=99)]
    assert refused(google).kind == kind
    assert google.calls.count(BULK) == len(gcp.PAUSES) + 1
    assert slept == list(gcp.PAUSES)


def test_a_fresh_role_is_given_time(google: Google, slept: list[float]) -> None:
    denied = error(403, "forbidden", "Required 'compute.instances.create' permission")
    google.faults = [Fault(GET, denied, times=2), Fault(BULK, denied, times=3)]
    assert launch(google, ["cpu-1"]).keys() == {"cpu-1"}
    assert slept == [5.0] * 5


def test_a_role_that_never_counts_is_told(google: Google, slept: list[float]) -> None:
    google.faults = [Fault(BULK, error(403, "forbidden", "Required 'compute.instances.create' permission"), times=999)]
    problem = refused(google)
    assert problem.kind == "AUTH"
    assert "compute.instances.create" in str(problem)
    assert 170 < sum(slept) < 190


def test_slow_operations_are_waited_for(google: Google) -> None:
    google.waits = 6
    launch(google)
    assert google.calls.count("compute.zoneOperations.wait") == 7


def test_an_operation_that_never_ends_is_told(google: Google, monkeypatch: pytest.MonkeyPatch) -> None:
    google.waits = 10**9
    monkeypatch.setattr(gcp, "_PATIENCE", -1.0)
    assert "is not done after" in str(refused(google))


def test_an_answer_that_comes_late(google: Google, slept: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    """Its line is given up, the request is repeated, and nothing is made twice."""
    monkeypatch.setattr(gcp, "_TIMEOUT", 0.2)
    google.faults = [Fault(BULK, late=0.5)]
    assert launch(google).keys() == set(NAMES)
    assert slept == [1.0]
    assert len(google.machines()) == 3


@pytest.mark.parametrize("answer", [(500, {}), (500, {"error": "plain"}), (500, {"error": {"errors": [{}]}})])
def test_answers_of_no_known_shape(google: Google, answer: Any) -> None:
    google.faults = [Fault(BULK, answer, times=99)]
    assert refused(google).kind == "TRANSIENT"


def test_attempts_are_tried_in_order(google: Google) -> None:
    google.faults = [Fault(BULK, error(503, "insufficientCapacity", "no spot"))]
    told: list[str] = []

    class Launcher:
        def launch(self, names: list[str], template: dict[str, Any], market: str) -> dict[str, str]:
            return gcp.launch(names, template, market, session(google))

    attempts = [{"market": market, "template": TEMPLATE} for market in ("spot", "on-demand")]
    taken = first_to_be_had(Launcher(), NAMES, attempts, lambda _, problem: told.append(str(problem)))
    assert taken["market"] == "on-demand"
    assert told == ["insufficientCapacity: no spot"]


def test_every_kind_of_the_table_is_one() -> None:
    assert set(gcp.KINDS.values()) | set(gcp._STATUS.values()) <= set(gcp._WORST)


def test_the_description_refuses_what_it_has_not() -> None:
    path = f"/compute/v1/projects/{PROJECT}/zones/{ZONE}/instances/bulkInsert"
    for query, body in [
        ({"dryRun": ["1"]}, {}),
        ({}, {"number": 3}),
        ({}, {"count": 3}),
        ({}, {"perInstanceProperties": {"a": {"name": "a"}}}),
    ]:
        with pytest.raises(google_apis.Wrong):
            google_apis.check("POST", "compute.googleapis.com", path, query, body)
    with pytest.raises(google_apis.Wrong):
        google_apis.check("POST", "compute.googleapis.com", f"{path}s", {}, {})


# On the head


@pytest.fixture
def metadata(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[int, Any]]]:
    """A metadata service; what it answers is in the list, first things first."""
    answers: list[tuple[int, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            assert self.headers["Metadata-Flavor"] == "Google"
            assert self.path == "/computeMetadata/v1/instance/service-accounts/default/token"
            status, told = answers.pop(0)
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(told).encode())

        def log_message(self, *said: Any) -> None:
            """Nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    monkeypatch.setenv("BURST_METADATA", f"http://127.0.0.1:{server.server_address[1]}")
    monkeypatch.setenv("http_proxy", "http://192.0.2.1:3128")
    yield answers
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_heads_token_is_its_machines(metadata: list[tuple[int, Any]], slept: list[float]) -> None:
    metadata += [(200, {"access_token": "one", "expires_in": 100}), (200, {"access_token": "two", "expires_in": 100})]
    token = gcp.Own().token
    assert token() == token() == "one"
    slept.append(41.0)
    assert token() == "two"


@pytest.mark.parametrize(("status", "kind"), [(404, "AUTH"), (503, "TRANSIENT")])
def test_a_machine_without_an_account(metadata: list[tuple[int, Any]], status: int, kind: str) -> None:
    metadata.append((status, {}))
    with pytest.raises(Refused, match="no token") as caught:
        gcp.Own().token()
    assert caught.value.kind == kind


def test_a_metadata_service_that_says_nonsense(metadata: list[tuple[int, Any]]) -> None:
    metadata.append((200, "nonsense"))
    with pytest.raises(Refused, match="gives no token"):
        gcp.Own().token()


def test_it_stands_alone() -> None:
    """It runs on the head with nothing but Python beside it."""
    import sys

    tree = ast.parse(Path(gcp.__file__).read_text())
    named = [a.name for node in ast.walk(tree) if isinstance(node, ast.Import) for a in node.names]
    named += [str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    assert {name.partition(".")[0] for name in named} <= set(sys.stdlib_module_names)
