"""What the head does alone, with the files that are shipped to it: jobs as slurmctld tells of them, a bucket in memory."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import tarfile
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import IO, Any

import pytest
from making import Still

from provisioner.lifecycle.away import detach
from provisioner.report.receipt import Receipt

RECEIPT = {
    "receipt_version": 1,
    "run_id": "test-abc234",
    "name": "test",
    "target": "aws/us-east-2",
    "status": "detached",
    "exit_code": 0,
    "started_at": "2027-01-15T07:59:00.000Z",
    "seconds": 60.0,
    "results": "s3://theirs/of/ada/test-abc234",
    "phases": [{"name": "create", "started_at": "2027-01-15T07:59:00.000Z", "seconds": 60.0}],
    "jobs": {},
    "cost": {"estimated_usd": 1.0, "final_usd": None},
    "remains": [],
    "findings": [],
    "problem": None,
}
LINE = (
    "JobId={id} JobName={name} UserId=burst(5000) GroupId=burst(5000) MCS_label=N/A JobState={state} Reason={reason} "
    "Restarts={restarts} ExitCode={code}:0 SubmitTime=2027-01-15T08:00:00 StartTime=2027-01-15T08:00:01 "
    "EndTime=2027-01-15T08:00:11 NodeList={nodes} Command=x StdErr={out} StdIn=/dev/null StdOut={out}\n"
)


class Memory:
    """A bucket. `refuses` is why it takes nothing."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.order: list[str] = []
        self.refuses = ""

    def put(self, name: str, stream: IO[bytes], size: int, sha256: str) -> None:
        if self.refuses:
            raise RuntimeError(self.refuses)
        self.objects[name] = stream.read()
        self.order.append(name)

    def json(self, name: str) -> Any:
        return json.loads(self.objects[name])


class Slurm:
    """slurmctld's answers, by job; every other command is kept."""

    def __init__(self) -> None:
        self.jobs: dict[str, dict[str, Any]] = {}
        self.asked: list[str] = []
        self.dead = False

    def __call__(self, argv: Sequence[str]) -> str:
        if argv[:2] == ["scontrol", "--oneliner"]:
            if self.dead:
                raise subprocess.CalledProcessError(1, list(argv))
            return "".join(LINE.format(**job) for job in self.jobs.values())
        self.asked.append(" ".join(argv))
        return "cpu-1\ncpu-2\n" if "hostnames" in argv else ""

    def say(self, name: str, state: str, **more: Any) -> None:
        plain = {"id": 1, "name": name, "reason": "None", "restarts": 0, "code": 0, "nodes": "cpu-1", "out": "/nowhere"}
        self.jobs[name] = {**plain, **self.jobs.get(name, {}), "state": state, **more}


def shipped(folder: Path) -> None:
    """The files that the head is given."""
    folder.mkdir(exist_ok=True)
    with tarfile.open(fileobj=BytesIO(detach._packed({}))) as tar:
        for member in tar:
            held = tar.extractfile(member)
            assert held is not None
            (folder / member.name).write_bytes(held.read())


class Here(ThreadPoolExecutor):
    """What is to be done beside is done at once."""

    def submit(self, act: Any, *args: Any, **more: Any) -> Future[Any]:
        done: Future[Any] = Future()
        try:
            done.set_result(act(*args, **more))
        except Exception as problem:
            done.set_exception(problem)
        return done


class World:
    """A head: the shipped files in a folder, a job's own folder, and everything around."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.slurm, self.bucket, self.clock = folder / "opt", Slurm(), Memory(), Still()
        self.clock.time = self.clock.now  # type: ignore[attr-defined]
        shipped(self.folder)
        self.jobs = folder / "jobs"
        outputs = {"melt": [{"path": "out/**", "optional": False}], "plot": [{"path": "melt.png", "optional": True}]}
        told = {
            "run": "test-abc234",
            "began": self.clock.now(),
            "deadline": self.clock.now() + 3600,
            "end": ["true"],
            "rest": ["suspend", "cpu-[1-2]"],
            "store": {"kind": "s3"},
            "receipt": RECEIPT,
            "jobs": [
                {"name": name, "slurm_id": i, "folder": str(self.jobs / name), "outputs": outputs[name]}
                for i, name in enumerate(outputs, 1)
            ],
        }
        (self.folder / "told.json").write_text(json.dumps(told))
        for name in outputs:
            (self.jobs / name).mkdir(parents=True)
        self.slurm.say("melt", "RUNNING", id=1, out=f"{self.jobs}/melt/slurm-1.out")
        self.slurm.say("plot", "PENDING", id=2, nodes="(null)", reason="Dependency")
        self.module = _loaded(self.folder)
        self.work = self.again()

    def again(self) -> Any:
        """The service, started anew."""
        return self.module.Work(str(self.folder), self.bucket, self.slurm, str(self.folder / "status.json"), self.clock)

    def turn(self) -> bool:
        """Twice: what one begins the next one takes."""
        with Here() as courier:
            return bool(self.work.turn(courier)) or bool(self.work.turn(courier))

    def write(self, name: str, text: str) -> None:
        path = self.jobs / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def _loaded(folder: Path) -> Any:
    """detached.py by its file alone, which loads the others from beside it."""
    spec = importlib.util.spec_from_file_location("detached_there", folder / "detached.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def world(folder: Path) -> Iterator[World]:
    yield World(folder)
    for name in [name for name in sys.modules if name.startswith("beside_")]:
        del sys.modules[name]


def test_each_job_is_put_as_it_ends_and_the_receipt_last(world: World) -> None:
    assert not world.turn()
    assert world.bucket.json("status.json")["jobs"] == {"melt": ["RUNNING"], "plot": ["PENDING"]}
    assert world.bucket.json("begun.json")["receipt"] == RECEIPT
    world.write("melt/out/a", "1")
    world.write("melt/out/b c", "2")
    world.write("melt/slurm-1.out", "said\n")
    world.slurm.say("melt", "COMPLETED", nodes="cpu-[1-2]")
    assert not world.turn()
    told = world.bucket.json("melt.json")
    assert {path for path in world.bucket.objects if path.startswith("melt/")} == {f"melt/{path}" for path in told["files"]}
    assert set(told["files"]) == {"out/a", "out/b c", "slurm-1.out"}
    assert (told["result"]["logs"], told["result"]["nodes"]) == (["slurm-1.out"], ["cpu-1", "cpu-2"])
    assert "receipt.json" not in world.bucket.objects

    world.slurm.say("plot", "COMPLETED", nodes="cpu-1")
    world.clock.sleep(40)
    assert world.turn()
    world.work.finish()
    assert world.bucket.order[-1] == "receipt.json"
    receipt = Receipt.model_validate(world.bucket.json("receipt.json"))
    assert (receipt.status, receipt.exit_code, receipt.seconds) == ("ended-alone", 0, 100.0)
    assert [phase.name for phase in receipt.phases] == ["create", "jobs"]
    assert receipt.jobs["melt"].outputs[0].path == "out/a"
    assert receipt.jobs["plot"].missing == ()
    assert [finding.code for finding in receipt.findings] == ["unproven"]


def test_a_job_that_failed_is_told_with_the_end_of_its_log(world: World) -> None:
    world.write("melt/slurm-1.out", "why\n")
    world.slurm.say("melt", "FAILED", code=3)
    world.slurm.say("plot", "CANCELLED", reason="DependencyNeverSatisfied")
    assert world.turn()
    receipt = Receipt.model_validate(world.work.receipt())
    assert (receipt.exit_code, receipt.jobs["melt"].log_tail, receipt.jobs["melt"].exit_code) == (5, "why", 3)
    assert receipt.jobs["melt"].missing == ("out/**",)
    # It never ran, and owes nothing.
    assert (receipt.jobs["plot"].state, receipt.jobs["plot"].missing) == ("CANCELLED", ())


def test_an_output_that_is_not_there_is_told(world: World) -> None:
    for name in ("melt", "plot"):
        world.slurm.say(name, "COMPLETED", nodes="cpu-1")
    assert world.turn()
    receipt = Receipt.model_validate(world.work.receipt())
    assert (receipt.exit_code, receipt.jobs["melt"].missing) == (6, ("out/**",))


def test_at_the_deadline_jobs_are_cancelled_and_brought_all_the_same(world: World) -> None:
    world.write("melt/out/a", "half")
    world.clock.sleep(3600)
    assert not world.turn()
    assert world.slurm.asked == ["scancel 1 2"]
    # Even where they do not end.
    world.clock.sleep(120)
    assert world.turn()
    receipt = Receipt.model_validate(world.work.receipt())
    assert receipt.exit_code == 5
    assert "expired" in [finding.code for finding in receipt.findings]
    assert world.bucket.objects["melt/out/a"] == b"half"
    assert world.slurm.asked == ["scancel 1 2"]


def test_jobs_are_cancelled_when_the_money_ends_and_brought_all_the_same(world: World) -> None:
    world.write("melt/out/a", "half")
    why = "limits.cost: 9.00 of 10.00 USD are spent"
    Path(f"{world.work._status}.stop").write_text(json.dumps({"at": world.clock.now(), "why": why}))
    assert not world.turn()
    assert world.slurm.asked == ["scancel 1 2"]
    world.clock.sleep(120)
    assert world.turn()
    (found,) = [each for each in Receipt.model_validate(world.work.receipt()).findings if each.code == "expired"]
    assert (why in found.message, found.fix) == (True, "raise limits.cost")


def test_a_requeued_job_is_released_and_one_that_is_so_too_often_given_up(world: World) -> None:
    world.slurm.say("melt", "PENDING", restarts=1, reason="BeginTime")
    world.slurm.say("plot", "RUNNING", restarts=6, nodes="cpu-1")
    world.turn()
    assert set(world.slurm.asked) == {"scontrol update jobid=1 starttime=now", "scancel 2"}


def test_what_the_bucket_refuses_is_kept_told_and_tried_again(world: World) -> None:
    world.write("melt/out/a", "1")
    world.bucket.refuses = "AccessDenied: not today"
    world.slurm.say("melt", "COMPLETED")
    assert not world.turn()
    assert "not today" in json.loads((world.folder / "status.json").read_text())["problem"]
    # A job still runs: its nodes are needed.
    assert world.slurm.asked == []
    world.slurm.say("plot", "COMPLETED", nodes="cpu-1")
    assert not world.turn()
    assert world.slurm.asked == ["suspend cpu-[1-2]"]
    assert (world.jobs / "melt/out/a").exists()
    world.bucket.refuses = ""
    assert not world.turn()
    world.clock.sleep(60)
    assert world.turn()
    assert world.bucket.objects["melt/out/a"] == b"1"
    assert json.loads((world.folder / "status.json").read_text())["problem"] == ""


def test_a_service_that_is_started_anew_goes_on(world: World) -> None:
    world.write("melt/out/a", "1")
    world.slurm.say("melt", "COMPLETED")
    world.turn()
    world.bucket.objects.clear()
    world.work = world.again()
    # slurmctld has forgotten the first by now.
    del world.slurm.jobs["melt"]
    world.slurm.say("plot", "COMPLETED", nodes="cpu-1")
    assert world.turn()
    assert set(world.bucket.objects) == {"plot.json", "status.json", "begun.json"}
    assert world.work.receipt()["jobs"]["melt"]["state"] == "COMPLETED"


def test_a_slurmctld_that_has_gone_does_not_keep_the_outputs(world: World) -> None:
    world.write("melt/out/a", "1")
    world.slurm.dead = True
    assert not world.turn()
    world.clock.sleep(601)
    assert world.turn()
    receipt = Receipt.model_validate(world.work.receipt())
    assert (receipt.jobs["melt"].state, receipt.exit_code) == ("UNKNOWN", 5)
    assert world.bucket.objects["melt/out/a"] == b"1"


def test_a_file_that_changes_is_put_as_it_is_now(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    store, manifest = world.module.beside("store"), world.module.beside("manifest")
    monkeypatch.setattr(Memory, "put", lambda self, name, stream, size, sha256: _strict(store, self, name, stream, size, sha256))
    look, first = manifest.answer, [True]

    def answer(request: dict[str, Any]) -> Any:
        told = look(request)
        if first.pop() if first else False:
            (world.jobs / "melt/out/a").write_text("later")
        return told

    monkeypatch.setattr(manifest, "answer", answer)
    world.write("melt/out/a", "early")
    world.write("melt/out/b", "same")
    world.slurm.say("melt", "COMPLETED")
    world.turn()
    assert world.bucket.objects["melt/out/a"] == b"later"
    assert world.bucket.json("melt.json")["findings"] == []


def _strict(store: Any, memory: Memory, name: str, stream: IO[bytes], size: int, sha256: str) -> None:
    blocks = [block for block, _ in store._parts(stream, size, sha256)]
    memory.objects[name] = b"".join(blocks)


def test_what_is_shipped_stands_alone(folder: Path) -> None:
    shipped(folder)
    assert {path.stem for path in folder.glob("*.py")} == {"detached", "store", "manifest", "states", "outcome", "gcp", "azure"}
    for path in folder.glob("*.py"):
        assert "from provisioner" not in path.read_text().replace("    from provisioner.slurm.states import Task", "")
