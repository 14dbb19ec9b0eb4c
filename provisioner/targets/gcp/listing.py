"""What is left of a run, and which runs there are: asked of each service, of none of our own records."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from provisioner.errors import Kind as ErrorKind
from provisioner.errors import Refused
from provisioner.launch import gcp
from provisioner.launch.gcp import COMPUTE, Session
from provisioner.stack.identity import EXPIRES, OWNER, RUN
from provisioner.targets.base import Intent, Resource, Tagged
from provisioner.targets.gcp.kinds import BY_NAME, IN_HOST, KINDS, OFF, Listed, identity, listed

_SIDE_BY_SIDE = 8


def remains(session: Session, run: str, intents: Sequence[Intent] = ()) -> tuple[Resource, ...]:
    """Everything of a run, billed first. Raises Refused where anything could not be asked."""
    things = [*_all(session, run), *named(session, run, intents)]
    found = {(each.kind, each.id): each for each in (_resource(session, kind, thing) for kind, thing in things)}
    return tuple(sorted(found.values(), key=lambda resource: (not resource.billed, resource.kind, resource.name)))


def named(session: Session, run: str, intents: Sequence[Intent]) -> list[tuple[Listed, dict[str, Any]]]:
    """What was to be made under a name, asked for by it: IAM's listings lag behind ("Access change propagation")."""
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
                raise refused(session, problem) from problem
            continue
        # A role that was deleted is answered for a week.
        if identity(thing).get(RUN) == run and not thing.get("deleted"):
            found.append((kind, thing))
    return found


def runs(session: Session) -> Iterator[Tagged]:
    """Every run that anything in the project belongs to. In no region of its own: each is seen from every one."""
    seen: set[str] = set()
    for _, thing in _all(session, None):
        told = identity(thing)
        if told[RUN] not in seen and told.get(EXPIRES, "").isdecimal():
            seen.add(told[RUN])
            yield Tagged(run_id=told[RUN], owner=told.get(OWNER, ""), expires=int(told[EXPIRES]), state="")


def machines(session: Session, run: str) -> list[dict[str, Any]]:
    """The run's instances, as the API has them, `url` beside it. Raises launch.gcp's Refused."""
    return listed(BY_NAME["instance"], session, session.project, run)


def _all(session: Session, run: str | None) -> list[tuple[Listed, dict[str, Any]]]:
    asked = [(kind, session.project) for kind in KINDS]
    try:
        host = _host(session)
        asked += [(BY_NAME[name], host) for name in IN_HOST if host]
        with ThreadPoolExecutor(_SIDE_BY_SIDE) as pool:
            answers = list(pool.map(lambda each: listed(each[0], session, each[1], run), asked))
    except gcp.Refused as problem:
        raise refused(session, problem) from problem
    return [(kind, thing) for (kind, _), things in zip(asked, answers, strict=True) for thing in things]


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


def _resource(session: Session, kind: Listed, thing: dict[str, Any]) -> Resource:
    url: str = thing["url"]
    name = thing.get("email") or thing["name"].rpartition("/")[2]
    return Resource(kind=kind.name, id=url, name=name, billed=kind.billed, region=_region(url) or session.region)


def _region(url: str) -> str:
    """…/zones/us-central1-a/… → us-central1; "" for what is in none."""
    parts = url.split("/")
    places = [place for kind, place in itertools.pairwise(parts) if kind in ("zones", "regions", "locations")]
    return "-".join(places[0].split("-")[:2]) if places else ""
