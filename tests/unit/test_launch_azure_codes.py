"""Azure's errors and their classes (launch/azure.py)."""

from __future__ import annotations

import pytest

from provisioner.launch.azure import kind_of, refused


def test_the_code_that_says_most_is_taken() -> None:
    nested = {
        "code": "DeploymentFailed",
        "message": "see details",
        "details": [{"code": "AllocationFailed", "message": "no room"}],
    }
    assert str(refused(nested)) == "AllocationFailed: no room"
    assert str(refused({"code": "Strange", "message": "?"}, 418)) == "Strange: ?"
    assert str(refused(None)) == "Unknown: None"


@pytest.mark.parametrize(
    ("status", "kind"), [(401, "AUTH"), (403, "AUTH"), (409, "TRANSIENT"), (429, "THROTTLE"), (502, "TRANSIENT"), (400, "CONFIG")]
)
def test_what_has_no_known_code_is_told_by_its_status(status: int, kind: str) -> None:
    assert kind_of("Strange", "", status) == kind
