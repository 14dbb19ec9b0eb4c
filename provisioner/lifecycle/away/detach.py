"""A run whose client goes away: everything until the jobs are submitted as `run` has it, then the head has the rest.

The head is given alone/detached.py and what it loads. Before any job is staged it has to write to the bucket once: what it
may not do there is told to somebody who can still hear it. `bring` has the way back.
"""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import provisioner.slurm
from provisioner import alone, clock, files, launch, manifest
from provisioner.alone.detached import STATUS
from provisioner.errors import Interrupted, Kind, NotCreated
from provisioner.events import Sink
from provisioner.executor.process import CommandFailed
from provisioner.findings import info
from provisioner.jobs.model import Submitted
from provisioner.jobs.stage import stage_in
from provisioner.lifecycle import readiness, signals, state, work
from provisioner.lifecycle.acquire import acquire
from provisioner.lifecycle.away import keeping
from provisioner.lifecycle.lastwords import last_words
from provisioner.lifecycle.prepare import Work
from provisioner.lifecycle.record import Record, claim
from provisioner.lifecycle.run import end
from provisioner.lifecycle.work import Cluster
from provisioner.report.receipt import Receipt
from provisioner.slurm import conf
from provisioner.targets import results as places

FOLDER = "/opt/burst/detached"
_UNIT = "burst-detached.service"
# "Changes can take up to 10 minutes" ("Troubleshoot Azure RBAC"); the role is some minutes old when the head is ready.
_FRESH = 480.0
_PROOF = _FRESH + 120
# The service looks at once, and says so.
_STARTED = 60.0
_INSTALL = f"""set -e
rm -rf {FOLDER}; install -d -m 0700 {FOLDER}; install -d -m 0750 /var/log/burst
tar -x -C {FOLDER} --no-same-owner
mv {FOLDER}/{_UNIT} /etc/systemd/system/{_UNIT}"""
_START = f"""set -e
umask 077; cat >{FOLDER}/told.json; rm -f {STATUS}
systemctl daemon-reload; systemctl enable --quiet --now {_UNIT}"""


def detach(prepared: Work, into: Path, sinks: Sequence[Sink] = ()) -> Receipt:
    """burst.yaml → … → ready → bucket → staged → jobs submitted → handed over. Until then whatever happens ends as in `run`."""
    design = prepared.design
    claim(into)
    with state.begin(design.run.id) as remembered, signals.catching(lambda: last_words(remembered)) as caught:
        record = Record(design, remembered, into, sinks)
        cluster = None
        try:
            with record.meter.guarding():
                cluster = acquire(record, prepared)
                with record.phase("ready"):
                    readiness.prove(cluster.target, cluster.executor, record.design, cluster.inventory, record.events, into)
                keeping.start(cluster, record)
                with record.phase("bucket"):
                    prove(cluster, record)
                with record.phase("stage"):
                    stage_in(cluster.executor, record.design, prepared.folder, cluster.inventory.workdir, record.events)
            with record.phase("submit"):
                submitted = work.submit(cluster, record)
            if submitted:
                with caught.shielded():
                    hand_over(cluster, record, submitted)
                    if caught.received is None:
                        return record.receipt(status="detached")
                    # Whoever was told that everything is taken down is not to be left with a cluster.
                    raise Interrupted(caught.received)
        except (Exception, Interrupted) as problem:
            record.stopped(problem)
        with caught.shielded():
            receipt = end(record, record.target or prepared.target, cluster, caught)
        record.reraise_bug()
        return receipt


def prove(cluster: Cluster, record: Record) -> None:
    """Give the head its program, and have it write to the bucket. Raises NotCreated with the service's own words."""
    record.events.step("bucket", f"have the head write to {record.design.results}")
    design = record.design
    new = design.target != "nspawn" and design.identity.id is None
    told = {
        "run": design.run.id,
        "fresh": _FRESH if new else 0.0,
        "store": places.told(design, cluster.inventory),
    }
    run = cluster.executor.run
    try:
        run(["sh", "-c", _INSTALL], stdin=_packed(told), admin=True)
        run(["python3", "-I", f"{FOLDER}/detached.py", "prove", FOLDER], timeout=_PROOF, admin=True)
    except CommandFailed as problem:
        raise NotCreated(
            f"the head cannot write to {record.design.results}",
            why=problem.why,
            fix="let the head's role write there, or name another place: --to URL",
            kind=Kind.AUTH if problem.status is not None else Kind.TRANSIENT,
        ) from problem


def _packed(told: dict[str, Any]) -> bytes:
    """A tar of the program, what it loads, its unit, and told.json."""
    rooms = {alone: ("detached", "store"), provisioner.slurm: ("states", "outcome"), launch: ("gcp", "azure")}
    paths = [Path(str(room.__file__)).with_name(f"{name}.py") for room, names in rooms.items() for name in names]
    content = {path.name: path.read_bytes() for path in (*paths, Path(str(manifest.__file__)))}
    content[_UNIT] = (files.packaged("cloud-init") / "detached.service").read_bytes()
    content["told.json"] = json.dumps(told).encode()
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w") as tar:
        for name, data in content.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return held.getvalue()


def hand_over(cluster: Cluster, record: Record, submitted: dict[str, Submitted]) -> None:
    """From when this returns the head goes on alone. Raises NotCreated where it does not begin."""
    design = record.design
    record.events.step("hand-over", f"hand {design.run.id} over to its head")
    told = _told(cluster, record, submitted)
    try:
        cluster.executor.run(["sh", "-c", _START], stdin=json.dumps(told).encode(), admin=True)
    except CommandFailed as problem:
        raise NotCreated("the head did not take the run over", why=problem.why, fix="burst run again") from problem
    for _ in clock.patience(_STARTED, first=0.1, longest=1.0):
        if status(cluster) is not None:
            break
    else:
        said = cluster.executor.run(["tail", "-n", "20", "/var/log/burst/detached.log"], check=False, admin=True).stdout
        raise NotCreated("the head did not take the run over", why=said, fix="burst run again", kind=Kind.TRANSIENT)
    record.events.step("detached", f"{design.run.id} goes on by itself", expires=design.run.expires, to=design.results)
    record.found(info("detached", f"the results will be in {told['receipt']['results']}", f"burst fetch {design.run.id}"))


def _told(cluster: Cluster, record: Record, submitted: dict[str, Submitted]) -> dict[str, Any]:
    """told.json, as alone/detached.py has it."""
    design = record.design
    hosts = ",".join(conf.hostlist(group.name, 1, group.max) for group in design.groups)
    jobs = [
        {
            "name": job.name,
            "slurm_id": job.slurm_id,
            "folder": job.folder,
            "outputs": [output.model_dump() for output in design.job(job.name).outputs],
        }
        for job in submitted.values()
    ]
    receipt = json.loads(record.receipt(status="detached").model_dump_json())
    return {
        "run": design.run.id,
        "began": clock.now(),
        "deadline": work.deadline(design),
        "end": ["/opt/burst/end.sh", hosts, "its work is done"],
        "rest": ["/opt/burst/suspend", hosts],
        "store": places.told(design, cluster.inventory),
        "jobs": jobs,
        "receipt": {**receipt, "results": f"{design.results}/{design.run.id}"},
    }


def status(cluster: Cluster) -> dict[str, Any] | None:
    """How far the head has come, as it tells itself: {jobs, kept, problem, to, time}; None where it has not begun."""
    try:
        told: dict[str, Any] = json.loads(cluster.executor.read(STATUS, 0, 1 << 20))
        return told
    except (CommandFailed, ValueError):
        return None
