"""What a cluster watches by itself, whoever else is dead: its expiry, whether anybody uses it, what it costs.

python3 keeper.py TOLD.json     (on a head; targets/local/keeper has the same for `local`)

TOLD: `expires` (epoch seconds); `unused` (seconds, or null) and `budget` (USD, or null); `spent`, what it had cost at `since`
(USD; epoch seconds, by the client's clock); `hourly`, USD an hour of what is always there beside nodes; `nodes`, USD an hour
of one node, by group; `margin`, the seconds that the end itself takes; `squeue` and `sinfo` (command lines) and `env`;
`finished`, the file in which Slurm notes each job that is over (jobcomp/filetxt); `state`, the file in which this program
keeps what it knows, and from which everybody may read it; `every`, seconds from one look to the next; `end`, the command
that ends the run, to which the reason is added. Where a client has left its jobs to the head (alone/detached.py), `detached`
is the file that says so, and `collect` the seconds that are kept for bringing outputs away: that is asked for first, by a file
beside it.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Any

# When it is said that the money runs out.
_WARN = 0.8
# A command waits for slurmctld for MessageTimeout, 10 s by default (slurm.conf(5)).
_PATIENCE = 15.0
# An end that did not come is asked for again.
_AGAIN = 60.0
# Where people's numbers begin (login.defs(5), UID_MIN): sshd's own processes are root's and sshd's.
_PEOPLE = 1000


class Time:
    """The machine's clocks: `wall` in epoch seconds, which may jump; `steady` in seconds since this `boot`, asleep or not."""

    def wall(self) -> float:
        return time.time()

    def steady(self) -> float:
        return time.clock_gettime(time.CLOCK_BOOTTIME)

    def boot(self) -> str:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as stream:
            return stream.read().strip()


class Keeper:
    """What is watched. `known` goes through `state`, so that another process can take over where this one died."""

    def __init__(self, told: dict[str, Any], clocks: Time | None = None) -> None:
        self.told = told
        self._clocks = clocks or Time()
        self.known = self._remembered()

    def _remembered(self) -> dict[str, Any]:
        fresh = {
            "since": self.told["since"],
            "spent": self.told["spent"],
            "elapsed": 0.0,
            "idle": 0.0,
            "used": "",
            "nodes": {},
            "wall": self._clocks.wall(),
            "steady": self._clocks.steady(),
            "boot": self._clocks.boot(),
            "finished": self._finished(),
            "warned": False,
            "rate": 0.0,
        }
        try:
            with open(self.told["state"], encoding="utf-8") as stream:
                kept = json.load(stream)
        except (OSError, ValueError):
            return fresh
        # What was told anew begins anew.
        return {**fresh, **kept} if isinstance(kept, dict) and kept.get("since") == self.told["since"] else fresh

    def look(self) -> str:
        """Look at everything once; why the run is to end now, "" while it goes on."""
        passed = self._passed()
        reason = self._expired() or self._spent(passed) or self._unused(passed)
        self._remember()
        return reason

    def _passed(self) -> float:
        """Seconds since the last look, another process's included; after a boot only the wall clock tells how many."""
        now: dict[str, Any] = {"wall": self._clocks.wall(), "steady": self._clocks.steady(), "boot": self._clocks.boot()}
        clock = "steady" if now["boot"] == self.known["boot"] else "wall"
        passed: float = max(0.0, now[clock] - self.known[clock])
        self.known.update(now)
        self.known["elapsed"] += passed
        return passed

    def _expired(self) -> str:
        # A wall clock that went back gives no life; one that went ahead has ended the machines by their timers, too.
        now = max(self.known["wall"], self.told["since"] + self.known["elapsed"])
        return "limits.ttl" if now >= self.told["expires"] else ""

    def _spent(self, passed: float) -> str:
        """Count the money. While slurmctld is silent the nodes cost what they cost before."""
        known, budget = self.known, self.told["budget"]
        known["nodes"] = self._nodes(known["nodes"])
        prices = self.told["nodes"]
        known["rate"] = self.told["hourly"] + sum(prices.get(group, 0.0) * n for group, n in known["nodes"].items())
        known["spent"] += known["rate"] * passed / 3600
        if not budget or not known["spent"]:
            return ""
        if known["spent"] >= _WARN * budget and not known["warned"]:
            known["warned"] = True
            self.warn(f"{known['spent']:.2f} of {budget:.2f} USD are spent: the cluster ends itself before all of it is")
        last = known["rate"] * self.told["margin"] / 3600
        if known["spent"] + last + known["rate"] * self.told.get("collect", 0) / 3600 >= budget:
            self._hurry(f"limits.cost: {known['spent']:.2f} of {budget:.2f} USD are spent")
        if known["spent"] + last < budget:
            return ""
        return f"limits.cost: {known['spent']:.2f} of {budget:.2f} USD are spent, its end may cost {last:.2f}"

    def _detached(self) -> bool:
        return os.path.exists(self.told.get("detached", ""))

    def _hurry(self, why: str) -> None:
        """Have the jobs cancelled and their outputs brought away, where that is the head's to do."""
        if not self._detached() or os.path.exists(self.told["detached"] + ".stop"):
            return
        say(f"the jobs are to end: {why}")
        with contextlib.suppress(OSError), open(self.told["detached"] + ".stop", "w", encoding="utf-8") as stream:
            json.dump({"at": self._clocks.wall(), "why": why}, stream)

    def _nodes(self, before: dict[str, int]) -> dict[str, int]:
        """How many nodes of each group are there: sinfo(1) marks those that are powered down with `~`."""
        if not any(self.told["nodes"].values()):
            return before
        said = self._ask([*self.told["sinfo"], "--noheader", "--all", "--format=%R|%D|%T"])
        if said is None:
            return before
        there: dict[str, int] = {}
        for group, number, state in (line.split("|") for line in said.splitlines() if line.count("|") == 2):
            there[group] = there.get(group, 0) + (0 if "~" in state else int(number))
        return there

    def _unused(self, passed: float) -> str:
        limit = self.told["unused"]
        if limit is None:
            return ""
        used = self.known["used"] = self._used()
        self.known["idle"] = 0.0 if used else self.known["idle"] + passed
        idle = self.known["idle"]
        return "" if idle < limit else f"limits.unused: no job was, and nobody logged in, for {idle:.0f} s"

    def _used(self) -> str:
        """Who uses it; "" where nobody does."""
        finished, self.known["finished"] = self.known["finished"], self._finished()
        if self._detached():
            return "its results are on their way"
        if self.somebody():
            return "somebody is logged in"
        queued = self._ask([*self.told["squeue"], "--noheader", "--all", "--format=%A"])
        if queued is None:
            # Its jobs may run on without it.
            return "slurmctld does not answer"
        if queued.strip():
            return f"job {queued.split()[0]}"
        return "a job was" if self.known["finished"] != finished else ""

    def _finished(self) -> float:
        """When Slurm last noted the end of a job: one may begin and end between two looks."""
        try:
            return os.stat(self.told["finished"]).st_mtime
        except OSError:
            return 0.0

    def somebody(self) -> bool:
        """Whether anybody has an SSH connection here, our own client included, which lets go of its own a minute after use.

        For each, sshd has a process with the number of who it is. utmp(5) is no longer written by Debian 13, and
        logind is not on every image.
        """
        return any(map(_is_connection, filter(str.isdigit, os.listdir("/proc"))))

    def warn(self, text: str) -> None:
        """To whoever is there to read it."""
        say(text)
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            subprocess.run(["wall", f"burst: {text}"], capture_output=True, check=False, timeout=10)

    def end(self, reason: str) -> None:
        """End the run. Where that does not end us, it is tried again."""
        say(f"the end: {reason}")
        try:
            status = subprocess.run([*self.told["end"], reason], stdin=subprocess.DEVNULL, check=False).returncode
            say(f"{self.told['end'][0]} ended with {status}")
        except OSError as problem:
            say(f"{self.told['end'][0]}: {problem}")

    def _ask(self, command: Sequence[str]) -> str | None:
        """What it prints; None where it fails, or does not answer."""
        environment = {**os.environ, **self.told["env"]}
        try:
            done = subprocess.run(
                command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, check=False, text=True, timeout=_PATIENCE
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
        return done.stdout if done.returncode == 0 else None

    def _remember(self) -> None:
        path = self.told["state"]
        # A full disk keeps nobody from ending in time.
        with contextlib.suppress(OSError):
            with open(f"{path}.new", "w", encoding="utf-8") as stream:
                json.dump(self.known, stream)
            os.replace(f"{path}.new", path)


def _is_connection(pid: str) -> bool:
    try:
        with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as stream:
            if not stream.read().startswith("sshd"):
                return False
        with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as stream:
            return any(line.startswith("Uid:") and int(line.split()[1]) >= _PEOPLE for line in stream)
    except OSError:
        return False


def say(line: str) -> None:
    """Into the log. One that cannot be written keeps nobody from ending in time."""
    with contextlib.suppress(OSError):
        sys.stdout.write(f"{time.strftime('%FT%TZ', time.gmtime())} {line}\n")
        sys.stdout.flush()


def watch(keeper: Keeper) -> None:
    """Until the run has ended, and this machine with it."""
    say(f"watching until {time.strftime('%FT%TZ', time.gmtime(keeper.told['expires']))}")
    while True:
        reason = keeper.look()
        if reason:
            keeper.end(reason)
        time.sleep(_AGAIN if reason else keeper.told["every"])


def main(path: str) -> None:
    """What systemd runs."""
    with open(path, encoding="utf-8") as stream:
        told = json.load(stream)
    watch(Keeper(told))


if __name__ == "__main__":
    main(*sys.argv[1:])
