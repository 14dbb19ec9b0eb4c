"""`burst doctor --fix` with an installer of the tests' own behind `curl`."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from provisioner.cli.doctor import command
from provisioner.targets.cloud import installation

# As Pulumi's own takes them: the SDK's PulumiCommand.install passes the same three.
INSTALLER = r"""
while [ $# -gt 0 ]; do
    case $1 in
        --version) version=$2; shift 2 ;;
        --install-root) root=$2; shift 2 ;;
        --no-edit-path) edit=no; shift ;;
        *) echo "unknown option $1" >&2; exit 1 ;;
    esac
done
[ "$edit" = no ] || exit 1
mkdir -p "$root/bin"
printf '#!/bin/sh\necho v%s\n' "$version" > "$root/bin/pulumi"
cp "$root/bin/pulumi" "$root/bin/pulumi-language-python"
chmod 700 "$root/bin/pulumi"
"""


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with a shell and no engine; what `curl` does is the test's to say."""
    (tmp_path / "bin").mkdir()
    for name in ("sh", "mkdir", "cp", "chmod", "cat"):
        (tmp_path / "bin" / name).symlink_to(next(Path(at) / name for at in ("/bin", "/usr/bin") if (Path(at) / name).exists()))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    # A blank in it, as on macOS ("Application Support").
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "my data"))
    monkeypatch.setattr(installation, "sdk", lambda package="pulumi": "3.272.0")
    monkeypatch.setattr("provisioner.lifecycle.overview.health", lambda: {"local": ()})
    return tmp_path


def curl(bare: Path, text: str) -> None:
    program = bare / "bin" / "curl"
    program.write_text(f"#!{sys.executable}\n{text}\n")
    program.chmod(0o700)


@pytest.mark.skipif(sys.platform == "darwin", reason="XDG_DATA_HOME is not looked at there")
def test_fix_installs_the_release_of_the_sdk(bare: Path) -> None:
    curl(bare, f"import sys\nassert sys.argv[-1] == 'https://get.pulumi.com/install.sh'\nprint({INSTALLER!r})")
    assert [finding.fix for finding in installation.findings()] == ["burst doctor --fix"]
    said = CliRunner().invoke(command, ["--fix", "-o", "text"], catch_exceptions=False)
    shown = said.stderr.splitlines()
    assert shown[0].startswith("$ curl -fsSL https://get.pulumi.com/install.sh | sh -s -- --version 3.272.0 --install-root ")
    assert shown[1] == f"installed the Pulumi engine 3.272.0: {bare}/my data/burst/engine/bin/pulumi"
    assert installation.findings() == ()
    again = CliRunner().invoke(command, ["--fix"], catch_exceptions=False)
    assert again.stderr.startswith("the Pulumi engine is here: ")


def test_fix_without_a_network_says_what_to_do(bare: Path) -> None:
    curl(bare, "import sys\nsys.exit('curl: (6) Could not resolve host: get.pulumi.com')")
    said = CliRunner().invoke(command, ["--fix"])
    problem = said.exception
    assert isinstance(problem, installation.Refused)
    assert problem.why == "curl: (6) Could not resolve host: get.pulumi.com"
    assert "https is open to get.pulumi.com" in problem.fix


def test_an_installer_that_fails_is_heard(bare: Path) -> None:
    curl(bare, "print('echo no room on the disk >&2; exit 3')")
    said = CliRunner().invoke(command, ["--fix"])
    assert isinstance(said.exception, installation.Refused)
    assert said.exception.why == "no room on the disk"
