"""Cloud Storage and Blob Storage of the tests' own: what their pages say of the calls that alone/store.py makes, and no more."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit


class Service:
    """`objects` by path. `troubles` are answered first, in their order: a status, with nothing done, or half done (-1)."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.begun: dict[str, bytearray] = {}
        self.asked: list[tuple[str, str]] = []
        self.troubles: list[int] = []
        self.token = "Bearer a-token"
        self.endpoint = ""

    def answer(
        self, method: str, path: str, query: dict[str, str], headers: Any, body: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        """Of the vendor."""
        raise NotImplementedError

    def got(self, path: str, headers: Any) -> tuple[int, dict[str, str], bytes]:
        """An object, or a range of it to its end."""
        if path not in self.objects:
            return 404, {}, b"NotFound"
        first = re.fullmatch(r"bytes=(\d+)-", headers.get("Range", ""))
        whole = self.objects[path]
        return (206, {}, whole[int(first[1]) :]) if first else (200, {}, whole)


class Google(Service):
    """ "Objects: insert" (media), "Resumable uploads", "Objects: get"."""

    def answer(
        self, method: str, path: str, query: dict[str, str], headers: Any, body: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        if path.startswith("/session/"):
            return self._chunk(path.removeprefix("/session/"), headers, body)
        name = query.get("name", "")
        if method == "POST" and path == "/upload/storage/v1/b/theirs/o" and query["uploadType"] == "media":
            return self._whole(name, body)
        if method == "POST" and path == "/upload/storage/v1/b/theirs/o" and query["uploadType"] == "resumable":
            self.begun[name] = bytearray()
            return 200, {"Location": f"{self.endpoint}/session/{quote(name)}"}, b""
        found = re.fullmatch("/storage/v1/b/theirs/o/(.*)", path)
        if method == "GET" and found and query == {"alt": "media"}:
            return self.got(found[1], headers)
        return 400, {}, b"the API has no such call"

    def _whole(self, name: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
        self.objects[name] = body
        told = {"name": name, "size": str(len(body)), "md5Hash": base64.b64encode(hashlib.md5(body).digest()).decode()}
        return 200, {}, json.dumps(told).encode()

    def _chunk(self, name: str, headers: Any, body: bytes) -> tuple[int, dict[str, str], bytes]:
        """308 with what is there until all is; each chunk but the last a multiple of 256 KiB."""
        held, ranged = self.begun[name], headers["Content-Range"]
        found = re.fullmatch(r"bytes (?:(\d+)-(\d+)|\*)/(\d+)", ranged)
        assert found, ranged
        if found[1] is not None:
            assert int(found[1]) == len(held), f"{ranged}, and {len(held)} are there"
            assert len(body) == int(found[2]) - int(found[1]) + 1
            held += body
            assert len(held) == int(found[3]) or not len(held) % (256 << 10)
        if len(held) == int(found[3]):
            return self._whole(name, bytes(held))
        return 308, {"Range": f"bytes=0-{len(held) - 1}"} if held else {}, b""


class Azure(Service):
    """ "Put Blob", "Put Block", "Put Block List", "Get Blob"."""

    def answer(
        self, method: str, path: str, query: dict[str, str], headers: Any, body: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        if not headers.get("x-ms-version") or not headers.get("x-ms-date"):
            return 400, {}, b"MissingRequiredHeader"
        if method == "GET":
            return self.got(path, headers)
        if headers.get("Content-MD5") != base64.b64encode(hashlib.md5(body).digest()).decode():
            return 400, {}, b"Md5Mismatch"
        if not query and headers.get("x-ms-blob-type") == "BlockBlob":
            self.objects[path] = body
        elif query.get("comp") == "block":
            self.begun[f"{path} {query['blockid']}"] = bytearray(body)
        elif query.get("comp") == "blocklist":
            blocks = re.findall("<Latest>(.*?)</Latest>", body.decode())
            if any(f"{path} {block}" not in self.begun for block in blocks):
                return 400, {}, b"InvalidBlockList"
            self.objects[path] = b"".join(self.begun[f"{path} {block}"] for block in blocks)
        else:
            return 400, {}, b"UnsupportedHeader"
        return 201, {}, b""


@contextmanager
def serving(service: Service) -> Iterator[Service]:
    """At `service.endpoint`, on this machine."""

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            return

        def handle_call(self) -> None:
            parts = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            service.asked.append((self.command, self.path))
            trouble = service.troubles.pop(0) if service.troubles else 0
            if self.headers.get("Authorization") != service.token:
                trouble = trouble or 401
            status, headers, said = trouble, dict[str, str](), b"trouble"
            if trouble <= 0:
                query = {key: values[0] for key, values in parse_qs(parts.query).items()}
                status, headers, said = service.answer(self.command, unquote(parts.path), query, self.headers, body)
            if trouble < 0:
                # It was done, and nobody hears of it.
                status, headers, said = 503, {}, b"lost"
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(said))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(said)

        do_GET = do_POST = do_PUT = handle_call  # noqa: N815 (http.server's names)

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        service.endpoint = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield service
        finally:
            server.shutdown()
            thread.join()
