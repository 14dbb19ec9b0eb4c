"""The address from which this machine reaches the world: what SSH is opened to."""

from __future__ import annotations

import ipaddress
import os
import urllib.request

from provisioner.errors import Kind, NotCreated

# Each answers with the caller's IPv4 address and nothing else. The first is AWS's own ("Security group rules: my IP").
_ASKED = ("https://checkip.amazonaws.com", "https://api.ipify.org")
_SECONDS = 5


def address() -> str:
    """As a range of one: 203.0.113.7/32. $BURST_ADDRESS says it where nobody can be asked. Raises NotCreated."""
    given = os.environ.get("BURST_ADDRESS")
    if given:
        return str(ipaddress.IPv4Network(given))
    said = "nobody was asked"
    for url in _ASKED:
        try:
            with urllib.request.urlopen(url, timeout=_SECONDS) as answer:  # noqa: S310 - two https addresses, above
                return f"{ipaddress.IPv4Address(answer.read(64).decode().strip())}/32"
        except (OSError, ValueError) as problem:
            said = f"{url}: {problem}"
    raise NotCreated(
        "this machine's own public address could not be found out",
        why=said,
        fix="name the range that may reach SSH in the file: network: {ssh_from: 203.0.113.0/24}",
        kind=Kind.TRANSIENT,
    )
