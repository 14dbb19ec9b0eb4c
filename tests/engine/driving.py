"""What the engine's tests drive it with: a cloud in a folder, and a client in a process of its own.

Run as a program: python -m tests.engine.driving create|destroy FOLDER PROGRAM CLOUD; it catches signals as `burst run` does.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from provisioner import files
from provisioner.errors import BurstError, Interrupted
from provisioner.events import Event, Events
from provisioner.lifecycle import signals
from provisioner.targets.cloud.engine import Engine
from provisioner.targets.cloud.layout import Layout, runs_folder
from tests.engine.provider import Ledger

HERE = Path(__file__).resolve().parent
CHECKOUT = HERE.parent.parent
RUN = "test-abc234"
# Nowhere in the checkout, so that to find it is to have found it out.
KEY = "a-key-that-nobody-may-read-7f3a9"
SECRETS = {"burst:keys": json.dumps({"munge_key": KEY})}


def classified(words: str) -> tuple[str, str] | None:
    return ("QUOTA", "VpcLimitExceeded") if "VpcLimitExceeded" in words else None


@dataclass
class Around:
    """Where a test's things are. `program` is the stack's folder, `answers` the module that answers for its cloud."""

    root: Path
    program: Path = HERE / "stack"
    name: str = "aws"
    answers: str = "tests.engine.answers"
    classify: Callable[[str], tuple[str, str] | None] = classified
    clients: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def home(self) -> Path:
        return self.root / "home"

    @property
    def data(self) -> Path:
        return self.root / "data"

    @property
    def cloud(self) -> Path:
        return self.root / "cloud"

    @property
    def bin(self) -> Path:
        return self.root / "bin"

    @property
    def ledger(self) -> Ledger:
        return Ledger(self.cloud)

    @property
    def layout(self) -> Layout:
        return Layout(runs_folder() / RUN)

    def environment(self) -> dict[str, str]:
        return {
            "HOME": str(self.home),
            "XDG_DATA_HOME": str(self.data),
            "PATH": os.pathsep.join([str(self.bin), os.environ["PATH"]]),
            "BURST_TESTS_CLOUD": str(self.cloud),
            "BURST_TESTS_ANSWERS": self.answers,
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
        }

    def packaged(self, folder: str) -> Path:
        """Instead of files.packaged: the program under test stands under its cloud's name."""
        assert folder == "stacks"
        stacks = self.root / "stacks"
        stacks.mkdir(exist_ok=True)
        with contextlib.suppress(FileExistsError):
            (stacks / self.name).symlink_to(self.program)
        return stacks

    def order(self, **orders: Any) -> None:
        (self.cloud / "orders.json").write_text(json.dumps(orders))

    def engine(self) -> Engine:
        self.layout.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        place: Any = SimpleNamespace(name=self.name, classify=self.classify)
        return Engine(self.layout, place, {})

    def destroy(self) -> list[Event]:
        told: list[Event] = []
        self.engine().destroy(Events(RUN, [told.append]))
        return told

    def create(
        self, configuration: Mapping[str, str] | None = None, secrets: Mapping[str, str] = SECRETS
    ) -> tuple[dict[str, Any], list[Event]]:
        told: list[Event] = []
        outputs = self.engine().create(configuration or {"burst:run": RUN}, secrets, Events(RUN, [told.append]))
        return outputs, told

    def client(self, command: str) -> subprocess.Popen[str]:
        """A process that calls the engine, with a process group of its own, as a shell's job has."""
        argv = [sys.executable, "-m", "tests.engine.driving", command, str(self.root), str(self.program), self.name]
        return subprocess.Popen(argv, cwd=CHECKOUT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, process_group=0)

    def processes(self) -> dict[int, str]:
        """Everything that lives and has this cloud's folder in its environment, but for this process."""
        mark, found = f"BURST_TESTS_CLOUD={self.cloud}".encode(), dict[int, str]()
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if int(folder.name) != os.getpid() and mark in (folder / "environ").read_bytes().split(b"\0"):
                    found[int(folder.name)] = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        return found


def until(condition: Callable[[], object], seconds: float = 60) -> None:
    """Wait until something holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.02)


def main() -> int:
    command, root, program, name = sys.argv[1:]
    around = Around(Path(root), Path(program), name)
    files.packaged = around.packaged
    try:
        with signals.catching(lambda: "last words"):
            if command == "create":
                around.create()
            else:
                around.destroy()
    except Interrupted as problem:
        return 128 + problem.signum
    except BurstError as problem:
        sys.stderr.write(f"{problem.message}: {problem.why}\n")
        return 4
    return 0


if __name__ == "__main__":
    sys.exit(main())
