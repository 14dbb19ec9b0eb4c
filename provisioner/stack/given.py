"""A stack's configuration, namespace `burst`: set by `burst run`, or by hand (docs/stacks.md).

| key | | what it is |
|---|---|---|
| `design` | set by `burst` | the Design as JSON |
| `file` | by hand | burst.yaml, from which the program decides the Design itself |
| `run` | by hand, may be left out | the run's id; the file's name and the stack's when left out |
| `target` | by hand, may be left out | `aws/us-east-2`; by default the file's own for this cloud |
| `owner` | by hand, may be left out | whose the cluster is, in its tags; `pulumi` when left out |
| `expires` | by hand | epoch seconds at which the cluster ends itself |
| `setup` | set by `burst` | the text of the script that software.setup names |
| `keys` | secret | munge's key, the SSH keys: `burst keys DIR` makes them |
| `ssh_from` | | JSON list of address ranges that may reach SSH; by default what the file says |
| `zone` | may be left out | the zone for machines and filesystems; by default the Design's |
| `results` | set by `burst` | the container that a detached run's results go to, by its id (Azure) |
| `launches` | | `client` where a client launches the fixed nodes, else `head` does |
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pulumi

from provisioner.catalog.cache import known
from provisioner.design import model
from provisioner.design.decide import decide
from provisioner.findings import errors
from provisioner.spec.load import load
from provisioner.spec.model import TargetRef, parse_target

NAMESPACE = "burst"


@dataclass(frozen=True)
class Given:
    """Everything that a program is told. `keys` is the text of `Keys.dumps`, secret."""

    design: model.Design
    setup: str | None
    keys: pulumi.Output[str]
    ssh_from: tuple[str, ...]
    zone: str | None
    first: bool
    results: str | None = None


def given(cloud: str) -> Given:
    """The configuration of the stack that runs. Raises pulumi.RunError naming what is missing and how to set it."""
    config = pulumi.Config(NAMESPACE)
    text = config.get("design")
    design, setup = (model.Design.model_validate_json(text), config.get("setup")) if text else _decided(config, cloud)
    keys = config.get_secret("keys")
    if keys is None:
        raise pulumi.RunError("burst:keys is not set. Type: burst keys keys | pulumi config set --secret burst:keys")
    ssh_from = config.get("ssh_from")
    allowed = tuple(json.loads(ssh_from)) if ssh_from else design.network.ssh_from
    if not allowed and design.network.access == "public":
        fix = "pulumi config set burst:ssh_from '[\"203.0.113.7/32\"]' with your own address"
        raise pulumi.RunError(
            f"nobody could reach the head: neither the file's network.ssh_from nor burst:ssh_from is set. Type: {fix}"
        )
    zone, first = config.get("zone") or design.zone, config.get("launches") != "client"
    return Given(design, setup, keys, allowed, zone, first, config.get("results"))


def _decided(config: pulumi.Config, cloud: str) -> tuple[model.Design, str | None]:
    """Without `burst run`: the program reads the file itself."""
    file, expires = config.get("file"), config.get("expires")
    if not file:
        raise _unset("file", "what is to be made?", "burst.yaml")
    if not expires:
        raise _unset("expires", "when does it end?", "$(date -d '+8 hours' +%s)")
    loaded = load(Path(file))
    run_id = config.get("run") or f"{loaded.spec.name}-{pulumi.get_stack()}"
    run = model.Run(id=run_id, owner=config.get("owner") or "pulumi", expires=int(float(expires)))
    asked = config.get("target")
    target = parse_target(asked) if asked else next((t for t in loaded.spec.target if t.name == cloud), TargetRef(name=cloud))
    design, found = decide(loaded.spec, known(), run, target)
    wrong = errors((*loaded.findings, *found))
    if wrong:
        raise pulumi.RunError("\n".join(f"{finding.message}; {finding.fix}" for finding in wrong))
    script = design.software.setup
    return design, (loaded.source.folder / script).read_text(encoding="utf-8") if script is not None else None


def _unset(key: str, question: str, example: str) -> pulumi.RunError:
    return pulumi.RunError(f"{NAMESPACE}:{key} is not set: {question} Type: pulumi config set {NAMESPACE}:{key} {example}")
