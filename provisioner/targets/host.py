"""What this machine has: programs, packages, GPUs, cores for MPI. Asked each time, never remembered."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from provisioner.design.model import Design
from provisioner.executor import process
from provisioner.executor.subprocess import PATH
from provisioner.findings import Finding, error, warning
from provisioner.targets import capacity


@dataclass(frozen=True)
class Program:
    """A program that is needed, why, and the package of Debian and Ubuntu that has it."""

    name: str
    package: str
    why: str
    required: bool = True


# Slurm's PMIx plugin opens this file, which Debian 12 ships with the -dev package alone (src/plugins/mpi/pmix).
PMIX_PACKAGE = "libpmix-dev"


def which(name: str) -> str | None:
    """The program's path; daemons live in sbin, which an ordinary user's PATH leaves out."""
    return shutil.which(name, path=PATH)


def has_pmix() -> bool:
    """Whether `srun --mpi=pmix` can work: Slurm's plugin is there, and the library it opens."""
    plugins = any(Path(folder).glob("mpi_pmix*.so") for folder in _plugin_folders() if Path(folder).is_dir())
    return plugins and any(_pmix_libraries())


def _plugin_folders() -> Iterable[str]:
    return (str(path) for path in Path("/usr/lib").glob("*/slurm-wlm"))


def _pmix_libraries() -> Iterable[Path]:
    yield from Path("/usr/lib").glob("*/pmix2/lib/libpmix.so")


@cache
def slurm_version() -> tuple[int, int]:
    """(22, 5) for 22.05.8; asked of slurmd itself."""
    said = process.call([which("slurmd") or "slurmd", "-V"]).stdout
    match = re.search(r"(\d+)\.(\d+)", said)
    return (int(match.group(1)), int(match.group(2))) if match else (0, 0)


def cores() -> int:
    """CPUs that this process may compute on at once."""
    return max(1, int(capacity.look().cores))


def gpus() -> int:
    """NVIDIA devices that this user can see."""
    return sum(1 for path in Path("/dev").glob("nvidia[0-9]*") if path.name.removeprefix("nvidia").isdigit())


def missing_packages(names: Iterable[str]) -> tuple[str, ...]:
    """Those that dpkg does not have installed; all are taken to be there where there is no dpkg."""
    wanted = tuple(name.partition("=")[0] for name in names)
    if not wanted or which("dpkg-query") is None:
        return ()
    asked = process.call(
        [which("dpkg-query") or "dpkg-query", "--show", "--showformat=${Package} ${db:Status-Status}\\n", *wanted],
        check=False,
    )
    installed = {line.split()[0] for line in asked.stdout.splitlines() if line.endswith(" installed")}
    return tuple(name for name in wanted if name not in installed)


def mpi_environment(design: Design) -> dict[str, str]:
    """What MPI programs are told where nodes share this machine's cores: ranks must neither be bound to cores that are
    not there nor spin for one another (Open MPI FAQ, "oversubscribing"; the first two names are version 4's, the third
    version 5's)."""
    if sum(g.max * g.node.cpus for g in design.groups) <= cores():
        return {}
    return {
        "OMPI_MCA_hwloc_base_binding_policy": "none",
        "OMPI_MCA_mpi_yield_when_idle": "1",
        "PRTE_MCA_hwloc_default_binding_policy": "none",
    }


def missing_programs(wanted: Iterable[Program]) -> Iterator[Finding]:
    """Those that are not installed, each with the command that installs it."""
    for program in wanted:
        if which(program.name) is None:
            say = error if program.required else warning
            message = f"{program.name} is not installed: {program.why}"
            yield say("program", message, install_command([program.package]))


def install_command(packages: Iterable[str]) -> str:
    """The line that installs them."""
    sudo = "" if os.geteuid() == 0 else "sudo "
    return f"{sudo}apt-get install -y --no-install-recommends {' '.join(packages)}"
