"""The guards of conftest.py, opened for this machine alone: for tests that serve what they ask."""

from __future__ import annotations

import _socket
import socket
from typing import Any

import pytest

_ASKED = socket.getaddrinfo


def open_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Connections to 127.0.0.1 work; all others still raise."""
    forbidden, unknown = socket.socket.connect, socket.getaddrinfo

    def connect(self: socket.socket, address: Any) -> None:
        (_socket.socket.connect if address[0] == "127.0.0.1" else forbidden)(self, address)

    def getaddrinfo(host: Any, *more: Any, **known: Any) -> Any:
        return (_ASKED if host == "127.0.0.1" else unknown)(host, *more, **known)

    monkeypatch.setattr(socket.socket, "connect", connect)
    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
