"""Units as a person writes them, and back: sizes in bytes, times in seconds, money in USD."""

from __future__ import annotations

import re
from decimal import Decimal

KIB, MIB, GIB, TIB = 2**10, 2**20, 2**30, 2**40

_SIZES = {"B": 1, "KiB": KIB, "MiB": MIB, "GiB": GIB, "TiB": TIB, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([A-Za-z]+)", re.ASCII)
_DURATION = re.compile(r"(?:(\d{1,9})d)?(?:(\d{1,9})h)?(?:(\d{1,9})m)?(?:(\d{1,9})s)?", re.ASCII)
_SLURM_TIME = re.compile(r"(?:(\d{1,9})-)?(\d{1,3}):([0-5]\d):([0-5]\d)", re.ASCII)
_MONEY = re.compile(r"(\d{1,9}(?:\.\d{1,2})?)\s*USD", re.ASCII)

SIZE_PATTERN = r"^\d+(\.\d+)?\s*(B|[KMGT]i?B)$"
DURATION_PATTERN = r"^(\d+d)?(\d+h)?(\d+m)?(\d+s)?$|^(\d+-)?\d{1,3}:[0-5]\d:[0-5]\d$"
MONEY_PATTERN = r"^\d+(\.\d{1,2})?\s*USD$"

# Longer than any cluster for an afternoon, and far from what overflows a time_t or a Slurm field.
LONGEST = 365 * 86400
LARGEST = 2**60


def parse_size(text: str) -> int:
    """Bytes of "50GiB", "192 GiB", "500MB". Raises ValueError that says what is accepted."""
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is not a size: write a number and a unit, such as 50GiB or 512MiB")
    number, unit = match.groups()
    if unit not in _SIZES:
        near = {u.lower(): u for u in _SIZES}.get(unit.lower()) or {"g": "GiB", "m": "MiB", "t": "TiB", "k": "KiB"}.get(
            unit.lower()
        )
        hint = f"did you mean {number}{near}?" if near else "use KiB, MiB, GiB or TiB"
        raise ValueError(f"{text!r} has the unknown unit {unit!r}: {hint}")
    size = int(Decimal(number) * _SIZES[unit])
    if not 0 < size <= LARGEST:
        raise ValueError(f"{text!r} is not between one byte and an exbibyte")
    return size


def parse_duration(text: str) -> int:
    """Seconds of "2h", "1d12h", "90s", or of Slurm's [days-]hours:minutes:seconds (sbatch(1), --time)."""
    stripped = text.strip()
    if (match := _SLURM_TIME.fullmatch(stripped)) or (stripped and (match := _DURATION.fullmatch(stripped))):
        days, hours, minutes, seconds = (int(g or 0) for g in match.groups())
    else:
        raise ValueError(f"{text!r} is not a time: write 30s, 10m, 2h, 1d12h or Slurm's 02:00:00")
    total = days * 86400 + hours * 3600 + minutes * 60 + seconds
    if not 0 < total <= LONGEST:
        raise ValueError(f"{text!r} is not between one second and a year")
    return total


def parse_money(text: str) -> Decimal:
    """USD of "25 USD"."""
    match = _MONEY.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is not an amount: write it as 25 USD")
    return Decimal(match.group(1))


def show_size(size: int) -> str:
    """The largest binary unit in which `size` is at least one: 1610612736 → "1.5GiB"."""
    for unit, factor in (("TiB", TIB), ("GiB", GIB), ("MiB", MIB), ("KiB", KIB)):
        if size >= factor:
            return f"{size / factor:.1f}".removesuffix(".0") + unit
    return f"{size}B"


def show_duration(seconds: float) -> str:
    """0.42 → "0.42s", 90 → "1m30s", 7200 → "2h"."""
    if seconds < 60:
        return f"{seconds:.2f}".rstrip("0").rstrip(".") + "s"
    rest = int(seconds)
    parts = []
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        count, rest = divmod(rest, length)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts)


def count(number: int, thing: str) -> str:
    """1, "node" → "1 node"; 2, "node" → "2 nodes"."""
    return f"{number} {thing}{'' if number == 1 else 's'}"


def slurm_time(seconds: int) -> str:
    """Slurm's minutes, rounded up: the form that every version's --time and MaxTime take."""
    return str(max(1, -(-seconds // 60)))
