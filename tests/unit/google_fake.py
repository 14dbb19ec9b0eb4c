"""Google's APIs as far as `burst` asks them, over real HTTP on this machine. Each request is checked first."""

from __future__ import annotations

import contextlib
import json
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import google_apis

PROJECT, ZONE, REGION = "p-1", "us-central1-a", "us-central1"
_COMPUTE = "compute.googleapis.com/compute/v1"
_TOKEN = "computeMetadata/v1/instance/service-accounts/default/token"
Answer = tuple[int, dict[str, Any]]


def error(status: int, reason: str, message: str = "no") -> Answer:
    """As the Compute Engine API words an error."""
    return status, {
        "error": {"code": status, "message": message, "errors": [{"reason": reason, "message": message, "domain": "x"}]}
    }


def rpc_error(status: int, name: str, reason: str = "", message: str = "no") -> Answer:
    """As the newer APIs do (google.rpc.Status)."""
    details = [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason}] if reason else []
    return status, {"error": {"code": status, "message": message, "status": name, "details": details}}


@dataclass
class Fault:
    """What the next `times` calls of a method meet: an answer, a line that drops ("before" it acts, or "after"), or lateness."""

    method: str
    answer: Answer | None = None
    drop: str = ""
    late: float = 0.0
    times: int = 1


@dataclass
class Google:
    """`things` are what exists, by path (HOST/…); `room` how many more machines fit; `held` what is in use, and for how
    many more attempts to delete it. `wrong` has every request that no description knows."""

    things: dict[str, dict[str, Any]] = field(default_factory=dict)
    room: int = 1000
    why: tuple[str, str] = ("ZONE_RESOURCE_POOL_EXHAUSTED_WITH_DETAILS", "The zone does not have enough resources")
    faults: list[Fault] = field(default_factory=list)
    held: dict[str, int] = field(default_factory=dict)
    answers: dict[str, Answer] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    asked: list[tuple[str, dict[str, list[str]], Any]] = field(default_factory=list)
    endpoint: str = ""
    # (zone, machine type) → how likely one is to be had there ("obtainability").
    advice: dict[tuple[str, str], float] = field(default_factory=dict)
    # Is called with each method before it is answered; who waits in it holds that answer back.
    gate: Callable[[str], None] = lambda method: None
    # What the machine's own metadata service says when it is asked for a token.
    token: dict[str, Any] = field(default_factory=dict)
    operations: dict[str, dict[str, Any]] = field(default_factory=dict)
    waits: int = 1
    _seen: dict[str, Answer] = field(default_factory=dict)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def machine(self, name: str, zone: str = ZONE, **more: Any) -> None:
        """One that exists."""
        self.put(
            f"{_COMPUTE}/projects/{PROJECT}/zones/{zone}/instances/{name}", name=name, **{**_instance(len(self.things)), **more}
        )

    def put(self, path: str, **thing: Any) -> str:
        self.things[path] = {"selfLink": f"https://{path}", "name": path.rpartition("/")[2], **thing}
        return path

    def machines(self) -> list[str]:
        return sorted(path.rpartition("/")[2] for path in self.things if "/instances/" in path and path.startswith(_COMPUTE))

    def answer(self, http: str, path: str, query: dict[str, list[str]], body: Any) -> tuple[str, Answer]:
        """(how the line drops, what is answered)."""
        host, _, rest = path.partition("/")
        try:
            method, given = google_apis.check(http, host, f"/{rest}", query, body)
        except google_apis.Wrong as problem:
            self.wrong.append(str(problem))
            return "", error(400, "invalid", str(problem))
        with self._lock:
            self.calls.append(method)
            self.asked.append((method, query, body))
        self.gate(method)
        with self._lock:
            fault = next((each for each in self.faults if each.method == method and each.times), None)
            if fault:
                fault.times -= 1
        if fault and fault.late:
            time.sleep(fault.late)
        if fault and (fault.answer or fault.drop == "before"):
            return fault.drop, fault.answer or (200, {})
        with self._lock:
            return (fault.drop if fault else ""), self._once(method, path, given, query, body)

    def _once(self, method: str, path: str, given: dict[str, str], query: dict[str, list[str]], body: Any) -> Answer:
        """A request that has an id is carried out once ("requestId")."""
        request = query.get("requestId", [""])[0]
        if request and request in self._seen:
            return self._seen[request]
        answered = self._act(method, path, given, query, body)
        if request:
            self._seen[request] = answered
        return answered

    def _act(self, method: str, path: str, given: dict[str, str], query: dict[str, list[str]], body: Any) -> Answer:
        if method in self.answers:
            return self.answers[method]
        verb = method.rpartition(".")[2]
        if verb == "bulkInsert":
            return self._bulk(path, body)
        if method == "compute.advice.capacity":
            return self._advised(body)
        if verb in ("wait", "get") and ("Operations" in method or ".operations." in method):
            return self._operation(path)
        if method == "compute.zoneOperations.list":
            group = query["filter"][0].split('"')[1]
            return 200, {"items": [each for each in self.operations.values() if each.get("operationGroupId") == group]}
        if verb == "delete":
            return self._delete(method, path)
        if verb == "patch":
            self.things[path].update(body)
            return 200, self._started(path)
        if verb == "removePeering":
            self.things[path.rpartition("/")[0]].pop("peerings", None)
            return 200, self._started(path)
        if verb in ("list", "aggregatedList"):
            return 200, self._listed(method, path, verb, query)
        if path in self.things:
            return 200, self.things[path]
        return error(404, "notFound", f"{path} was not found")

    def _bulk(self, path: str, body: dict[str, Any]) -> Answer:
        names, zone = list(body["perInstanceProperties"]), path.removesuffix("/bulkInsert")
        assert int(body["count"]) == int(body["minCount"]) == len(names)
        taken = [name for name in names if f"{zone}/{name}" in self.things]
        if taken:
            return error(409, "alreadyExists", f"{taken[0]} exists")
        done = self._started(path)
        if len(names) > self.room:
            # Google itself ends what it had made; why, only the machines' own operations say.
            words = f"Requested minimum count of {len(names)} VMs could not be created."
            self.operations[done["name"]] |= {"error": {"errors": [{"code": "VM_MIN_COUNT_NOT_REACHED", "message": words}]}}
            part = self._started(f"{zone}/{names[0]}")
            cause = {"errors": [{"code": self.why[0], "message": self.why[1]}]}
            self.operations[part["name"]] |= {"operationGroupId": "group-1", "error": cause, "status": "DONE"}
            self.operations[done["name"]] |= {"operationGroupId": "group-1"}
            return 200, done
        self.room -= len(names)
        for name in names:
            self.put(f"{zone}/{name}", **_instance(len(self.things)))
        return 200, done

    def _advised(self, body: dict[str, Any]) -> Answer:
        """One recommendation, for the likeliest of the types in the one zone that is asked about; none of what is not known."""
        (zone,) = (each["zone"].rpartition("/")[2] for each in body["distributionPolicy"]["zones"])
        (selection,) = body["instanceFlexibilityPolicy"]["instanceSelections"].values()
        known = [(self.advice[zone, kind], kind) for kind in selection["machineTypes"] if (zone, kind) in self.advice]
        if not known:
            return 200, {"recommendations": []}
        score, kind = max(known)
        shard = {
            "zone": f"https://{_COMPUTE}/projects/{PROJECT}/zones/{zone}",
            "machineType": kind,
            "instanceCount": body["size"],
        }
        return 200, {
            "recommendations": [
                {
                    "scores": {"obtainability": score, "estimatedUptime": "3600s"},
                    "shards": [{**shard, "provisioningModel": "SPOT"}],
                }
            ]
        }

    def _started(self, path: str) -> dict[str, Any]:
        parts = path.split("/")
        scope = next((f"{kind}/{parts[parts.index(kind) + 1]}" for kind in ("zones", "regions") if kind in parts), "global")
        name = f"operation-{len(self.operations)}"
        operation = {
            "name": name,
            "status": "RUNNING",
            "left": self.waits,
            # It has other hosts in it than were asked.
            "selfLink": f"https://www.googleapis.com/compute/v1/projects/{PROJECT}/{scope}/operations/{name}",
        }
        self.operations[name] = operation
        return {key: value for key, value in operation.items() if key != "left"}

    def _operation(self, path: str) -> Answer:
        name = next(part for part in path.split("/") if part.startswith("operation-"))
        operation = self.operations[name]
        operation["left"] = operation.get("left", 0) - 1
        if operation["left"] < 0:
            operation |= {"status": "DONE", "done": True}
        return 200, {key: value for key, value in operation.items() if key != "left"}

    def _delete(self, method: str, path: str) -> Answer:
        if path not in self.things:
            return error(404, "notFound", f"{path} was not found")
        if self.held.get(path):
            self.held[path] -= 1
            return error(400, "resourceInUseByAnotherResource", f"{path} is already being used by another")
        if method == "storage.buckets.delete" and any(other.startswith(f"{path}/o/") for other in self.things):
            return error(409, "conflict", "The bucket you tried to delete is not empty.")
        del self.things[path]
        if method.startswith(("iam.", "storage.")):
            return 200, {}
        if method.startswith(("file.", "lustre.")):
            self.operations[name := f"operation-{len(self.operations)}"] = {"left": self.waits}
            return 200, {"name": f"{'/'.join(path.split('/')[2:6])}/operations/{name}"}
        return 200, self._started(path)

    def _listed(self, method: str, path: str, verb: str, query: dict[str, list[str]]) -> dict[str, Any]:
        collection = path.rpartition("/")[2]
        here = [(p, thing) for p, thing in sorted(self.things.items()) if p.split("/")[0] == path.split("/")[0]]
        found = [(p, thing) for p, thing in here if p.split("/")[-2] == collection and _within(p, path, method)]
        found = [(p, thing) for p, thing in found if _matches(thing, query.get("filter", [""])[0])]
        if method.startswith("storage."):
            found = [(p, thing) for p, thing in found if thing["name"].startswith(query.get("prefix", [""])[0])]
        if verb == "list":
            first = int(query.get("pageToken", ["0"])[0])
            # Pages of two: nobody reads the first alone.
            more = {"nextPageToken": str(first + 2)} if len(found) > first + 2 else {}
            key = {"serviceAccounts": "accounts", "roles": "roles"}.get(collection, "items")
            key = "instances" if method.startswith(("file.", "lustre.")) else key
            return {key: [thing for _, thing in found[first : first + 2]], **more}
        scopes: dict[str, Any] = {}
        for p, thing in found:
            parts = p.split("/")
            scope = next((f"{k}/{parts[parts.index(k) + 1]}" for k in ("zones", "regions") if k in parts), "global")
            scopes.setdefault(scope, {collection: []})[collection].append(thing)
        return {"items": {"zones/empty": {"warning": {"code": "NO_RESULTS_ON_PAGE"}}, **scopes}}


def _within(path: str, listing: str, method: str) -> bool:
    """Whether a thing is of the project, or the bucket, that is listed."""
    if method.startswith("storage.buckets"):
        return True
    marks = listing.split("/")
    start = marks.index("b" if "storage" in method else "projects")
    return path.split("/")[start : start + 2] == marks[start : start + 2]


def _matches(thing: dict[str, Any], asked: str) -> bool:
    """The two kinds of filter that are used: `FIELD eq PATTERN`, and (name = A) OR (name = B)."""
    import re

    if " OR " in asked or asked.startswith("("):
        return any(f"(name = {thing['name']})" == part for part in asked.split(" OR "))
    key, _, pattern = asked.partition(" eq ")
    value = thing.get(key, "") if "." not in key else thing.get("labels", {}).get(key.partition(".")[2], "")
    return not asked or re.fullmatch(pattern.strip('"'), value) is not None


def _instance(number: int) -> dict[str, Any]:
    return {"status": "RUNNING", "networkInterfaces": [{"networkIP": f"10.0.1.{number % 250 + 1}"}]}


@contextlib.contextmanager
def serving(google: Google) -> Iterator[Google]:
    """`google.endpoint` answers until the end. Nothing may have been asked that no description knows."""

    class Handler(BaseHTTPRequestHandler):
        def handle_one(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            url = urllib.parse.urlsplit(self.path)
            path = url.path.lstrip("/")
            if path == _TOKEN:
                assert self.headers["Metadata-Flavor"] == "Google"
                drop, status, told = "", 200, google.token
            else:
                assert self.headers["Authorization"].startswith("Bearer ")
                drop, (status, told) = google.answer(self.command, path, urllib.parse.parse_qs(url.query), body)
            if drop:
                self.close_connection = True
                return
            answer = json.dumps(told).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        do_GET = do_POST = do_DELETE = do_PATCH = handle_one  # noqa: N815

        def log_message(self, *said: Any) -> None:
            """Nothing."""

    class Server(ThreadingHTTPServer):
        # With fewer, a caller of many threads waits a second for its line.
        request_queue_size = 64

        def handle_error(self, request: Any, client_address: Any) -> None:
            """A caller that has hung up."""

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    google.endpoint = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield google
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert google.wrong == []
