"""Ports that no other run has: chosen under a lock, recorded in the run's folder, tried by binding.

Below the kernel's own range for outgoing connections (ip(7), ip_local_port_range), so that a port still is free
when an elastic node comes to use it much later.
"""

from __future__ import annotations

import json
import socket
import zlib
from pathlib import Path

from provisioner import files
from provisioner.errors import Kind, NotCreated

FIRST, LAST = 20_000, 32_000
RECORD = "ports.json"


def reserve(runtime: Path, root: Path, count: int) -> int:
    """The first of `count` ports in a row, recorded in `root` before any other run can choose. Raises NotCreated."""
    with files.locked(runtime):
        taken = _taken(runtime)
        # Users share the range but not the lock: each run begins to look somewhere else.
        slots = (LAST - FIRST) // count
        offset = zlib.crc32(str(root).encode()) % slots
        for i in range(slots):
            first = FIRST + ((offset + i) % slots) * count
            wanted = range(first, first + count)
            if not taken.intersection(wanted) and all(_free(port) for port in wanted):
                (root / RECORD).write_text(json.dumps([first, count]), encoding="ascii")
                return first
    raise NotCreated(
        f"no {count} free ports in a row between {FIRST} and {LAST}",
        why="other programs or runs hold them",
        fix="end what is not needed any more: burst list, burst sweep",
        kind=Kind.CAPACITY,
    )


def _taken(runtime: Path) -> set[int]:
    taken: set[int] = set()
    for record in runtime.glob(f"*/{RECORD}"):
        try:
            first, count = json.loads(record.read_text(encoding="ascii"))
        except (OSError, ValueError):
            continue
        taken.update(range(first, first + count))
    return taken


def _free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("", port))
        except OSError:
            return False
    return True
