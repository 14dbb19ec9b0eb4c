"""A network that is there already: its subnet, room in it for every machine, and the way to Google's own services."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import Any

from provisioner.design.model import Design
from provisioner.findings import Finding, error, warning
from provisioner.launch.gcp import COMPUTE, Refused, Session
from provisioner.targets.gcp import named

# "Subnets": the first two and the last two addresses of a primary range are nobody's.
_RESERVED = 4


def check(session: Session, design: Design) -> Iterator[Finding]:
    """Of the subnet that the file names. Raises launch.gcp's Refused."""
    if design.network.id is None:
        return
    at = named.subnet(design, session.project)
    project, name = at.split("/")[1], at.rpartition("/")[2]
    try:
        subnet = session.call("GET", f"{COMPUTE}/{at}", {"views": "WITH_UTILIZATION"})
    except Refused as problem:
        if problem.status != 404:
            raise
        yield error("network", f"there is no {at}", f"gcloud compute networks subnets list --project {project}")
        return
    own = named.network(design, session.project)
    if "network" in subnet and not named.same_network(own, subnet["network"], project):
        actual = "projects/" + subnet["network"].partition("/projects/")[2]
        yield error("network", f"{name} is a subnet of {actual}, not of {own}", f"network: {{id: {actual}, subnet: {name}}}")
    yield from _room(design, subnet, f"{name} --project {project} --region {design.region}")
    if not subnet.get("privateIpGoogleAccess") and any(fs.type == "bucket" for fs in design.filesystems):
        way = "Cloud NAT, which bills each GiB" if gateway(design) else "the head"
        fix = f"gcloud compute networks subnets update {name} --project {project} --region {design.region}"
        said = f"{name} has no private Google access: every byte of a bucket goes through {way}"
        yield warning("network", said, f"{fix} --enable-private-ip-google-access")


def gateway(design: Design) -> bool:
    """Whether the run makes a Cloud NAT: without a public address the head itself needs a way out."""
    return design.network.egress == "gateway" or design.network.access == "tunnel"


def _room(design: Design, subnet: dict[str, Any], named: str) -> Iterator[Finding]:
    """An address for each machine: the head's is reserved, and the same that it has."""
    always = 1 + (design.login.nodes if design.login else 0)
    fixed = always + sum(group.min for group in design.groups)
    most = always + sum(group.max for group in design.groups)
    size, free = _free(subnet)
    said = f"{subnet.get('name', 'the subnet')} ({subnet['ipCidrRange']}) has {free} addresses left"
    # The run's own are what is missing beside what is there.
    bits = (size - free + most - 1).bit_length()
    fix = f"gcloud compute networks subnets expand-ip-range {named} --prefix-length {32 - bits}, or fewer nodes"
    if fixed > free:
        yield error("network", f"{said}, the head and what is always there take {fixed}", fix)
    elif most > free:
        yield warning("network", f"{said}, with all nodes it takes {most}", fix)


def _free(subnet: dict[str, Any]) -> tuple[int, int]:
    """(the size of the primary range, what is free of it): Google counts, also what other projects have in a shared VPC
    ("IP address utilization"). Where it does not tell, all but what is nobody's.
    """
    size = ipaddress.ip_network(subnet["ipCidrRange"]).num_addresses
    told = subnet.get("utilizationDetails", {}).get("ipv4Utilizations", ())
    primary = [int(each["totalFreeIp"]) for each in told if not each.get("rangeName") and "totalFreeIp" in each]
    return size, max(0, min([size - _RESERVED, *primary]))
