"""The contract of targets/base.py, kept by a Pulumi stack and the cloud's own API."""

from __future__ import annotations

import itertools
import json
import shutil
from collections.abc import Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from provisioner import files
from provisioner.bootstrap import user_data
from provisioner.bootstrap.seam import HOME, USER, Mount, Seam
from provisioner.bootstrap.secrets import Keys, fill
from provisioner.design.model import Design
from provisioner.errors import BurstError, Kind, NotCreated
from provisioner.events import Events
from provisioner.executor.ssh import Ssh, SshExecutor
from provisioner.findings import Finding, error
from provisioner.launch.resume import Attempts
from provisioner.stack.site import SITE
from provisioner.targets import keys
from provisioner.targets.base import Intent, Inventory, Resource, Tagged, Zone
from provisioner.targets.cloud import caller, checks, engine
from provisioner.targets.cloud.faults import denied, fix
from provisioner.targets.cloud.inventory import inventory
from provisioner.targets.cloud.layout import Layout, remembered, runs_folder
from provisioner.targets.cloud.place import Place
from provisioner.targets.cloud.sessions import Sessions
from provisioner.targets.launching import launched
from provisioner.units import count

# A cloud's machine takes a minute or two to boot, and then installs what its image has not.
_PATIENCE = 900.0
# What was asked for is to be seen a minute later, wherever it is asked for: of its tags EC2 says "after a few seconds in most
# cases" (Amazon EC2 API, "Eventual consistency"), of new things IAM "minutes" at worst, whose are free.
_SETTLES = 60.0


class Kept(Tagged):
    """What identity.json has: a run by its tags, where it is, and the address ranges that SSH was opened to by itself."""

    target: str
    allowed: tuple[str, ...] = ()


class _Authorised:
    """A launch module with the caller's session; the head's own callers have none."""

    def __init__(self, place: Place, sessions: Sessions, region: str, layout: Layout) -> None:
        self.cloud = place.name
        self._place, self._sessions, self._region, self._layout = place, sessions, region, layout

    def launch(self, names: Sequence[str], template: dict[str, Any], market: str) -> dict[str, str]:
        if "custom_data" in template:
            # The head has it elsewhere.
            role = template["custom_data"].rpartition("/")[2]
            template = {**template, "custom_data": str(self._layout.user_data(role))}

        def launch(session: Any) -> dict[str, str]:
            made: dict[str, str] = self._place.launcher.launch(names, template, market, session)
            return made

        return self._sessions.asked(self._region, launch)


class CloudTarget:
    """A cloud. `place` is which."""

    def __init__(self, place: Place) -> None:
        self.name = place.name
        self._place = place
        self._sessions = Sessions(place.session)
        # Whether its user has named it: then it is asked whatever there seems to be of credentials.
        self._named = False
        # Where runs are, also those whose folder has gone.
        self._touched: dict[str, set[str]] = {}

    @property
    def patience(self) -> float:
        return _PATIENCE

    @property
    def settles(self) -> float:
        return _SETTLES

    def configured(self) -> bool:
        """Whether this user seems to have credentials for it."""
        return self._named or self._place.configured()

    def insist(self) -> None:
        """It is asked for its runs even where there seem to be no credentials, and says so where there are none."""
        self._named = True

    def preflight(self, design: Design, folder: Path, skip: Collection[str] = ()) -> tuple[Finding, ...]:
        with ThreadPoolExecutor(1) as pool:
            asked = pool.submit(self._asked, design, skip)
            return (*checks.here(design, folder, skip), *asked.result())

    def _asked(self, design: Design, skip: Collection[str]) -> tuple[Finding, ...]:
        try:
            session = self._session(_region(design))
        except BurstError as problem:
            # Without them nobody can be asked anything: not to be left out.
            return (error("credentials", f"{problem.message}: {problem.why}", problem.fix),)
        return self._place.preflight(session, design, skip)

    def zones(self, design: Design) -> tuple[Zone, ...]:
        return self._sessions.asked(_region(design), lambda session: self._place.zones(session, design))

    def create(self, design: Design, events: Events, folder: Path, state: Path) -> Inventory:
        layout, session = Layout(runs_folder() / design.run.id), self._session(_region(design))
        events.step("create.folder", f"make {layout.root}", folder=str(layout.root), region=_region(design))
        ranges = () if design.network.ssh_from or design.network.access == "tunnel" else (caller.address(),)
        self._remember(layout, design, state, ranges)
        made = keys.make(layout.keys, design.run.id)
        events.step("create.stack", f"make {design.run.id} with Pulumi: network, identity, storage, head", region=_region(design))
        stack = engine.Engine(layout, self._place, self._place.environment(session))
        outputs = stack.create(
            {
                **self._place.configuration(session, design),
                "burst:design": design.model_dump_json(),
                "burst:launches": "client",
                **({"burst:ssh_from": json.dumps(ranges)} if ranges else {}),
                **({"burst:setup": checks.setup(design, folder)} if design.software.setup else {}),
            },
            {"burst:keys": made.dumps()},
            events,
        )
        _keep_user_data(layout, design, folder, made, outputs)
        addresses: dict[str, str] = {}
        names = (*(design.login.names if design.login else ()), *design.fixed)
        if names:
            events.step("create.nodes", f"launch {count(len(names), 'machine')}", nodes=list(names))
            addresses = self._launch(layout, outputs["attempts"], names, _region(design), events)
        return inventory(design, outputs, addresses, "{}.{:02d}".format(*SITE.version))

    def _remember(self, layout: Layout, design: Design, state: Path, ranges: tuple[str, ...]) -> None:
        layout.root.mkdir(mode=0o700, parents=True)
        self._touched.setdefault(design.run.id, set()).add(_region(design))
        files.write(
            layout.identity,
            Kept(
                run_id=design.run.id,
                owner=design.run.owner,
                expires=design.run.expires,
                state=str(state),
                region=_region(design),
                target=self.name,
                allowed=ranges,
            ).model_dump_json(),
        )

    def launch(self, inventory: Inventory, names: Sequence[str], events: Events) -> None:
        layout = Layout(runs_folder() / inventory.run_id)
        self._launch(layout, json.loads(inventory.place["attempts"]), names, inventory.place["region"], events)

    def _launch(
        self, layout: Layout, attempts: dict[str, Attempts], names: Sequence[str], region: str, events: Events
    ) -> dict[str, str]:
        """Each group's nodes, all of a group or none, the groups side by side."""
        launcher = _Authorised(self._place, self._sessions, region, layout)
        parts = [(group, tuple(named)) for group, named in itertools.groupby(sorted(names, key=_group), key=_group)]
        with ThreadPoolExecutor(len(parts) or 1) as pool:
            asked = [pool.submit(_launched, launcher, named, attempts[group], events) for group, named in parts]
        return {name: address for made in asked for name, address in made.result().items()}

    def destroy(self, run_id: str, events: Events) -> None:
        layout, regions = Layout(runs_folder() / run_id), self._regions_of(run_id)
        # Remembered beyond the folder's end: what remains is asked afterwards.
        self._touched[run_id] = set(regions)
        for region in regions:
            # The head first, within: from then on nobody launches machines for it.
            self._sessions.asked(region, lambda session: self._place.end_machines(session, run_id))
        events.say("machines.ended", "the machines are ended")
        if layout.program.is_dir():
            self._sessions.asked(
                regions[0],
                lambda session: engine.Engine(layout, self._place, self._place.environment(session)).destroy(events),
            )
        shutil.rmtree(layout.root, ignore_errors=True)

    def remains(self, run_id: str, intents: Sequence[Intent] = ()) -> tuple[Resource, ...]:
        found: dict[tuple[str, str], Resource] = {}
        for region in self._regions_of(run_id):
            # What is in no region is told of in each.
            found.update({(each.kind, each.id): each for each in self._remains(region, run_id, intents)})
        return tuple(sorted(found.values(), key=lambda resource: not resource.billed))

    def _remains(self, region: str, run_id: str, intents: Sequence[Intent]) -> tuple[Resource, ...]:
        found = self._sessions.asked(region, lambda session: self._place.remains(session, run_id, intents))
        if denied(found) and self._sessions.renewed(region):
            found = self._place.remains(self._session(region), run_id, intents)
        return found

    def reap(self, resources: Sequence[Resource]) -> tuple[Resource, ...]:
        left: list[Resource] = []
        for where, grouped in itertools.groupby(sorted(resources, key=_place_of), key=_place_of):
            region, some = where or self._place.region(), tuple(grouped)
            kept = self._sessions.asked(region, lambda session: self._place.reap(session, some))  # noqa: B023 - asked here
            if denied(kept) and self._sessions.renewed(region):
                kept = self._place.reap(self._session(region), kept)
            left.extend(kept)
        return tuple(left)

    def console(self, inventory: Inventory, node: str) -> str:
        return self._place.console(self._session(inventory.place["region"]), inventory, node)

    def connect(self, inventory: Inventory) -> SshExecutor:
        layout = Layout(runs_folder() / inventory.run_id)
        self._admit(layout, inventory)
        return SshExecutor(self.ssh(inventory), json.loads(inventory.place["environment"]), f"{HOME}/{USER}")

    def ssh(self, inventory: Inventory) -> Ssh:
        """How the head is reached."""
        layout = Layout(runs_folder() / inventory.run_id)
        return Ssh(
            user=USER,
            address=inventory.address,
            identity=layout.keys / "client",
            known_hosts=layout.keys / "known_hosts",
            control=layout.control,
            proxy=self._place.tunnel(inventory) if inventory.place["access"] == "tunnel" else (),
            alias=keys.ALIAS,
        )

    def _admit(self, layout: Layout, inventory: Inventory) -> None:
        """Let the caller in from where they are now, where nobody but they were let in before."""
        kept = _kept(layout)
        if kept is None or not kept.allowed:
            return
        try:
            now = (caller.address(),)
        except NotCreated:
            # Nobody could be asked: who was let in before is still let in.
            return
        if now != kept.allowed:
            self._sessions.asked(kept.region, lambda session: self._place.allow(session, inventory, now))
            files.write(layout.identity, kept.model_copy(update={"allowed": now}).model_dump_json())

    def found_in(self, run_id: str, region: str) -> None:
        """Where a run is of which this machine remembers nothing."""
        self._touched.setdefault(run_id, set()).add(region)

    def regions(self, *, everywhere: bool = False) -> tuple[str, ...]:
        known = {kept.region for kept in self._known()}
        if not self.configured():
            return tuple(sorted(known))
        own = self._place.region()
        return tuple(sorted({own, *known, *(self._place.regions(self._session(own)) if everywhere else ())}))

    def runs(self, region: str) -> Iterable[Tagged]:
        found: dict[str, Tagged] = {kept.run_id: kept for kept in self._known() if kept.region == region}
        if self.configured():
            for tagged in self._sessions.asked(region, lambda session: tuple(self._place.runs(session))):
                # What is in no region tells nothing of where the rest is.
                self._touched.setdefault(tagged.run_id, set()).update({tagged.region} - {""})
                found.setdefault(tagged.run_id, tagged)
        return [Tagged(**{key: getattr(run, key) for key in Tagged.model_fields}) for run in found.values()]

    def _known(self) -> list[Kept]:
        """The runs that have a folder here."""
        return [kept for kept in map(_kept, remembered()) if kept is not None and kept.target == self.name]

    def _session(self, region: str) -> Any:
        return self._sessions.of(region)

    def _regions_of(self, run_id: str) -> tuple[str, ...]:
        """Where the run has been: that of its stack first."""
        kept, seen = _kept(Layout(runs_folder() / run_id)), self._touched.get(run_id, set())
        first = [kept.region] if kept is not None else []
        return tuple(dict.fromkeys([*first, *sorted(seen)])) or (self._place.region(),)


def _region(design: Design) -> str:
    assert design.region is not None, "decided (design/decide.py)"
    return design.region


def _place_of(resource: Resource) -> str:
    return resource.region


def _group(name: str) -> str:
    return name.rpartition("-")[0]


def _kept(layout: Layout) -> Kept | None:
    try:
        return Kept.model_validate_json(layout.identity.read_bytes())
    except (OSError, ValueError):
        return None


def _keep_user_data(layout: Layout, design: Design, folder: Path, made: Keys, outputs: dict[str, Any]) -> None:
    """Where no template in the cloud holds it (Azure), what nodes are told is rendered here as the head has it.

    A template names the head's file in `custom_data`, whose name is the role, and in `seam` what the place adds.
    """
    setup = checks.setup(design, folder) if design.software.setup else None
    for attempt in (attempt for attempts in outputs["attempts"].values() for attempt in attempts):
        template = attempt["template"]
        if "custom_data" not in template:
            return
        role, told = template["custom_data"].rpartition("/")[2], template["seam"]
        seam = Seam(**{**told, "mounts": tuple(Mount(**mount) for mount in told["mounts"])})
        text = user_data.render(design, role, setup=setup, site=SITE, seam=seam)
        content = user_data.packed(fill(text, made, outputs["head_private_address"]))
        files.write(layout.user_data(role), content, mode=0o600)


def _launched(launcher: _Authorised, names: Sequence[str], attempts: Attempts, events: Events) -> dict[str, str]:
    """All or none, as the first attempt with room for them has it. Raises NotCreated."""
    try:
        made: dict[str, str] = launched(launcher, names, attempts, events, type_key="instance")["machines"]
    except Exception as problem:
        kind = getattr(problem, "kind", None)
        if kind is None:
            raise
        raise NotCreated(
            f"{', '.join(names)} could not be launched",
            why=getattr(problem, "why", "") or str(problem),
            fix=getattr(problem, "fix", "") or fix(Kind(kind), launcher.cloud),
            kind=Kind(kind),
        ) from problem
    return made
