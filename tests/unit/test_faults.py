"""The tables of error codes: whole, of one mind with what the head has, and held against the vendors' own descriptions."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator
from importlib.resources import files
from types import ModuleType
from typing import Any

import pytest
from aws_world import denied

from provisioner.errors import Kind
from provisioner.launch import aws as launch_aws
from provisioner.launch import azure as launch_azure
from provisioner.launch import gcp as launch_gcp
from provisioner.targets.aws import faults as aws
from provisioner.targets.azure import faults as azure
from provisioner.targets.base import UNASKED, Resource
from provisioner.targets.cloud.faults import DONE, GONE, IN_USE, Codes, fix, listed, meanings
from provisioner.targets.cloud.faults import denied as any_denied
from provisioner.targets.gcp import faults as gcp

CLOUDS: dict[str, tuple[ModuleType, dict[str, str]]] = {
    "aws": (aws, launch_aws.KINDS),
    "gcp": (gcp, launch_gcp.KINDS),
    "azure": (azure, launch_azure.KINDS),
}
# What was just made is not known yet, where it is launched; where it is deleted it is gone.
OF_TWO_MINDS = {"InvalidInstanceID.NotFound"}


@pytest.mark.parametrize("cloud", CLOUDS)
def test_every_class_has_codes_and_something_is_done_about_it(cloud: str) -> None:
    assert {row.meaning for row in CLOUDS[cloud][0].TABLE} == {*Kind.__members__, IN_USE, GONE} == set(DONE)


@pytest.mark.parametrize("cloud", CLOUDS)
def test_the_head_is_of_the_same_mind(cloud: str) -> None:
    module, head = CLOUDS[cloud]
    told = meanings(module.TABLE)
    assert {code: told.get(code) for code in head.keys() - OF_TWO_MINDS} == {
        code: kind for code, kind in head.items() if code not in OF_TWO_MINDS
    }


def test_a_code_that_stands_twice_is_found() -> None:
    with pytest.raises(AssertionError, match="A stands twice"):
        meanings([Codes("AUTH", "x", "A B"), Codes("CONFIG", "y", "A")])


def modelled(service: str) -> set[str]:
    """The codes that a service's own description of its API has, as botocore keeps it."""
    folder = max((each for each in (files("botocore") / "data" / service).iterdir() if each.is_dir()), key=lambda each: each.name)
    shapes: dict[str, Any] = json.loads(gzip.decompress((folder / "service-2.json.gz").read_bytes()))["shapes"]
    return {shape.get("error", {}).get("code") or name for name, shape in shapes.items() if shape.get("exception")}


def rows(module: ModuleType, page: str) -> Iterator[str]:
    for row in module.TABLE:
        if page in row.source:
            yield from row.codes.split()


@pytest.mark.parametrize(("page", "services"), [("EFS", ["efs", "fsx"]), ("FSx", ["efs", "fsx"]), ("of CreateRole", ["iam"])])
def test_aws_has_these_codes(page: str, services: list[str]) -> None:
    known = {code for service in services for code in modelled(service)}
    assert set(rows(aws, page)) - known == set()


def test_botocore_has_these_errors() -> None:
    from botocore import exceptions
    from botocore.retries import standard

    assert [name for name in rows(aws, "botocore") if not hasattr(exceptions, name)] == []
    known = {
        *standard.ThrottledRetryableChecker._THROTTLED_ERROR_CODES,
        *standard.TransientRetryableChecker._TRANSIENT_ERROR_CODES,
    }
    assert set(rows(aws, "Retry behavior")) - known == set()


def test_google_has_these_codes() -> None:
    from google.rpc import code_pb2

    reasons = set(re.findall(r"^  ([A-Z_]+) = \d+;", (files("google.api") / "error_reason.proto").read_text(), re.MULTILINE))
    assert set(rows(gcp, "google.rpc.Code")) - set(code_pb2.Code.keys()) == set()
    assert set(rows(gcp, "ErrorReason")) - reasons == set()
    assert {number: code_pb2.Code.Name(number) for number in gcp.RPC} == gcp.RPC


@pytest.mark.parametrize(
    ("problem", "meaning"),
    [
        (denied("DependencyViolation"), IN_USE),
        (denied("InvalidFoo.InUse"), IN_USE),
        (denied("Client.InvalidFoo.NotFound"), GONE),
        (denied("RulesPerSecurityGroupLimitExceeded"), "QUOTA"),
        (denied("ExpiredToken"), "AUTH"),
        (denied("Strange"), "CONFIG"),
        (denied("Strange", status=503), "TRANSIENT"),
        (denied("404", status=404), GONE),
        (denied("429", status=429), "THROTTLE"),
        (denied("502", status=502), "TRANSIENT"),
        (TimeoutError("no answer"), "TRANSIENT"),
    ],
)
def test_aws_says(problem: Exception, meaning: str) -> None:
    assert aws.told(problem)[0] == meaning


def test_a_login_that_has_ended_is_no_weather() -> None:
    from botocore.exceptions import EndpointConnectionError, UnauthorizedSSOTokenError

    assert aws.told(UnauthorizedSSOTokenError())[0] == "AUTH"
    assert aws.told(EndpointConnectionError(endpoint_url="https://ec2"))[0] == "TRANSIENT"


@pytest.mark.parametrize(
    ("problem", "meaning"),
    [
        (launch_gcp.Refused("CONFIG", "…", "resourceInUseByAnotherResource", 400), IN_USE),
        (launch_gcp.Refused("CONFIG", "…", "RESOURCE_IN_USE_BY_ANOTHER_RESOURCE"), IN_USE),
        (launch_gcp.Refused("CONFIG", "…", "conflict", 409), IN_USE),
        (launch_gcp.Refused("CONFIG", "…", "anything", 404), GONE),
        (launch_gcp.Refused("AUTH", "invalid_grant"), "AUTH"),
        (launch_gcp.Refused("THROTTLE", "…", "RESOURCE_OPERATION_RATE_EXCEEDED"), "THROTTLE"),
    ],
)
def test_google_says(problem: Exception, meaning: str) -> None:
    assert gcp.told(problem)[0] == meaning


@pytest.mark.parametrize(
    ("problem", "meaning"),
    [
        (launch_azure.Refused("CONFIG", "…", "InUseSubnetCannotBeDeleted", 400), IN_USE),
        (launch_azure.Refused("CONFIG", "OperationNotAllowed: Disk d is attached to VM m", "OperationNotAllowed", 409), IN_USE),
        (launch_azure.Refused("QUOTA", "… exceeding approved Cores quota", "OperationNotAllowed", 409), "QUOTA"),
        (launch_azure.Refused("CONFIG", "…", "ScopeLocked", 409), "CONFIG"),
        (launch_azure.Refused("TRANSIENT", "…", "AnotherOperationInProgress", 409), "TRANSIENT"),
        (launch_azure.Refused("CONFIG", "…", "ResourceGroupNotFound", 404), GONE),
        (launch_azure.Refused("AUTH", "AADSTS700082: The refresh token has expired"), "AUTH"),
    ],
)
def test_azure_says(problem: Exception, meaning: str) -> None:
    assert azure.told(problem)[0] == meaning


@pytest.mark.parametrize(
    ("cloud", "words"),
    [("aws", "request-service-quota-increase"), ("gcp", "Quotas & System Limits"), ("azure", "Request increase")],
)
def test_who_has_no_quota_is_told_where_there_is_more(cloud: str, words: str) -> None:
    assert words in fix(Kind.QUOTA, cloud)
    assert words not in fix(Kind.CAPACITY, cloud)


def test_one_listing_that_fails_is_unknown_and_all_of_them_are_an_error() -> None:
    def fails() -> list[Resource]:
        raise launch_azure.Refused("AUTH", "no")

    there = Resource(kind="vpc", id="vpc-1")
    found = listed({"vpcs": lambda: [there], "disks": fails}, "r", lambda problem: f"AUTH: {problem}")
    assert found == (
        there,
        Resource(kind=UNASKED, id="disks", name="disks could not be asked: AUTH: no", region="r", why="AUTH: no"),
    )
    assert any_denied(found)
    with pytest.raises(launch_azure.Refused):
        listed({"vpcs": fails, "disks": fails}, "r", str)
