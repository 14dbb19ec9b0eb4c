"""Submit: one sbatch for each job, with its needs as a dependency."""

from __future__ import annotations

from collections.abc import Mapping

from provisioner.design.model import Design, Job
from provisioner.errors import BurstError, ExitCode
from provisioner.events import Events
from provisioner.executor.base import Executor
from provisioner.executor.process import CommandFailed
from provisioner.jobs.model import Submitted
from provisioner.jobs.stage import folder_of


class SubmitFailed(BurstError):
    """sbatch said no; `why` has its words."""

    exit_code = ExitCode.JOB_FAILED


def submit(executor: Executor, job: Job, workdir: str, before: Mapping[str, Submitted]) -> Submitted:
    """Hand one job to sbatch. Raises SubmitFailed. `before` has what was submitted so far, its needs among them."""
    folder = folder_of(workdir, job.name)
    lost = [need for need in job.needs if need not in before]
    if lost:
        raise SubmitFailed(f"jobs.{job.name} was not submitted", why=f"it needs {', '.join(lost)}, which was not either")
    argv = ["sbatch", "--parsable", *job.options]
    if job.needs:
        ids = ":".join(str(before[need].slurm_id) for need in job.needs)
        argv += [f"--dependency=afterok:{ids}", "--kill-on-invalid-dep=yes"]
    # A command goes in as a script on standard input: a command line holds 128 KiB at most (execve(2)).
    stdin = None if job.command is None else f"#!/bin/sh\n{job.command}\n".encode()
    argv += [f"./{job.script}"] if job.script is not None else [f"--job-name={job.name}"]
    env = {"BURST_JOB": job.name, "BURST_WORKDIR": workdir, **job.env}
    try:
        said = executor.run(argv, cwd=folder, env=env, stdin=stdin).stdout
    except CommandFailed as problem:
        raise SubmitFailed(
            f"jobs.{job.name}: sbatch refused it",
            why=problem.why,
            fix=f"ask for what the group {job.group} has (burst plan), in the file and in the script's #SBATCH lines",
        ) from problem
    # --parsable: the number, and the cluster's name after a semicolon (sbatch(1)).
    return Submitted(name=job.name, slurm_id=int(said.strip().split(";")[0]), folder=folder)


def submit_all(
    executor: Executor, design: Design, workdir: str, events: Events, known: Mapping[str, Submitted]
) -> tuple[dict[str, Submitted], dict[str, SubmitFailed]]:
    """Submit the design's jobs in their order. One that sbatch refuses does not keep the others from running."""
    done, refused = dict(known), {}
    for job in design.jobs:
        events.step("submit", f"submit {job.name}", job=job.name)
        try:
            done[job.name] = submit(executor, job, workdir, done)
        except SubmitFailed as problem:
            refused[job.name] = problem
            events.say("job.refused", f"{problem.message}: {problem.why}", job=job.name)
            continue
        events.say(
            "job.submitted", f"{job.name} is job {done[job.name].slurm_id}", job=job.name, slurm_id=done[job.name].slurm_id
        )
    return done, refused
