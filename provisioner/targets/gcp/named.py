"""What a file names by id on Google Cloud, in full: projects/P/…"""

from __future__ import annotations

from provisioner.design.model import Design


def host(design: Design, project: str) -> str:
    """The project that the network is in: a shared VPC has its own."""
    parts = (design.network.id or "").split("/")
    return parts[parts.index("projects") + 1] if "projects" in parts else project


def network(design: Design, project: str) -> str:
    """The network that the file names; "" where the run makes one."""
    if design.network.id is None:
        return ""
    return f"projects/{host(design, project)}/global/networks/{design.network.id.rpartition('/')[2]}"


def subnet(design: Design, project: str) -> str:
    """The subnet that the file names, of the design's region."""
    name = str(design.network.subnet).rpartition("/")[2]
    return f"projects/{host(design, project)}/regions/{design.region}/subnetworks/{name}"


def same_network(one: str, other: str, project: str) -> bool:
    """Whether two names are of one network: in full, a link, or a name alone (then of `project`)."""
    return _parts(one, project) == _parts(other, project)


def _parts(name: str, project: str) -> tuple[str, str]:
    parts = name.split("/")
    return (parts[parts.index("projects") + 1] if "projects" in parts else project), parts[-1]
