"""Base root file systems: Debian as a cloud has it (systemd, cloud-init, sshd), made once by mmdebstrap and kept.

What an image of a cluster may hold beforehand is in it too: Slurm, munge and PMIx. A `plain` one is what a cloud's
stock image is: there the phase `packages` has everything to do.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from pathlib import Path

from provisioner import files
from provisioner.errors import Kind, NotCreated
from provisioner.executor import process
from provisioner.targets.nspawn.layout import images_folder

# Debian releases, and the Slurm in each: 12 and 13.
SLURM: dict[str, tuple[int, int]] = {"bookworm": (22, 5), "trixie": (24, 11)}
DEFAULT = "trixie"

_STOCK: tuple[str, ...] = ("systemd", "systemd-sysv", "dbus", "cloud-init", "openssh-server", "iproute2", "netbase")
_STOCK += ("python3", "ca-certificates", "curl", "hostname", "less", "procps", "sudo")
_SLURM = ("munge", "slurm-client", "slurmctld", "slurmd")
_PMIX = {"bookworm": "libpmix2", "trixie": "libpmix2t64"}
# Nobody looks at a machine's first console or waits for its timers.
_MASKED: tuple[str, ...] = ("apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer", "e2scrub_all.timer")
_MASKED += ("fstrim.timer", "console-getty.service", "getty@.service", "systemd-networkd.service", "systemd-networkd.socket")
_CLOUD_CFG = """\
datasource_list: [NoCloud, None]
# Its addresses are there before it boots.
network: {config: disabled}
"""
_RECIPE = f"""\
set -eu
# Each machine has keys and an identity of its own.
rm -f "$1"/etc/munge/munge.key "$1"/etc/ssh/ssh_host_*
: >"$1"/etc/machine-id
cat >"$1"/etc/cloud/cloud.cfg.d/90-burst.cfg <<'END'
{_CLOUD_CFG}END
for unit in {" ".join(_MASKED)}; do ln -sf /dev/null "$1/etc/systemd/system/$unit"; done
# Its disk goes with it: nothing is gained by waiting for it.
echo force-unsafe-io >"$1"/etc/dpkg/dpkg.cfg.d/burst
echo 'Acquire::Languages "none";' >"$1"/etc/apt/apt.conf.d/80burst
"""


def base(suite: str, *, plain: bool = False) -> Path:
    """The root file system of that release, made now where it is not there yet. Raises NotCreated."""
    folder = path(suite, plain=plain)
    if folder.is_dir():
        return folder
    images_folder().mkdir(parents=True, exist_ok=True)
    with files.locked(images_folder()):
        if not folder.is_dir():
            _make(suite, _packages(suite, plain), folder)
    return folder


def path(suite: str, *, plain: bool = False) -> Path:
    """Where `base` keeps it: another recipe is another image."""
    recipe = hashlib.sha256("\0".join((_RECIPE, *_packages(suite, plain))).encode()).hexdigest()[:8]
    return images_folder() / f"{suite}-{'plain-' if plain else ''}{recipe}"


def _packages(suite: str, plain: bool) -> tuple[str, ...]:
    return _STOCK if plain else (*_STOCK, *_SLURM, _PMIX[suite])


def _make(suite: str, packages: tuple[str, ...], folder: Path) -> None:
    # Whoever has the lock is the only one who makes any: what others left half done is nobody's.
    for unfinished in folder.parent.glob(".new-*"):
        shutil.rmtree(unfinished, ignore_errors=True)
    fresh = Path(tempfile.mkdtemp(prefix=".new-", dir=folder.parent))
    fresh.chmod(0o755)
    recipe = files.write(fresh / "recipe.sh", _RECIPE)
    argv = ["mmdebstrap", "--variant=minbase", f"--include={','.join(packages)}", f'--customize-hook=sh {recipe} "$1"']
    argv += ["--dpkgopt=path-exclude=/usr/share/doc/*", "--dpkgopt=path-exclude=/usr/share/man/*"]
    argv += ["--dpkgopt=path-exclude=/usr/share/locale/*", suite, str(fresh / "root")]
    mirror = os.environ.get("BURST_DEBIAN_MIRROR")
    try:
        process.call([*argv, mirror] if mirror else argv, timeout=900)
        (fresh / "root").rename(folder)
    except process.CommandFailed as problem:
        raise NotCreated(
            f"the base image of {suite} could not be made",
            why=problem.why,
            fix="mmdebstrap needs Debian's mirror: name another with export BURST_DEBIAN_MIRROR=URL",
            kind=Kind.CONFIG,
        ) from problem
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
