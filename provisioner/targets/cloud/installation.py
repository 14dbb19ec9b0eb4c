"""Where the Pulumi engine is on this machine, whether it will do, and the command that installs it."""

from __future__ import annotations

import functools
import os
import re
import shlex
import shutil
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from platformdirs import user_data_path

from provisioner.errors import Refused
from provisioner.executor import process
from provisioner.findings import Finding, error

# Events come over gRPC from the release after 3.205 (the SDK's automation/_stack.py), not through a file on the disk.
OLDEST = (3, 206)
# The program that starts ours; it is released with the engine.
HOST = "pulumi-language-python"
_INSTALLER = "https://get.pulumi.com/install.sh"
# 200 MB or so.
_SECONDS = 900.0


@dataclass(frozen=True)
class Installed:
    """An engine that was found."""

    path: Path
    version: str

    @property
    def numbers(self) -> tuple[int, ...]:
        """(3, 260, 0); nothing where the version is no version."""
        found = re.match(r"(\d+)\.(\d+)\.(\d+)", self.version)
        return tuple(int(part) for part in found.groups()) if found else ()

    @property
    def wrong(self) -> str:
        """Why it will not do, or nothing."""
        if not self.numbers:
            return f"{self.path} says of its version: {self.version or 'nothing'}"
        if self.numbers[0] != OLDEST[0] or self.numbers < OLDEST:
            return f"{self.path} is {self.version}; {OLDEST[0]}.{OLDEST[1]} or newer of {OLDEST[0]} is needed"
        if not (self.path.parent / HOST).is_file() and shutil.which(HOST) is None:
            return f"{self.path} has no {HOST} beside it"
        return ""


def folder() -> Path:
    """Where `burst doctor --fix` installs it."""
    return user_data_path("burst") / "engine"


def sdk(package: str = "pulumi") -> str | None:
    """The version of an installed Python package."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def engines() -> list[Installed]:
    """Every engine that is here, in the order in which they are taken: PATH's, then `burst doctor --fix`'s."""
    on_path = shutil.which("pulumi")
    places = [Path(on_path)] if on_path else []
    ours = folder() / "bin" / "pulumi"
    if ours.is_file() and os.access(ours, os.X_OK):
        places.append(ours)
    return [Installed(path.absolute(), _version(path)) for path in places]


@functools.cache
def _version(path: Path) -> str:
    try:
        env = {**os.environ, "PULUMI_SKIP_UPDATE_CHECK": "true"}
        said = process.call([str(path), "version"], env=env, timeout=60).stdout.strip()
    except process.CommandFailed as problem:
        return problem.why
    return said.removeprefix("v")


def find() -> Installed:
    """The engine to use. Raises Refused with what is wrong and how to get one."""
    here = engines()
    for each in here:
        if not each.wrong:
            return each
    raise Refused(
        "there is no Pulumi engine that can be used",
        why="\n".join(each.wrong for each in here) or f"no pulumi on PATH, nor in {folder()}",
        fix="burst doctor --fix",
    )


def findings() -> tuple[Finding, ...]:
    """What keeps Pulumi from being driven here."""
    if sdk() is not None:
        return unusable()
    extra = error("engine", "Pulumi's Python package is not installed", "pip install 'burst-hpc[aws]' (or [gcp], [azure])")
    return (extra, *unusable())


def unusable() -> tuple[Finding, ...]:
    """The same of the engine alone."""
    try:
        find()
    except Refused as problem:
        return (error("engine", f"{problem.message}: {'; '.join(problem.why.splitlines())}", problem.fix),)
    return ()


def command() -> str:
    """The shell line that installs the engine of the installed SDK's own release. Raises Refused where there is no SDK.

    Options as in the SDK's own PulumiCommand.install (pulumi/automation/_cmd.py) and "Download & install Pulumi".
    """
    version = sdk()
    if version is None:
        raise Refused(
            "nothing says which engine to install",
            why="it is released together with the Python package pulumi, and that is not installed",
            fix="pip install 'burst-hpc[aws]' (or [gcp], [azure]), then burst doctor --fix",
        )
    options = shlex.join(["--version", version, "--install-root", str(folder()), "--no-edit-path"])
    return f"curl -fsSL {_INSTALLER} | sh -s -- {options}"


def install() -> Installed:
    """Run `command()`. Raises Refused with what it printed."""
    line = command()
    done = process.call(["sh", "-c", line], timeout=_SECONDS, check=False)
    _version.cache_clear()
    path = folder() / "bin" / "pulumi"
    made = Installed(path, _version(path)) if path.is_file() else None
    if done.status or made is None or made.wrong:
        said = [text.strip() for text in (done.stderr, done.stdout) if text.strip()]
        raise Refused(
            "the Pulumi engine could not be installed",
            why="\n".join((said[0] if said else made.wrong if made else "it printed nothing").splitlines()[-10:]),
            fix=f"see to it that https is open to get.pulumi.com and curl and tar are installed, then again; or by hand: {line}",
        )
    return made
