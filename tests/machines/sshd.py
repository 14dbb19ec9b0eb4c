"""A real sshd of a test's own, on a free port of this machine."""

from __future__ import annotations

import contextlib
import getpass
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from provisioner.executor.ssh import Ssh

SSHD = shutil.which("sshd", path="/usr/sbin:/usr/local/sbin:/usr/bin")

_CONFIG = """\
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host
AuthorizedKeysFile {folder}/me.pub
PidFile {folder}/pid
StrictModes no
UsePAM no
PermitRootLogin yes
PasswordAuthentication no
# Not what the caller's own .bashrc does.
SetEnv HOME={folder}
"""


class Server:
    """sshd, its keys, and what of its connections there is on our side."""

    def __init__(self, folder: Path, short: Path) -> None:
        self.folder = folder
        self.control = short / "control"
        for name in ("host", "other", "me"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        (folder / "config").write_text(_CONFIG.format(port=self.port, folder=folder))
        self.start()

    def start(self) -> None:
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen([SSHD or "", "-D", "-e", "-f", self.folder / "config"], stdout=log, stderr=log)
        until(self._listens)

    def _listens(self) -> bool:
        with socket.socket() as line:
            return line.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()

    def ssh(self, host_key: str = "host") -> Ssh:
        known = self.folder / "known hosts"
        kind, key, *_ = (self.folder / f"{host_key}.pub").read_text().split()
        known.write_text(f"[127.0.0.1]:{self.port} {kind} {key}\n")
        return Ssh(getpass.getuser(), "127.0.0.1", self.folder / "me", known, self.control, self.port)

    def masters(self) -> list[int]:
        """Processes that hold the control path: the name that ssh gives to a master in the background."""
        return [pid for pid, line in command_lines() if f"{self.control} [mux]".encode() in line]

    def drop(self) -> None:
        """The line goes down: at once, so it is asked for the master and not all of /proc looked through."""
        asked = ["ssh", "-F", "none", "-S", str(self.control), "-O", "check", "nobody"]
        told = subprocess.run(asked, capture_output=True, text=True, check=False).stderr
        if found := re.search(r"pid=(\d+)", told):
            os.kill(int(found[1]), signal.SIGKILL)


def command_lines() -> Iterator[tuple[int, bytes]]:
    """Every process's arguments."""
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with contextlib.suppress(OSError):
                yield int(entry), Path(f"/proc/{entry}/cmdline").read_bytes()


def until(holds: object, patience: float = 20) -> None:
    """Wait for something to hold."""
    end = time.monotonic() + patience
    while not holds():  # type: ignore[operator]
        assert time.monotonic() < end, "it never came"
        time.sleep(0.02)


@contextlib.contextmanager
def server(folder: Path) -> Iterator[Server]:
    """Ended, with its connections, when the body is left."""
    # A socket's path must be short: not below pytest's folders.
    short = Path(tempfile.mkdtemp(prefix="b-", dir="/tmp"))
    # sshd as root insists on an empty folder of root's for a part of itself.
    if os.getuid() == 0:
        os.makedirs("/run/sshd", mode=0o755, exist_ok=True)
    one = Server(folder, short)
    try:
        yield one
    finally:
        one.drop()
        one.stop()
        shutil.rmtree(short, ignore_errors=True)
