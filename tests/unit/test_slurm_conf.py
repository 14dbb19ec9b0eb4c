"""What Slurm is told, as golden files. Renew them with --snapshot-update, and read what changed."""

from __future__ import annotations

import pytest
from making import design
from syrupy.assertion import SnapshotAssertion

from provisioner.slurm.conf import Site, hostlist, render

CPU_ONLY = """\
version: 1
name: melt
groups:
  cpu: {needs: {cores: 4, memory: 8GiB}, nodes: 2}
  one: {needs: {cores: 1, memory: 1GiB}, nodes: 1}
limits: {idle: 5m}
"""
WITH_GPUS = """\
version: 1
name: train
target: aws/us-east-1
groups:
  cpu: {instance: [c7i.8xlarge, c7a.8xlarge], nodes: {min: 2, max: 16}}
  gpu: {instance: g6.48xlarge, nodes: {max: 4}}
  lone: {instance: g6.xlarge, nodes: {min: 1, max: 3}}
"""
ELASTIC = """\
version: 1
name: sweep
groups:
  cpu: {needs: {cores: 2, memory: 4GiB}, nodes: {max: 8}}
"""
LOCAL = Site(
    controller="localhost",
    address="127.0.0.1",
    port=20_000,
    user="ada",
    node_user="ada",
    state="/run/x/state",
    spool="/run/x/spool/%n",
    logs="/run/x/log",
    run="/run/x/run",
    tmp="/run/x/tmp/%n",
    munge_socket="/run/x/run/munge.sock",
    resume="/run/x/resume",
    suspend="/run/x/suspend",
    gres="/run/x/gres/gpu",
    node_ports={"cpu": 20_001, "one": 20_003, "gpu": 20_017, "lone": 20_021},
    contained=True,
    resume_timeout=60,
    suspend_timeout=5,
    node_timeout=10,
    extra=("InactiveLimit=0", "KillWait=2"),
)
CLOUD = Site(address="10.0.0.10")
DESIGNS = {"cpu-only": design(CPU_ONLY), "with-gpus": design(WITH_GPUS, "aws"), "elastic": design(ELASTIC)}


@pytest.mark.parametrize("name", DESIGNS)
@pytest.mark.parametrize("site", [LOCAL, CLOUD], ids=["local", "cloud"])
def test_golden(name: str, site: Site, snapshot: SnapshotAssertion) -> None:
    files = render(DESIGNS[name], site)
    assert "\n".join(f"# ---- {file}\n{text}" for file, text in sorted(files.items())) == snapshot


def conf(name: str, site: Site = CLOUD) -> dict[str, str]:
    """The parameters of slurm.conf that stand on lines of their own."""
    lines = render(DESIGNS[name], site)["slurm.conf"].splitlines()
    return dict(line.split("=", 1) for line in lines if not line.startswith(("NodeName=", "PartitionName=")))


def test_gres_types_only_where_there_are_gpus() -> None:
    assert "GresTypes" not in conf("cpu-only")
    assert "gres.conf" not in render(DESIGNS["cpu-only"], CLOUD)
    assert conf("with-gpus")["GresTypes"] == "gpu"
    assert render(DESIGNS["with-gpus"], CLOUD)["gres.conf"].splitlines() == [
        "NodeName=gpu-[1-4] Name=gpu Type=l4 File=/dev/nvidia[0-7]",
        "NodeName=lone-[1-3] Name=gpu Type=l4 File=/dev/nvidia0",
    ]


def test_nodes_that_are_always_there_are_never_suspended() -> None:
    assert conf("cpu-only")["SuspendExcNodes"] == "cpu-[1-2],one-1"
    assert conf("with-gpus")["SuspendExcNodes"] == "cpu-[1-2],lone-1"
    assert "SuspendExcNodes" not in conf("elastic")
    assert conf("cpu-only")["SuspendTime"] == "300"


def test_nodes_of_one_machine_have_a_port_each() -> None:
    lines = render(DESIGNS["cpu-only"], LOCAL)["slurm.conf"].splitlines()
    nodes = [line for line in lines if line.startswith("NodeName=")]
    assert nodes[0].startswith("NodeName=cpu-[1-2] NodeAddr=127.0.0.1 Port=[20001-20002] ")
    assert nodes[1].startswith("NodeName=one-1 NodeAddr=127.0.0.1 Port=20003 ")


def test_cgroups_are_turned_off_in_the_way_that_the_version_knows() -> None:
    def cgroup(version: tuple[int, int]) -> str | None:
        return render(DESIGNS["cpu-only"], Site(contained=True, version=version)).get("cgroup.conf")

    assert [cgroup(version) for version in ((22, 5), (23, 11))] == ["CgroupPlugin=cgroup/v1\n"] * 2
    assert cgroup((24, 11)) == "CgroupPlugin=disabled\n"
    assert "ConstrainDevices=yes" in render(DESIGNS["cpu-only"], Site(version=(24, 11)))["cgroup.conf"]


def test_a_node_is_declared_with_its_threads() -> None:
    (line,) = [x for x in render(DESIGNS["with-gpus"], CLOUD)["slurm.conf"].splitlines() if x.startswith("NodeName=lone-")]
    assert " CPUs=4 Boards=1 SocketsPerBoard=1 CoresPerSocket=2 ThreadsPerCore=2 " in line
    assert line.endswith(" Gres=gpu:l4:1 State=CLOUD")


def test_hostlists() -> None:
    assert (hostlist("cpu", 1, 1), hostlist("cpu", 1, 2)) == ("cpu-1", "cpu-[1-2]")
