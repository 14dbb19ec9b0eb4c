"""What a run is made of, in the order in which it can be deleted, and how each kind is listed: one listing for each.

Whose a thing is, its labels say, or its description where it has none (stack/identity.py). Names only make a listing
short: the id of one run may begin with that of another.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from provisioner.launch.gcp import COMPUTE, Refused, Session
from provisioner.stack.identity import EXPIRES, OWNER, RUN

FILE = "https://file.googleapis.com/v1"
LUSTRE = "https://lustre.googleapis.com/v1"
STORAGE = "https://storage.googleapis.com/storage/v1"
IAM = "https://iam.googleapis.com/v1"
# An API that was never enabled has nothing of anybody.
OFF = ("SERVICE_DISABLED", "accessNotConfigured")


@dataclass(frozen=True)
class Kind:
    """`level` is when it goes: what is on a lower one may use it. `made_by` are the types of the stack's resources."""

    name: str
    level: int
    made_by: tuple[str, ...]
    billed: bool = False

    def at(self, project: str, region: str, name: str) -> str:
        """Where one of that name is asked for; "" where its place would have to be known as well."""
        return ""


@dataclass(frozen=True)
class Compute(Kind):
    """A collection of the Compute Engine API: in every zone and region at once, or in the project."""

    collection: str = ""
    aggregated: bool = True
    labelled: bool = True

    def found(self, session: Session, project: str, run: str | None) -> Iterator[dict[str, Any]]:
        scope = "aggregated" if self.aggregated else "global"
        url = f"{COMPUTE}/projects/{project}/{scope}/{self.collection}"
        for page in session.pages(url, {"filter": self._filter(run)}):
            items = page.get("items", {})
            scopes = [part.get(self.collection, ()) for part in items.values()] if self.aggregated else [items or ()]
            for thing in (thing for part in scopes for thing in part):
                yield {**thing, "url": COMPUTE + thing["selfLink"].partition("/compute/v1")[2]}

    def at(self, project: str, region: str, name: str) -> str:
        """Those of a zone are left to their listing, which has them at once."""
        if self.name in ("instance", "disk"):
            return ""
        scope = f"regions/{region}" if self.aggregated and self.name != "instance template" else "global"
        return f"{COMPUTE}/projects/{project}/{scope}/{self.collection}/{name}"

    def _filter(self, run: str | None) -> str:
        """Regular expressions (RE2) that the whole field must match ("filter", of every list method)."""
        if run is not None:
            return f'name eq "{run}-.*"'
        return f'labels.{RUN} eq ".*"' if self.labelled else f'description eq "{RUN}=.*"'


@dataclass(frozen=True)
class Located(Kind):
    """Instances of Filestore or of Managed Lustre, in every location at once."""

    api: str = ""

    def found(self, session: Session, project: str, run: str | None) -> Iterator[dict[str, Any]]:
        for page in session.pages(f"{self.api}/projects/{project}/locations/-/instances"):
            if page.get("unreachable"):
                raise Refused("TRANSIENT", f"{self.name}: {', '.join(page['unreachable'])} could not be asked")
            for thing in page.get("instances", ()):
                yield {**thing, "url": f"{self.api}/{thing['name']}"}


@dataclass(frozen=True)
class Buckets(Kind):
    """Cloud Storage."""

    def at(self, project: str, region: str, name: str) -> str:
        return f"{STORAGE}/b/{name}"

    def found(self, session: Session, project: str, run: str | None) -> Iterator[dict[str, Any]]:
        asked = {"project": project, **({"prefix": f"{run}-"} if run else {})}
        for page in session.pages(f"{STORAGE}/b", asked):
            for thing in page.get("items", ()):
                yield {**thing, "url": f"{STORAGE}/b/{thing['name']}"}


@dataclass(frozen=True)
class Accounts(Kind):
    """Service accounts."""

    def at(self, project: str, region: str, name: str) -> str:
        return f"{IAM}/projects/{project}/serviceAccounts/{name}@{project}.iam.gserviceaccount.com"

    def found(self, session: Session, project: str, run: str | None) -> Iterator[dict[str, Any]]:
        for page in session.pages(f"{IAM}/projects/{project}/serviceAccounts", {"pageSize": 100}):
            for thing in page.get("accounts", ()):
                yield {**thing, "url": f"{IAM}/{thing['name']}"}


@dataclass(frozen=True)
class Roles(Kind):
    """Custom roles. A deleted one is listed for a week, and its id is taken for a month, only where one asks for deleted
    ones ("Delete a custom role"): it grants nothing any more, and is not counted as left.
    """

    def at(self, project: str, region: str, name: str) -> str:
        return f"{IAM}/projects/{project}/roles/{name}"

    def found(self, session: Session, project: str, run: str | None) -> Iterator[dict[str, Any]]:
        for page in session.pages(f"{IAM}/projects/{project}/roles", {"pageSize": 1000}):
            for thing in page.get("roles", ()):
                yield {**thing, "url": f"{IAM}/{thing['name']}"}


Listed = Compute | Located | Buckets | Accounts | Roles

KINDS: tuple[Listed, ...] = (
    Compute("instance", 0, ("compute/instance:Instance",), True, "instances"),
    Compute("disk", 1, (), True, "disks"),
    Located("Filestore instance", 1, ("filestore/instance:Instance",), True, FILE),
    Located("Lustre instance", 1, ("lustre/instance:Instance",), True, LUSTRE),
    Buckets("bucket", 1, ("storage/bucket:Bucket",), True),
    Compute("router", 1, ("compute/router:Router",), True, "routers", labelled=False),
    # Its labels are those of the machines to be, so that its own identity is in its description.
    Compute("instance template", 1, ("compute/instanceTemplate:InstanceTemplate",), False, "instanceTemplates", labelled=False),
    Compute("placement policy", 1, ("compute/resourcePolicy:ResourcePolicy",), False, "resourcePolicies", labelled=False),
    Compute("route", 1, ("compute/route:Route",), False, "routes", aggregated=False, labelled=False),
    Compute("firewall rule", 1, ("compute/firewall:Firewall",), False, "firewalls", aggregated=False, labelled=False),
    Compute("address", 2, ("compute/address:Address", "compute/globalAddress:GlobalAddress"), False, "addresses"),
    Compute("subnet", 3, ("compute/subnetwork:Subnetwork",), False, "subnetworks", labelled=False),
    Compute("network", 4, ("compute/network:Network",), False, "networks", aggregated=False, labelled=False),
    Accounts("service account", 5, ("serviceaccount/account:Account",)),
    Roles("role", 5, ("projects/iAMCustomRole:IAMCustomRole",)),
)
BY_NAME = {kind.name: kind for kind in KINDS}

# What the stack makes beside these is a part of something else, and goes with it.
WITHIN: dict[str, str] = {
    "compute/routerNat:RouterNat": "router",
    "servicenetworking/connection:Connection": "network",
    "compute/subnetworkIAMMember:SubnetworkIAMMember": "subnet, or a grant to a service account that is gone",
    "storage/bucketIAMMember:BucketIAMMember": "bucket, or a grant to a service account that is gone",
    "serviceaccount/iAMMember:IAMMember": "service account",
    "projects/iAMMember:IAMMember": "a grant to a service account that is gone",
}
# In a shared VPC's project these are of the run too.
IN_HOST = ("route", "firewall rule", "router")


def identity(thing: Mapping[str, Any]) -> dict[str, str]:
    """The run's identity as a thing carries it; {} where it is nobody's."""
    labels: dict[str, str] = thing.get("labels") or {}
    if RUN in labels:
        return labels
    words = [word.partition("=") for word in str(thing.get("description", "")).split()]
    told = {key: value for key, equal, value in words if equal}
    return told if {RUN, OWNER, EXPIRES} <= told.keys() else {}


def listed(kind: Listed, session: Session, project: str, run: str | None) -> list[dict[str, Any]]:
    """What there is of a kind, of one run or of every one. Raises Refused: what cannot be asked is never empty."""
    try:
        found = list(kind.found(session, project, run))
    except Refused as problem:
        if problem.code in OFF:
            return []
        raise
    return [thing for thing in found if (told := identity(thing).get(RUN)) and run in (None, told)]
