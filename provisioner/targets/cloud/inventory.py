"""A stack's outputs → the Inventory."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from provisioner.bootstrap.seam import HOME, USER
from provisioner.design.model import Design
from provisioner.stack.outputs import checked
from provisioner.targets.base import Inventory


def inventory(design: Design, outputs: Mapping[str, Any], nodes: Mapping[str, str], slurm_version: str) -> Inventory:
    """`nodes` are the addresses of what was launched: fixed and login nodes by name."""
    told = checked(dict(outputs))
    logins = set(design.login.names if design.login else ())
    environment = {
        "BURST_RUN_ID": design.run.id,
        "BURST_TARGET": design.target,
        **{fs.variable: fs.mount for fs in design.filesystems},
    }
    place = {key: told[key] if isinstance(told[key], str) else json.dumps(told[key]) for key in told}
    return Inventory(
        run_id=design.run.id,
        target=design.target,
        head="head",
        address=told["head_address"],
        nodes={name: address for name, address in nodes.items() if name not in logins},
        logins={name: address for name, address in nodes.items() if name in logins},
        workdir=f"{HOME}/{USER}/jobs",
        mounts={mount: f"{HOME}/{USER}" if mount == HOME else mount for mount in told["mounts"]},
        reports=True,
        slurm_version=slurm_version,
        place={**place, "environment": json.dumps(environment), "access": design.network.access},
    )
