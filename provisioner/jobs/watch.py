"""Watch: ask slurmctld until every job is over; tell what changes; follow logs; help what is stuck."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from provisioner import clock
from provisioner.errors import BurstError, ExitCode
from provisioner.events import Events
from provisioner.executor.base import Executor
from provisioner.executor.process import CommandFailed
from provisioner.jobs.follow import Follower
from provisioner.jobs.model import Submitted
from provisioner.slurm import ask
from provisioner.slurm.states import NodeState, Task

# A question costs slurmctld about a millisecond and us ten; a job that ends is seen this much later at most.
_QUICKEST, _SLOWEST = 0.005, 1.0
# Dead nodes are looked for this often, in seconds.
_NODES_EVERY = 2.0
# A machine that was asked for anew has this long to boot before it counts as dead once more.
_BOOT = 300.0
# A node that did not come up is given up by slurmctld, for good; after so many seconds (launch/resume.py, _AGAIN, and more) jobs
# may ask for it once more.
_GIVEN_UP = 90.0
# A job that was requeued this often will not end: its nodes come up only to fail.
_MOST_RESTARTS = 5
# A slurmctld that is silent for so many seconds counts as gone; one that is only busy answers within its MessageTimeout of 10.
_DEAF = 30.0


class Meter(Protocol):
    """What counts the cost (lifecycle/budget.py)."""

    def observe(self, nodes: Mapping[str, NodeState]) -> None:
        """Every node, as slurmctld has it."""

    def over(self) -> bool:
        """Whether it is enough."""


class ClusterLost(BurstError):
    """The head has gone while jobs were running."""

    exit_code = ExitCode.JOB_FAILED


Tasks = dict[str, tuple[Task, ...]]


class Watch:
    """One watch over one set of jobs. `tasks` is what is known so far, also when the watch was broken off."""

    def __init__(self, executor: Executor, submitted: Mapping[str, Submitted], events: Events, *, quiet: bool = False) -> None:
        self.tasks: Tasks = {}
        self.expired = False
        self.overspent = False
        self._executor = executor
        self._submitted = dict(submitted)
        self._events = events
        self._told: dict[tuple[str, int | None], str] = {}
        self._ended: set[str] = set()
        # Dead nodes, and when they were last given up.
        self._mourned: dict[str, float] = {}
        # Nodes that never came up, and since when that is known.
        self._given_up: dict[str, float] = {}
        self._quiet = quiet
        self._heard = clock.monotonic()
        self._nodes_asked = clock.monotonic()

    def until_over(
        self,
        heal: Callable[[Sequence[str]], None],
        follow: Follower | None,
        expires: float,
        ended: Callable[[str], object] = lambda _: None,
        meter: Meter | None = None,
    ) -> None:
        """Return when every job is over. At `expires` (epoch seconds) jobs are cancelled, so that they can be collected.

        `heal` is given the names of nodes that died, `ended` once the name of each job that is over. Where `meter` says that
        it is enough, jobs are cancelled, too.
        """
        pause = _QUICKEST
        while True:
            changed = self.look(follow)
            for name in self._submitted:
                if name not in self._ended and self.is_over(name):
                    self._ended.add(name)
                    ended(name)
            if self.over():
                return
            if not self.expired and clock.now() >= expires:
                self.expired = True
                self._events.say("expired", "the cluster's life ends: jobs are cancelled and collected")
                self.cancel()
            if meter is not None and not self.overspent and meter.over():
                self.overspent = True
                self._events.say("overspent", "limits.cost is nearly spent: jobs are cancelled and collected")
                self.cancel()
            self._release_requeued()
            if clock.monotonic() - self._nodes_asked > _NODES_EVERY:
                self._nodes_asked = clock.monotonic()
                self._look_after_nodes(heal, meter)
            pause = _QUICKEST if changed else min(pause * 1.2, _SLOWEST)
            clock.sleep(pause)

    def over(self) -> bool:
        """Whether all jobs have ended for good."""
        return all(self.is_over(name) for name in self._submitted)

    def is_over(self, name: str) -> bool:
        """Whether one job has."""
        tasks = self.tasks.get(name, ())
        return bool(tasks) and all(task.over for task in tasks)

    def wait_until_over(self, seconds: float) -> None:
        """Look again until all have ended, `seconds` at most."""
        for _ in clock.patience(seconds):
            self.look()
            if self.over():
                return

    def look(self, follow: Follower | None = None) -> bool:
        """Ask once; whether anything changed. What a job wrote is shown before its end is told.

        Raises ClusterLost when slurmctld has gone.
        """
        try:
            every = ask.jobs(self._run)
        except CommandFailed as problem:
            if clock.monotonic() - self._heard > _DEAF:
                raise ClusterLost("slurmctld does not answer any more", why=problem.why) from problem
            return False
        self._heard = clock.monotonic()
        for name, job in self._submitted.items():
            self.tasks[name] = tuple(task for task in every if task.job_id == job.slurm_id)
        if follow is not None:
            # The line may drop in between: the next look reads on from where this one stopped.
            with contextlib.suppress(CommandFailed):
                follow.read(self.tasks)
        return self._tell()

    def cancel(self) -> None:
        """End what is not over yet."""
        left = [job.slurm_id for name, job in self._submitted.items() if not self.is_over(name)]
        if left:
            # One that ended since it was looked at makes scancel answer with an error: nothing is wrong.
            with contextlib.suppress(CommandFailed):
                ask.cancel(self._run, left)

    def _run(self, argv: Sequence[str]) -> str:
        return self._executor.run(argv, env=ask.ENVIRONMENT).stdout

    def _administer(self, argv: Sequence[str]) -> str:
        return self._executor.run(argv, env=ask.ENVIRONMENT, admin=True).stdout

    def _tell(self) -> bool:
        changed = False
        for name, tasks in self.tasks.items():
            for task in tasks:
                key, state = (name, task.index), f"{task.state} {task.restarts}"
                if self._told.get(key) == state:
                    continue
                self._told[key] = state
                changed = True
                if self._quiet:
                    continue
                label = name if task.index is None else f"{name}[{task.index}]"
                detail = f" on {task.nodes}" if task.nodes and task.state == "RUNNING" else ""
                if task.over and task.state != "COMPLETED":
                    reason = "" if task.reason in ("", "None") else f"{task.reason}, "
                    detail = f" ({reason}exit code {task.exit_code})" if task.nodes else f" ({task.reason})"
                self._events.say(
                    "job.state",
                    f"{label} {task.state}{detail}",
                    job=name,
                    index=task.index,
                    state=task.state,
                    nodes=task.nodes,
                    exit_code=task.exit_code if task.over else None,
                    restarts=task.restarts,
                )
        return changed

    def _release_requeued(self) -> None:
        """Slurm holds a requeued job for two minutes (BeginTime); its node's death was not its fault."""
        for name, tasks in self.tasks.items():
            for task in tasks:
                if task.over or not task.restarts:
                    continue
                if task.restarts > _MOST_RESTARTS:
                    self._events.say("job.given-up", f"{name} was requeued {task.restarts} times: cancelled", job=name)
                    with contextlib.suppress(CommandFailed):
                        ask.cancel(self._run, [task.own_id])
                elif task.state == "PENDING" and task.reason == "BeginTime":
                    # It may have begun since it was looked at: then there is nothing to release.
                    with contextlib.suppress(CommandFailed):
                        ask.release(self._run, task.own_id)

    def _look_after_nodes(self, heal: Callable[[Sequence[str]], None], meter: Meter | None) -> None:
        try:
            nodes = ask.nodes(self._run)
        except CommandFailed:
            return
        if meter is not None:
            meter.observe(nodes)
        now = clock.monotonic()
        self._offer_again([node.name for node in nodes.values() if node.state == "down" and node.gone], now)
        silent = {node.name for node in nodes.values() if _dead(node)}
        self._mourned = {name: at for name, at in self._mourned.items() if name in silent}
        dead = [name for name in sorted(silent) if now - self._mourned.get(name, -_BOOT) >= _BOOT]
        if dead:
            self._mourned |= dict.fromkeys(dead, now)
            self._events.say("node.dead", f"{', '.join(dead)} does not answer", nodes=dead)
            with contextlib.suppress(CommandFailed):
                ask.fail(self._administer, dead, "burst: does not answer")
            heal(dead)

    def _offer_again(self, given_up: Sequence[str], now: float) -> None:
        self._given_up = {name: self._given_up.get(name, now) for name in given_up}
        again = [name for name, since in self._given_up.items() if now - since >= _GIVEN_UP]
        if again:
            self._events.say("node.again", f"{', '.join(again)} did not come up, and may be asked for once more", nodes=again)
            with contextlib.suppress(CommandFailed):
                ask.power_down(self._administer, again)


def _dead(node: NodeState) -> bool:
    return node.powered and not node.responding and node.state not in ("powering_up", "powering_down")
