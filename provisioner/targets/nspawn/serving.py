"""The provider's sockets: its calls on a unix socket for the client and on the bridge for the head, and the metadata
service on 169.254.169.254 for every machine."""

from __future__ import annotations

import json
import socketserver
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from provisioner import clock
from provisioner.launch.nspawn import Refused
from provisioner.targets.nspawn import imds, network

if TYPE_CHECKING:
    from provisioner.targets.nspawn.provider import Provider

# As clouds answer, by class.
_STATUS = {"CAPACITY": 503, "QUOTA": 400, "THROTTLE": 429, "AUTH": 403, "CONFIG": 400, "TRANSIENT": 500}


def serve(provider: Provider) -> None:
    """Everything listens when this returns."""
    api, metadata = _api(provider), _metadata(provider)
    for server in (
        ThreadingHTTPServer((network.BRIDGE, network.API_PORT), api),
        ThreadingHTTPServer((network.METADATA, 80), metadata),
        # Last: the client looks for this one.
        _OverSocket(str(provider.layout.socket), api),
    ):
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 3600}, daemon=True).start()


class _OverSocket(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    request_queue_size = 64


class _Handler(BaseHTTPRequestHandler):
    """HTTP/1.0 and no log of each call."""

    def log_message(self, *_: object) -> None:
        return

    def peer(self) -> str:
        """The caller's address; nothing over a unix socket."""
        return self.client_address[0] if isinstance(self.client_address, tuple) else ""

    def answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def _api(provider: Provider) -> type[_Handler]:
    calls: dict[tuple[str, str], Callable[[dict[str, Any]], Any]] = {
        ("GET", "/machines"): lambda told: {"machines": provider.listed()},
        ("POST", "/machines"): lambda told: {"machines": provider.launch(told["names"], told["kind"], told["market"])},
        ("DELETE", "/machines"): lambda told: provider.end(told["names"]),
        ("POST", "/end"): lambda told: provider.end_all(),
        ("POST", "/notice"): lambda told: provider.give_notice(told["name"], told["warning"]),
        ("PUT", "/rehearsal"): lambda told: provider.rehearsal.update(told),
    }

    class Api(_Handler):
        def handle_call(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            try:
                if self.peer() not in ("", network.HEAD):
                    # Its address is the head's identity, as a role is elsewhere.
                    raise Refused("AUTH", f"{self.peer()} may not do this: only the head may")
                if self.command == "PUT" and self.path.startswith("/results/"):
                    provider.keep(self.path, dict(self.headers), body)
                    status, answer = 200, dict[str, Any]()
                else:
                    status, answer = 200, calls[self.command, self.path](_told(body)) or {}
            except KeyError as problem:
                status, answer = 400, {"kind": "CONFIG", "message": f"{self.command} {self.path}: unknown or without {problem}"}
            except Refused as problem:
                status, answer = _STATUS[problem.kind], {"kind": problem.kind, "message": str(problem)}
            self.answer(status, json.dumps(answer).encode(), {"Content-Type": "application/json"})

        do_GET = do_POST = do_PUT = do_DELETE = handle_call  # noqa: N815 (http.server's names)

    return Api


def _told(body: bytes) -> dict[str, Any]:
    try:
        told = json.loads(body or b"{}")
    except ValueError as problem:
        raise Refused("CONFIG", f"not JSON: {problem}") from problem
    if not isinstance(told, dict):
        raise Refused("CONFIG", "not a JSON object")
    return told


def _metadata(provider: Provider) -> type[_Handler]:
    class Metadata(_Handler):
        def handle_call(self) -> None:
            facts = provider.facts(self.peer())
            if facts is None:
                self.answer(503, b"", {})
                return
            told = imds.answer(provider.told["shape"], self.command, self.path, dict(self.headers), facts, clock.now())
            self.answer(told.status, told.body, dict(told.headers))

        do_GET = do_POST = do_PUT = do_HEAD = handle_call  # noqa: N815 (http.server's names)

    return Metadata
