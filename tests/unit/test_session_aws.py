"""One session of AWS between several threads."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
import pytest

from provisioner.targets.aws.session import open_session


class Alone:
    """A session that knows whether two threads are ever in it at once: each waits for another one."""

    def __init__(self, region_name: str) -> None:
        self.region_name, self.met = region_name, False
        self._meeting = threading.Barrier(2)

    def client(self, service: str) -> Any:
        if service != "sts":
            try:
                self._meeting.wait(0.3)
                self.met = True
            except threading.BrokenBarrierError:
                self._meeting.reset()
        return self

    def get_caller_identity(self) -> dict[str, str]:
        return {}


def test_a_session_makes_one_client_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boto3.session, "Session", Alone)
    session = open_session("us-east-2")
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(session.client, ["ec2", "ec2"]))
    assert not session.met
