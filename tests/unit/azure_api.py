"""Azure Resource Manager as far as machines go, on a real port of this machine: every request is checked, and what a test
wants to go wrong does.
"""

from __future__ import annotations

import contextlib
import json
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from azure.mgmt.compute import models as compute_models
from azure_models import complaints

SUBSCRIPTION = "11111111-2222-3333-4444-555555555555"
GROUP = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/test-abc234"
MACHINES, INTERFACES = (
    f"{GROUP}/providers/Microsoft.Compute/virtualMachines",
    f"{GROUP}/providers/Microsoft.Network/networkInterfaces",
)
# The versions of the installed clients, by provider; others have their own (targets/azure).
VERSIONS = {"Microsoft.Compute": "2026-04-01", "Microsoft.Network": "2026-03-01"}
# Of single types: Resource Skus, disks, galleries, spot placement scores; and of what has no client among ours.
OTHERS = {
    r"Microsoft\.Compute/skus": "2021-07-01",
    r"Microsoft\.Compute/disks.*": "2024-03-02",
    r"Microsoft\.Compute/(galleries|locations/[^/]+/communityGalleries)/.*": "2024-03-03",
    r"Microsoft\.Compute/locations/[^/]+/placementScores/spot/generate": "2025-06-05",
    r"Microsoft\.Authorization/permissions": "2022-04-01",
    r"Microsoft\.Storage/.*": "2023-05-01",
    r"Microsoft\.StorageCache/.*": "2024-03-01",
}
# "RecommenderRP.json", 2025-06-05: SpotPlacementScoresInput.
_PLACEMENT = {"desiredLocations": list, "desiredSizes": list, "desiredCount": int, "availabilityZones": bool}
_CONNECT, _RESOLVE = socket.socket.connect, socket.getaddrinfo


@dataclass
class Said:
    """An answer. `drop`: the line is cut instead."""

    status: int
    told: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    drop: bool = False


def refusal(status: int, code: str, words: str = "because", **headers: str) -> Said:
    return Said(
        status, {"error": {"code": code, "message": words}}, {key.replace("_", "-"): value for key, value in headers.items()}
    )


# (method, path) → an answer instead of Azure's own, None to leave this request to it.
Trouble = Callable[[str, str], Said | None]


def once(said: Said, method: str = "", path: str = "") -> Trouble:
    """Only the first request of that method whose path has this."""
    left = [said]

    def trouble(asked: str, where: str) -> Said | None:
        return left.pop() if left and method in asked and path in where else None

    return trouble


def always(said: Said, method: str = "", path: str = "") -> Trouble:
    return lambda asked, where: said if method in asked and path in where else None


def _version(what: str) -> str | None:
    """The api-version of PROVIDER/TYPE…, None where it is not watched."""
    own = next((version for pattern, version in OTHERS.items() if re.fullmatch(pattern, what)), None)
    return own or next((version for name, version in VERSIONS.items() if what.startswith(f"{name}/")), None)


class Azure(ThreadingHTTPServer):
    """`machines` by name; `fails` machine → the error with which its making ends; `pages` path → what a GET answers.

    `group` is the state of the run's resource group, "" where no test asks for it; `stays` is whether its deletion fails.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.machines: dict[str, dict[str, Any]] = {}
        self.fails: dict[str, dict[str, str]] = {}
        self.troubles: list[Trouble] = []
        self.pages: dict[str, Any] = {}
        self.asked: list[tuple[str, str, Any]] = []
        self.queries: list[tuple[str, dict[str, list[str]]]] = []
        self.wrong: list[str] = []
        self.operations: dict[str, Any] = {}
        self.looks = 1
        self.group = ""
        self.stays = False
        self.deallocated: list[str] = []
        self.page = 1000
        self.most = 0
        self.lock = threading.Lock()
        # (type, zone) → its spot placement score; None where the caller may not ask.
        self.scores: dict[tuple[str, str], str] | None = None
        # Where a request waits before it is answered, beside all others.
        self.gate: Callable[[str], None] = lambda path: None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def requests(self, method: str, part: str = "") -> list[str]:
        return [path for asked, path, _ in self.asked if asked == method and part in path]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A line that was dropped on purpose."""

    def answer(self, method: str, path: str, query: dict[str, list[str]], body: Any) -> Said:
        self.gate(path)
        with self.lock:
            self.asked.append((method, path, body))
            self.queries.append((path, query))
            for trouble in self.troubles:
                said = trouble(method, path)
                if said is not None:
                    return said
            version = _version(path.rpartition("/providers/")[2])
            if version and "operations" not in path and query.get("api-version") != [version]:
                self.wrong.append(f"{method} {path}: api-version {query.get('api-version')}")
            return self._answer(method, path, query, body)

    def _answer(self, method: str, path: str, query: dict[str, list[str]], body: Any) -> Said:
        if path == GROUP and self.group:
            return self._whole(method, query)
        if path in self.pages:
            if method == "DELETE":
                del self.pages[path]
            return Said(200, self.pages[path]) if method in ("GET", "POST") else Said(200)
        if path.endswith("/placementScores/spot/generate"):
            return self._placement(body)
        if "/operations/" in path:
            return self._operation(path)
        if path == MACHINES:
            return self._listed([{"name": name, "id": f"{MACHINES}/{name}"} for name in sorted(self.machines)], path, query)
        if path == INTERFACES:
            return self._listed([self._interface(name) for name in sorted(self.machines)], path, query)
        if (found := re.fullmatch(f"{re.escape(MACHINES)}/([A-Za-z0-9-]+)", path)) is not None:
            return {"PUT": self._put, "DELETE": self._delete, "GET": self._get}[method](found.group(1), body)
        if method == "POST" and (found := re.fullmatch(f"{re.escape(MACHINES)}/([A-Za-z0-9-]+)/deallocate", path)) is not None:
            self.deallocated.append(found.group(1))
            return Said(202, None, self._begun(None))
        return refusal(404, "ResourceNotFound", path)

    def _whole(self, method: str, query: dict[str, list[str]]) -> Said:
        """ "Resource Groups - Delete" and "- Get"."""
        if query.get("api-version") != ["2021-04-01"]:
            self.wrong.append(f"{method} {GROUP}: {query}")
        if self.group == "gone":
            return refusal(404, "ResourceGroupNotFound")
        if method == "DELETE":
            if query.get("forceDeletionTypes") != ["Microsoft.Compute/virtualMachines"]:
                self.wrong.append(f"DELETE {GROUP}: {query}")
            self.group = "Deleting"
            return Said(202, None, {"Location": f"{self.url}/subscriptions/{SUBSCRIPTION}/operationresults/1"})
        if self.group == "Deleting":
            self.looks -= 1
            if self.looks < 0:
                self.group = "Succeeded" if self.stays else "gone"
            if self.group == "gone":
                self.machines.clear()
                return refusal(404, "ResourceGroupNotFound")
        return Said(200, {"id": GROUP, "name": "test-abc234", "properties": {"provisioningState": self.group}})

    def _placement(self, body: Any) -> Said:
        """ "Spot Placement Scores - Post": for whoever has the right, a score of each size in each zone."""
        if self.scores is None:
            return refusal(403, "AuthorizationFailed", "the client has no permission to placementScores/generate/action")
        if {key: type(value) for key, value in body.items()} != _PLACEMENT or not 1 <= len(body["desiredSizes"]) <= 5:
            self.wrong.append(f"placement scores: {body}")
        asked = {each["sku"] for each in body["desiredSizes"]}
        told = [
            {"sku": sku, "region": "eastus", "availabilityZone": zone, "score": score, "isQuotaAvailable": True}
            for (sku, zone), score in self.scores.items()
            if sku in asked
        ]
        return Said(200, {**body, "placementScores": told})

    def _listed(self, items: list[dict[str, Any]], path: str, query: dict[str, list[str]]) -> Said:
        begin = int(query.get("skip", ["0"])[0])
        more = {"nextLink": f"{self.url}{path}?api-version={query['api-version'][0]}&skip={begin + self.page}"}
        return Said(200, {"value": items[begin : begin + self.page], **(more if begin + self.page < len(items) else {})})

    def _interface(self, name: str) -> dict[str, Any]:
        address = {"privateIPAddress": f"10.0.128.{sorted(self.machines).index(name) + 4}"}
        told = {"virtualMachine": {"id": f"{MACHINES}/{name.upper()}"}, "ipConfigurations": [{"properties": address}]}
        return {"id": f"{INTERFACES}/{name}-1", "name": f"{name}-1", "properties": told}

    def _get(self, name: str, body: Any) -> Said:
        return Said(200, self.machines[name]) if name in self.machines else refusal(404, "ResourceNotFound")

    def _put(self, name: str, body: Any) -> Said:
        self.wrong += complaints(body, compute_models, "VirtualMachine")
        self.machines[name] = body
        self.most = max(self.most, len([each for each in self.operations.values() if each["left"]]) + 1)
        return Said(201, body, self._begun(self.fails.get(name)))

    def _delete(self, name: str, body: Any) -> Said:
        return Said(202, None, self._begun(None)) if self.machines.pop(name, None) is not None else Said(204)

    def _begun(self, error: dict[str, str] | None) -> dict[str, str]:
        where = f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Compute/locations/eastus/operations/{len(self.operations)}"
        self.operations[where] = {"left": self.looks, "error": error}
        return {"Azure-AsyncOperation": f"https://elsewhere.example{where}?api-version=2026-04-01", "Retry-After": "0"}

    def _operation(self, path: str) -> Said:
        operation = self.operations[path]
        if operation["left"]:
            operation["left"] -= 1
            return Said(200, {"status": "InProgress"}, {"Retry-After": "0"})
        if operation["error"]:
            return Said(200, {"status": "Failed", "error": operation["error"]})
        return Said(200, {"status": "Succeeded"})


class Handler(BaseHTTPRequestHandler):
    server: Azure

    def do_GET(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length)) if length else None
        parts = urlsplit(self.path)
        if not parts.path.startswith("/metadata/") and self.headers.get("Authorization") != "Bearer token":
            self.server.wrong.append(f"{self.path}: {self.headers.get('Authorization')}")
        said = self.server.answer(self.command, parts.path, parse_qs(parts.query), body)
        if said.drop:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        content = (
            b"" if said.told is None else json.dumps(said.told).encode() if not isinstance(said.told, str) else said.told.encode()
        )
        self.send_response(said.status)
        for name, value in {**said.headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def do_PUT(self) -> None:
        self.do_GET()

    def do_DELETE(self) -> None:
        self.do_GET()

    def do_POST(self) -> None:
        self.do_GET()

    def log_message(self, *args: Any) -> None:
        """Nothing."""


@contextlib.contextmanager
def serving(monkeypatch: pytest.MonkeyPatch | None = None) -> Iterator[Azure]:
    """A new Azure; with `monkeypatch`, a unit test may reach this machine itself, and nothing beside it."""
    if monkeypatch is not None:
        monkeypatch.setattr(socket.socket, "connect", _connect)
        monkeypatch.setattr(socket, "getaddrinfo", _resolve)
    server = Azure()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _connect(self: socket.socket, address: Any) -> None:
    assert address[0] == "127.0.0.1", f"a unit test must not reach {address}"
    _CONNECT(self, address)


def _resolve(host: str, *args: Any, **kwargs: Any) -> Any:
    assert host == "127.0.0.1", f"a unit test must not ask for {host}"
    return _RESOLVE(host, *args, **kwargs)


def late(seconds: float) -> Trouble:
    """The first answer comes late."""
    left = [seconds]

    def trouble(method: str, path: str) -> None:
        if left:
            time.sleep(left.pop())

    return trouble
