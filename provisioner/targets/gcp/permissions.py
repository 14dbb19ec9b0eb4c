"""What the caller must be allowed: by groups, as docs/clouds/gcp-role.yaml has them, and which of them a design needs.

The one list: the preflight asks for it, and tests/stacks/test_docs_gcp.py holds the role, the stack's resources and every call
against it. Some rights may be granted at a thing itself instead of the project (a subnet, a service account): there they are
asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from provisioner.design.model import Design
from provisioner.findings import Finding, error, warning
from provisioner.launch.gcp import COMPUTE, Refused, Session
from provisioner.targets.gcp.kinds import IAM
from provisioner.targets.gcp.named import host, subnet
from provisioner.targets.gcp.network import gateway

_RESOURCES = "https://cloudresourcemanager.googleapis.com/v1"
# Of one request: nothing is said about how many it takes, so that it is kept short.
_AT_ONCE = 100


def _of(service: str, names: str) -> tuple[str, ...]:
    return tuple(f"{service}.{name}" for name in names.split())


GROUPS: dict[str, tuple[str, ...]] = {
    "looking": (
        *_of("cloudquotas", "quotas.get"),
        *_of(
            "compute",
            "addresses.get addresses.list advice.capacity disks.get disks.list firewalls.get firewalls.list globalAddresses.list"
            " globalOperations.get images.get images.getFromFamily instances.get instances.list instanceTemplates.get"
            " instanceTemplates.list machineTypes.list networks.get networks.list projects.get regionOperations.get regions.get"
            " resourcePolicies.get resourcePolicies.list routers.list routes.get routes.list subnetworks.get subnetworks.list"
            " zoneOperations.get zoneOperations.list zones.get zones.list",
        ),
        *_of("file", "instances.get instances.list"),
        *_of("iam", "roles.list serviceAccounts.list"),
        *_of("lustre", "instances.get instances.list"),
        *_of("resourcemanager", "projects.get"),
        *_of("serviceusage", "services.get"),
        *_of("storage", "buckets.list"),
    ),
    "machines": _of(
        "compute",
        "disks.create disks.delete disks.setLabels images.useReadOnly instances.create instances.delete"
        " instances.getSerialPortOutput instances.setLabels instances.setMetadata instances.setTags instanceTemplates.create"
        " instanceTemplates.delete instanceTemplates.useReadOnly resourcePolicies.create resourcePolicies.delete"
        " resourcePolicies.use",
    ),
    "network": _of(
        "compute",
        "addresses.createInternal addresses.deleteInternal addresses.setLabels addresses.use addresses.useInternal"
        " firewalls.create firewalls.delete firewalls.update networks.updatePolicy networks.use routes.create routes.delete"
        " subnetworks.use subnetworks.useExternalIp",
    ),
    "own-network": _of("compute", "networks.create networks.delete subnetworks.create subnetworks.delete"),
    "gateway": _of("compute", "routers.create routers.delete routers.get routers.update"),
    "tunnel": _of("iap", "tunnelInstances.accessViaIAP"),
    "acting": ("compute.instances.setServiceAccount", "iam.serviceAccounts.actAs"),
    "identity": (
        *_of("compute", "subnetworks.getIamPolicy subnetworks.setIamPolicy"),
        *_of(
            "iam",
            "roles.create roles.delete roles.get serviceAccounts.create serviceAccounts.delete serviceAccounts.get"
            " serviceAccounts.getIamPolicy serviceAccounts.setIamPolicy",
        ),
        *_of("resourcemanager", "projects.getIamPolicy projects.setIamPolicy"),
    ),
    "managed-nfs": _of("file", "instances.create instances.delete operations.get"),
    "lustre": (
        *_of(
            "compute",
            "globalAddresses.createInternal globalAddresses.deleteInternal globalAddresses.get globalAddresses.setLabels"
            " networks.removePeering",
        ),
        *_of("lustre", "instances.create instances.delete operations.get"),
        *_of("servicenetworking", "operations.get services.addPeering services.deleteConnection services.get"),
    ),
    "bucket": _of(
        "storage",
        "anywhereCaches.list buckets.create buckets.delete buckets.get buckets.getIamPolicy buckets.setIamPolicy"
        " objects.delete objects.list",
    ),
}
# With the network of another project (a shared VPC): what is the whole project's there, what may be granted at the subnet,
# and what of the group network is still of the run's own project ("Provision Shared VPC").
_HOST = tuple(p for p in GROUPS["network"] if p.startswith(("compute.firewalls.", "compute.routes.", "compute.networks.")))
_SUBNET = ("compute.subnetworks.use", "compute.subnetworks.useExternalIp")
_POLICY = ("compute.subnetworks.getIamPolicy", "compute.subnetworks.setIamPolicy")
_ADDRESSES = tuple(p for p in GROUPS["network"] if p.startswith("compute.addresses."))
# Without these less is known beforehand, and nothing fails.
_ADVICE = ("cloudquotas.quotas.get", "compute.advice.capacity", "serviceusage.services.get")
_ROLES = "roles/editor and roles/iam.roleAdmin with roles/resourcemanager.projectIamAdmin"


def groups(design: Design) -> tuple[str, ...]:
    """By name, those that a design needs."""
    network, makes = design.network, {fs.type for fs in design.filesystems if fs.id is None}
    chosen = {
        "looking": True,
        "machines": True,
        "network": True,
        "own-network": network.id is None,
        "gateway": gateway(design),
        "tunnel": network.access == "tunnel",
        "acting": design.identity.create or design.identity.id is not None,
        "identity": makes_identity(design),
        **{name: name in makes for name in ("managed-nfs", "lustre", "bucket")},
    }
    return tuple(name for name in GROUPS if chosen[name])


def makes_identity(design: Design) -> bool:
    """Whether the head gets an account of the run's own."""
    return design.identity.create and design.identity.id is None


def needed(design: Design, project: str) -> tuple[str, ...]:
    """In the run's own project, each once; `actAs` of an account that the file names is asked at the account."""
    wanted = dict.fromkeys(permission for group in groups(design) for permission in GROUPS[group])
    if design.identity.id is not None:
        wanted.pop("iam.serviceAccounts.actAs", None)
    if host(design, project) != project:
        elsewhere = {*GROUPS["network"], *GROUPS["gateway"], *_POLICY} - set(_ADDRESSES)
        # A Cloud NAT is where its network is.
        wanted = {permission: None for permission in wanted if permission not in elsewhere}
    return tuple(wanted)


def at_subnet(design: Design) -> tuple[str, ...]:
    """At the subnet of a shared VPC: to use it, and to let the head's own account use it."""
    return (*_SUBNET, *(_POLICY if makes_identity(design) else ()))


def check(session: Session, design: Design) -> Iterator[Finding]:
    """What the caller may do in the project, and where a shared VPC's network is."""
    yield from _told(design, session.project, _missing(session, session.project, needed(design, session.project)))
    where = host(design, session.project)
    if where != session.project:
        wanted = (*_HOST, *(GROUPS["gateway"] if gateway(design) else ()))
        yield from _told(design, where, _missing(session, where, wanted))
        at = subnet(design, session.project)
        lacking = _denied(session, f"{COMPUTE}/{at}/testIamPermissions", at_subnet(design))
        if lacking:
            fix = f"gcloud compute networks subnets add-iam-policy-binding {at.rpartition('/')[2]} --project {where}"
            role = "compute.networkAdmin" if makes_identity(design) else "compute.networkUser"
            fix += f" --region {design.region} --member user:YOU --role roles/{role}"
            yield error("permissions", f"you lack at {at}, or it is not there: {', '.join(lacking)}", fix)


def identity(session: Session, design: Design) -> Iterator[Finding]:
    """The account that the file names: whether machines of the caller's may have it. One that is not there answers nothing."""
    account = design.identity.id
    if account is None:
        return
    if _denied(session, f"{IAM}/projects/-/serviceAccounts/{account}:testIamPermissions", ("iam.serviceAccounts.actAs",)):
        said = f"{account}: you may not give it to machines (iam.serviceAccounts.actAs), or there is no such account"
        fix = (
            f"gcloud iam service-accounts add-iam-policy-binding {account} --member user:YOU --role roles/iam.serviceAccountUser"
        )
        yield error("identity", said, fix)


def _told(design: Design, project: str, missing: Sequence[str]) -> Iterator[Finding]:
    advice = [permission for permission in missing if _less_known(design, permission)]
    wrong = [permission for permission in missing if permission not in advice]
    grant = f"gcloud projects add-iam-policy-binding {project} --member user:YOU --role ROLE"
    if wrong:
        fix = f"{grant}, with docs/clouds/gcp-role.yaml as the role, or {_ROLES}"
        if all(permission in GROUPS["identity"] for permission in wrong):
            fix = "identity: the service account of somebody who may, or identity: none with fixed nodes only"
        yield error("permissions", f"you lack in {project}: {', '.join(wrong)}", fix)
    if advice:
        said = f"you lack in {project}, and so less is known before, or of what is left after: {', '.join(advice)}"
        yield warning("permissions", said, f"{grant}, with roles/viewer")


def _less_known(design: Design, permission: str) -> bool:
    """What has no part in making the run: advice, and listings of services beside Compute Engine."""
    if permission == "resourcemanager.projects.get":
        # The peering to Managed Lustre's network asks for the project's number.
        return "lustre" not in groups(design)
    listing = permission.endswith(".list") and not permission.startswith("compute.")
    return permission in _ADVICE or (listing and permission in GROUPS["looking"])


def _missing(session: Session, project: str, wanted: Sequence[str]) -> list[str]:
    url = f"{_RESOURCES}/projects/{project}:testIamPermissions"
    parts = [wanted[first : first + _AT_ONCE] for first in range(0, len(wanted), _AT_ONCE)]
    return [permission for part in parts for permission in _denied(session, url, part)]


def _denied(session: Session, url: str, wanted: Iterable[str]) -> list[str]:
    """Those of `wanted` that a resource does not grant the caller ("Testing permissions"): all, where it is not there."""
    asked = list(wanted)
    try:
        may = session.call("POST", url, None, {"permissions": asked}).get("permissions", ())
    except Refused as problem:
        if problem.status != 404:
            raise
        may = ()
    return [permission for permission in asked if permission not in may]
