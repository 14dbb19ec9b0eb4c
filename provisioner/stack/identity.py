"""The run's identity: what everything of a run carries, in an alphabet that the three clouds' tags, labels and names take."""

from __future__ import annotations

from provisioner.design.model import Design

RUN, OWNER, EXPIRES, PROJECT = "burst-run", "burst-owner", "burst-expires", "burst-project"


def tags(design: Design) -> dict[str, str]:
    """Tags (AWS, Azure) or labels (GCP): lower-case letters, digits and dashes, at most 63 characters.

    Google Cloud "Requirements for labels"; AWS "Tag your Amazon EC2 resources"; Azure "Use tags to organize your resources".
    """
    return {
        RUN: design.run.id,
        OWNER: design.run.owner[:63].strip("-"),
        EXPIRES: str(design.run.expires),
        PROJECT: design.name,
    }


def named(design: Design, part: str) -> str:
    """RUN-part: where a resource has no tags, its name tells whose it is."""
    return f"{design.run.id}-{part}"


def described(design: Design) -> str:
    """For what has no tags but a description: the same identity, as a line to be read back."""
    return " ".join(f"{key}={value}" for key, value in tags(design).items())
