"""Text inside YAML: whatever a file holds, cloud-init reads back the same (YAML 1.1, as PyYAML has it)."""

from __future__ import annotations

import string
from collections.abc import Iterable

_PLAIN = frozenset(string.ascii_letters + string.digits + "/._+-:@")
_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t"}


def quoted(text: str) -> str:
    """A double-quoted scalar in ASCII. Not json.dumps: PyYAML does not join JSON's surrogate pairs."""
    return '"' + "".join(_ESCAPES.get(c) or (c if " " <= c <= "~" else f"\\U{ord(c):08x}") for c in text) + '"'


def listed(items: Iterable[str]) -> str:
    """A sequence of strings on one line."""
    return "[" + ", ".join(map(quoted, items)) + "]"


def file(path: str, text: str, mode: str = "0644", owner: str = "", encoding: str = "") -> str:
    """One item of write_files; `encoding` as cloud-init names it, for a text that is encoded already."""
    lines = [f"- path: {quoted(path)}", f'  permissions: "{mode}"']
    lines += [f"  {key}: {quoted(value)}" for key, value in (("owner", owner), ("encoding", encoding)) if value]
    return "\n".join([*lines, f"  content: {_content(text)}"])


def _content(text: str) -> str:
    """A literal block where it is sure to come back unchanged, because people read it; else one quoted line."""
    if not text.endswith("\n") or text.endswith("\n\n") or text[0].isspace() or not _printable(text):
        return quoted(text)
    return "|\n" + "\n".join(f"    {line}" if line else "" for line in text[:-1].split("\n"))


def _printable(text: str) -> bool:
    """Whether YAML takes every character as it is: Python's notion is the narrower one, but for tab and newline."""
    return text.replace("\t", "").replace("\n", "").isprintable()


def octal(path: str) -> str:
    """A path as fstab(5) and exports(5) have it: anything but a plain character as `\\ooo`, byte by byte."""
    return "".join(chr(byte) if chr(byte) in _PLAIN else f"\\{byte:03o}" for byte in path.encode())
