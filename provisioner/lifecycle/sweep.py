"""Sweep: end what dead and expired runs left behind. It needs no record of ours: a place's own tags are enough."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from provisioner import clock
from provisioner.errors import BurstError, Invalid
from provisioner.events import Events, Sink
from provisioner.lifecycle import finishing, state
from provisioner.lifecycle.finishing import Swept
from provisioner.lifecycle.state import RunState
from provisioner.targets.base import RUN_ID, UNASKED, Resource, Tagged, Target

# Regions that are asked at the same time.
_SIDE_BY_SIDE = 8


@dataclass(frozen=True)
class Wish:
    """What is to be swept: with `expired` nothing but what has outlived its expiry, of one `owner`, of these `runs`; in every
    region of the account with `everywhere`; and with `dry_run` only said.
    """

    dry_run: bool = False
    expired: bool = False
    owner: str = ""
    everywhere: bool = False
    runs: tuple[str, ...] = ()

    def holds(self, run_id: str, owner: str, expires: float) -> bool:
        """Whether a run is among what is wished for."""
        named = not self.runs or run_id in self.runs
        return named and self.owner in ("", owner) and (not self.expired or clock.now() >= expires)


def sweep(
    targets: Sequence[Target], sinks: Sequence[Sink] = (), wish: Wish | None = None, region: str | None = None
) -> list[Swept]:
    """End every run that has no client and is not kept, or has expired; `region` is the only one that is looked at."""
    asked = wish or Wish()
    by_name = {target.name: target for target in targets}
    done: list[Swept] = []
    for remembered in state.existing():
        begun = remembered.journal.last("begin")
        target = by_name.get(begun["target"]) if begun else None
        reason = dead(remembered)
        elsewhere = region is not None and begun is not None and begun.get("region") not in (None, region)
        if reason is None or (target is None and begun is not None) or elsewhere or not _wished(asked, remembered):
            continue
        done.extend(finishing.finish(remembered, target, reason, sinks, dry_run=asked.dry_run))
    known = {swept.run_id for swept in done}
    for target in targets:
        for found in listed(target, everywhere=asked.everywhere, region=region):
            if isinstance(found, Unasked):
                done.append(found.swept(sinks))
                continue
            reason = _stray(found)
            if reason is not None and found.run_id not in known and asked.holds(found.run_id, found.owner, found.expires):
                known.add(found.run_id)
                done.append(finishing.stray(target, found, reason, sinks, dry_run=asked.dry_run))
    return done


def _wished(wish: Wish, remembered: RunState) -> bool:
    begun, design = remembered.journal.last("begin"), remembered.design()
    expires = float(begun.get("expires", 0)) if begun else 0.0
    return wish.holds(remembered.run_id, design.run.owner if design else state.caller(), expires)


@dataclass(frozen=True)
class Unasked:
    """A place, by its name and region, that could not be asked for its runs."""

    name: str
    why: BurstError

    def swept(self, sinks: Sequence[Sink]) -> Swept:
        """It keeps no other from being swept; but nobody may say that nothing is there."""
        told = f"{self.name} could not be asked: {self.why.message}: {self.why.why}"
        Events("sweep", list(sinks)).say("sweep", told)
        return Swept("?", told, 0, (Resource(kind=UNASKED, id=self.name, name=self.why.fix),))


def listed(target: Target, *, everywhere: bool = False, region: str | None = None) -> Iterator[Tagged | Unasked]:
    """Every run that is found by its tags, region by region, side by side."""

    def ask(where: str) -> list[Tagged | Unasked]:
        try:
            return list(target.runs(where))
        except BurstError as problem:
            return [Unasked(f"{target.name}/{where}" if where else target.name, problem)]

    try:
        regions = target.regions(everywhere=everywhere) if region is None else (region,)
    except BurstError as problem:
        yield Unasked(target.name, problem)
        return
    with ThreadPoolExecutor(_SIDE_BY_SIDE) as pool:
        for some in pool.map(ask, regions):
            yield from some


def dead(remembered: RunState) -> str | None:
    """Why a remembered run is to be ended; None when it is alive or kept."""
    if state.alive(remembered.folder):
        return None
    kept = remembered.stays
    if kept is None:
        return "its client died"
    return "it has expired" if clock.now() >= kept["expires"] else None


def _stray(tagged: Tagged) -> str | None:
    """Why something found by its tags is to be ended; None where its own state says that it lives."""
    if not tagged.state and clock.now() < tagged.expires:
        # Made from another machine, or by Pulumi alone: a cloud's tags do not tell whether its client lives.
        return None
    if not tagged.state or not Path(tagged.state).is_dir():
        return "nobody remembers it"
    return dead(RunState(Path(tagged.state)))


def down(run_id: str, target: Target | None, region: str | None, sinks: Sequence[Sink], *, discard: bool = False) -> Swept | None:
    """End one run by its id: one that is remembered here and whose client is dead, or one that is found on `target` by its
    tags, whoever made it, expired or not. None where it is a kept cluster of this machine: `kept.down` is for those.

    Raises Invalid where somebody works on it, or nothing has its tags.
    """
    remembered = next((run for run in state.existing() if run.run_id == run_id), None)
    if remembered is not None and (remembered.stays is not None or state.alive(remembered.folder)):
        return None
    if remembered is not None and (begun := remembered.journal.last("begin")) is not None:
        place = target if target is not None and target.name == begun["target"] else finishing.target_of(remembered)
        return _finished(remembered, place, sinks, discard)
    if remembered is not None:
        remembered.forget()
        return Swept(run_id, "it died before anything was made", 0, ())
    if target is None:
        return None
    if not RUN_ID.fullmatch(run_id):
        raise Invalid(f"{run_id!r} is no run's id", why="small letters, digits and dashes", fix="burst list --all-regions")
    found = list(listed(target, everywhere=True, region=region))
    unasked = [each.swept(sinks) for each in found if isinstance(each, Unasked)]
    tagged = [each for each in found if isinstance(each, Tagged) and each.run_id == run_id]
    if not tagged and not unasked and not target.remains(run_id):
        raise Invalid(
            f"there is no run {run_id!r} on {target.name}", why="nothing there has its tags", fix="burst list --all-regions"
        )
    theirs = next((Path(each.state) for each in tagged if each.state and Path(each.state).is_dir()), None)
    if theirs is not None:
        # Another state folder of this machine has its journal.
        return _finished(RunState(theirs), target, sinks, discard)
    ended = finishing.stray(target, tagged[0] if tagged else run_id, "asked for", sinks)
    return Swept(run_id, ended.reason, 0, (*ended.remains, *(resource for each in unasked for resource in each.remains)))


def _finished(remembered: RunState, target: Target, sinks: Sequence[Sink], discard: bool) -> Swept:
    done = finishing.finish(remembered, target, "its client died", sinks, discard=discard)
    if not done and remembered.folder.is_dir():
        raise Invalid(
            f"{remembered.run_id} is being worked on by another burst",
            why=f"{remembered.folder} is locked",
            fix="wait for it, or end it: Ctrl-C there",
        )
    return done[0] if done else Swept(remembered.run_id, "another burst has ended it meanwhile", 0, ())
