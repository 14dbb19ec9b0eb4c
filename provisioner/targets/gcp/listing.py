"""What is left of a run, and which runs there are: asked of each service, of none of our own records."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from provisioner.errors import Kind as ErrorKind
from provisioner.errors import Refused
from provisioner.launch import gcp
from provisioner.launch.gcp import COMPUTE, Session
from provisioner.stack.identity import EXPIRES, OWNER, RUN
from provisioner.targets.base import Intent, Resource, Tagged
from provisioner.targets.cloud.faults import listed as answered
from provisioner.targets.gcp import faults
from provisioner.targets.gcp.kinds import BY_NAME, IN_HOST, KINDS, OFF, Listed, identity, listed

_SIDE_BY_SIDE = 8


def remains(session: Session, run: str, intents: Sequence[Intent] = ()) -> tuple[Resource, ...]:
    """Everything of a run, billed first; what could not be asked is `unknown`. Raises Refused where nothing could be."""
    try:
        asked = {f"{kind.name}s of {project}": partial(_found, session, kind, project, run) for kind, project in _asked(session)}
        if intents:
            asked["what has a name"] = partial(_named, session, run, intents)
        told = answered(asked, session.region, lambda problem: ": ".join(faults.told(problem)))
    except gcp.Refused as problem:
        raise refused(session, problem) from problem
    found = {(each.kind, each.id): each for each in told}
    return tuple(sorted(_with_machines(found.values()), key=lambda resource: (not resource.billed, resource.kind, resource.name)))


def named(session: Session, run: str, intents: Sequence[Intent]) -> list[tuple[Listed, dict[str, Any]]]:
    """What was to be made under a name, asked for by it: IAM's listings lag behind ("Access change propagation").

    Raises launch.gcp's Refused.
    """
    found = []
    for intent in dict.fromkeys(intents):
        kind = next((kind for kind in KINDS if intent.type.removeprefix("gcp:") in kind.made_by), None)
        where = kind.at(session.project, session.region, intent.name) if kind is not None else ""
        if kind is None or not where:
            continue
        try:
            thing = {**session.call("GET", where), "url": where}
        except gcp.Refused as problem:
            if problem.status != 404 and problem.code not in OFF:
                raise
            continue
        # A role that was deleted is answered for a week.
        if identity(thing).get(RUN) == run and not thing.get("deleted"):
            found.append((kind, thing))
    return found


def _named(session: Session, run: str, intents: Sequence[Intent]) -> list[Resource]:
    return [_resource(session, kind, thing, _billed(kind, thing, run)) for kind, thing in named(session, run, intents)]


def _found(session: Session, kind: Listed, project: str, run: str) -> list[Resource]:
    return [_resource(session, kind, thing, _billed(kind, thing, run)) for thing in listed(kind, session, project, run)]


def runs(session: Session) -> Iterator[Tagged]:
    """Every run that anything in the project belongs to. In no region of its own: each is seen from every one."""
    seen: set[str] = set()
    for thing in _all(session):
        told = identity(thing)
        if told[RUN] not in seen and told.get(EXPIRES, "").isdecimal():
            seen.add(told[RUN])
            yield Tagged(run_id=told[RUN], owner=told.get(OWNER, ""), expires=int(told[EXPIRES]), state="")


def machines(session: Session, run: str) -> list[dict[str, Any]]:
    """The run's instances, as the API has them, `url` beside it. Raises launch.gcp's Refused."""
    return listed(BY_NAME["instance"], session, session.project, run)


def _all(session: Session) -> list[dict[str, Any]]:
    try:
        asked = _asked(session)
        with ThreadPoolExecutor(_SIDE_BY_SIDE) as pool:
            answers = list(pool.map(lambda each: listed(each[0], session, each[1], None), asked))
    except gcp.Refused as problem:
        raise refused(session, problem) from problem
    return [thing for things in answers for thing in things]


def _asked(session: Session) -> list[tuple[Listed, str]]:
    """(kind, project) of every listing."""
    asked: list[tuple[Listed, str]] = [(kind, session.project) for kind in KINDS]
    host = _host(session)
    return asked + [(BY_NAME[name], host) for name in IN_HOST if host]


def refused(session: Session, problem: gcp.Refused) -> Refused:
    """As whoever reads the screen is told."""
    fix = "gcloud auth application-default login" if problem.kind == "AUTH" else "try again in a minute"
    kind = ErrorKind(problem.kind)
    return Refused(f"Google Cloud could not be asked about project {session.project}", why=str(problem), fix=fix, kind=kind)


def _host(session: Session) -> str:
    """The project whose network this one shares; "" where it shares none, or may not know."""
    try:
        name: str = session.call("GET", f"{COMPUTE}/projects/{session.project}/getXpnHost").get("name", "")
    except gcp.Refused as problem:
        if problem.kind in ("AUTH", "CONFIG"):
            return ""
        raise
    return "" if name == session.project else name


def _billed(kind: Listed, thing: dict[str, Any], run: str) -> bool:
    """Disks and filesystems by their size, also without a machine ("Disk and image pricing"). Of addresses those in the world,
    used or not ("External IP address pricing"). Cloud NAT by the machines that use it, and its addresses go with the last
    ("Cloud NAT pricing", "IP addresses and ports"): in a network that is there already anybody's, else the run's own
    (`_with_machines`).
    """
    if kind.name == "address":
        return bool(thing.get("addressType") == "EXTERNAL")
    if kind.name == "router":
        return not str(thing.get("network")).endswith(f"/{run}-net")
    return kind.billed


def _with_machines(found: Iterable[Resource]) -> list[Resource]:
    """A router of the run's own network costs as long as the run has a machine."""
    known = list(found)
    machines = any(each.kind == "instance" for each in known)
    return [each.model_copy(update={"billed": True}) if machines and each.kind == "router" else each for each in known]


def _resource(session: Session, kind: Listed, thing: dict[str, Any], billed: bool) -> Resource:
    url: str = thing["url"]
    name = thing.get("email") or thing["name"].rpartition("/")[2]
    return Resource(kind=kind.name, id=url, name=name, billed=billed, region=_region(url) or session.region)


def _region(url: str) -> str:
    """…/zones/us-central1-a/… → us-central1; "" for what is in none."""
    parts = url.split("/")
    places = [place for kind, place in itertools.pairwise(parts) if kind in ("zones", "regions", "locations")]
    return "-".join(places[0].split("-")[:2]) if places else ""
