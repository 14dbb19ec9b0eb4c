"""How ssh is called: what it is told about a head, and what it must never do."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

_OPTIONS = {
    "BatchMode": "yes",
    "IdentitiesOnly": "yes",
    "IdentityAgent": "none",
    "PreferredAuthentications": "publickey",
    "StrictHostKeyChecking": "yes",
    "GlobalKnownHostsFile": "/dev/null",
    # The pinned file stays as it was written.
    "UpdateHostKeys": "no",
    "ForwardAgent": "no",
    "ForwardX11": "no",
    "ClearAllForwardings": "yes",
    "ConnectTimeout": "5",
    # Three unanswered questions of 4 s each: a head that is gone is noticed within 16 s.
    "ServerAliveInterval": "4",
    "ServerAliveCountMax": "3",
    "LogLevel": "ERROR",
    # With AES in hardware, several times as fast as the default cipher.
    "Ciphers": "^aes128-gcm@openssh.com",
}


@dataclass(frozen=True)
class Ssh:
    """How a head is reached: `user` at `address`, by the private key `identity` (a file of mode 0600).

    `known_hosts` has the head's pinned key: there is no trust on first use. With a port other than 22 its line begins
    with `[address]:port`. `control` is where the connection's socket is made: at most 90 bytes, for ssh makes it
    under a longer name first and unix(7) ends at 108. `via` is a command under which ssh is started, such as
    ("ip", "netns", "exec", NAME); `proxy` is a command whose standard input and output are the way to the port, where the
    cloud's tunnel is the way in (ssh_config(5), ProxyCommand). `alias` is the name under which the key is pinned, where
    that is not the address.
    """

    user: str
    address: str
    identity: Path
    known_hosts: Path
    control: Path
    port: int = 22
    via: tuple[str, ...] = ()
    proxy: tuple[str, ...] = ()
    alias: str = ""

    def argv(self, *arguments: str) -> list[str]:
        """The ssh command line up to its arguments."""
        options = {
            **_OPTIONS,
            "UserKnownHostsFile": _path(self.known_hosts),
            "IdentityFile": _path(self.identity),
            "ControlPath": _path(self.control),
            "Port": str(self.port),
            "User": self.user,
        }
        if self.alias:
            options["HostKeyAlias"] = self.alias
        if self.proxy:
            options["ProxyCommand"] = shlex.join(self.proxy).replace("%", "%%")
        return [*self.via, "ssh", "-F", "none", *(f"-o{name}={value}" for name, value in options.items()), *arguments]


def _path(path: Path) -> str:
    # ssh_config(5): a name with blanks is quoted, and % begins a token.
    return '"' + str(path).replace("%", "%%") + '"'
