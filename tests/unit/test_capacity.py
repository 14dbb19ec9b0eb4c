"""What of a machine may be used, from files as kernels have them: none of this machine's own figures is in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from provisioner.targets import capacity
from provisioner.targets.capacity import Capacity

GIB = 2**30
CAPTURED = Path(__file__).parent / "captured"
# The captured machine's, of 2026-11: 24,684,092 KiB, no swap.
MEMORY, AVAILABLE = 24684092 * 1024, 23390944 * 1024
# proc(5): number, parent, device, root, mount point, options, -, type, source, super options.
V2 = "30 23 0:26 {root} /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"


class Machine:
    """Below a folder of its own."""

    def __init__(self, top: Path, mounts: str, group: str) -> None:
        self.top, self.proc = top, top / "proc"
        self.write("proc/meminfo", (CAPTURED / "meminfo.txt").read_text())
        self.write("proc/self/mountinfo", "22 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw\n" + mounts)
        self.write("proc/self/cgroup", group)

    def write(self, path: str, text: str) -> None:
        (self.top / path).parent.mkdir(parents=True, exist_ok=True)
        (self.top / path).write_text(text)

    def group(self, path: str, **files: str) -> None:
        """A control group with these files, `_` for the first point."""
        for name, text in files.items():
            self.write(f"sys/fs/cgroup{path.rstrip('/')}/{name.replace('_', '.', 1)}", f"{text}\n")

    def look(self) -> Capacity:
        return capacity.look(self.proc, self.top, affinity=8)


@pytest.fixture
def session(tmp_path: Path) -> Machine:
    """Of systemd's, on a machine of today."""
    own = "/user.slice/user-1000.slice/session-2.scope"
    machine = Machine(tmp_path, V2.format(root="/"), f"0::{own}\n")
    (tmp_path / f"sys/fs/cgroup{own}").mkdir(parents=True)
    return machine


def test_without_limits_it_is_the_machines_own(session: Machine) -> None:
    session.group("/user.slice", cpu_max="max 100000", memory_max="max", memory_current="1073741824")
    assert session.look() == Capacity(8.0, MEMORY, AVAILABLE)


def test_limits_hold_for_all_groups_below(session: Machine) -> None:
    """The slice has half a CPU more than its user, who has less memory; of 3 GiB in use one is a cache."""
    session.group("/user.slice", cpu_max="250000 100000", memory_max=str(16 * GIB), memory_current=str(GIB))
    user = "/user.slice/user-1000.slice"
    session.group(user, cpu_max="200000 100000", memory_max=str(8 * GIB), memory_current=str(3 * GIB))
    session.group(user, memory_stat=f"anon {2 * GIB}\ninactive_file {GIB}\nactive_file 4096")
    found = session.look()
    assert (found.cores, found.memory, found.available) == (2.0, 8 * GIB, 6 * GIB)
    assert found.limits == ("a control group's quota of 2 CPUs", "a control group's limit on memory")


def test_what_is_available_is_least_where_most_is_in_use(session: Machine) -> None:
    """A slice with more memory than its user's may have less of it left."""
    session.group("/user.slice", memory_max=str(16 * GIB), memory_current=str(15 * GIB))
    session.group("/user.slice/user-1000.slice", memory_max=str(8 * GIB), memory_current=str(GIB))
    assert (session.look().memory, session.look().available) == (8 * GIB, GIB)


@pytest.mark.parametrize(
    ("root", "own"),
    [
        # With a namespace of its own a container is at the top of what it sees.
        ("/", "/"),
        # Without one the mount begins at its group, and the path is the host's.
        ("/docker/abc", "/docker/abc"),
        # A process that was moved in from outside.
        ("/", "/../../init.scope"),
    ],
)
def test_a_container_sees_its_own_group_as_the_topmost(tmp_path: Path, root: str, own: str) -> None:
    machine = Machine(tmp_path, V2.format(root=root), f"0::{own}\n")
    machine.group("/", cpu_max="150000 100000", memory_max=str(2 * GIB), memory_current=str(GIB // 2))
    found = machine.look()
    assert (found.cores, found.memory, found.available) == (1.5, 2 * GIB, 3 * GIB // 2)


@pytest.fixture
def old(tmp_path: Path) -> Machine:
    """Version 1, as it was on the captured machine: a hierarchy for each controller, and an empty one of version 2."""
    groups = "9:name=systemd:/\n5:devices:/\n4:memory:/job/17\n3:cpuset:/\n2:cpuacct:/\n1:cpu:/job\n0::/\n"
    machine = Machine(tmp_path, (CAPTURED / "mountinfo-v1.txt").read_text(), groups)
    machine.group("/memory", memory_limit_in_bytes="9223372036854771712", memory_usage_in_bytes="2147483648")
    machine.group("/cpu", cpu_cfs_quota_us="-1", cpu_cfs_period_us="100000")
    (tmp_path / "sys/fs/cgroup/unified").mkdir()
    return machine


def test_the_first_version_writes_a_huge_number_for_none(old: Machine) -> None:
    assert old.look() == Capacity(8.0, MEMORY, AVAILABLE)


def test_the_first_versions_limits_hold(old: Machine) -> None:
    """A batch job that asked for three CPUs and 4 GiB: one in use, half of it a cache."""
    old.group("/memory/job/17", memory_limit_in_bytes=str(4 * GIB), memory_usage_in_bytes=str(GIB))
    old.group("/memory/job/17", memory_stat=f"inactive_file 1\ntotal_inactive_file {GIB // 2}")
    old.group("/cpu/job", cpu_cfs_quota_us="300000", cpu_cfs_period_us="100000")
    found = old.look()
    assert (found.cores, found.memory, found.available) == (3.0, 4 * GIB, 7 * GIB // 2)


def test_a_quota_above_the_cpus_there_are_limits_nothing(session: Machine) -> None:
    session.group("/user.slice", cpu_max="1600000 100000")
    assert (session.look().cores, session.look().limits) == (8.0, ())


def test_swap_that_is_free_is_told(session: Machine) -> None:
    meminfo = (session.proc / "meminfo").read_text()
    session.write("proc/meminfo", meminfo.replace("SwapFree:              0 kB", "SwapFree:        2097152 kB"))
    assert session.look().swap == 2 * GIB


def test_this_machine_has_something(tmp_path: Path) -> None:
    """Whatever that is."""
    found, room = capacity.look(), capacity.free(tmp_path)
    assert found.cores > 0
    assert 0 < found.available <= found.memory
    assert room.size > 0
