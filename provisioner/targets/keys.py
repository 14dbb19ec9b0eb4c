"""A run's own keys: made for it, pinned from the first connection on, gone with it."""

from __future__ import annotations

import secrets as random
from pathlib import Path

from provisioner import files
from provisioner.bootstrap.secrets import Keys
from provisioner.executor import process

# What the head is called in known_hosts: its key is known before its address is.
ALIAS = "burst-head"


def make(folder: Path, run_id: str) -> Keys:
    """New ones: the client's pair and the head's (Ed25519), and munge's.

    `folder` must not exist; afterwards it has `client` (0600), `client.pub` and `known_hosts`. The head's private key is
    in the answer alone.
    """
    folder.mkdir(mode=0o700, parents=True)
    for name in ("client", "head"):
        argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", f"burst {run_id}", "-f", str(folder / name)]
        process.call(argv)
    host = (folder / "head.pub").read_text().strip()
    files.write(folder / "known_hosts", f"{ALIAS} {host}\n", mode=0o600, durable=False)
    private = (folder / "head").read_text()
    # It is the head's alone from here on.
    for name in ("head", "head.pub"):
        (folder / name).unlink()
    return Keys(
        munge_key=random.token_bytes(128),
        authorized_key=(folder / "client.pub").read_text().strip(),
        host_key=private,
        host_key_public=host,
    )
