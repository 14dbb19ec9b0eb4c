"""The end of a run on Google Cloud: nodes and login nodes, then filesystems and buckets that the run made, the head last.

python3 end_gcp.py TOLD.json     TOLD: {"project", "zone", "run", "nodes": {GROUP: how many}, "filestore", "lustre",
                                        "buckets": [the names of those that the run made]}

Everything is asked for by its name, and goes only with the run's label on it: so the role need not list what is others'. The
head deletes itself by the API: a machine that only switches itself off keeps its disk, which is billed, and its time limit
is cleared ("Limit the run time of a VM"). What is left after that is free, and the sweep's: without a machine also Cloud NAT
("Cloud NAT pricing": by the machines that use it; "IP addresses and ports": an address that none needs is removed).
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
import time
import urllib.parse
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

FILE = "https://file.googleapis.com/v1"
LUSTRE = "https://lustre.googleapis.com/v1"
STORAGE = "https://storage.googleapis.com/storage/v1"
LABEL = "burst-run"

# Seconds from the beginning. Whoever calls ends this after 1200 (cloud-init/end.sh); what has been asked to go by then goes
# on going without us. A head that may not delete itself waits for Google to do it (stacks/gcp/head.py, BACKSTOP): switched
# off before that it would stay.
_WORK, _LONGEST = 900.0, 1190.0
_PAUSE = 10.0
# So long one deletion is waited for at a time, so that what hangs does not take the others' time.
_PATIENCE = 180.0
_SIDE_BY_SIDE = 16
# What stands in the way of a deletion for a while: "Compute Engine API errors", google.rpc.Code; Cloud Storage's "HTTP status
# and error codes": conflict is a bucket that is not empty.
_IN_USE = ("resourceInUseByAnotherResource", "RESOURCE_IN_USE_BY_ANOTHER_RESOURCE", "FAILED_PRECONDITION", "conflict")
_GONE = ("notFound", "NOT_FOUND", "RESOURCE_NOT_FOUND")
_GOING = "it has begun to go, and is not gone yet"

# (kind, URL)
Thing = tuple[str, str]


class Ending:
    """One run's end, from now on. `launch` is the module launch/gcp.py."""

    def __init__(self, told: dict[str, Any], session: Any, launch: Any) -> None:
        self._told, self._session, self._launch = told, session, launch
        self._began, self._work = time.monotonic(), _WORK
        self._zone = f"{launch.COMPUTE}/projects/{told['project']}/zones/{told['zone']}"
        self._words: dict[Thing, str] = {}

    def all(self) -> bool:
        """Whether nothing billed is left. Whatever will not go, the rest does, and the head in the end."""
        levels = [*self._machines(), self._stored()]
        while any(levels):
            levels = [self._once(level) for level in levels]
            if not any(levels) or self._passed() + _PAUSE > self._work:
                break
            time.sleep(_PAUSE)
        gone = not self._words
        for (kind, url), words in self._words.items():
            say(f"{kind} {_name(url)}: LEFT: {words}")
        # With time of its own.
        self._work = _LONGEST
        return self._itself() and gone

    def _machines(self) -> list[list[Thing]]:
        """All that there may be, and then their disks, should one have outlived its machine."""
        names = [f"{self._told['run']}-{group}-{i + 1}" for group, many in self._told["nodes"].items() for i in range(many)]
        return [[(kind, f"{self._zone}/{kind}s/{name}") for name in names] for kind in ("instance", "disk")]

    def _stored(self) -> list[Thing]:
        told, where = self._told, f"projects/{self._told['project']}/locations/{self._told['zone']}/instances"
        return [
            *(("Filestore instance", f"{FILE}/{where}/{name}") for name in told["filestore"]),
            *(("Lustre instance", f"{LUSTRE}/{where}/{name}") for name in told["lustre"]),
            *(("bucket", f"{STORAGE}/b/{name}") for name in told["buckets"]),
        ]

    def _once(self, things: list[Thing]) -> list[Thing]:
        """Those that may go another time. What will not go at all is not tried again, nor what has gone."""
        with ThreadPoolExecutor(_SIDE_BY_SIDE) as pool:
            again = list(pool.map(self._tried, things))
        return [thing for thing, may in zip(things, again, strict=True) if may]

    def _tried(self, thing: Thing) -> bool:
        kind, url = thing
        try:
            what = self._deleted(url)
        except self._launch.Refused as problem:
            self._words[thing] = str(problem)
            return problem.kind in ("THROTTLE", "TRANSIENT") or problem.code in _IN_USE
        self._words.pop(thing, None)
        if what:
            say(f"{kind} {_name(url)}: {what}")
        return False

    def _itself(self) -> bool:
        """Tried until there is no time any more, whatever Google says."""
        head = ("instance", f"{self._zone}/instances/{self._told['run']}-head")
        while self._tried(head) or head in self._words:
            if self._passed() + _PAUSE > self._work:
                say(f"instance {_name(head[1])}: LEFT: {self._words[head]}")
                return False
            time.sleep(_PAUSE)
        return True

    def _passed(self) -> float:
        return time.monotonic() - self._began

    def _deleted(self, url: str) -> str:
        """What became of it; "" where there is no such thing. Raises Refused."""
        until = min(time.monotonic() + _PATIENCE, self._began + self._work)
        try:
            thing = self._session.call("GET", url)
            if thing.get("labels", {}).get(LABEL) != self._told["run"]:
                return "is not of this run, and stays"
            if thing.get("state") == "DELETING":
                raise self._launch.Refused("TRANSIENT", _GOING)
            if url.startswith(STORAGE):
                self._empty(f"{url}/o", until)
            # One id for as often as it is asked ("requestId"); the other APIs have none.
            query = {"requestId": str(uuid.uuid4())} if url.startswith(self._zone) else None
            self._wait(url, self._session.call("DELETE", url, query), until)
        except self._launch.Refused as problem:
            if problem.status != 404 and problem.code not in _GONE:
                raise
            return ""
        return "gone"

    def _wait(self, url: str, operation: dict[str, Any], until: float) -> None:
        """Until it is done. A bucket's deletion is none, it has happened."""
        if url.startswith(self._zone):
            self._launch.raise_failed(self._launch.wait(self._session, operation, until - time.monotonic()))
            return
        while "/operations/" in operation.get("name", "") and not operation.get("done"):
            if time.monotonic() > until:
                raise self._launch.Refused("TRANSIENT", _GOING)
            time.sleep(_PAUSE)
            operation = self._session.call("GET", f"{url.partition('/projects/')[0]}/{operation['name']}")
        if "error" in operation:
            code, words = operation["error"].get("code"), operation["error"].get("message", "")
            # google.rpc.Code: 9 is FAILED_PRECONDITION, 10 ABORTED, 14 UNAVAILABLE.
            raise self._launch.Refused("TRANSIENT" if code in (9, 10, 14) else "CONFIG", words, str(code))

    def _empty(self, objects: str, until: float) -> None:
        """Old versions, too. The first page again, until there is none."""
        while things := self._session.call("GET", objects, {"versions": "true"}).get("items"):
            if time.monotonic() > until:
                raise self._launch.Refused("TRANSIENT", "there was no time to empty it")
            with ThreadPoolExecutor(_SIDE_BY_SIDE) as pool:
                list(pool.map(lambda thing: self._object(objects, thing), things))

    def _object(self, objects: str, thing: dict[str, Any]) -> None:
        url = f"{objects}/{urllib.parse.quote(thing['name'], safe='')}"
        try:
            self._session.call("DELETE", url, {"generation": thing["generation"]})
        except self._launch.Refused as problem:
            if problem.status != 404:
                raise


def _name(url: str) -> str:
    return url.rpartition("/")[2]


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _beside(name: str) -> Any:
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), f"{name}.py")
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def main(path: str) -> int:
    """Exit status: 0 where nothing billed is left, and this machine is being deleted."""
    with open(path, encoding="utf-8") as stream:
        told = json.load(stream)
    launch = _beside("gcp")
    return 0 if Ending(told, launch.own(told.get("endpoint", "")), launch).all() else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
