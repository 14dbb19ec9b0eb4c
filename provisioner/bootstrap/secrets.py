"""What a machine is told that no Design may hold: put into its user-data last, by the target that made it."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field

from provisioner.bootstrap import embed

# These stand in rendered text. Each is a whole YAML scalar in double quotes, or within one.
MUNGE_KEY = "@MUNGE_KEY@"
HEAD_ADDRESS = "@HEAD_ADDRESS@"
AUTHORIZED_KEY = "@AUTHORIZED_KEY@"
HOST_KEY = "@HOST_KEY@"
HOST_KEY_PUBLIC = "@HOST_KEY_PUBLIC@"


@dataclass(frozen=True)
class Secrets:
    """A run's keys: munge's, the client's public one, and the head's own pair, which the client knows beforehand.

    `address` is the head's private one.
    """

    address: str
    munge_key: bytes = field(repr=False)
    authorized_key: str
    host_key: str = field(repr=False)
    host_key_public: str


def fill(text: str, secrets: Secrets) -> str:
    """User-data with everything in its place."""
    filled = {
        MUNGE_KEY: base64.b64encode(secrets.munge_key).decode(),
        HEAD_ADDRESS: secrets.address,
        AUTHORIZED_KEY: secrets.authorized_key,
        HOST_KEY: secrets.host_key,
        HOST_KEY_PUBLIC: secrets.host_key_public,
    }
    for mark, value in filled.items():
        text = text.replace(mark, embed.quoted(value)[1:-1])
    return text
