"""Google's quotas: summed over a whole design, on demand and spot apart, with what is in use; each with the command that asks
for more."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from google_fake import Google, rpc_error
from google_world import PLACE, family, machine, project, region, session_of, world
from making import design

from provisioner.findings import Finding
from provisioner.launch.gcp import Session
from provisioner.targets.gcp.draws import Pool, cpu_pool, gpu_pool, preemptible, vcpus

C4 = "CPUS-PER-VM-FAMILY-per-project-region"
ASK = "gcloud beta quotas preferences create --service compute.googleapis.com --project p-1 --quota-id"


@pytest.fixture
def fine(monkeypatch: pytest.MonkeyPatch) -> Iterator[Google]:
    with world(monkeypatch) as served:
        yield served


@pytest.fixture
def session(fine: Google) -> Session:
    return session_of(fine)


def asked(session: Session, groups: str, more: str = "") -> tuple[Finding, ...]:
    text = f"{{version: 1, name: test, head: {{instance: c3-standard-4}}, groups: {{{groups}}}{more}}}"
    return tuple(f for f in PLACE.preflight(session, design(text, "gcp")) if f.check == "quota")


def said(session: Session, groups: str, more: str = "") -> list[str]:
    return [f"{finding.level.value}: {finding.message}" for finding in asked(session, groups, more)]


@pytest.mark.parametrize(
    ("instance", "cpus", "gpus", "number"),
    [
        ("e2-standard-2", Pool("CPUS"), None, 2),
        ("e2-micro", Pool("CPUS"), None, 1),
        ("n2-standard-8", Pool("N2_CPUS"), None, 8),
        ("c3d-standard-360", Pool("CPUS_PER_VM_FAMILY", "C3D"), None, 360),
        ("h4d-highmem-192-lssd", Pool("CPUS_PER_VM_FAMILY", "H4D"), None, 192),
        ("g2-standard-48", None, Pool("NVIDIA_L4_GPUS"), 48),
        ("a2-highgpu-1g", None, Pool("NVIDIA_A100_GPUS"), 1),
        ("a2-ultragpu-8g", None, Pool("NVIDIA_A100_80GB_GPUS"), 1),
        ("a3-highgpu-8g", None, Pool("GPUS_PER_GPU_FAMILY", "NVIDIA_H100"), 1),
        ("a3-ultragpu-8g", None, Pool("GPUS_PER_GPU_FAMILY", "NVIDIA_H200"), 1),
    ],
)
def test_what_a_type_draws_on(instance: str, cpus: Pool | None, gpus: Pool | None, number: int) -> None:
    assert (cpu_pool(instance), gpu_pool(instance), vcpus(instance, 1)) == (cpus, gpus, number)


def test_what_stands_for_a_quota_on_the_spot_market() -> None:
    told = {
        str(pool): str(preemptible(pool)) for pool in (Pool("C3_CPUS"), Pool("CPUS_PER_VM_FAMILY", "C4"), Pool("SSD_TOTAL_GB"))
    }
    assert told == {"C3_CPUS": "PREEMPTIBLE_CPUS", "CPUS_PER_VM_FAMILY (C4)": "PREEMPTIBLE_CPUS", "SSD_TOTAL_GB": "None"}
    assert preemptible(Pool("NVIDIA_L4_GPUS")) == Pool("PREEMPTIBLE_NVIDIA_L4_GPUS")
    assert preemptible(Pool("GPUS_PER_GPU_FAMILY", "NVIDIA_H100")) == Pool("PREEMPTIBLE_NVIDIA_H100_GPUS")


def test_over_the_whole_design(fine: Google, session: Session) -> None:
    """22 are left: the head has 4 of C3, each node 4."""
    one = "cpu: {instance: c3-standard-4, nodes: {min: %d, max: %d}}"
    assert said(session, one % (1, 4)) == []
    (warning,) = asked(session, one % (1, 5))
    assert warning.message == "quota C3_CPUS in us-central1 has 22 of 24 left, all nodes together would take 24"
    assert warning.fix.startswith(f"{ASK} C3-CPUS-per-project-region --preferred-value 26 --dimensions region=us-central1")
    (error,) = asked(session, one % (6, 6))
    assert (error.level.value, error.message) == (
        "error",
        "quota C3_CPUS in us-central1 has 22 of 24 left, the head and the fixed nodes take 28",
    )
    two = "cpu: {instance: c3-standard-4, nodes: 3}, more: {instance: c3-standard-4, nodes: 2}"
    assert said(session, two)[0].endswith("the head and the fixed nodes take 24")


def test_the_head_alone_is_too_much(fine: Google, session: Session) -> None:
    region(fine, C3_CPUS=(24, 22), INSTANCES=(10, 10), SSD_TOTAL_GB=(500, 460), IN_USE_ADDRESSES=(8, 8))
    assert [each.partition(" left")[0] for each in said(session, "cpu: {instance: c3-standard-4, nodes: 1}")] == [
        "error: quota C3_CPUS in us-central1 has 2 of 24",
        "error: quota INSTANCES in us-central1 has 0 of 10",
        "error: quota IN_USE_ADDRESSES in us-central1 has 0 of 8",
        "error: quota SSD_TOTAL_GB in us-central1 has 40 of 500",
    ]


def test_disks_addresses_and_networks(fine: Google, session: Session) -> None:
    """Of each machine its disk: 50 GiB of the head, 30 of each node; login nodes have an address each, too."""
    project(fine, NETWORKS=(5, 5), IN_USE_ADDRESSES=(0, 0))
    assert said(session, "cpu: {instance: c3-standard-4, nodes: 1}") == [
        "error: quota NETWORKS has 0 of 5 left, the head, login nodes and the network take 1"
    ]
    given = ", network: {id: default, subnet: default}"
    assert said(session, "cpu: {instance: c3-standard-4, nodes: 1}", given) == []
    region(fine, SSD_TOTAL_GB=(500, 380), HDB_TOTAL_GB=(100, 80), IN_USE_ADDRESSES=(8, 6))
    assert said(session, "cpu: {instance: c3-standard-4, nodes: 3}", given) == [
        "error: quota SSD_TOTAL_GB in us-central1 has 120 of 500 left, the head and the fixed nodes take 140"
    ]
    assert said(session, "cpu: {instance: c4-standard-8, nodes: 1}", given)[-1].startswith("error: quota HDB_TOTAL_GB")
    assert said(session, "cpu: {instance: n2-standard-8, nodes: 1}", f"{given}, login: {{nodes: 2}}")[0].startswith(
        "error: quota IN_USE_ADDRESSES in us-central1 has 2 of 8 left, the head, login nodes and the network take 3"
    )


def test_spot_has_quotas_of_its_own_where_they_were_granted(fine: Google, session: Session) -> None:
    """No more than granted, and none of the others'; without a grant it is as on demand ("Preemptible quotas")."""
    spot = "cpu: {instance: c3-standard-4, nodes: 6, spot: only}"
    assert said(session, spot)[0].startswith("error: quota C3_CPUS in us-central1 has 22 of 24 left")
    region(fine, C3_CPUS=(24, 2), PREEMPTIBLE_CPUS=(0, 0))
    assert said(session, spot)[0].startswith("error: quota C3_CPUS")
    region(fine, C3_CPUS=(24, 20), PREEMPTIBLE_CPUS=(40, 16))
    assert said(session, spot) == []
    region(fine, C3_CPUS=(500, 0), PREEMPTIBLE_CPUS=(40, 17))
    assert said(session, spot) == [
        "error: quota PREEMPTIBLE_CPUS in us-central1 has 23 of 40 left, the head and the fixed nodes take 24"
    ]
    region(fine, C3_CPUS=(500, 0), PREEMPTIBLE_CPUS=(40, 0))
    project(fine, CPUS_ALL_REGIONS=(24, 0))
    assert said(session, spot) == ["error: quota CPUS_ALL_REGIONS has 24 of 24 left, the head and the fixed nodes take 28"]


def test_one_of_the_alternatives_must_fit(fine: Google, session: Session) -> None:
    either = "cpu: {instance: [c3-standard-4, n2-standard-8], nodes: %d}, b: {instance: n2-standard-8, nodes: 1}"
    region(fine, C3_CPUS=(24, 16), N2_CPUS=(24, 0))
    assert said(session, either % 1) == []
    (finding,) = asked(session, either % 2)
    assert finding.level.value == "warning"
    assert (
        finding.message == "group cpu does not fit into the quotas as c3-standard-4, on-demand, but as n2-standard-8, on-demand"
    )
    assert said(session, either % 3) == [
        "error: quota C3_CPUS in us-central1 has 8 of 24 left, the head and the fixed nodes take 16,"
        " and with no other of the groups' types it fits"
    ]


def test_newer_families_by_cloud_quotas_and_what_is_there(fine: Google, session: Session) -> None:
    family(fine, C4, ({"region": "us-central1", "vm_family": "C4"}, 24), ({"region": "us-central1", "vm_family": "C3D"}, 999))
    assert said(session, "cpu: {instance: c4-standard-8, nodes: 3}") == []
    machine(fine, "theirs", "c4-standard-4", status="RUNNING")
    machine(fine, "off", "c4-standard-192", status="TERMINATED")
    machine(fine, "far", "c4-standard-192", zone="us-east1-b", status="RUNNING")
    machine(fine, "other", "c3-standard-4", status="RUNNING")
    (finding,) = asked(session, "cpu: {instance: c4-standard-8, nodes: 3}")
    assert (
        finding.message == "quota CPUS_PER_VM_FAMILY (C4) in us-central1 has 20 of 24 left, the head and the fixed nodes take 24"
    )
    assert finding.fix.startswith(f"{ASK} {C4} --preferred-value 28 --dimensions region=us-central1,vm_family=C4, or")


def test_a_family_s_spot_machines(fine: Google, session: Session) -> None:
    """What is there on the spot market counts where the ordinary quota stands for the preemptible one."""
    family(fine, C4, ({"region": "us-central1", "vm_family": "C4"}, 24))
    machine(fine, "theirs", "c4-standard-16", status="RUNNING", scheduling={"provisioningModel": "SPOT", "preemptible": True})
    assert said(session, "cpu: {instance: c4-standard-8, nodes: 2}")[0].startswith(
        "error: quota CPUS_PER_VM_FAMILY (C4) in us-central1 has 8 of 24 left"
    )
    region(fine, PREEMPTIBLE_CPUS=(100, 16))
    project(fine, CPUS_ALL_REGIONS=(500, 16))
    assert said(session, "cpu: {instance: c4-standard-8, nodes: 2}") == []
    assert said(session, "cpu: {instance: c4-standard-8, nodes: 10, spot: only}") == []


def test_the_closest_dimensions_count(fine: Google, session: Session) -> None:
    """A value for all regions and families gives way to one of its own; one that is not written out is 0, -1 no limit."""
    one = "cpu: {instance: c4-standard-8, nodes: 1}"
    family(fine, C4, ({"vm_family": "C4"}, 8), ({"region": "us-central1", "vm_family": "C4"}, None))
    assert said(session, one)[0].startswith("error: quota CPUS_PER_VM_FAMILY (C4) in us-central1 has 0 of 0 left")
    family(fine, C4, ({"vm_family": "C4"}, 8), ({"region": "us-east1", "vm_family": "C4"}, None))
    assert said(session, one) == []
    family(fine, C4, ({"region": "us-central1", "vm_family": "C4"}, -1))
    assert said(session, "cpu: {instance: c4-standard-8, nodes: 7}") == []
    family(fine, C4)
    assert said(session, one) == []


def test_gpus(fine: Google, session: Session) -> None:
    """G2 needs no quota of CPUs. H100 is counted by Cloud Quotas, whose usage is what the machines there have."""
    project(fine, GPUS_ALL_REGIONS=(100, 0))
    region(fine, NVIDIA_L4_GPUS=(2, 1), CPUS=(4, 4), C3_CPUS=(24, 0))
    assert said(session, "gpu: {instance: g2-standard-4, nodes: 1}") == []
    assert said(session, "gpu: {instance: g2-standard-48, nodes: 1}")[0].startswith(
        "error: quota NVIDIA_L4_GPUS in us-central1 has 1 of 2 left, the head and the fixed nodes take 4"
    )
    family(fine, "GPUS-PER-GPU-FAMILY-per-project-region", ({"region": "us-central1", "gpu_family": "NVIDIA_H100"}, 16))
    assert said(session, "gpu: {instance: a3-highgpu-8g, nodes: 2}") == []
    machine(fine, "theirs", "a3-highgpu-1g", status="RUNNING", guestAccelerators=[{"acceleratorCount": 1}])
    (finding,) = asked(session, "gpu: {instance: a3-highgpu-8g, nodes: 2}")
    assert "quota GPUS_PER_GPU_FAMILY (NVIDIA_H100) in us-central1 has 15 of 16 left" in finding.message
    assert "--dimensions region=us-central1,gpu_family=NVIDIA_H100" in finding.fix
    project(fine, GPUS_ALL_REGIONS=(1, 1))
    assert said(session, "gpu: {instance: g2-standard-4, nodes: 1}")[0].startswith(
        "error: quota GPUS_ALL_REGIONS has 0 of 1 left"
    )


def test_gpus_of_machines_that_end_may_draw_on_the_preemptible_quota(fine: Google, session: Session) -> None:
    region(fine, NVIDIA_L4_GPUS=(0, 0), PREEMPTIBLE_NVIDIA_L4_GPUS=(4, 0), C3_CPUS=(24, 0))
    assert said(session, "gpu: {instance: g2-standard-4, nodes: 1}")[0].startswith("warning: quota NVIDIA_L4_GPUS")
    assert said(session, "gpu: {instance: g2-standard-4, nodes: 1, spot: only}") == []


def test_limits_by_family_that_are_not_told(fine: Google, session: Session) -> None:
    """The others are looked at all the same."""
    region(fine, HDB_TOTAL_GB=(10, 0))
    method = "cloudquotas.projects.locations.services.quotaInfos.get"
    fine.answers[method] = rpc_error(403, "PERMISSION_DENIED", "SERVICE_DISABLED", "Cloud Quotas API has not been used in p-1")
    told = asked(session, "cpu: {instance: c4-standard-8, nodes: 1}")
    assert [(finding.level.value, finding.code) for finding in told] == [("warning", "unchecked"), ("error", "quota")]
    assert told[0].message.startswith("quotas CPUS_PER_VM_FAMILY (C4) are not known: SERVICE_DISABLED: Cloud Quotas API has not")
    assert told[0].fix.startswith("gcloud services enable cloudquotas.googleapis.com --project p-1")


def test_older_families_ask_for_no_more_than_two(fine: Google, session: Session) -> None:
    asked(session, "cpu: {instance: c3-standard-4, nodes: 1}")
    assert not [
        method for method in fine.calls if method.startswith("cloudquotas") or method == "compute.instances.aggregatedList"
    ]


def test_many_alternatives_that_never_fit_are_looked_through_soon(fine: Google, session: Session) -> None:
    """All but the last one fit, however they are combined: what is tried may not grow with the number of combinations."""
    region(fine, INSTANCES=(12, 0))
    groups = ", ".join(
        f"g{i}: {{instance: [c3-standard-4, n2-standard-8, e2-standard-2], nodes: 1, spot: prefer}}" for i in range(12)
    )
    assert said(session, groups)[0].startswith("error: quota INSTANCES in us-central1 has 12 of 12 left")
