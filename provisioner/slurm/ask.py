"""Asking a cluster: the Slurm commands burst uses, over any Executor-shaped `run`."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from provisioner.slurm.states import NodeState, Task, parse_jobs, parse_nodes

# A command line in, what it printed out; raises what the executor raises when it fails.
Run = Callable[[Sequence[str]], str]

# So that times parse the same wherever the head is.
ENVIRONMENT = {"TZ": "UTC", "SLURM_TIME_FORMAT": "standard"}


def jobs(run: Run) -> tuple[Task, ...]:
    """Every job and array task that slurmctld remembers."""
    return parse_jobs(run(["scontrol", "--oneliner", "--all", "show", "job"]))


def nodes(run: Run) -> dict[str, NodeState]:
    """Every node, by name."""
    # Not --Node, which takes sinfo a second for 10,000 nodes: it compares each with each.
    return parse_nodes(run(["sinfo", "--noheader", "--all", "--format=%N|%T"]))


def power_up(run: Run, names: Sequence[str]) -> None:
    """Ask for machines before the jobs that need them: a job that finds its node starting waits up to 30 s longer."""
    run(["scontrol", "update", f"nodename={','.join(names)}", "state=POWER_UP"])


def power_down(run: Run, names: Sequence[str]) -> None:
    """Have their machines ended; idle again afterwards (idle_on_node_suspend), so that jobs may ask for them anew."""
    run(["scontrol", "update", f"nodename={','.join(names)}", "state=POWER_DOWN"])


def fail(run: Run, names: Sequence[str], reason: str) -> None:
    """Declare nodes dead: their jobs are requeued at once, where a drained node would let them run on."""
    run(["scontrol", "update", f"nodename={','.join(names)}", "state=DOWN", f"reason={reason}"])


def release(run: Run, job_id: int) -> None:
    """End the two minutes for which Slurm holds a requeued job."""
    run(["scontrol", "update", f"jobid={job_id}", "starttime=now"])


def cancel(run: Run, job_ids: Sequence[int]) -> None:
    """End jobs, whatever their state."""
    run(["scancel", *(str(job_id) for job_id in job_ids)])
