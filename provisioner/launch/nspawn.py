"""Machines under systemd-nspawn, asked of the provider that keeps them on their host (targets/nspawn/provider).

A template has `endpoint` (http://ADDRESS:PORT from inside the cluster's network, unix:PATH on the host) and `kind`,
the instance type that the machine plays.
"""

from __future__ import annotations

import http.client
import json
import socket
import time
from collections.abc import Sequence
from typing import Any

Template = dict[str, Any]

# What is busy now is asked again after these many seconds: THROTTLE and TRANSIENT are nobody's last word.
_PAUSES = (0.2, 0.5, 1.0, 2.0, 4.0)


class Refused(Exception):
    """The provider said no; `kind` is the class of its reason: CAPACITY, QUOTA, THROTTLE, AUTH, CONFIG, TRANSIENT."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class _OverSocket(http.client.HTTPConnection):
    """HTTP over a unix(7) socket."""

    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def launch(names: Sequence[str], template: Template, market: str = "on-demand") -> dict[str, str]:
    """Make these machines, all or none, and answer their addresses; those that exist are ended first. Raises Refused."""
    asked = {"names": list(names), "kind": template["kind"], "market": market}
    answer: dict[str, str] = _insist(template["endpoint"], "POST", "/machines", asked)["machines"]
    return answer


def end(names: Sequence[str], template: Template) -> None:
    """End these machines, as switching them off would. Raises Refused."""
    _insist(template["endpoint"], "DELETE", "/machines", {"names": list(names)})


def _insist(endpoint: str, method: str, path: str, body: dict[str, Any]) -> Any:
    for pause in _PAUSES:
        try:
            return ask(endpoint, method, path, body)
        except Refused as problem:
            if problem.kind not in ("THROTTLE", "TRANSIENT"):
                raise
            time.sleep(pause)
    return ask(endpoint, method, path, body)


def ask(endpoint: str, method: str, path: str, body: dict[str, Any] | None = None, timeout: float = 120.0) -> Any:
    """One call. Raises Refused with the provider's own words; TRANSIENT where it cannot be reached."""
    scheme, _, where = endpoint.partition(":")
    connection = (
        _OverSocket(where, timeout) if scheme == "unix" else http.client.HTTPConnection(where.strip("/"), timeout=timeout)
    )
    try:
        connection.request(method, path, json.dumps(body or {}), {"Content-Type": "application/json"})
        answer = connection.getresponse()
        told = json.loads(answer.read())
    except (OSError, http.client.HTTPException, ValueError) as problem:
        raise Refused("TRANSIENT", f"the provider does not answer at {endpoint}: {problem}") from problem
    finally:
        connection.close()
    if answer.status >= 400:
        raise Refused(told["kind"], told["message"])
    return told
