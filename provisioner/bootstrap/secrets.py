"""What a machine is told that no Design may hold: put into its user-data last, by the target that made it."""

from __future__ import annotations

import base64
import json
from dataclasses import asdict, dataclass, field

from provisioner.bootstrap import embed

# These stand in rendered text. Each is a whole YAML scalar in double quotes, or within one.
MUNGE_KEY = "@MUNGE_KEY@"
HEAD_ADDRESS = "@HEAD_ADDRESS@"
AUTHORIZED_KEY = "@AUTHORIZED_KEY@"
HOST_KEY = "@HOST_KEY@"
HOST_KEY_PUBLIC = "@HOST_KEY_PUBLIC@"


@dataclass(frozen=True)
class Keys:
    """A run's keys: munge's, the client's public one, and the head's own pair, which the client knows beforehand."""

    munge_key: bytes = field(repr=False)
    authorized_key: str
    host_key: str = field(repr=False)
    host_key_public: str

    def dumps(self) -> str:
        """As JSON, for whoever keeps secrets: Pulumi's encrypted configuration."""
        return json.dumps({**asdict(self), "munge_key": base64.b64encode(self.munge_key).decode()})

    @classmethod
    def loads(cls, text: str) -> Keys:
        """What `dumps` wrote. Raises ValueError, KeyError and TypeError where it is something else."""
        told = json.loads(text)
        return cls(**{**told, "munge_key": base64.b64decode(told["munge_key"])})


def fill(text: str, keys: Keys, address: str) -> str:
    """User-data with everything in its place; `address` is the head's private one."""
    filled = {
        MUNGE_KEY: base64.b64encode(keys.munge_key).decode(),
        HEAD_ADDRESS: address,
        AUTHORIZED_KEY: keys.authorized_key,
        HOST_KEY: keys.host_key,
        HOST_KEY_PUBLIC: keys.host_key_public,
    }
    for mark, value in filled.items():
        text = text.replace(mark, embed.quoted(value)[1:-1])
    return text
