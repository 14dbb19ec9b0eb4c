"""AWS as moto has it, with what the stack makes in it: nothing leaves the process."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pytest
from botocore.exceptions import ClientError
from making import design
from moto import mock_aws

from provisioner.design import model
from tests.stacks import aws
from tests.stacks.aws_moto import InMoto, session
from tests.stacks.aws_placement import placement_groups
from tests.stacks.programs import Stack

# Pulumi's type → what remains calls it. What is in neither is in PART_OF, with its parent.
SEEN = {
    "Vpc": "vpc",
    "Subnet": "subnet",
    "RouteTable": "route-table",
    "InternetGateway": "internet-gateway",
    "NatGateway": "nat-gateway",
    "VpcEndpoint": "vpc-endpoint",
    "Eip": "address",
    "SecurityGroup": "security-group",
    "NetworkInterface": "network-interface",
    "PlacementGroup": "placement-group",
    "LaunchTemplate": "launch-template",
    "Instance": "instance",
    "FileSystem": "efs",
    "LustreFileSystem": "fsx",
    "Bucket": "bucket",
    "Role": "role",
    "InstanceProfile": "instance-profile",
}


@dataclass
class World:
    """`session` is the caller's; `stack` is what was made of `design`."""

    session: Any
    design: model.Design
    stack: Stack

    @cached_property
    def ec2(self) -> Any:
        return self.session.client("ec2")

    @property
    def attempts(self) -> dict[str, Any]:
        found: dict[str, Any] = self.stack.outputs["attempts"]
        return found

    def template(self, group: str, number: int = 0) -> dict[str, Any]:
        told: dict[str, Any] = self.attempts[group][number]["template"]
        return told

    def machines(self, *states: str) -> dict[str, dict[str, Any]]:
        """Name → instance, of those in these states (running)."""
        told = self.ec2.describe_instances(Filters=[{"Name": "instance-state-name", "Values": list(states or ("running",))}])
        found = [each for some in told["Reservations"] for each in some["Instances"]]
        return {next((t["Value"] for t in each.get("Tags", ()) if t["Key"] == "Name"), ""): each for each in found}


def made(text: str = aws.TEXT, run: str = "test-abc234", **more: str) -> World:
    """A stack's resources, in the moto of the moment."""
    decided = design(text, "aws")
    decided = decided.model_copy(update={"run": decided.run.model_copy(update={"id": run})})
    moto = InMoto()
    stack = dataclasses.replace(aws.CLOUD, create=moto.create, call=moto.call).run(decided, **more)
    return World(session(), decided, stack)


def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the environment, as a caller's may be."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@contextmanager
def pretended(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An empty AWS, and credentials for it."""
    credentials(monkeypatch)
    with mock_aws(), placement_groups():
        yield


def denied(code: str, words: str = "no", operation: str = "CreateFleet", status: int = 400) -> ClientError:
    """An error as botocore raises it."""
    response: Any = {"Error": {"Code": code, "Message": words}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(response, operation)


class Saying:
    """A client of which one call answers what a test says first: an exception to raise, or an answer; then as it is."""

    def __init__(self, real: Any, call: str, *answers: Any) -> None:
        self.real, self.call, self.answers = real, call, list(answers)
        self.asked: list[dict[str, Any]] = []

    def __getattr__(self, name: str) -> Any:
        if name != self.call:
            return getattr(self.real, name)

        def ask(**told: Any) -> Any:
            self.asked.append(told)
            answer = self.answers.pop(0) if self.answers else getattr(self.real, name)
            if isinstance(answer, BaseException):
                raise answer
            return answer(**told) if callable(answer) else answer

        return ask


class Sessions:
    """A session whose clients a test puts something before."""

    def __init__(self, real: Any, **instead: Any) -> None:
        self.real, self.instead, self.region_name = real, instead, real.region_name

    def client(self, name: str, **more: Any) -> Any:
        return self.instead.get(name) or self.real.client(name, **more)
