"""The end of a run on Azure: its resource group is deleted, this head in it.

python3 end_azure.py TOLD.json     TOLD: {"run", "subscription", "group", "identity": client id of the head's own}

Everything that is billed of a run is in its group (stacks/azure); what is not (role definitions, assignments at what exists)
is free, and the sweep's. Once the deletion is accepted it goes on without us; it is watched all the same for as long as this
machine is there, because a lock or a dependency can end it, and a machine that only switches itself off is billed on ("States
and billing status of Azure Virtual Machines"). Then the machines are deleted one by one, and what may not be is deallocated,
the head last. The Logic App goes on trying, every quarter of an hour (stacks/azure/expiry.py).
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote

# "Resource Groups - Delete": machines are ended at once, not shut down first.
RESOURCES, FORCED = "2021-04-01", "forceDeletionTypes=Microsoft.Compute/virtualMachines"
# Seconds from the beginning: until the group's deletion has to be accepted, and until nobody watches it any more. Whoever
# calls ends this after 1200 (cloud-init/end.sh).
_ACCEPTED, _WATCHED = 600.0, 900.0
_PAUSE = 15.0
_SIDE_BY_SIDE = 16


class Ending:
    """One run's end, from now on. `launch` is the module launch/azure.py."""

    def __init__(self, told: dict[str, Any], session: Any, launch: Any) -> None:
        self._told, self._session, self._launch = told, session, launch
        self._began = time.monotonic()
        self._group = f"/subscriptions/{told['subscription']}/resourceGroups/{quote(told['group'])}"
        self._machines = f"{self._group}/providers/Microsoft.Compute/virtualMachines"

    def all(self) -> bool:
        """Whether everything goes, or has gone. If not, machines at least are ended as far as they can be."""
        if self._accepted() and self._goes():
            return True
        self._one_by_one()
        return False

    def _accepted(self) -> bool:
        while True:
            try:
                answer = self._session.call("DELETE", f"{self._group}?{FORCED}", RESOURCES, absent=True)
            except self._launch.Refused as problem:
                if problem.code == "ResourceGroupBeingDeleted":
                    return self._say("somebody else has begun to delete it", True)
                if problem.kind not in ("THROTTLE", "TRANSIENT") or self._passed() + _PAUSE > _ACCEPTED:
                    return self._say(f"LEFT: {problem}", False)
            else:
                return self._say(f"its deletion is accepted (HTTP {answer.status})", True)
            time.sleep(_PAUSE)

    def _goes(self) -> bool:
        """False once it is no more about to go: its deletion has failed. Nobody sees more of it than this."""
        while self._passed() + _PAUSE < _WATCHED:
            time.sleep(_PAUSE)
            try:
                answer = self._session.call("GET", self._group, RESOURCES, absent=True)
            except self._launch.Refused as problem:
                if problem.kind == "AUTH":
                    # The right to look was in it.
                    return True
                continue
            state = "" if answer.status == 404 else answer.told.get("properties", {}).get("provisioningState")
            if state not in ("", "Deleting"):
                return self._say(f"LEFT: its deletion has failed, it is {state}", False)
            if not state:
                return True
        return True

    def _one_by_one(self) -> None:
        try:
            there = [str(each["name"]) for each in self._session.listed(self._machines, self._launch.COMPUTE)]
        except self._launch.Refused as problem:
            say(f"machines: they could not be listed: {problem}")
            there = []
        head = f"{self._told['run']}-head"
        with ThreadPoolExecutor(_SIDE_BY_SIDE) as pool:
            list(pool.map(self._ended, [name for name in there if name.lower() != head.lower()]))
        self._ended(head)

    def _ended(self, machine: str) -> None:
        """Deleted, or else not running on anything that costs: its disk stays."""
        node = machine[len(self._told["run"]) + 1 :]
        try:
            self._launch.end([node], self._told, self._session)
            say(f"machine {machine}: its deletion is accepted")
        except self._launch.Refused as problem:
            say(f"machine {machine}: LEFT: {problem}")
            try:
                self._session.call("POST", f"{self._machines}/{machine}/deallocate", self._launch.COMPUTE)
                say(f"machine {machine}: it is being deallocated")
            except self._launch.Refused as worse:
                say(f"machine {machine}: nor can it be deallocated: {worse}")

    def _say(self, words: str, good: bool) -> bool:
        say(f"resource group {self._told['group']}: {words}")
        return good

    def _passed(self) -> float:
        return time.monotonic() - self._began


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _beside(name: str) -> Any:
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), f"{name}.py")
    spec = importlib.util.spec_from_file_location(f"burst_{name}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # A dataclass whose annotations are strings looks for its module there.
    sys.modules[module.__name__] = module
    spec.loader.exec_module(module)
    return module


def main(path: str) -> int:
    """Exit status: 0 where everything goes, this machine with it."""
    with open(path, encoding="utf-8") as stream:
        told = json.load(stream)
    launch = _beside("azure")
    session = launch.Session(launch.Own(told["identity"]), told.get("endpoint", launch.ENDPOINT))
    return 0 if Ending(told, session, launch).all() else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
