"""What a detached run's head may do with the user's bucket: write below its run's own folder; nothing without --detach."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

import pytest
from making import design

from provisioner.design.model import Design
from tests.stacks.contract import Cloud
from tests.stacks.programs import Stack

URLS = {
    "aws": "s3://theirs/of/ada",
    "gcp": "gs://theirs/of/ada",
    "azure": "https://theirs.blob.core.windows.net/results/of/ada",
}
CONTAINER = (
    "/subscriptions/s/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/theirs/blobServices/default/containers/r"
)


def cloud_of(name: str) -> Cloud:
    cloud: Cloud = importlib.import_module(f"tests.stacks.{name}").CLOUD
    return cloud


def detached(name: str) -> tuple[Stack, Design]:
    """What the cloud's program makes of a whole file whose results go to a bucket."""
    cloud = cloud_of(name)
    decided = design(cloud.text, name).model_copy(update={"results": URLS[name]})
    return cloud.run(decided, **({"results": CONTAINER} if name == "azure" else {})), decided


@pytest.mark.parametrize("name", ["aws", "gcp"])
def test_the_contract_still_holds(name: str) -> None:
    stack, decided = detached(name)
    for rule in ("identity", "named", "actions", "calls"):
        assert cloud_of(name).rules[rule].check(stack, decided) == [], rule


def granted(name: str, stack: Stack) -> list[Mapping[str, Any]]:
    """The grants that speak of the user's bucket."""
    if name == "aws":
        from tests.stacks.aws_rules import statements

        return [told for told in statements(stack) if "theirs" in str(told["Resource"])]
    if name == "gcp":
        return [made.inputs for made in stack.of("BucketIAMMember") if made.inputs["bucket"] == "theirs"]
    return [made.inputs for made in stack.of(":RoleAssignment") if made.inputs["scope"] == CONTAINER]


def test_on_aws_it_is_written_to_below_the_run_and_nothing_is_read() -> None:
    stack, decided = detached("aws")
    (told,) = granted("aws", stack)
    assert sorted(told["Action"]) == ["s3:AbortMultipartUpload", "s3:PutObject"]
    assert told["Resource"] == [f"arn:aws:s3:::theirs/of/ada/{decided.run.id}/*"]


def test_on_gcp_the_head_alone_has_objects_below_the_run() -> None:
    stack, decided = detached("gcp")
    (told,) = granted("gcp", stack)
    assert told["role"] == "roles/storage.objectUser"
    (head,) = [made for made in stack.of("compute/instance:Instance") if made.name == "head"]
    assert told["member"] == f"serviceAccount:{head.inputs['serviceAccount']['email']}"
    begins = f'resource.name.startsWith("projects/_/buckets/theirs/objects/of/ada/{decided.run.id}/")'
    assert told["condition"]["expression"] == begins


def test_on_azure_the_head_alone_has_the_container() -> None:
    stack, _ = detached("azure")
    (told,) = granted("azure", stack)
    assert told["roleDefinitionId"].endswith("/ba92f5b4-2d11-453d-a403-e96b0029c9fe")
    (head,) = [made for made in stack.of(":UserAssignedIdentity") if made.name == "head-identity"]
    assert told["principalId"] == head.outputs["principalId"]


@pytest.mark.parametrize("name", URLS)
def test_without_detach_there_is_nothing_of_it(name: str) -> None:
    cloud = cloud_of(name)
    assert granted(name, cloud.run(design(cloud.text, name))) == []
