"""The end of a run on AWS: everything of it that is billed, but for the machine that this runs on, which its caller ends.

python3 end_aws.py TOLD.json    TOLD: {"run", "region", "efs": [ids], "fsx": [ids], "bucket": [names]: what the run made,
                                "own": [ids of addresses of this very machine], "tunnel": whether the run's NAT gateway is
                                the machine's own way out}

Every few seconds it looks at what is there and tells each thing to go, until nothing is or PATIENCE has passed: what is
still in use, or throttled, has another chance; what is denied is left, and nobody waits for it. A line for each change.
Exit code 0: nothing billed is left beside this machine. What costs nothing stays: who deletes a network from inside it
cuts its own line. Standard library and boto3; `aws` and `metadata` of provisioner.launch lie beside this file.

targets/aws/reaping.py ends the same kinds in the same order from outside, and has the ends of most of them from here.
"""

from __future__ import annotations

import importlib.util
import itertools
import json
import os
import sys
import time
from collections.abc import Callable, Iterable
from functools import partial
from types import SimpleNamespace
from typing import Any

# What is billed, in the order in which it is told to go.
STAGES = (("instance",), ("nat-gateway", "efs", "fsx", "bucket"), ("volume",), ("address",))
# Seconds. end.sh stops waiting after 1,200.
PATIENCE, PAUSE = 1080.0, 5.0
# "It is in use" in the words of EC2, EFS, FSx, IAM and S3: error codes of their API References.
IN_USE = (
    ".InUse",
    "DependencyViolation",
    "DeleteConflict",
    "FileSystemInUse",
    "BucketNotEmpty",
    "IncorrectState",
    "ResourceInUse",
)
GONE = ("NotFound", "NoSuchEntity", "NoSuchBucket", "InvalidPlacementGroup.Unknown")
# kind → (the call, the list in its answer, the id's key, what else is asked for). A volume goes with its machine.
_LISTED: dict[str, tuple[str, str, str, dict[str, list[str]]]] = {
    "nat-gateway": ("describe_nat_gateways", "NatGateways", "NatGatewayId", {"state": ["pending", "available", "deleting"]}),
    "volume": ("describe_volumes", "Volumes", "VolumeId", {"status": ["available"]}),
    "address": ("describe_addresses", "Addresses", "AllocationId", {}),
}
Thing = tuple[str, str]


class StillThere(Exception):
    """It has been told to go, and has not yet."""


def nat_gateway(to: Any, identity: str) -> None:
    """Until it is deleted it holds its address and its place in the subnet."""
    to.ec2.delete_nat_gateway(NatGatewayId=identity)
    told = to.ec2.describe_nat_gateways(NatGatewayIds=[identity])["NatGateways"]
    if any(each["State"] != "deleted" for each in told):
        raise StillThere


def efs(to: Any, identity: str) -> None:
    """Its mount targets first."""
    for each in to.efs.describe_mount_targets(FileSystemId=identity)["MountTargets"]:
        if each["LifeCycleState"] not in ("deleting", "deleted"):
            to.efs.delete_mount_target(MountTargetId=each["MountTargetId"])
    if to.efs.describe_mount_targets(FileSystemId=identity)["MountTargets"]:
        raise StillThere
    to.efs.delete_file_system(FileSystemId=identity)


def fsx(to: Any, identity: str) -> None:
    """It goes on holding its interfaces until it is not told of any more: then the next call says FileSystemNotFound."""
    told = to.fsx.describe_file_systems(FileSystemIds=[identity])["FileSystems"]
    if told and told[0].get("Lifecycle") != "DELETING":
        to.fsx.delete_file_system(FileSystemId=identity)
    if to.fsx.describe_file_systems(FileSystemIds=[identity])["FileSystems"]:
        raise StillThere


def bucket(to: Any, identity: str) -> None:
    """With all that is in it."""
    from botocore.exceptions import ClientError

    def listed(call: str, key: str) -> Iterable[dict[str, Any]]:
        for page in to.s3.get_paginator(call).paginate(Bucket=identity):
            yield from page.get(key, ())

    for key in ("Versions", "DeleteMarkers"):
        objects = [{"Key": each["Key"], "VersionId": each["VersionId"]} for each in listed("list_object_versions", key)]
        # S3 API Reference, "DeleteObjects": 1,000 at once.
        for start in range(0, len(objects), 1000):
            told = to.s3.delete_objects(Bucket=identity, Delete={"Objects": objects[start : start + 1000], "Quiet": True})
            if told.get("Errors"):
                # It answers with what it did not do.
                raise ClientError({"Error": told["Errors"][0]}, "DeleteObjects")
    for each in listed("list_multipart_uploads", "Uploads"):
        to.s3.abort_multipart_upload(Bucket=identity, Key=each["Key"], UploadId=each["UploadId"])
    to.s3.delete_bucket(Bucket=identity)


def _going(to: Any, identity: str) -> None:
    """A machine: all of them are told to go at once, where they are listed."""
    raise StillThere


_END: dict[str, Callable[[Any, str], Any]] = {
    "instance": _going,
    "nat-gateway": nat_gateway,
    "efs": efs,
    "fsx": fsx,
    "bucket": bucket,
    "volume": lambda to, identity: to.ec2.delete_volume(VolumeId=identity),
    "address": lambda to, identity: to.ec2.release_address(AllocationId=identity),
}


class Ending:
    """What is known of it on the way: `left` is what nobody can end from here, and why."""

    def __init__(self, told: dict[str, Any], session: Any = None) -> None:
        self.told, self.me, self._launcher = told, "", _beside("aws")
        self.to = SimpleNamespace(**{each: self._launcher.client(each, told, session) for each in ("ec2", "efs", "fsx", "s3")})
        self.left: dict[Thing, str] = {("address", each): "it is this machine's own way out" for each in told["own"]}
        self._ours = {"Name": "tag:burst-run", "Values": [told["run"]]}
        self._tag = {"Key": "burst-run", "Value": told["run"]}
        self._gone: set[Thing] = set()
        self._said: dict[Thing, str] = {}

    def all(self) -> dict[Thing, str]:
        """End it all, and answer what is left."""
        last = ("nat-gateway", "address") if self.told["tunnel"] else ()
        kinds = [kind for kind in itertools.chain(*STAGES) if kind not in last]
        until = time.monotonic() + PATIENCE
        while (waiting := self._round(kinds)) and time.monotonic() + PAUSE < until:
            time.sleep(PAUSE)
        self.left |= waiting
        if last:
            self._cut()
        return self.left

    def _round(self, kinds: Iterable[str]) -> dict[Thing, str]:
        """Tell everything to go that is there; answer what has not gone yet."""
        waiting: dict[Thing, str] = {}
        for kind in kinds:
            for identity in self._try((kind, "*"), partial(self._there, kind), waiting) or ():
                self._try((kind, identity), partial(_END[kind], self.to, identity), waiting)
        for thing in [each for each in self._said if each not in waiting and each not in self.left]:
            # Not told of any more; but where nobody could ask, nobody knows.
            if (thing[0], "*") not in {**waiting, **self.left}:
                self._say(thing, "has gone")
                del self._said[thing]
        return waiting

    def _try(self, thing: Thing, act: Callable[[], Any], waiting: dict[Thing, str]) -> Any:
        """What it answers; why not goes to `waiting`, or to `left` where there is no use in asking again."""
        if thing in self.left:
            return None
        try:
            answer = self._launcher.asked(act)
        except (self._launcher.Refused, StillThere) as problem:
            why = str(problem) or "is told to go"
            code = why.partition(":")[0]
            gone = any(word in code for word in GONE)
            # What goes while it is being listed says nothing of the others.
            if not gone or thing[1] == "*":
                again = gone or getattr(problem, "kind", "TRANSIENT") in ("THROTTLE", "TRANSIENT")
                (waiting if again or any(word in code for word in IN_USE) else self.left)[thing] = why
                self._say(thing, why)
                return None
        else:
            if thing[1] == "*":
                return answer
        self._gone.add(thing)
        self._said.setdefault(thing, "")
        return None

    def _there(self, kind: str) -> list[str]:
        """The ids of what is there of the run."""
        if kind in self.told:
            return [each for each in self.told[kind] if (kind, each) not in self._gone]
        if kind == "instance":
            return self._instances()
        call, key, identity, more = _LISTED[kind]
        filters = [self._ours, *({"Name": name, "Values": values} for name, values in more.items())]
        # The one call whose parameter has another name.
        told = getattr(self.to.ec2, call)(**{"Filter" if kind == "nat-gateway" else "Filters": filters})
        # Asked for, and looked at: what is listed is deleted.
        return [each[identity] for each in told[key] if self._tag in each.get("Tags", ())]

    def _instances(self) -> list[str]:
        """All but this machine, which has to know which one it is first."""
        if not self.me:
            metadata = _beside("metadata")
            place = os.environ.get("BURST_METADATA", "http://169.254.169.254")
            try:
                self.me = metadata.AWS(metadata.Service(place, metadata.PATIENCE)).id()
            except (metadata.Failed, metadata.Absent) as problem:
                raise StillThere(f"this machine does not know its own id: {problem}") from problem
        states = {"Name": "instance-state-name", "Values": ["pending", "running", "shutting-down", "stopping", "stopped"]}
        found = self._launcher.instances(self.to.ec2, Filters=[self._ours, states])
        others = {each["InstanceId"]: each["State"]["Name"] for each in found if each["InstanceId"] != self.me}
        running = [identity for identity, state in others.items() if state != "shutting-down"]
        if running:
            # EC2 API Reference, "TerminateInstances": 1,000 at once; the next round has the others.
            self.to.ec2.terminate_instances(InstanceIds=running[:1000])
        return list(others)

    def _cut(self) -> None:
        """The way out, last: from then on nobody here can ask for anything, nor release what that leaves."""
        waiting: dict[Thing, str] = {}
        for _ in range(5):
            waiting.clear()
            addresses = self._try(("address", "*"), partial(self._there, "address"), waiting) or ()
            self.left |= {("address", each): "it is held by this machine's own way out" for each in addresses}
            for each in self._try(("nat-gateway", "*"), partial(self._there, "nat-gateway"), waiting) or ():
                self._say(("nat-gateway", each), "is told to go, and with it the line to AWS")
                self._try(("nat-gateway", each), partial(self.to.ec2.delete_nat_gateway, NatGatewayId=each), waiting)
            if not waiting:
                break
            time.sleep(PAUSE)
        self.left |= waiting

    def _say(self, thing: Thing, what: str) -> None:
        """Once, as long as it stays the same."""
        if self._said.get(thing) != what:
            self._said[thing] = what
            _print(f"{thing[0]} {thing[1]}: {what}")


def _print(line: str) -> None:
    sys.stdout.write(f"{time.strftime('%FT%TZ', time.gmtime())} {line}\n")
    sys.stdout.flush()


def _beside(name: str) -> Any:
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), f"{name}.py")
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def main(path: str, session: Any = None) -> int:
    """What end.sh calls. `session` is a boto3 Session; None is the machine's own role."""
    with open(path, encoding="utf-8") as stream:
        left = Ending(json.load(stream), session).all()
    for (kind, identity), why in sorted(left.items()):
        _print(f"left: {kind} {identity}: {why}")
    _print(f"{len(left)} billed left beside this machine; what is free (network, groups, templates, roles) stays for burst sweep")
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
