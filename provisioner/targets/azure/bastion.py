"""A head without a public address: SSH's bytes through Azure Bastion, on standard input and output.

    python3 bastion.py VNET_ID MACHINE_ID

The Azure CLI's tunnel listens on a port of this machine and has no other way in ("Make `az network bastion tunnel` suitable
for use with OpenSSH's ProxyCommand", azure-cli #27999): this starts one on a free port, carries the bytes, and ends it. The
Bastion is the one in the VNet, the run's own or that of an existing network. Standard library only: ssh runs it by its path.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, BinaryIO

# Seconds until the CLI, which takes several to start, listens.
_PATIENCE = 90.0
_COMMAND = ("az", "network", "bastion")
# The command is an extension of the CLI, which asks nobody whether to install it.
_ENVIRONMENT = {"AZURE_EXTENSION_USE_DYNAMIC_INSTALL": "yes_without_prompt", "AZURE_CORE_ONLY_SHOW_ERRORS": "true"}


def found(bastions: Sequence[dict[str, Any]], vnet: str) -> str:
    """The id of the Bastion in a VNet. Raises SystemExit."""
    for bastion in bastions:
        for where in bastion.get("ipConfigurations") or ():
            if where["subnet"]["id"].lower().startswith(f"{vnet.lower()}/"):
                return str(bastion["id"])
    raise SystemExit(f"there is no Bastion in {vnet}")


def arguments(bastion: str, machine: str, port: int) -> list[str]:
    """The CLI's command line."""
    parts = bastion.split("/")
    where = ["--subscription", parts[2], "--resource-group", parts[4], "--name", parts[-1]]
    return [*_COMMAND, "tunnel", *where, "--target-resource-id", machine, "--resource-port", "22", "--port", str(port)]


def connected(port: int, alive: Callable[[], bool], patience: float = _PATIENCE) -> socket.socket:
    """A connection to the tunnel as soon as it listens. Raises SystemExit when it ends or never does."""
    end = time.monotonic() + patience
    while alive() and time.monotonic() < end:
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=5)
        except OSError:
            time.sleep(0.2)
    raise SystemExit("the tunnel of Azure Bastion does not open")


def carry(line: socket.socket, inwards: BinaryIO, outwards: BinaryIO) -> None:
    """Bytes both ways until the other side ends."""
    line.settimeout(None)

    def send() -> None:
        try:
            while data := os.read(inwards.fileno(), 65536):
                line.sendall(data)
            line.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    threading.Thread(target=send, daemon=True).start()
    while data := line.recv(65536):
        outwards.write(data)
        outwards.flush()


def main(vnet: str, machine: str) -> None:
    """What ssh runs as its ProxyCommand."""
    environment = {**os.environ, **_ENVIRONMENT}
    listed = subprocess.run(
        [*_COMMAND, "list", "--subscription", vnet.split("/")[2], "--output", "json"],
        env=environment,
        stdout=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        check=True,
    )
    bastion = found(json.loads(listed.stdout), vnet)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # What the CLI says is for people: standard output is SSH's.
    tunnel = subprocess.Popen(
        arguments(bastion, machine, port), env=environment, stdin=subprocess.DEVNULL, stdout=sys.stderr.fileno()
    )
    try:
        with connected(port, lambda: tunnel.poll() is None) as line:
            carry(line, sys.stdin.buffer, sys.stdout.buffer)
    finally:
        tunnel.terminate()
        tunnel.wait()


if __name__ == "__main__":
    main(*sys.argv[1:])
