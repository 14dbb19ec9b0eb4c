"""Every kind of thing on Azure × every class of error, over HTTP: what is left of the run, and of the other."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import azure_api
import pytest
from azure_api import SUBSCRIPTION, Azure, Said, refusal
from making import design

from provisioner.stack.identity import described, tags
from provisioner.targets.azure import reaping
from provisioner.targets.azure.listing import ASSIGNMENT, DEFINITION, GROUP, RUN
from provisioner.targets.azure.session import Caller
from provisioner.targets.azure.target import AzurePlace
from tests.stacks.matrix import PASSES, STAYS, UNASKED, Row, noted

ROOT = f"/subscriptions/{SUBSCRIPTION}"
MINE, OTHER = "test-abc234", "test-abc234-x7k2mp"
PLACE = AzurePlace()
DESIGN = design("version: 1\nname: a\ngroups: {cpu: {instance: Standard_D4s_v5, nodes: 1}}\n", "azure")
ROLES = (ASSIGNMENT, DEFINITION)
INSIDE = tuple(kind for kind in reaping._VERSIONS if kind not in (GROUP, *ROLES))
# Class → the status and the code of a deletion that is refused so.
CODES = {
    "THROTTLE": (429, "TooManyRequests"),
    "TRANSIENT": (409, "AnotherOperationInProgress"),
    "IN_USE": (400, "InUseSubnetCannotBeDeleted"),
    "QUOTA": (409, "QuotaExceeded"),
    "CAPACITY": (409, "AllocationFailed"),
    "AUTH": (403, "AuthorizationFailed"),
    "CONFIG": (409, "ScopeLocked"),
}
LISTINGS = {
    "resource groups": f"{ROOT}/resourcegroups",
    f"what lies in {MINE}": f"{ROOT}/resourceGroups/{MINE}/resources",
    "what has its tags": f"{ROOT}/resources",
    "role definitions": f"{ROOT}/providers/{DEFINITION}",
    "role assignments": f"{ROOT}/providers/{ASSIGNMENT}",
    **{
        f"{kind} of {MINE}": f"{ROOT}/resourceGroups/{MINE}/providers/{kind}"
        for kind in (
            "Microsoft.Compute/virtualMachines",
            "Microsoft.Compute/disks",
            "Microsoft.Network/networkInterfaces",
            "Microsoft.Network/publicIPAddresses",
        )
    },
}


@dataclass
class Cloud:
    """What there is: id → (kind, run). `once` are the ids of which the next deletion is refused, `always` those of which each is."""

    azure: Azure
    things: dict[str, tuple[str, str]] = field(default_factory=dict)
    once: set[str] = field(default_factory=set)
    always: set[str] = field(default_factory=set)
    kind: str = ""
    dead: str = ""

    def make(self, run: str, group: str) -> None:
        """All of a run; what a resource group holds lies in this one."""
        own = f"{ROOT}/resourceGroups/{run}"
        self.things[own] = (GROUP, run)
        for kind in INSIDE:
            self.things[f"{ROOT}/resourceGroups/{group}/providers/{kind}/{run}-x"] = (kind, run)
        for kind in ROLES:
            self.things[f"{ROOT}/providers/{kind}/{run}"] = (kind, run)

    def __call__(self, method: str, path: str) -> Said | None:
        if method == "DELETE":
            return self._delete(path)
        if self.dead and path == self.dead:
            return refusal(*CODES[self.kind])
        if path in self.things:
            return Said(200, self._told(path))
        if path.rpartition("/")[0] == f"{ROOT}/resourceGroups":
            return refusal(404, "ResourceGroupNotFound")
        asked = self.azure.queries[-1][1].get("$filter", [""])[0]
        found = [each for each in self.things if self._listed(each, path, asked)]
        return Said(200, {"value": [self._told(each) for each in found]})

    def _listed(self, thing: str, path: str, asked: str) -> bool:
        kind, run = self.things[thing]
        if "tagValue" in asked and f"tagValue eq '{run}'" not in asked:
            return False
        if path == f"{ROOT}/resourcegroups":
            return kind == GROUP
        if path == f"{ROOT}/resources":
            return kind in INSIDE
        if path.startswith(f"{ROOT}/providers/"):
            return path == f"{ROOT}/providers/{kind}"
        where, _, what = path.partition("/providers/")
        return thing.startswith(f"{where.removesuffix('/resources')}/providers/") and what in ("", kind)

    def _told(self, thing: str) -> dict[str, Any]:
        kind, run = self.things[thing]
        mine = DESIGN.model_copy(update={"run": DESIGN.run.model_copy(update={"id": run})})
        told = {"id": thing, "name": thing.rpartition("/")[2], "type": kind, "location": "eastus", "tags": tags(mine)}
        return told if kind not in ROLES else {**told, "properties": {"description": described(mine)}}

    def _delete(self, path: str) -> Said:
        """A group is refused for one thing in it that is: "Lock your resources to protect your infrastructure"."""
        if path not in self.things:
            return refusal(404, "ResourceNotFound")
        inside = [each for each in self.things if each.startswith(f"{path}/")]
        if path in self.once:
            self.once.remove(path)
            return refusal(*CODES[self.kind])
        if self.always & {path, *inside}:
            return refusal(*CODES[self.kind])
        for each in (path, *inside):
            del self.things[each]
        return Said(200)


@contextmanager
def two_runs() -> Iterator[tuple[Cloud, Caller, set[str]]]:
    """A subscription with all of another run in it; its ids."""
    with pytest.MonkeyPatch.context() as patch, azure_api.serving(patch) as azure:
        azure.troubles.append(cloud := Cloud(azure))
        cloud.make(OTHER, OTHER)
        yield cloud, Caller(SUBSCRIPTION, "eastus", lambda: "token", azure.url, sleep=lambda seconds: None), set(cloud.things)
        assert azure.wrong == []


def passing(kind: str) -> Iterator[Row]:
    """Every deletion meets the fault once; what would go with the run's group lies in somebody else's."""
    with two_runs() as (cloud, caller, theirs):
        cloud.make(MINE, "somebody-elses")
        cloud.kind, cloud.once = kind, set(cloud.things) - theirs
        found = PLACE.remains(caller, MINE)
        assert {each.id for each in found} == cloud.once
        assert PLACE.reap(caller, found) == ()
        assert cloud.once == set()
        assert set(cloud.things) == theirs
        left = PLACE.remains(caller, MINE)
    for each in (GROUP, *INSIDE, *ROLES):
        yield Row("azure", f"delete {each}", f"{kind}, once", 1, len([one for one in left if one.kind == each]))


def staying(what: str) -> Iterator[Row]:
    """What cannot be deleted stays, and its group, by name and reason; all else goes, though the group does not; then they go."""
    with two_runs() as (cloud, caller, theirs):
        cloud.make(MINE, MINE)
        found = PLACE.remains(caller, MINE)
        own = {each.id for each in found if each.kind == what}
        held = own if what in (GROUP, *ROLES) else {*own, f"{ROOT}/resourceGroups/{MINE}"}
        for kind in STAYS:
            cloud.kind, cloud.always = kind, own
            found = PLACE.reap(caller, found)
            assert {each.id for each in found} == held == set(cloud.things) - theirs
            assert {each.why for each in found} == {f"{kind}: {CODES[kind][1]}: because"}
        cloud.always = set()
        assert PLACE.reap(caller, found) == ()
        assert set(cloud.things) == theirs
        for kind in STAYS:
            yield Row("azure", f"delete {what}", f"{kind}, until it is mended", len(own), len(PLACE.remains(caller, MINE)))


@pytest.mark.parametrize("kind", PASSES)
def test_what_passes_leaves_nothing(kind: str) -> None:
    noted("azure (HTTP)", f"deleting meets {kind}, which passes", passing(kind))


@pytest.mark.parametrize("what", [GROUP, *INSIDE, *ROLES])
def test_what_stays_is_left_alone_and_goes_the_next_time(what: str) -> None:
    noted("azure (HTTP)", f"deleting is refused until that is mended ({', '.join(STAYS)}) | {what}", staying(what))


@pytest.mark.parametrize("kind", UNASKED)
def test_a_listing_that_fails_is_not_empty(kind: str) -> None:
    """All else is seen, and may be ended."""
    with two_runs() as (cloud, caller, _):
        cloud.make(MINE, MINE)
        everything = {each.id for each in PLACE.remains(caller, MINE)}
        for name, path in LISTINGS.items():
            cloud.kind, cloud.dead = kind, path
            found = PLACE.remains(caller, MINE)
            (unknown,) = [each for each in found if each.kind == "unknown"]
            assert unknown.id == name
            assert unknown.why.startswith(f"{kind}: {CODES[kind][1]}")
            assert {each.id for each in found} - {name} <= everything
            assert len(found) >= len(everything) - len(INSIDE)


def test_runs_are_told_by_the_group(monkeypatch: pytest.MonkeyPatch) -> None:
    with two_runs() as (cloud, caller, _):
        cloud.make(MINE, MINE)
        assert {run.run_id for run in PLACE.runs(caller)} == {MINE, OTHER}
        assert all(cloud._told(each)["tags"][RUN] == run for each, (_, run) in cloud.things.items())
