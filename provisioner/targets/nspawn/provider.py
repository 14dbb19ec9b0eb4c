"""The provider: a process for each run that stands where a cloud would be. python -m provisioner.targets.nspawn.provider ROOT

It makes and ends machines, all or none (launch/nspawn.py has its two callers), takes those away that switch
themselves off, gives spot notices and carries them out, and ends the whole run when its time has come and nobody else
did. It outlives the client, as a cloud does. `serving` has its sockets.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from provisioner import clock
from provisioner.launch.nspawn import Refused
from provisioner.targets.nspawn import bucket, cgroups, machines, removal, serving
from provisioner.targets.nspawn.imds import Facts
from provisioner.targets.nspawn.layout import Layout, role_of
from provisioner.targets.nspawn.machines import Machine

# Each machine ends itself at the expiry, and the head its nodes before; what still hangs then is ended from here.
_GRACE = 20.0
_TICK = 0.1


class Provider:
    """The machines of one run."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.told: dict[str, Any] = json.loads(layout.told.read_text())
        self.rehearsal: dict[str, Any] = json.loads(layout.rehearsal.read_text())
        self._machines: dict[str, Machine] = {}
        self._calls = 0
        self._over = False
        self._lock = threading.RLock()

    def launch(self, names: Sequence[str], kind: str, market: str) -> dict[str, str]:
        """All of them or none. Raises Refused."""
        self._refuse_a_call()
        unknown = [name for name in names if name not in self.told["addresses"]]
        if unknown:
            raise Refused("CONFIG", f"no such machine: {', '.join(unknown)}")
        if self.rehearsal["delay"]:
            clock.sleep(self.rehearsal["delay"])
        with self._lock:
            self.end(names)
            self._refuse_a_crowd(names, kind, market)
            made = [self._new(name, kind, market) for name in names]
            try:
                with ThreadPoolExecutor(4) as pool:
                    list(pool.map(self._boot, made))
            except Exception as problem:
                self.end(names)
                raise Refused("TRANSIENT", f"{', '.join(names)} could not be started: {problem}") from problem
            return {machine.name: machine.address for machine in made}

    def _refuse_a_call(self) -> None:
        self._calls += 1
        if self._calls <= self.rehearsal["throttle"]:
            raise Refused("THROTTLE", "RequestLimitExceeded: too many calls, as the rehearsal has it")

    def _refuse_a_crowd(self, names: Sequence[str], kind: str, market: str) -> None:
        nodes = [machine for machine in self._machines.values() if role_of(machine.name) == "compute"]
        wanted = [name for name in names if role_of(name) == "compute"]
        for what, room in self.rehearsal["capacity"].items():
            taken = sum(what in (machine.kind, machine.market) for machine in nodes)
            if what in (kind, market) and wanted and taken + len(wanted) > room:
                raise Refused(
                    "CAPACITY", f"InsufficientInstanceCapacity: {len(wanted)} {market} {kind} asked for, room for {room - taken}"
                )

    def _new(self, name: str, kind: str, market: str) -> Machine:
        machine = Machine(name, self.told["addresses"][name], kind, market, self.rehearsal["faults"].get(name, ""))
        self._machines[name] = machine
        return machine

    def _boot(self, machine: Machine) -> None:
        way_out, gpus = self.told["way_out"], self.told["gpus"]
        machines.boot(self.layout, machine, Path(self.told["base"]), self.told["served"], gpus, way_out=way_out)

    def end(self, names: Sequence[str]) -> None:
        """Those that are not there are ended already."""
        with self._lock:
            for name in names:
                if self._machines.pop(name, None) is not None:
                    machines.end(self.layout, name)

    def end_all(self) -> None:
        """The run is over: the next tick is the last one."""
        sys.stdout.write(f"{clock.utc(clock.now())} the head ends the run\n")
        sys.stdout.flush()
        self._over = True

    def keep(self, path: str, headers: Mapping[str, str], body: bytes) -> None:
        """A part of a result, into the bucket of this rehearsal. Raises Refused."""
        if self.rehearsal["bucket"] == "denied":
            raise Refused("AUTH", "AccessDenied: the head may not write there, as the rehearsal has it")
        bucket.keep(self.told["results"], self.layout.run_id, unquote(path.removeprefix("/results/")), headers, body)

    def give_notice(self, name: str, warning: float) -> None:
        """This machine will be taken away in so many seconds."""
        with self._lock:
            self._machines[name].notice = clock.now() + warning

    def listed(self) -> list[dict[str, Any]]:
        """What there is."""
        with self._lock:
            return [
                {"name": m.name, "address": m.address, "kind": m.kind, "market": m.market, "launched": m.launched}
                for m in self._machines.values()
            ]

    def facts(self, address: str) -> Facts | None:
        """What the machine with that address is told of itself; None for a stranger, or where the service is broken."""
        machine = next((m for m in list(self._machines.values()) if m.address == address), None)
        if machine is None or machine.fault == "no-metadata":
            return None
        name = f"{self.layout.run_id}-{machine.name}"
        return Facts(
            name=name,
            machine_id=f"i-{int(machine.launched * 1000):017x}",
            kind=machine.kind,
            address=address,
            market=machine.market,
            tags={"Name": name, **self.told["tags"]},
            region=self.told["region"],
            zone=f"{self.told['region']}a",
            user_data="",
            started=machine.launched,
            notice=machine.notice,
        )

    def tick(self) -> bool:
        """Look after everything once; False when the run has ended."""
        with self._lock:
            off = [m.name for m in self._machines.values() if m.process is not None and m.process.poll() is not None]
            gone = [m.name for m in self._machines.values() if m.notice is not None and clock.now() >= m.notice]
            self.end([*off, *gone])
            for name, notice in list(self.rehearsal["notices"].items()):
                machine = self._machines.get(name)
                if machine is not None and clock.now() >= machine.launched + notice["after"]:
                    machine.notice = clock.now() + notice["warning"]
                    # The machine that comes after it lives.
                    del self.rehearsal["notices"][name]
            past = clock.now() - self.told["expires"]
            return not (self._over or past >= _GRACE or (past >= 0 and not self._machines))


def main(root: str) -> None:
    """Until the run's end; then nothing of it is left."""
    os.umask(0o022)
    layout = Layout(Path(root))
    provider = Provider(layout)
    serving.serve(provider)
    while provider.tick():
        clock.sleep(_TICK)
    cgroups.leave(layout.run_id, "provider")
    removal.destroy(layout.run_id)


if __name__ == "__main__":
    main(*sys.argv[1:])
