"""What a cluster is to watch by itself, given to its head: from then on its limits hold with every client dead.

The program is `alone/keeper.py`. It comes over the executor and not in the user-data, which has no room for it.
"""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

from provisioner import clock
from provisioner.alone import keeper
from provisioner.alone.detached import STATUS
from provisioner.design.bill import rates
from provisioner.design.model import Design
from provisioner.executor.process import CommandFailed
from provisioner.findings import warning
from provisioner.lifecycle.record import Record
from provisioner.lifecycle.work import Cluster
from provisioner.slurm.conf import Site, hostlist

_EVERY = 5.0
# The head's own part of an end: machines and disks go within a minute or two. A client that lives comes before, since it
# collects, too.
_ENDING = 120.0
_PROGRAM, _TOLD, _UNIT = "/opt/burst/keeper.py", "/opt/burst/keeper.json", "/etc/systemd/system/burst-keeper.service"
_STATE = "/var/lib/burst/keeper.json"
_LOG = "/var/log/burst/keeper.log"
_SERVICE = f"""\
[Unit]
Description=The limits of this cluster, carried out with every client gone
StartLimitIntervalSec=0

[Service]
ExecStart=/usr/bin/python3 -I -S {_PROGRAM} {_TOLD}
Restart=always
RestartSec=5
# The end that it has begun goes on without it.
KillMode=process
StandardOutput=append:{_LOG}
StandardError=append:{_LOG}

[Install]
WantedBy=multi-user.target
"""
_WRITE = "import json, sys\nfor path, text in json.load(sys.stdin).items():\n    open(path, 'w').write(text)\n"
# Enabled, so that it is there again after a boot; by hand, since `systemctl enable` would have all units read once more.
_START = (
    "install --directory --mode=0750 /var/log/burst && install --directory /var/lib/burst"
    f" && ln --symbolic --force {_UNIT} /etc/systemd/system/multi-user.target.wants/"
    " && systemctl daemon-reload && systemctl restart --no-block burst-keeper"
)


def start(cluster: Cluster, record: Record, *, kept: bool = False) -> None:
    """Have the head watch the run's limits, where it is a machine; limits.unused is a `kept` cluster's alone. What keeps it
    from that is a finding.
    """
    design = record.design
    if not cluster.inventory.reports:
        return
    told = json.dumps(instructions(design, record.meter.spent(), kept=kept), indent=1)
    files = {_PROGRAM: Path(keeper.__file__).read_text(encoding="utf-8"), _TOLD: told, _UNIT: _SERVICE}
    try:
        cluster.executor.run(["python3", "-I", "-c", _WRITE], stdin=json.dumps(files).encode(), admin=True)
        cluster.executor.run(["sh", "-c", _START], admin=True)
    except CommandFailed as problem:
        message = f"the cluster does not watch limits.cost and limits.unused by itself: {problem.why}"
        record.found(warning("keeper", message, "limits.ttl holds all the same; end it with burst down"))
        return
    unpriced = record.meter.ledger.unpriced() if design.budget is not None else ()
    if unpriced:
        message = f"limits.cost is watched without what has no known price: {', '.join(unpriced)}"
        record.found(warning("keeper", message, "burst plan shows the bill; limits.ttl holds all the same"))


def instructions(design: Design, spent: float, *, kept: bool = True) -> dict[str, Any]:
    """What the program is told. `spent` is in USD, by now."""
    # What comes before the end's own part is the client's, for collecting. The money may run out between two looks.
    margin = min(_ENDING, (design.ttl - design.working_life) / 2) + _EVERY
    hosts = ",".join(hostlist(group.name, 1, group.max) for group in design.groups)
    return {
        "expires": design.run.expires,
        "unused": design.unused if kept else None,
        "budget": design.budget,
        "since": clock.now(),
        "spent": spent,
        **rates(design),
        "margin": margin,
        "squeue": ["squeue"],
        "sinfo": ["sinfo"],
        "env": {},
        "finished": f"{Site.logs}/jobcomp",
        "state": _STATE,
        "every": _EVERY,
        "detached": STATUS,
        "collect": design.ttl - design.working_life,
        "end": ["/opt/burst/end.sh", hosts],
    }


def read(cluster: Cluster) -> dict[str, Any] | None:
    """What the head knows by now (`spent`, `rate`, `idle`, `used` …, alone/keeper.py); None where it watches nothing."""
    if not cluster.inventory.reports:
        return None
    with contextlib.suppress(CommandFailed, ValueError):
        known = json.loads(cluster.executor.run(["cat", _STATE]).stdout)
        return known if isinstance(known, dict) else None
    return None
