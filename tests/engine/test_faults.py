"""What a provider says while a stack is made, in every class and its own words, on each type of each cloud's program.

An engine's start is seconds, so that the classes go round the types instead of each meeting all.
"""

from __future__ import annotations

import importlib
import shutil
from functools import cache
from pathlib import Path

import pytest
from making import design

from provisioner.errors import Kind, NotCreated
from provisioner.targets.aws.place import AwsPlace
from provisioner.targets.azure.target import AzurePlace
from provisioner.targets.gcp.target import GcpPlace
from tests.engine.conftest import standing
from tests.engine.driving import Around
from tests.nothing_left import measured
from tests.stacks import programs
from tests.stacks.contract import Cloud

PLACES = {"aws": AwsPlace(), "gcp": GcpPlace(), "azure": AzurePlace()}
_FORMS = {
    "aws": "operation error EC2: Create, https response error StatusCode: 400, RequestID: a-b, api error {}: as it is",
    "gcp": "googleapi: Error 400: as it is, {}",
    "azure": 'Code="{}" Message="as it is"',
}
CODES = {
    "aws": {
        "CAPACITY": "InsufficientInstanceCapacity",
        "QUOTA": "VpcLimitExceeded",
        "THROTTLE": "RequestLimitExceeded",
        "AUTH": "UnauthorizedOperation",
        "CONFIG": "InvalidParameterValue",
        "TRANSIENT": "InternalError",
    },
    "gcp": {
        "CAPACITY": "ZONE_RESOURCE_POOL_EXHAUSTED",
        "QUOTA": "quotaExceeded",
        "THROTTLE": "rateLimitExceeded",
        "AUTH": "PERMISSION_DENIED",
        "CONFIG": "SERVICE_DISABLED",
        "TRANSIENT": "backendError",
    },
    "azure": {
        "CAPACITY": "SkuNotAvailable",
        "QUOTA": "QuotaExceeded",
        "THROTTLE": "TooManyRequests",
        "AUTH": "AuthorizationFailed",
        "CONFIG": "RequestDisallowedByPolicy",
        "TRANSIENT": "RetryableError",
    },
}
OTHERS = {"other/vpc": "other-abc234-vpc"}


@cache
def harness(name: str) -> Cloud:
    cloud: Cloud = importlib.import_module(f"tests.stacks.{name}").CLOUD
    return cloud


@cache
def types(name: str) -> tuple[str, ...]:
    """In the order in which the program makes the first of each."""
    cloud = harness(name)
    return tuple(dict.fromkeys(made.type for made in cloud.run(design(cloud.text, name)).resources))


def refused(around: Around, cloud: Cloud, where: str, kind: str) -> int:
    """The first resource of this type is refused so. Answers what is left once the run has been destroyed."""
    words = _FORMS[cloud.name].format(CODES[cloud.name][kind])
    configuration = programs.configured(design(cloud.text, cloud.name))
    secrets = {"burst:keys": configuration.pop("burst:keys")}
    around.order(faults={where: words})
    with pytest.raises(NotCreated) as caught:
        around.create(configuration, secrets)
    assert caught.value.kind is Kind[kind]
    assert where in caught.value.message
    assert words in caught.value.why
    assert where not in {identity.rpartition("/")[0] for identity in around.ledger.left()}
    around.order()
    around.destroy()
    shutil.rmtree(around.layout.root, ignore_errors=True)
    left = around.ledger.left()
    assert OTHERS.items() <= left.items()
    return len(left) - len(OTHERS)


PARTS = 6


@pytest.mark.timeout(900)
@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("name", PLACES)
def test_a_stack_of_which_one_type_is_refused_says_why_and_leaves_nothing(
    name: str, part: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every type of the program; the classes go round them."""
    cloud, classes, left = harness(name), [each.name for each in Kind], 0
    around = Around(tmp_path, cloud.folder, name, f"tests.stacks.{name}", classify=PLACES[name].classify)
    mine = [(i, where) for i, where in enumerate(types(name)) if i % PARTS == part]
    with standing(around, monkeypatch):
        for identity, what in OTHERS.items():
            around.ledger.write(did="create", type="vpc", name=what, id=identity)
        for i, where in mine:
            # Another class for each of a part's types, too.
            left += refused(around, cloud, where, classes[(i + i // PARTS) % len(classes)])
    assert left == 0
    measured("faults", f"{name} (real engine)", f"making one type is refused | {part}", cases=len(mine), left=left, others=0)
