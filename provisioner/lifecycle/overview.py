"""What exists, and what this machine lacks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from provisioner import clock
from provisioner.findings import Finding
from provisioner.lifecycle import state
from provisioner.lifecycle.sweep import Unasked, dead, listed
from provisioner.targets.base import Tagged
from provisioner.targets.cloud import health as cloud
from provisioner.targets.local import checks as local
from provisioner.targets.nspawn import checks as nspawn
from provisioner.targets.registry import REGISTRY, open_target


def overview(*, everywhere: bool = False) -> list[dict[str, str]]:
    """A row for each run that is remembered here, and for each that only its tags tell of; with `everywhere` in every region."""
    rows = []
    for remembered in state.existing():
        begun = remembered.journal.last("begin") or {}
        reason = dead(remembered)
        rows.append(
            {
                "run_id": remembered.run_id,
                "target": str(begun.get("target", "")),
                "state": f"dead: {reason}" if reason else "running" if state.alive(remembered.folder) else _stays(remembered),
                "expires": clock.utc(begun["expires"]) if "expires" in begun else "",
                "results": str(begun.get("results", "")),
            }
        )
    known = {row["run_id"] for row in rows}
    for name in REGISTRY:
        for found in listed(open_target(name), everywhere=everywhere):
            if isinstance(found, Unasked):
                told = f"could not be asked: {found.why.message}"
                rows.append({"run_id": "?", "target": found.name, "state": told, "expires": "", "results": ""})
            elif found.run_id not in known:
                known.add(found.run_id)
                expires = clock.utc(found.expires) if found.expires else ""
                place = f"{name}/{found.region}" if found.region else name
                rows.append({"run_id": found.run_id, "target": place, "state": _told(found), "expires": expires, "results": ""})
    return rows


def _stays(remembered: state.RunState) -> str:
    return "detached" if remembered.journal.last("detached") else "kept"


def _told(tagged: Tagged) -> str:
    if tagged.state and Path(tagged.state).is_dir():
        return "another state folder's"
    return "another machine's" if not tagged.state and clock.now() < tagged.expires else "dead: nobody remembers it"


def health() -> dict[str, tuple[Finding, ...]]:
    """What is missing on this machine, for each target."""
    return {
        "local": local.programs(),
        "nspawn": (*nspawn.rights(), *nspawn.programs()),
        **{name: cloud.lacking(name, _configured(name)) for name in cloud.PACKAGES},
    }


def _configured(name: str) -> Callable[[], bool] | None:
    """How a cloud looks for credentials, where this version has it."""
    found: Callable[[], bool] | None = getattr(open_target(name), "configured", None) if name in REGISTRY else None
    return found
