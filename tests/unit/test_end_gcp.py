"""What a head on Google Cloud does at the end of its run, asked of a Google of the tests' own."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import here_only
import pytest
from google_fake import PROJECT, ZONE, Fault, Google, error, rpc_error, serving
from making import Still
from ruamel.yaml import YAML

from provisioner.alone import end_gcp
from provisioner.bootstrap import user_data
from provisioner.launch import gcp
from provisioner.targets.gcp import kinds

RUN, OTHER = "test-abc234", "test-zzz999"
COMPUTE = f"compute.googleapis.com/compute/v1/projects/{PROJECT}/zones/{ZONE}"
LOCATED = f"projects/{PROJECT}/locations/{ZONE}/instances"
FILES, SCRATCH, DATA = (
    f"file.googleapis.com/v1/{LOCATED}/{RUN}-fs1",
    f"lustre.googleapis.com/v1/{LOCATED}/{RUN}-fs2",
    f"storage.googleapis.com/storage/v1/b/{RUN}-fs3",
)
TOLD: dict[str, Any] = {
    "project": PROJECT,
    "zone": ZONE,
    "run": RUN,
    "nodes": {"cpu": 3, "login": 1},
    "filestore": [f"{RUN}-fs1"],
    "lustre": [f"{RUN}-fs2"],
    "buckets": [f"{RUN}-fs3"],
}
DELETED = {
    "instance": "compute.instances.delete",
    "disk": "compute.disks.delete",
    "Filestore instance": "file.projects.locations.instances.delete",
    "Lustre instance": "lustre.projects.locations.instances.delete",
    "bucket": "storage.buckets.delete",
}


@pytest.fixture(autouse=True)
def still(monkeypatch: pytest.MonkeyPatch) -> Still:
    here_only.open_here(monkeypatch)
    clock = Still()
    for module in (gcp, end_gcp):
        monkeypatch.setattr(module, "time", clock)
    return clock


@pytest.fixture
def google() -> Iterator[Google]:
    with serving(Google()) as served:
        whole(served, RUN)
        yield served


def whole(google: Google, run: str) -> None:
    """A head, two nodes of three, a login node, a disk that has lost its machine, and one of each that is stored."""
    labels = {"burst-run": run}
    for name in ("head", "cpu-1", "cpu-3", "login-1"):
        google.machine(f"{run}-{name}", labels=labels)
    google.put(f"{COMPUTE}/disks/{run}-cpu-2", labels=labels)
    for path in (FILES, SCRATCH, DATA):
        path = path.replace(RUN, run)
        google.put(path, name=path.partition("/v1/")[2] if "/v1/b/" not in path else f"{run}-fs3", labels=labels)
    for i in range(3):
        google.put(f"{DATA.replace(RUN, run)}/o/folder%2F{i}", name=f"folder/{i}", generation=str(i))


def ended(google: Google, told: dict[str, Any] = TOLD) -> bool:
    return end_gcp.Ending(told, gcp.Session(lambda: "a-token", google.endpoint), gcp).all()


def test_everything_that_is_billed_goes_the_head_last(google: Google, capsys: pytest.CaptureFixture[str]) -> None:
    assert ended(google)
    assert google.things == {}
    gone = [call for call in google.calls if call.endswith(".delete")]
    assert gone[-1] == "compute.instances.delete"
    first = {name: gone.index(method) for name, method in DELETED.items()}
    last = len(gone) - 2 - gone[-2::-1].index("compute.instances.delete")
    assert last < min(first[name] for name in ("Filestore instance", "Lustre instance", "bucket"))
    lines = capsys.readouterr().out.splitlines()
    assert sorted(lines) == sorted(
        [
            *(f"instance {RUN}-{name}: gone" for name in ("cpu-1", "cpu-3", "login-1", "head")),
            f"disk {RUN}-cpu-2: gone",
            f"Filestore instance {RUN}-fs1: gone",
            f"Lustre instance {RUN}-fs2: gone",
            f"bucket {RUN}-fs3: gone",
        ]
    )
    assert lines[-1].startswith(f"instance {RUN}-head")


def test_what_the_sweep_calls_billed_is_what_goes(google: Google) -> None:
    """But for the router, which without machines is free (targets/gcp/listing.py)."""
    assert {kind.name for kind in kinds.KINDS if kind.billed} == {*DELETED, "router"}
    assert (end_gcp.FILE, end_gcp.LUSTRE, end_gcp.STORAGE) == (kinds.FILE, kinds.LUSTRE, kinds.STORAGE)
    assert end_gcp.LABEL == kinds.RUN
    ended(google)
    assert set(DELETED.values()) <= set(google.calls)


def test_what_is_anothers_stays(google: Google, capsys: pytest.CaptureFixture[str]) -> None:
    """Another run's, and what has such a name and not the run's label: a bucket or a filesystem that was given by id."""
    before = set(google.things)
    whole(google, OTHER)
    for path in (FILES, SCRATCH, DATA, f"{COMPUTE}/instances/{RUN}-cpu-2", f"{COMPUTE}/disks/{RUN}-cpu-1"):
        google.put(path, name=path.rpartition("/")[2], labels={"burst-run": OTHER} if "/instances/" in path else {})
    others = {path for path in google.things if OTHER in path} | {FILES, SCRATCH, DATA}
    others |= {f"{COMPUTE}/instances/{RUN}-cpu-2", f"{COMPUTE}/disks/{RUN}-cpu-1", *(p for p in before if "/o/" in p)}
    assert ended(google)
    assert set(google.things) == others
    assert f"bucket {RUN}-fs3: is not of this run, and stays" in capsys.readouterr().out


def test_a_second_end_finds_the_head_alone(google: Google) -> None:
    head = google.things[f"{COMPUTE}/instances/{RUN}-head"]
    google.things.clear()
    google.things[f"{COMPUTE}/instances/{RUN}-head"] = head
    assert ended(google)
    assert google.things == {}
    assert ended(google), "and with nothing at all nothing is left"


def test_what_is_busy_or_in_use_is_tried_again(google: Google, still: Still) -> None:
    google.faults = [
        Fault("compute.instances.delete", error(403, "rateLimitExceeded"), times=9),
        Fault("file.projects.locations.instances.delete", rpc_error(400, "FAILED_PRECONDITION"), times=5),
        Fault("lustre.projects.locations.instances.delete", rpc_error(503, "UNAVAILABLE"), times=8),
        Fault("storage.buckets.delete", error(409, "conflict", "The bucket you tried to delete is not empty."), times=3),
        Fault("lustre.projects.locations.operations.get", (200, {"done": True, "error": {"code": 9, "message": "in use"}})),
    ]
    google.held[f"{COMPUTE}/disks/{RUN}-cpu-2"] = 4
    assert ended(google)
    assert google.things == {}
    assert still.at > 1_800_000_040


@pytest.mark.parametrize("kind", [kind for kind in DELETED if kind != "instance"])
def test_what_is_denied_is_left_and_all_the_rest_goes(google: Google, capsys: pytest.CaptureFixture[str], kind: str) -> None:
    google.faults = [Fault(DELETED[kind], error(403, "forbidden", "Permission denied"), times=99)]
    assert not ended(google)
    assert len([path for path in google.things if "/o/" not in path]) == 1
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "LEFT" in line]
    assert line.startswith(f"{kind} {RUN}-")
    assert line.endswith("LEFT: forbidden: Permission denied")


@pytest.mark.parametrize("kind", DELETED)
def test_what_stays_in_use_is_left_in_time(google: Google, still: Still, kind: str) -> None:
    began = still.at
    path = {
        "instance": f"{COMPUTE}/instances/{RUN}-cpu-1",
        "disk": f"{COMPUTE}/disks/{RUN}-cpu-2",
        "Filestore instance": FILES,
        "Lustre instance": SCRATCH,
        "bucket": DATA,
    }[kind]
    google.held[path] = 10**6
    assert not ended(google)
    assert [each for each in google.things if "/o/" not in each] == [path]
    # The head still has its time.
    assert still.at - began < end_gcp._WORK + 60


def test_what_goes_on_going_is_not_gone(google: Google, still: Still, capsys: pytest.CaptureFixture[str]) -> None:
    """Neither when its operation does not end, nor when it is found to be going."""
    name = f"projects/{PROJECT}/locations/{ZONE}/operations/operation-0"
    google.faults = [
        Fault("file.projects.locations.instances.delete", (200, {"name": name}), times=99),
        Fault("file.projects.locations.operations.get", (200, {"name": name}), times=999),
    ]
    google.things[SCRATCH]["state"] = "DELETING"
    assert not ended(google)
    assert "lustre.projects.locations.instances.delete" not in google.calls
    assert set(google.things) == {FILES, SCRATCH}
    assert capsys.readouterr().out.count("LEFT: it has begun to go, and is not gone yet") == 2


def test_a_bucket_that_cannot_be_emptied_in_time(google: Google, capsys: pytest.CaptureFixture[str], still: Still) -> None:
    class Slow(gcp.Session):
        def call(self, method: str, *args: Any, **more: Any) -> Any:
            still.sleep(1 if method == "DELETE" else 0)
            return super().call(method, *args, **more)

    google.answers["storage.objects.delete"] = (200, {})
    assert not end_gcp.Ending(TOLD, Slow(lambda: "a-token", google.endpoint), gcp).all()
    assert f"bucket {RUN}-fs3: LEFT: there was no time to empty it" in capsys.readouterr().out
    assert google.machines() == []


def test_a_head_that_may_not_delete_itself_waits_for_google(
    google: Google, still: Still, capsys: pytest.CaptureFixture[str]
) -> None:
    began = still.at
    denied = error(403, "forbidden", "Permission denied")
    google.things = {path: thing for path, thing in google.things.items() if path.endswith("-head")}
    google.faults = [Fault("compute.instances.delete", denied, times=10**6)]
    assert not ended(google)
    assert f"instance {RUN}-head: LEFT: forbidden" in capsys.readouterr().out
    # stacks/gcp/head.py, BACKSTOP, is before that, and end.sh's 1200 s after it.
    assert 1170 < still.at - began < 1200
    google.faults = [Fault("compute.instances.delete", denied, times=3)]
    assert ended(google)


def test_an_operation_that_fails_for_good_is_left(google: Google, capsys: pytest.CaptureFixture[str]) -> None:
    failed = {"done": True, "error": {"code": 3, "message": "it has backups"}}
    google.faults = [Fault("file.projects.locations.operations.get", (200, failed))]
    assert not ended(google)
    assert f"Filestore instance {RUN}-fs1: LEFT: it has backups" in capsys.readouterr().out


def test_as_it_is_shipped(google: Google, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Without comments, beside the launcher, told by a file, with the machine's own token."""
    for name in ("gcp", "end_gcp"):
        (folder / f"{name}.py").write_text(YAML(typ="safe", pure=True).load(user_data._python(name))[0]["content"])
    # No filesystem: the program waits for those by a real clock.
    (folder / "end.json").write_text(json.dumps({**TOLD, "filestore": [], "lustre": [], "endpoint": google.endpoint}))
    monkeypatch.setenv("BURST_METADATA", google.endpoint)
    google.token = {"access_token": "a-token", "expires_in": 3600}
    spec = importlib.util.spec_from_file_location("shipped", folder / "end_gcp.py")
    assert spec is not None
    assert spec.loader is not None
    shipped = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(shipped)
    assert shipped.main(str(folder / "end.json")) == 0
    assert set(google.things) == {FILES, SCRATCH}
