"""A price list of a vendor's, on a real port of this machine."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import here_only
import pytest
from making import Still

from provisioner import clock

NOW = 1_800_000_000.0
TODAY = "2027-01-15"
Answer = tuple[int, Any]


@dataclass
class Served:
    """An API on a real port of this machine. `answer` is given path, query and body, and answers status and JSON."""

    answer: Callable[[str, dict[str, str], Any], Answer] = lambda path, query, body: (500, {})
    url: str = ""
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)


@contextlib.contextmanager
def serving(monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    """At NOW, by a clock that goes on only when somebody sleeps."""
    here_only.open_here(monkeypatch)
    told = Served()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            split = urlsplit(self.path)
            query = {key: values[0] for key, values in parse_qs(split.query).items()}
            told.asked.append((split.path, query))
            text = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, body = told.answer(split.path, query, json.loads(text) if text else None)
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            with contextlib.suppress(OSError):
                self.wfile.write(data)

        do_POST = do_GET  # noqa: N815 (http.server's names)

        def log_message(self, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        told.url = f"http://127.0.0.1:{server.server_port}"
        with clock.use(Still(NOW)):
            yield told
        server.shutdown()
        thread.join()
