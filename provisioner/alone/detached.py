"""The rest of a run whose client has gone: waits for its jobs, puts what they made into the user's bucket, ends the cluster.

    python3 detached.py prove|work FOLDER

`prove` writes begun.json into the bucket, so that a client which is still there hears when that may not be. `work` is a
service: it may be ended and started at any time, and goes on. FOLDER has this file, those that it loads (store, manifest,
states, outcome, and of provisioner.launch what asks for tokens) and told.json:

    run, began, deadline (epoch seconds), end (the command line that ends the cluster), rest (one that ends all nodes, or [])
    fresh               seconds for which a role that was just granted may be denied
    store               what store.opened takes; `identity` is the client id of Azure's managed identity
    jobs                [{name, slurm_id, folder, outputs: [{path, optional}]}]
    receipt             the client's, as far as it knew

In the bucket, below PREFIX/RUN: JOB/… as they were in the job's folder, JOB.json once all of those are there ({result, files:
{path: {bytes, sha256, mode}}, findings}), begun.json, status.json at each change, and last of all receipt.json.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

# Seconds between two looks; a question costs slurmctld about a millisecond.
_LOOK = 2.0
# A cancelled job has Slurm's KillWait between SIGTERM and SIGKILL, and then its end must be told.
_KILL = 60.0
# A job that was requeued this often will not end: its nodes come up only to fail.
_MOST_RESTARTS = 5
# slurmctld is silent while it restarts; one that is for so long has gone, and what there is is brought.
_DEAF = 600.0
# What could not be put is put again: rights may have been given meanwhile. Until the expiry nothing is thrown away. The pause
# is for a role that was just granted, and may not count everywhere yet.
_AGAIN, _PAUSE = 60.0, 10.0
_AT_ONCE = 4
_ENVIRONMENT = {"TZ": "UTC", "SLURM_TIME_FORMAT": "standard"}
# Where `burst status` reads how far it has come.
STATUS, STOP = "/run/burst-detached.json", ".stop"

Call = Callable[[Sequence[str]], str]


def beside(name: str) -> Any:
    """A module that lies in this one's folder."""
    known = sys.modules.get(f"beside_{name}")
    if known is not None:
        return known
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), f"{name}.py")
    spec = importlib.util.spec_from_file_location(f"beside_{name}", path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def call(argv: Sequence[str]) -> str:
    """What a command printed. Raises OSError and subprocess.SubprocessError."""
    environment = {**os.environ, **_ENVIRONMENT}
    done = subprocess.run(list(argv), env=environment, capture_output=True, check=True, text=True, timeout=60, errors="replace")
    return done.stdout


class Work:
    """One run's work. `call` runs a command; `store` is where results go."""

    def __init__(self, folder: str, store: Any, call: Call = call, status: str = STATUS, clock: Any = time) -> None:
        with open(os.path.join(folder, "told.json"), encoding="utf-8") as stream:
            self.told = json.load(stream)
        self._memory, self._status = os.path.join(folder, "done.json"), status
        self._store, self._call, self._clock = store, call, clock
        self._outcome = beside("outcome")
        self.done: dict[str, dict[str, Any]] = _read(self._memory).get("done", {})
        # What ended it before its jobs were over.
        self.expired: str = _read(self._memory).get("expired", "")
        self._tasks: dict[str, tuple[Any, ...]] = {}
        self._heard = clock.time()
        self._under_way: dict[str, Future[dict[str, Any]]] = {}
        self._not_before: dict[str, float] = {}
        self._problem, self._shown = "", ""
        self._begun = False

    def turn(self, courier: ThreadPoolExecutor) -> bool:
        """Look once, and do what there is to do; whether everything is in the bucket."""
        self._look()
        now = self._clock.time()
        if now >= self._deadline() and not self.expired:
            self.expired = _read(self._status + STOP).get("why", "limits.ttl")
            self._remember()
            self._try("scancel", *(str(job["slurm_id"]) for job in self.told["jobs"] if not self._over(job)))
        self._release()
        for job in self.told["jobs"]:
            name = job["name"]
            if name in self.done or not self._over(job):
                continue
            if name not in self._under_way and now >= self._not_before.get(name, 0):
                self._under_way[name] = courier.submit(self._bring, job)
            elif name in self._under_way and self._under_way[name].done():
                self._take(name, self._under_way.pop(name))
        self._tell()
        return len(self.done) == len(self.told["jobs"])

    def _deadline(self) -> float:
        told = float(self.told["deadline"])
        return min(told, float(_read(self._status + STOP).get("at", told)))

    def _look(self) -> None:
        try:
            every = beside("states").parse_jobs(self._call(["scontrol", "--oneliner", "--all", "show", "job"]))
        except (OSError, subprocess.SubprocessError) as problem:
            _log(f"slurmctld: {problem}")
            return
        self._heard = self._clock.time()
        for job in self.told["jobs"]:
            found = tuple(task for task in every if task.job_id == job["slurm_id"])
            if found:
                # slurmctld forgets a job some minutes after its end (MinJobAge).
                self._tasks[job["name"]] = found

    def _over(self, job: dict[str, Any]) -> bool:
        """Whether it has ended, or nobody waits for its end any longer."""
        tasks, now = self._tasks.get(job["name"], ()), self._clock.time()
        late = self.expired and now >= self._deadline() + _KILL
        return bool(tasks and all(task.over for task in tasks)) or late or now - self._heard > _DEAF

    def _release(self) -> None:
        """Slurm holds a requeued job for two minutes (BeginTime); its node's death was not its fault."""
        for task in (task for tasks in self._tasks.values() for task in tasks):
            if task.restarts > _MOST_RESTARTS and not task.over:
                self._try("scancel", str(task.own_id))
            elif task.restarts and task.state == "PENDING" and task.reason == "BeginTime":
                self._try("scontrol", "update", f"jobid={task.own_id}", "starttime=now")

    def _try(self, *argv: str) -> None:
        """What may have become needless meanwhile."""
        try:
            self._call(argv)
        except (OSError, subprocess.SubprocessError) as problem:
            _log(f"{' '.join(argv)}: {problem}")

    def _bring(self, job: dict[str, Any]) -> dict[str, Any]:
        """What a job promised, into the bucket; JOB.json says that all of it is there."""
        tasks, outputs = self._tasks.get(job["name"], ()), job["outputs"]
        logs = self._outcome.logs(job["folder"], tasks)
        patterns = [output["path"] for output in outputs] + logs
        surveyed = beside("manifest").answer({"root": job["folder"], "patterns": patterns})
        wanted = {entry["path"]: entry for part in surveyed for entry in part["files"]}
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            differing = dict(filter(None, pool.map(lambda entry: self._put(job, entry), list(wanted.values()))))
        promised, files = surveyed[: len(outputs)], {path: each for path, each in wanted.items() if path not in differing}
        missing, findings = self._outcome.judged(job["name"], outputs, promised, differing)
        if self._outcome.never_ran(tasks):
            missing, findings = [], []
        named = {entry["path"] for part in promised for entry in part["files"]}
        result = {
            **self._outcome.outcome(job["slurm_id"], tasks, self._names),
            "outputs": [{key: each[key] for key in ("path", "bytes", "sha256")} for p, each in files.items() if p in named],
            "missing": missing,
            "logs": [path for path in logs if path in files],
            "log_tail": "\n".join(filter(None, (self._tail(path) for path in self._outcome.failed_logs(tasks)))),
        }
        kept = {path: {key: each[key] for key in ("bytes", "sha256", "mode")} for path, each in files.items()}
        brought = {"result": result, "files": kept, "findings": findings}
        beside("store").put_json(self._store, f"{job['name']}.json", brought)
        return brought

    def _put(self, job: dict[str, Any], entry: dict[str, Any]) -> tuple[str, str] | None:
        """Put a file, as it is now where it has changed since; (path, why not) where it goes on changing or has gone."""
        store, path, why = beside("store"), entry["path"], ""
        for _ in range(2):
            try:
                place = f"{job['folder']}/{path}"
                store.put_file(self._store, f"{job['name']}/{path}", place, entry["bytes"], entry["sha256"])
                return None
            except store.Refused as problem:
                if problem.kind != "CHANGED":
                    raise
                why = str(problem)
            except OSError as problem:
                return path, problem.strerror or str(problem)
            (again,) = beside("manifest").answer({"root": job["folder"], "paths": [path]})
            if again is None or "why" in again:
                return path, (again or {}).get("why", "it is a folder now")
            entry.update(again)
        return path, why

    def _tail(self, path: str) -> str:
        try:
            with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY), "rb") as stream:
                stream.seek(max(0, os.fstat(stream.fileno()).st_size - self._outcome.TAIL_BYTES))
                return str(self._outcome.last_lines(stream.read(self._outcome.TAIL_BYTES)))
        except OSError:
            return ""

    def _names(self, hostlist: str) -> list[str]:
        if "[" not in hostlist:
            return sorted(set(filter(None, hostlist.split(","))))
        return self._call(["scontrol", "show", "hostnames", hostlist]).split()

    def _take(self, name: str, brought: Future[dict[str, Any]]) -> None:
        try:
            self.done[name], self._problem = brought.result(), ""
        except Exception as problem:
            # Whatever it was, the outputs stay where they are, and the next try may be the right one.
            self._problem = f"{name}: {problem}"
            self._not_before[name] = self._clock.time() + _AGAIN
            _log(f"{self._problem}; again in {_AGAIN:.0f} s")
            self._rest()
            return
        self._remember()
        _log(f"{name}: {len(self.done[name]['files'])} files, {self.done[name]['result']['state']}")

    def _rest(self) -> None:
        """Every job is over and the bucket refuses what they made: only the head is needed to keep that."""
        if self.told["rest"] and all(self._over(job) for job in self.told["jobs"]):
            command, self.told["rest"] = self.told["rest"], []
            self._try(*command)

    def _remember(self) -> None:
        _write(self._memory, {"done": self.done, "expired": self.expired})

    def _tell(self) -> None:
        """How far it has come, here and in the bucket, whenever that changes."""
        states = {name: [task.state for task in tasks] for name, tasks in self._tasks.items()}
        states |= {name: [brought["result"]["state"]] for name, brought in self.done.items()}
        told = {"jobs": states, "kept": sorted(self.done), "problem": self._problem, "to": self.told["receipt"]["results"]}
        if json.dumps(told) == self._shown:
            return
        self._shown, told["time"] = json.dumps(told), self._clock.time()
        _write(self._status, told)
        try:
            if not self._begun:
                # Who looks from elsewhere, and has nothing but the bucket, learns from it what run this is.
                begun = {"run": self.told["run"], "began": self.told["began"], "receipt": self.told["receipt"]}
                beside("store").put_json(self._store, "begun.json", begun)
                self._begun = True
            beside("store").put_json(self._store, "status.json", told)
        except Exception as problem:
            _log(f"status.json: {problem}")

    def finish(self) -> None:
        """The receipt: from then on nothing here is needed any more. Raises store.Refused."""
        beside("store").put_json(self._store, "receipt.json", self.receipt())

    def receipt(self) -> dict[str, Any]:
        """The client's, with all that came after it. What is left is not known here: the head itself still is."""
        receipt, now, finding = self.told["receipt"], self._clock.time(), self._outcome.finding
        jobs = {**receipt["jobs"], **{name: brought["result"] for name, brought in self.done.items()}}
        findings = [*receipt["findings"], *(each for brought in self.done.values() for each in brought["findings"])]
        if self.expired:
            said = f"the cluster's life ended before its jobs, which were cancelled: {self.expired}"
            findings.append(finding("warning", "expired", said, f"raise {self.expired.partition(':')[0]}"))
        code = self._outcome.exit_code(jobs.values(), findings)
        said = "it ended by itself: nobody has asked yet what is left of it"
        findings.append(finding("info", "unproven", said, f"burst fetch {self.told['run']}"))
        phase = {"name": "jobs", "started_at": _utc(self.told["began"]), "seconds": round(now - self.told["began"], 3)}
        return {
            **receipt,
            "status": "ended-alone",
            "exit_code": code,
            "seconds": round(receipt["seconds"] + now - self.told["began"], 3),
            "phases": [*receipt["phases"], phase],
            "jobs": jobs,
            "findings": findings,
        }


def _utc(epoch: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(epoch)) + f".{int(epoch * 1000) % 1000:03d}Z"


def _read(path: str) -> dict[str, Any]:
    try:
        with open(path, encoding="utf-8") as stream:
            known: dict[str, Any] = json.load(stream)
            return known
    except (OSError, ValueError):
        return {}


def _write(path: str, value: object) -> None:
    with open(f"{path}.new", "w", encoding="utf-8") as stream:
        json.dump(value, stream)
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(f"{path}.new", path)


def _log(line: str) -> None:
    sys.stdout.write(f"{time.strftime('%FT%TZ', time.gmtime())} {line}\n")
    sys.stdout.flush()


def _token(told: dict[str, Any]) -> Callable[[], str]:
    """A token of this machine's own for its cloud's storage; S3's client finds its credentials itself."""
    if told["kind"] not in ("gs", "blob"):
        return lambda: ""
    launcher = beside("gcp" if told["kind"] == "gs" else "azure")
    own = launcher.Own().token if told["kind"] == "gs" else launcher.Own(told["identity"], "https://storage.azure.com/")

    def token() -> str:
        try:
            return str(own())
        except launcher.Refused as problem:
            raise beside("store").Refused(problem.kind, str(problem)) from problem

    return token


def prove(store: Any, told: dict[str, Any]) -> None:
    """Write to the bucket while somebody is there to be told of it. Raises store.Refused."""
    until = time.monotonic() + told["fresh"]
    while True:
        try:
            beside("store").put_json(store, "begun.json", {"run": told["run"], "began": time.time()})
            return
        except beside("store").Refused as problem:
            if problem.kind != "AUTH" or time.monotonic() + _PAUSE > until:
                raise
        time.sleep(_PAUSE)


def main(verb: str, folder: str) -> int:
    """The command line above."""
    with open(os.path.join(folder, "told.json"), encoding="utf-8") as stream:
        told = json.load(stream)
    try:
        store = beside("store").opened(told["store"], _token(told["store"]))
        if verb == "prove":
            prove(store, told)
            return 0
    except Exception as problem:
        sys.stderr.write(f"{problem}\n")
        return 1
    work = Work(folder, store)
    with ThreadPoolExecutor(1) as courier:
        while not work.turn(courier):
            time.sleep(_LOOK)
    # What goes wrong here is in the log, and systemd starts it again.
    work.finish()
    return subprocess.run(told["end"], check=False).returncode


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
