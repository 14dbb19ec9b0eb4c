"""Where the head hears how far each machine of its cluster has come: python3 reports.py PORT FOLDER.

A machine sends its name on one line and then all that it has to say so far (cloud-init/report.sh: lines of JSON). It
is kept as FOLDER/NAME.jsonl; what has more lines is later, so reports may overtake one another.
"""

from __future__ import annotations

import contextlib
import os
import re
import socketserver
import sys
import threading
from typing import ClassVar

_NAME = re.compile(rb"[a-z][-a-z0-9]{0,80}")
# Some twenty phases, and the end of a log.
_LONGEST = 1 << 16
# Between the look at what is there and its replacement nobody else may replace it.
_one_at_a_time = threading.Lock()


class Report(socketserver.StreamRequestHandler):
    """One machine's call."""

    timeout = 5
    folder: ClassVar[str] = ""

    def handle(self) -> None:
        """Keep it, or hang up."""
        with contextlib.suppress(OSError):
            name = self.rfile.readline(100).strip()
            if _NAME.fullmatch(name):
                keep(os.path.join(self.folder, f"{name.decode()}.jsonl"), self.rfile.read(_LONGEST))


def keep(path: str, text: bytes) -> None:
    """Write it all or nothing, unless a later one is there already."""
    with _one_at_a_time:
        if os.path.exists(path):
            with open(path, "rb") as stream:
                if stream.read().count(b"\n") > text.count(b"\n"):
                    return
        with open(f"{path}.new", "wb") as stream:
            stream.write(text)
        os.replace(f"{path}.new", path)


class Server(socketserver.ThreadingTCPServer):
    """A thread a machine: many may call at once."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 1024


def main(port: str, folder: str) -> None:
    """Listen for ever."""
    os.makedirs(folder, exist_ok=True)
    Report.folder = folder
    with Server(("", int(port)), Report) as server:
        server.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
