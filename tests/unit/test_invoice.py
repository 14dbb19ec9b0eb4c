"""A scripted run on each cloud, against an invoice that was worked out by hand from the vendors' prices: within 1 %.

The arithmetic stands here by itself. A month has 730 hours; AWS's addresses and gateways, and what Azure has beside machines
and disks, are billed by begun hours, everything else by the second.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from making import Still, design

from provisioner import clock
from provisioner.design.model import Design
from provisioner.events import Event
from provisioner.findings import Finding
from provisioner.lifecycle.budget import Meter
from provisioner.slurm.states import NodeState

BEGAN = 1_800_000_000.0 - 8 * 3600
MONTH = 730.0
HOUR = 3600.0


class Scripted:
    """A meter that is told, second by second."""

    def __init__(self, decided: Design, folder: Path) -> None:
        self.findings: list[Finding] = []
        self.clock = Still(BEGAN)
        self.meter = Meter(decided, folder, self.findings.append)

    def at(self, seconds: float, kind: str, **data: Any) -> None:
        self.clock.at = BEGAN + seconds
        self.meter(Event(time=self.clock.at, run_id="a", kind=kind, message="", data=data))

    def nodes(self, seconds: float, **states: str) -> None:
        """As slurmctld has them: `gone` or anything else."""
        self.clock.at = BEGAN + seconds
        names = {name.replace("_", "-"): state for name, state in states.items()}
        self.meter.observe({n: NodeState(n, "idle", True, state != "gone", state == "gone") for n, state in names.items()})

    def invoice(self) -> dict[str, float]:
        self.clock.at = BEGAN + 100_000
        lines: dict[str, float] = {}
        for line in self.meter.lines():
            lines[line.name] = lines.get(line.name, 0.0) + line.usd
        assert sum(lines.values()) == pytest.approx(self.meter.spent())
        return lines


def agrees(ledger: dict[str, float], by_hand: dict[str, float]) -> None:
    """Line by line, and in all."""
    assert ledger.keys() == by_hand.keys()
    for name, usd in by_hand.items():
        assert ledger[name] == pytest.approx(usd, rel=0.01), name
    assert sum(ledger.values()) == pytest.approx(sum(by_hand.values()), rel=0.01)


def test_aws(folder: Path) -> None:
    """A head for 4,000 s, two EFA nodes for 3,880 s, one spot node for 900 s, Lustre and a NAT gateway for 4,300 s."""
    decided = design(
        """\
        version: 1
        name: a
        head: {instance: c7i.large}
        network: {egress: gateway}
        groups:
          cpu: {instance: c7a.48xlarge, nodes: 2}
          more: {instance: p5en.48xlarge, nodes: {min: 0, max: 4}, spot: prefer}
        filesystems:
          /shared: {size: 100GiB}
          /scratch: {type: lustre, size: 1200GiB}
        jobs: {melt: {command: ls, group: cpu, outputs: dump}}
        """,
        "aws/us-east-1",
    )
    run = Scripted(decided, folder)
    with clock.use(run.clock):
        run.at(0, "step", step="create.folder")
        run.at(1, "step", step="create.stack")
        run.at(120, "launched", nodes=["cpu-1", "cpu-2"], instance="c7a.48xlarge", market="on-demand")
        run.nodes(500, cpu_1="idle", cpu_2="idle", more_1="gone", more_2="gone")
        run.at(600, "launched", nodes=["more-1"], instance="p5en.48xlarge", market="spot")
        run.nodes(900, cpu_1="idle", cpu_2="idle", more_1="idle", more_2="gone")
        run.nodes(1500, cpu_1="idle", cpu_2="idle", more_1="gone", more_2="gone")
        run.at(3900, "job.collected", job="melt", files=3, bytes=3 * 2**30)
        run.at(4000, "machines.ended")
        run.at(4300, "destroyed")
        ledger = run.invoice()
    agrees(
        ledger,
        {
            "head": 0.08925 * 4000 / HOUR,
            "head disk": 150 * 0.08 / MONTH * 4000 / HOUR,
            "public address": 0.005 * 2,
            "NAT gateway": 0.045 * 2,
            "gateway address": 0.005 * 2,
            "/scratch": 1200 * 0.14 / MONTH * 4300 / HOUR,
            "cpu": 2 * 9.85344 * 3880 / HOUR,
            "cpu disk": 2 * 75 * 0.08 / MONTH * 3880 / HOUR,
            "more": 27.1988 * 900 / HOUR,
            "more disk": 75 * 0.08 / MONTH * 900 / HOUR,
            "outputs": 3 * 0.09,
        },
    )


def test_gcp(folder: Path) -> None:
    """No public address: Cloud NAT for each machine. One spot node is taken away after 30 s and made anew, on demand."""
    decided = design(
        """\
        version: 1
        name: a
        head: {instance: c3-standard-4}
        network: {access: tunnel}
        groups:
          cpu: {instance: c2-standard-60, nodes: 2, spot: prefer}
          gpu: {instance: g2-standard-4, nodes: {min: 0, max: 2}}
        filesystems:
          /data: {type: managed-nfs, size: 1TiB}
          /scratch: {type: lustre, size: 18000GiB}
        jobs: {melt: {command: ls, group: cpu, outputs: dump}}
        """,
        "gcp",
    )
    run = Scripted(decided, folder)
    with clock.use(run.clock):
        run.at(0, "step", step="create.stack")
        run.at(100, "launched", nodes=["cpu-1", "cpu-2"], instance="c2-standard-60", market="spot")
        run.nodes(130, cpu_1="gone", cpu_2="idle")
        run.at(400, "launched", nodes=["cpu-1"], instance="c2-standard-60", market="on-demand")
        run.nodes(1000, gpu_1="powering_up")
        run.nodes(2700, gpu_1="idle")
        run.nodes(2800, gpu_1="gone")
        run.at(7000, "machines.ended")
        run.at(7300, "destroyed")
        ledger = run.invoice()
    spot, on_demand, gpu = 60 + 6900, 6600, 1800
    agrees(
        ledger,
        {
            "head": 0.201608 * 7000 / HOUR,
            "head disk": 50 * 0.10 / MONTH * 7000 / HOUR,
            "NAT gateway": 0.0014 * 7300 / HOUR,
            "gateway address": 0.005 * 7300 / HOUR,
            "/data": 1024 * 0.25 / MONTH * 7300 / HOUR,
            "/scratch": 18000 * 0.34 / MONTH * 7300 / HOUR,
            # The one that lived for 30 s is billed for a minute, its disk and its part of Cloud NAT for 30 s.
            "cpu": 1.4952 * spot / HOUR + 3.13212 * on_demand / HOUR,
            "cpu disk": 30 * 0.10 / MONTH * (spot - 30 + on_demand) / HOUR,
            "cpu NAT": 0.0014 * (spot - 30 + on_demand) / HOUR,
            "gpu": 0.706832 * gpu / HOUR,
            "gpu disk": 100 * 0.10 / MONTH * gpu / HOUR,
            "gpu NAT": 0.0014 * gpu / HOUR,
        },
    )


def test_azure(folder: Path) -> None:
    """Bastion, a NAT gateway, Managed Lustre: by begun hours, three of them. Disks by their size's step."""
    decided = design(
        """\
        version: 1
        name: a
        head: {instance: Standard_D4s_v5}
        login: {instance: Standard_D4s_v5, nodes: 2}
        network: {access: tunnel}
        groups: {cpu: {instance: Standard_HB120rs_v3, nodes: 4}}
        filesystems:
          /shared: {size: 60GiB}
          /scratch: {type: lustre, size: 8TiB}
          /files: {type: managed-nfs, size: 200GiB}
        jobs: {melt: {command: ls, outputs: dump}}
        """,
        "azure",
    )
    run = Scripted(decided, folder)
    with clock.use(run.clock):
        run.at(0, "step", step="create.stack")
        run.at(300, "launched", nodes=["login-1", "login-2"], instance="Standard_D4s_v5", market="on-demand")
        run.at(310, "launched", nodes=[f"cpu-{i}" for i in range(1, 5)], instance="Standard_HB120rs_v3", market="on-demand")
        run.at(7000, "job.collected", job="melt", files=1, bytes=2**29)
        run.at(7310, "machines.ended")
        run.at(7700, "destroyed")
        ledger = run.invoice()
    agrees(
        ledger,
        {
            "head": 0.192 * 7310 / HOUR,
            "head disk": 19.71 / MONTH * 7310 / HOUR,
            "login": 2 * 0.192 * 7310 / HOUR,
            "login disk": 2 * 2.40 / MONTH * 7310 / HOUR,
            "NAT gateway": 0.045 * 3,
            "gateway address": 0.005 * 3,
            "Bastion": 0.29 * 3,
            "Bastion address": 0.005 * 3,
            "/scratch": 8192 * 0.21 / MONTH * 3,
            "/files": 200 * 0.16 / MONTH * 3,
            "cpu": 4 * 3.6 * 7000 / HOUR,
            "cpu disk": 4 * 4.80 / MONTH * 7000 / HOUR,
            "outputs": 0.5 * 0.087,
        },
    )
