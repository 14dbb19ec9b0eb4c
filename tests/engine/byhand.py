"""A stack as somebody has it who types `pulumi` themselves: a copy of the program, a state of their own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent.parent


class ByHand:
    """`folder` is made. The configuration is given as `pulumi config set` takes it, each value on its standard input."""

    def __init__(self, folder: Path, program: Path, configuration: Mapping[str, str], secrets: Mapping[str, str]) -> None:
        shutil.copytree(program, folder, ignore=shutil.ignore_patterns("__pycache__"))
        self.state = folder.parent / "state"
        self.state.mkdir()
        self._folder = folder
        self.pulumi("stack", "init", "try")
        for key, value in configuration.items():
            self.pulumi("config", "set", "--plaintext", key, stdin=value)
        for key, value in secrets.items():
            self.pulumi("config", "set", "--secret", key, stdin=value)

    def pulumi(self, *arguments: str, stdin: str | None = None) -> str:
        """What one command printed. Raises AssertionError with its words where it fails."""
        started = self.start(*arguments, stdin=stdin)
        out, err = started.communicate(stdin, timeout=500)
        assert started.returncode == 0, f"{' '.join(arguments)}\n{out}\n{err}"
        return out

    def start(self, *arguments: str, stdin: str | None = None) -> subprocess.Popen[str]:
        """One command, in a process group of its own, as a shell's job has."""
        own = {
            "PULUMI_BACKEND_URL": f"file://{self.state}",
            "PULUMI_CONFIG_PASSPHRASE": "tried",
            "PULUMI_PYTHON_CMD": sys.executable,
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PYTHONPATH": str(CHECKOUT),
        }
        argv = ["pulumi", "--non-interactive", *arguments]
        env = {**os.environ, **own}
        pipe = subprocess.PIPE
        given = pipe if stdin is not None else subprocess.DEVNULL
        return subprocess.Popen(
            argv, cwd=self._folder, env=env, stdin=given, stdout=pipe, stderr=pipe, text=True, process_group=0
        )
