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
from provisioner.launch.gcp import Refused, Session
from provisioner.targets import checks
from provisioner.targets.gcp import filesystems, images, network, permissions, quota, results, zones
from provisioner.targets.gcp.credentials import LOG_IN
from provisioner.targets.gcp.kinds import OFF

_BILLING = "https://cloudbilling.googleapis.com/v1"
_SERVICES = "https://serviceusage.googleapis.com/v1"
# "Limit the run time of a VM": 120 days at most, of which a head may take some minutes after the expiry to end its run.
_LONGEST = 120 * 86400 - 1800

Check = Callable[[Session, Design], Iterable[Finding]]


def findings(session: Session, design: Design, skip: Collection[str] = ()) -> tuple[Finding, ...]:
    """Of every check, in their order."""
    return checks.ask([(name, partial(check, session, design)) for name, check in CHECKS], skip, _unchecked)


def _unchecked(name: str, problem: Exception) -> Finding | None:
    if not isinstance(problem, Refused):
        return None
    # 403 is what somebody may not do; the other refusals of this class say that nobody is known, or that there is no token.
    nobody = problem.kind == "AUTH" and problem.status != 403
    return checks.unchecked(name, str(problem), login=LOG_IN if nobody else None)


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
    """What is given by a name, and not by its address, is looked up in its API."""
    made = {fs.type for fs in design.filesystems if fs.id is None}
    kinds = {fs.type for fs in design.filesystems if fs.id is None or ":/" not in fs.id}
    more = {"managed-nfs": "file", "lustre": "lustre", "bucket": "storage"}
    named = ["compute", "iam", "cloudresourcemanager", *(more[kind] for kind in sorted(kinds & more.keys()))]
    named += ["servicenetworking"] if "lustre" in made and design.network.id is None else []
    return [*named, *(["iap"] if design.network.access == "tunnel" else [])]


def billing(session: Session, design: Design) -> Iterator[Finding]:
    """Whether somebody pays: without an open billing account nothing that costs can be made."""
    project = session.project
    try:
        told = session.call("GET", f"{_BILLING}/projects/{project}/billingInfo")
    except Refused as problem:
        if problem.code not in OFF:
            raise
        fix = f"gcloud services enable cloudbilling.googleapis.com --project {project}"
        yield warning("unchecked", f"whether {project} has an open billing account is not known: {problem}", fix)
        return
    if not told.get("billingEnabled", False):
        fix = f"gcloud billing projects link {project} --billing-account ACCOUNT"
        yield error("billing", f"project {project} has no open billing account", fix)


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


# As in targets/checks.py. A name may have several, which are asked side by side as well.
CHECKS: tuple[tuple[str, Check], ...] = (
    ("permissions", permissions.check),
    ("identity", permissions.identity),
    ("services", services),
    ("services", billing),
    ("types", zones.check),
    ("images", images.check),
    ("network", network.check),
    ("filesystems", filesystems.check),
    ("results", results.results),
    ("quota", quota.check),
    ("limits", ways),
)
