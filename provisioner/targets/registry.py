"""The places, by name. Each is imported when it is asked for, so that nobody pays for a cloud they do not use."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module

from provisioner.errors import Invalid, Refused
from provisioner.spec.model import TARGETS, TargetRef, parse_target, parse_targets
from provisioner.targets.base import Target

REGISTRY: dict[str, str] = {
    "local": "provisioner.targets.local.target:LocalTarget",
    "nspawn": "provisioner.targets.nspawn.target:NspawnTarget",
    "aws": "provisioner.targets.aws.target:AwsTarget",
    "gcp": "provisioner.targets.gcp.target:GcpTarget",
    "azure": "provisioner.targets.azure.target:AzureTarget",
}


def open_target(name: str) -> Target:
    """The target of that name. Raises Refused where this version has no such place."""
    where = REGISTRY.get(name)
    if where is None:
        missing = f"the target {name!r} is not in this version"
        raise Refused(
            missing if name in TARGETS else f"there is no target {name!r}",
            why=f"this version can make clusters on: {', '.join(REGISTRY)}",
            fix="rehearse the same file on this machine: burst run FILE -t local",
        )
    module, _, attribute = where.partition(":")
    target: Target = getattr(import_module(module), attribute)()
    return target


def referenced(text: str, *, fix: str) -> tuple[TargetRef, ...]:
    """What a command line names by commas: aws,gcp/us-central1. Raises Invalid with `fix`."""
    try:
        return parse_targets(text)
    except ValueError as problem:
        raise Invalid(str(problem), fix=fix) from problem


def chosen(names: Sequence[str]) -> list[tuple[list[Target], str | None]]:
    """What a command line names (aws, aws/us-east-2) as targets with the one region that is meant; all when it names none.

    Raises Invalid for what is no target.
    """
    if not names:
        return [([open_target(name) for name in REGISTRY], None)]
    try:
        meant = [parse_target(name) for name in names]
    except ValueError as problem:
        raise Invalid(str(problem), fix="--target aws/us-east-2") from problem
    targets = [(open_target(each.name), each.region) for each in meant]
    for target, _ in targets:
        getattr(target, "insist", lambda: None)()
    return [([target], region) for target, region in targets]
