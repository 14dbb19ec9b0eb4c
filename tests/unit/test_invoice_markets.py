"""Invoices that were worked out by hand, as in test_invoice.py: spot machines that are taken away, elastic nodes, services.

Machines have prices of the test's own, in round figures; everything else has the vendors'.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from making import RUN, catalogue, instance, spec, task
from test_invoice import BEGAN, HOUR, MONTH, Scripted, agrees

from provisioner import clock
from provisioner.design.decide import decide
from provisioner.design.model import Design
from provisioner.spec.model import parse_target

# 2 USD an hour, 0.50 on the spot market; the head is 0.36.
HEAD, NODE, SPOT = 0.36, 2.0, 0.5


def decided(cloud: str, text: str) -> Design:
    """`HEAD` and `NODE` stand for the types."""
    prefix = "Standard_" if cloud == "azure" else ""
    kinds = catalogue(
        instance(f"{prefix}head", cloud=cloud, on_demand=HEAD), instance(f"{prefix}node", cloud=cloud, on_demand=NODE, spot=SPOT)
    )
    whole = spec(text.replace("HEAD", f"{prefix}head").replace("NODE", f"{prefix}node"))
    return decide(whole, kinds, RUN, parse_target(cloud))[0]


def closed(run: Scripted, whole: Design) -> dict[str, float]:
    """Its ledger, which is not above what was thought to be the most."""
    ledger = run.invoice()
    assert sum(ledger.values()) <= (whole.estimate.total_max or 0)
    return ledger


def test_aws(folder: Path) -> None:
    """Two spot nodes always, of which one is taken away after 40 s; an elastic one that the head got; EFS, a NAT gateway."""
    whole = decided(
        "aws",
        """\
        version: 1
        name: a
        head: {instance: HEAD, disk: 73GiB}
        network: {egress: gateway}
        groups:
          cpu: {instance: NODE, nodes: 2, spot: prefer}
          more: {instance: NODE, nodes: {min: 0, max: 4}, spot: prefer}
        filesystems: {/data: {type: managed-nfs, size: 73GiB}}
        jobs: {melt: {command: ls, outputs: dump}}
        """,
    )
    run = Scripted(whole, folder)
    with clock.use(run.clock):
        run.at(0, "step", step="create.stack")
        run.at(100, "launched", nodes=["cpu-1", "cpu-2"], instance="node", market="spot")
        run.nodes(140, cpu_1="idle", cpu_2="gone", more_1="gone")
        run.at(500, "launched", nodes=["cpu-2"], instance="node", market="on-demand")
        run.nodes(1000, cpu_1="idle", cpu_2="idle", more_1="powering_up")
        run.nodes(2800, cpu_1="idle", cpu_2="idle", more_1="idle")
        run.nodes(2900, cpu_1="idle", cpu_2="idle", more_1="gone")
        run.at(3000, "job.collected", job="melt", files=1, bytes=2**30)
        run.at(3300, "job.collected", job="melt", files=1, bytes=2**30)
        run.at(3700, "machines.ended")
        run.at(4000, "destroyed")
        ledger = closed(run, whole)
    # A machine and its disk are billed for a minute at least: 3600 and 60 s of spot, 3200 s on demand. Which market the head got
    # for the elastic one nobody knows here: it counts as the dearer, from when it was seen, for 1900 s.
    agrees(
        ledger,
        {
            "head": 0.36 * 3700 / HOUR,
            # 73 GiB for 0.08 a month are 0.008 an hour.
            "head disk": 0.008 * 3700 / HOUR,
            # 3700 s and 4000 s are two begun hours.
            "public address": 0.01,
            "NAT gateway": 0.09,
            "gateway address": 0.01,
            # 73 GiB for 0.30 a month are 0.03 an hour.
            "/data": 0.03 * 4000 / HOUR,
            "cpu": 0.5 * (3600 + 60) / HOUR + 2 * 3200 / HOUR,
            "cpu disk": 32 * 0.08 / MONTH * (3600 + 60 + 3200) / HOUR,
            "more": 2 * 1900 / HOUR,
            "more disk": 32 * 0.08 / MONTH * 1900 / HOUR,
            "outputs": 2 * 0.09,
        },
    )


def test_gcp(folder: Path) -> None:
    """Spot alone; elastic nodes of which one hears from their jobs afterwards; two login nodes with addresses; a bucket."""
    whole = decided(
        "gcp",
        """\
        version: 1
        name: a
        head: {instance: HEAD, disk: 73GiB}
        login: {instance: HEAD, nodes: 2}
        groups:
          cpu: {instance: NODE, nodes: 1, spot: only}
          more: {instance: NODE, nodes: {min: 0, max: 4}, spot: only}
        filesystems: {/data: {type: bucket, size: 365GiB}}
        jobs: {melt: {command: ls, outputs: dump}}
        limits: {idle: 5m}
        """,
    )
    run = Scripted(whole, folder)
    with clock.use(run.clock):
        run.at(0, "step", step="create.stack")
        run.at(200, "launched", nodes=["login-1", "login-2"], instance="head", market="on-demand")
        run.at(200, "launched", nodes=["cpu-1"], instance="node", market="spot")
        run.clock.at = BEGAN + 6000
        # Two jobs on one machine, a minute apart, and one on another machine of that name much later.
        jobs = [(1000, 1600), (1660, 1900), (3000, 3900)]
        run.meter.ran([task(nodes="more-1", started=BEGAN + first, ended=BEGAN + last) for first, last in jobs])
        run.at(6100, "job.collected", job="melt", files=1, bytes=5 * 2**30)
        run.at(7200, "machines.ended")
        run.at(7400, "destroyed")
        ledger = closed(run, whole)
    # A life of which nobody saw the end lasts until its last job's end and five minutes of idling: 1200 s, and 1200 s.
    agrees(
        ledger,
        {
            "head": 0.36 * 7200 / HOUR,
            # 73 GiB for 0.10 a month are 0.01 an hour.
            "head disk": 0.01 * 2,
            "public address": 0.005 * 7400 / HOUR,
            "login": 2 * 0.36 * 2,
            "login disk": 2 * 30 * 0.10 / MONTH * 2,
            "login address": 2 * 0.005 * 2,
            # 365 GiB for 0.02 a month are 0.01 an hour.
            "/data": 0.01 * 7400 / HOUR,
            "cpu": 0.5 * 7000 / HOUR,
            "cpu disk": 30 * 0.10 / MONTH * 7000 / HOUR,
            "more": 0.5 * (1200 + 1200) / HOUR,
            "more disk": 30 * 0.10 / MONTH * (1200 + 1200) / HOUR,
            "outputs": 5 * 0.12,
        },
    )


def test_azure(folder: Path) -> None:
    """Spot nodes always, billed by the second; elastic ones on demand; a NAT gateway beside a public head; a share."""
    whole = decided(
        "azure",
        """\
        version: 1
        name: a
        head: {instance: HEAD, disk: 400GiB}
        network: {egress: gateway}
        groups:
          cpu: {instance: NODE, nodes: 2, spot: prefer}
          more: {instance: NODE, nodes: {min: 0, max: 2}}
        filesystems: {/data: {type: managed-nfs, size: 730GiB}}
        jobs: {melt: {command: ls, outputs: dump}}
        """,
    )
    run = Scripted(whole, folder)
    with clock.use(run.clock):
        run.at(0, "step", step="create.stack")
        run.at(300, "launched", nodes=["cpu-1", "cpu-2"], instance="Standard_node", market="spot")
        run.nodes(330, cpu_1="idle", cpu_2="gone", more_1="gone", more_2="gone")
        run.at(930, "launched", nodes=["cpu-2"], instance="Standard_node", market="spot")
        run.at(1000, "nodes.asked", nodes=["more-1", "more-2"])
        run.nodes(1900, cpu_1="idle", cpu_2="idle", more_1="idle", more_2="idle")
        run.nodes(2000, cpu_1="idle", cpu_2="idle", more_1="idle", more_2="gone")
        run.at(3500, "job.collected", job="melt", files=1, bytes=10 * 2**30)
        run.at(3630, "machines.ended")
        run.at(3900, "destroyed")
        ledger = closed(run, whole)
    # Machines have no least time: 3330, 30 and 2700 s. Disks are billed as the next larger size.
    agrees(
        ledger,
        {
            "head": 0.36 * 3630 / HOUR,
            "head disk": 73.22 / MONTH * 3630 / HOUR,
            "public address": 0.01,
            "NAT gateway": 0.09,
            "gateway address": 0.01,
            # 730 GiB for 0.16 a month are 0.16 an hour; two begun hours.
            "/data": 0.32,
            "cpu": 0.5 * (3330 + 30 + 2700) / HOUR,
            "cpu disk": 2.40 / MONTH * (3330 + 30 + 2700) / HOUR,
            "more": 2 * (2630 + 1000) / HOUR,
            "more disk": 2.40 / MONTH * (2630 + 1000) / HOUR,
            "outputs": 10 * 0.087,
        },
    )


@pytest.mark.parametrize("cloud", ["aws", "gcp", "azure"])
def test_a_run_that_nothing_happens_in_is_billed_what_is_expected(cloud: str, folder: Path) -> None:
    """A job of an hour on a spot node, and 1 GiB of outputs: as long as the timeline has it, and within a cent."""
    from provisioner.design.estimate import longest
    from provisioner.design.timeline import timeline

    whole = decided(
        cloud,
        """\
        version: 1
        name: a
        head: {instance: HEAD}
        groups: {cpu: {instance: NODE, nodes: 2, spot: prefer}}
        jobs: {melt: {command: ls, outputs: dump, time: 1h}}
        """,
    )
    begun = timeline(whole)
    assert begun is not None
    ends = begun.seconds + 3600 + longest(whole) - whole.ttl
    run, kind = Scripted(whole, folder), whole.groups[0].node.instance
    with clock.use(run.clock):
        run.at(0, "step", step="create.stack")
        run.at(0, "launched", nodes=["cpu-1", "cpu-2"], instance=kind, market="spot")
        run.at(ends, "job.collected", job="melt", files=1, bytes=2**30)
        run.at(ends, "machines.ended")
        run.at(ends, "destroyed")
        ledger = closed(run, whole)
    assert sum(ledger.values()) == pytest.approx(whole.estimate.expected, abs=0.011)
    assert whole.estimate.expected == whole.estimate.markets[0].expected
