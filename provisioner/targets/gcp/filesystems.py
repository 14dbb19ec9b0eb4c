"""Filesystems that are there already: whether they are, are ready, and can be reached from where the machines are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from provisioner.design.model import Design, Filesystem
from provisioner.findings import Finding, error, info, warning
from provisioner.launch.gcp import Refused, Session
from provisioner.targets.checks import side_by_side
from provisioner.targets.gcp import named
from provisioner.targets.gcp.kinds import FILE, LUSTRE, STORAGE
from provisioner.targets.gcp.permissions import makes_identity

# Type → (its API, gcloud's word for it, the state in which it can be mounted): Instance.State of both APIs' references.
_SERVICES = {"managed-nfs": (FILE, "filestore", "READY"), "lustre": (LUSTRE, "lustre", "ACTIVE")}
# It is let go again, or still served, in these ("Instance states" of Managed Lustre; Filestore's REPAIRING is "might be").
_FOR_NOW = ("REPAIRING", "MAINTENANCE", "UPGRADING")
# To let the run's accounts in, the stack reads and changes the bucket's policy (stacks/gcp/storage.py).
_POLICY = ("storage.buckets.getIamPolicy", "storage.buckets.setIamPolicy")


def check(session: Session, design: Design) -> Iterator[Finding]:
    """All that the file names by id, side by side. Raises launch.gcp's Refused."""
    taken = [fs for fs in design.filesystems if fs.id is not None]
    for found in side_by_side(lambda fs: list(_one(session, design, fs)), taken):
        yield from found


def _one(session: Session, design: Design, fs: Filesystem) -> Iterator[Finding]:
    identity = str(fs.id)
    if fs.type == "bucket":
        yield from _bucket(session, design, fs, identity.removeprefix("gs://").strip("/"))
    elif ":/" in identity:
        yield info("filesystem", f"{fs.mount}: whether {identity} answers is seen when the head mounts it")
    elif fs.type == "nfs":
        yield error("filesystem", f"{fs.mount}: {identity} is not HOST:/EXPORT", "id: nas.example.org:/export")
    else:
        yield from _instance(session, design, fs, identity)


def _instance(session: Session, design: Design, fs: Filesystem, identity: str) -> Iterator[Finding]:
    """Of Filestore or Managed Lustre."""
    api, word, ready = _SERVICES[fs.type]
    found = _asked(session, api, identity)
    if not found:
        where = identity.split("/")[1] if "/" in identity else session.project
        yield error("filesystem", f"{fs.mount}: there is no {identity}", f"gcloud {word} instances list --project {where}")
        return
    name, state = found["name"], found.get("state", ready)
    described = f"gcloud {word} instances describe {name.rpartition('/')[2]} --location {_location(name)}"
    if state in _FOR_NOW:
        yield warning("filesystem", f"{fs.mount}: {name} is {state}", described)
    elif state != ready:
        yield error("filesystem", f"{fs.mount}: {name} is {state}, not {ready}", described)
    yield from _reached(session, design, fs, found)
    yield from _near(design, fs, identity, name)


def _asked(session: Session, api: str, identity: str) -> dict[str, Any]:
    """{} where there is none. A name alone is looked for in every location."""
    try:
        if "/" in identity:
            one: dict[str, Any] = session.call("GET", f"{api}/{identity}")
            return one
        pages = session.pages(f"{api}/projects/{session.project}/locations/-/instances")
        every = (each for page in pages for each in page.get("instances", ()))
        return next((each for each in every if each["name"].rpartition("/")[2] == identity), {})
    except Refused as problem:
        if problem.status != 404:
            raise
        return {}


def _reached(session: Session, design: Design, fs: Filesystem, found: dict[str, Any]) -> Iterator[Finding]:
    """It is mounted at an address of the network that it was made in: another one has no way there unless somebody made one."""
    own = named.network(design, session.project)
    project = found["name"].split("/")[1]
    networks = [each.get("network", "") for each in found.get("networks", ())] or [found.get("network", "")]
    networks = [network for network in networks if network]
    if not networks or (own and any(named.same_network(own, network, project) for network in networks)):
        return
    its = networks[0] if "/" in networks[0] else f"projects/{project}/global/networks/{networks[0]}"
    fix = f"network: {{id: {its}, subnet: a subnet of it in {design.region}}}"
    if own:
        said = f"{fs.mount}: {found['name']} is in {its}, the machines are in {own}: whether there is a way is not known"
        yield warning("filesystem", said, f"{fix}, or connect the two")
    else:
        said = f"{fs.mount}: {found['name']} is in {its}, and the run makes a network of its own, from which there is no way"
        yield error("filesystem", said, fix)


def _near(design: Design, fs: Filesystem, identity: str, name: str) -> Iterator[Finding]:
    """The stack looks for a name alone in the zone that it chooses; and far away every byte takes long and costs."""
    where = _location(name)
    if "/" not in identity and where != design.zone:
        said = f"{fs.mount}: {identity} is in {where}, and is looked for in the machines' zone, whichever that will be"
        finding = warning if design.zone is None else error
        yield finding("filesystem", said, f"id: {name}")
    elif not where.startswith(str(design.region)):
        yield warning("filesystem", f"{fs.mount}: {name} is not in {design.region}: slow, and traffic is billed", "its region")


def _location(name: str) -> str:
    parts = name.split("/")
    return parts[parts.index("locations") + 1]


def _bucket(session: Session, design: Design, fs: Filesystem, name: str) -> Iterator[Finding]:
    try:
        session.call("GET", f"{STORAGE}/b/{name}", {"fields": "name,location"})
    except Refused as problem:
        if problem.status == 404:
            fix = f"gcloud storage buckets create gs://{name}"
            yield error("filesystem", f"{fs.mount}: there is no bucket gs://{name}", fix)
            return
        if problem.status != 403:
            raise
        yield warning("filesystem", f"{fs.mount}: gs://{name} may not be looked at: {problem}", _grant(name))
        return
    if makes_identity(design):
        may = session.call("GET", f"{STORAGE}/b/{name}/iam/testPermissions", {"permissions": list(_POLICY)})
        missing = [permission for permission in _POLICY if permission not in may.get("permissions", ())]
        if missing:
            said = f"{fs.mount}: you may not let the run's machines into gs://{name}: {', '.join(missing)}"
            yield error("filesystem", said, _grant(name))


def _grant(bucket: str) -> str:
    return f"gcloud storage buckets add-iam-policy-binding gs://{bucket} --member user:YOU --role roles/storage.admin"
