"""What speaks against a design, asked of Google Cloud: all at once, each with its fix. Nothing is made.

Sizes of filesystems, spot markets and the like need no account: the design's own rules say those.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection, Iterable, Iterator
from functools import partial

from provisioner import clock
from provisioner.design.model import Design
from provisioner.findings import Finding, error, warning
from provisioner.launch.gcp import COMPUTE, Refused, Session
from provisioner.targets import checks
from provisioner.targets.gcp import quota, results

_RESOURCES = "https://cloudresourcemanager.googleapis.com/v1"
_SERVICES = "https://serviceusage.googleapis.com/v1"
# "Limit the run time of a VM": 120 days at most, of which a head may take some minutes after the expiry to end its run.
_LONGEST = 120 * 86400 - 1800

Check = Callable[[Session, Design], Iterable[Finding]]


def findings(session: Session, design: Design, skip: Collection[str] = ()) -> tuple[Finding, ...]:
    """Of every check, in their order."""

    def unchecked(name: str, problem: Exception) -> Finding | None:
        if not isinstance(problem, Refused):
            return None
        # Without the right to look nothing is known to be wrong; without credentials everything is.
        if problem.kind == "AUTH" and problem.status == 403:
            said = f"{name} could not be checked in {session.project}: {problem}"
            return warning("unchecked", said, f"allow the call, or leave it out: --skip {name}")
        fix = "gcloud auth application-default login" if problem.kind == "AUTH" else "burst doctor"
        return error("gcp", f"project {session.project}: {problem}", fix)

    return checks.ask([(name, partial(check, session, design)) for name, check in CHECKS], skip, unchecked)


def services(session: Session, design: Design) -> Iterator[Finding]:
    """Which APIs are on."""
    wanted = [f"{name}.googleapis.com" for name in _apis(design)]
    parent = f"projects/{session.project}"
    told = session.call("GET", f"{_SERVICES}/{parent}/services:batchGet", {"names": [f"{parent}/services/{n}" for n in wanted]})
    on = {each["name"].rpartition("/")[2] for each in told.get("services", ()) if each.get("state") == "ENABLED"}
    off = [name for name in wanted if name not in on]
    if off:
        fix = f"gcloud services enable {' '.join(off)} --project {session.project}"
        yield error("api-off", f"project {session.project} has not enabled {', '.join(off)}", fix)


def _apis(design: Design) -> list[str]:
    kinds = {fs.type for fs in design.filesystems if fs.id is None}
    more = {"managed-nfs": ["file"], "lustre": ["lustre", "servicenetworking"], "bucket": ["storage"]}
    named = ["compute", "iam", "cloudresourcemanager", *(api for kind in sorted(kinds) for api in more.get(kind, ()))]
    return [*named, *(["iap"] if design.network.access == "tunnel" else [])]


def permissions(session: Session, design: Design) -> Iterator[Finding]:
    """What the caller may do in the project."""
    wanted = _needed(design)
    url = f"{_RESOURCES}/projects/{session.project}:testIamPermissions"
    missing = [p for p in wanted if p not in session.call("POST", url, None, {"permissions": wanted}).get("permissions", ())]
    if missing:
        fix = "ask for a role that has them (roles/editor and roles/iam.roleAdmin with roles/resourcemanager.projectIamAdmin)"
        if all(p.startswith(("iam.", "resourcemanager.")) for p in missing):
            fix = "identity: the service account of somebody who may, or identity: none with fixed nodes only"
        yield error("permissions", f"you lack in {session.project}: {', '.join(missing)}", fix)


def _needed(design: Design) -> list[str]:
    """The creating ones: who may make a thing may nearly always delete it."""
    own = design.network.id is None
    gateway = design.network.egress == "gateway" or design.network.access == "tunnel"
    kinds = {fs.type for fs in design.filesystems if fs.id is None}
    wanted = {
        "compute.addresses.createInternal": True,
        "compute.disks.create": True,
        "compute.instances.create": True,
        "compute.instances.delete": True,
        "compute.instances.setMetadata": True,
        "compute.instanceTemplates.create": True,
        "compute.firewalls.create": own,
        "compute.networks.create": own,
        "compute.networks.updatePolicy": own,
        "compute.subnetworks.create": own,
        "compute.routes.create": own and not gateway,
        "compute.routers.create": own and gateway,
        "compute.resourcePolicies.create": any(n.fabric for g in design.groups if g.fabric == "auto" for n in g.alternatives),
        "iam.roles.create": _makes_identity(design),
        "iam.serviceAccounts.create": _makes_identity(design),
        "iam.serviceAccounts.actAs": design.identity.create,
        "resourcemanager.projects.setIamPolicy": _makes_identity(design),
        "file.instances.create": "managed-nfs" in kinds,
        "lustre.instances.create": "lustre" in kinds,
        "servicenetworking.services.addPeering": "lustre" in kinds and own,
        "storage.buckets.create": "bucket" in kinds,
    }
    return [permission for permission, needed in wanted.items() if needed]


def _makes_identity(design: Design) -> bool:
    return design.identity.create and design.identity.id is None


def zones(session: Session, design: Design) -> Iterator[Finding]:
    """Whether one zone of the region has a type for everybody (stacks/gcp/zones.py chooses it)."""
    groups = {group.name: [node.instance for node in group.alternatives] for group in design.groups}
    always = [design.head.instance, *([design.login.node.instance] if design.login else [])]
    names = dict.fromkeys([*always, *(name for types in groups.values() for name in types)])
    asked = " OR ".join(f"(name = {name})" for name in names)
    offers: dict[str, set[str]] = {}
    for page in session.pages(f"{COMPUTE}/projects/{session.project}/aggregated/machineTypes", {"filter": asked}):
        for scope, part in page.get("items", {}).items():
            zone = scope.partition("/")[2]
            if zone.startswith(f"{design.region}-"):
                offers.setdefault(zone, set()).update(kind["name"] for kind in part.get("machineTypes", ()))
    lacking = {zone: [n for n in always if n not in types] for zone, types in offers.items()}
    for zone, types in offers.items():
        lacking[zone] += [name for name, some in groups.items() if not types & set(some)]
    if all(lacking.values()):
        told = "; ".join(f"{zone} lacks one for {', '.join(dict.fromkeys(what))}" for zone, what in sorted(lacking.items()))
        fix = f"another region (target: gcp/…), or other types; gcloud compute machine-types list --filter='{asked}'"
        yield error(
            "zone", f"no zone of {design.region} has a type for the head and each group" + (f": {told}" if told else ""), fix
        )


def existing(session: Session, design: Design) -> Iterator[Finding]:
    """What is named by id has to be there: the subnet, images."""
    network = design.network
    if network.id is not None:
        parts = network.id.split("/")
        project = parts[parts.index("projects") + 1] if "projects" in parts else session.project
        subnet = f"projects/{project}/regions/{design.region}/subnetworks/{str(network.subnet).rpartition('/')[2]}"
        yield from _there(session, subnet, "network", f"gcloud compute networks subnets list --project {project}")
    images = dict.fromkeys(image for image in (design.image, *(group.image for group in design.groups)) if image)
    for image in images:
        if not image.startswith("projects/"):
            yield error(
                "image", f"{image} is no image's name here", "projects/PROJECT/global/images/NAME, or …/images/family/NAME"
            )
            continue
        yield from _there(session, image, "image", f"gcloud compute images list --project {image.split('/')[1]}")


def _there(session: Session, path: str, code: str, fix: str) -> Iterator[Finding]:
    try:
        session.call("GET", f"{COMPUTE}/{path}")
    except Refused as problem:
        if problem.status != 404:
            raise
        yield error(code, f"there is no {path}", fix)


def ways(session: Session, design: Design) -> Iterator[Finding]:
    """What Google Cloud has not, or has otherwise."""
    if design.network.access == "tunnel" and shutil.which("gcloud") is None:
        yield error(
            "tunnel", "access: tunnel goes through gcloud, which is not on PATH", "install the gcloud CLI, or access: public"
        )
    if design.identity.boundary is not None:
        yield error("boundary", "identity.boundary is AWS's: Google Cloud has none", "leave it out")
    if design.run.expires - clock.now() > _LONGEST:
        yield error("ttl", "Google Cloud ends machines after 120 days at the latest", "limits: {ttl: 119d}")


CHECKS: tuple[tuple[str, Check], ...] = (
    ("permissions", permissions),
    ("services", services),
    ("types", zones),
    ("network", existing),
    ("results", results.results),
    ("quota", quota.check),
    ("limits", ways),
)
