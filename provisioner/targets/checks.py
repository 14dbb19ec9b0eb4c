"""Checks before creation: what each is called, and how they are asked, all side by side.

A check is asked by its name, which every finding of it carries: `burst run --skip NAME` leaves it out. Names are the same on
every place that has such a check.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from provisioner.findings import Finding, error, warning

# Name → what is looked at. Clouds first, then this machine.
NAMES: dict[str, str] = {
    "engine": "Pulumi's engine, its SDK and the cloud's plugin are installed",
    "credentials": "the cloud knows who asks, and the account or project is open",
    "permissions": "the caller may create every kind of thing that the design has",
    "identity": "the head's role can be made, or the one that the file names is there",
    "services": "the cloud's services are switched on for the project or subscription",
    "types": "one zone offers the machine types",
    "images": "images that the file names are there, and for the machines' architecture",
    "network": "a network that is there already: its subnet, its way out, room for every machine",
    "filesystems": "filesystems that are there already can be reached; new ones may be made",
    "quota": "quotas, summed over the whole design, with what is in use",
    "spot": "the account can have spot machines",
    "results": "the bucket of a detached run is there, and may be written to",
    "limits": "the cloud's own limits on names, sizes and life",
    "user-data": "what machines are told fits into what the cloud takes",
    "programs": "the programs that this machine needs are installed",
    "packages": "software.packages are installed on this machine",
    "machines": "so many nodes or machines can be on this machine",
    "hardware": "cores, memory and GPUs of this machine, against what is declared",
    "disk": "room on this machine's disks",
    "folders": "folders and sockets of this machine can be used",
    "rehearsal": "what BURST_REHEARSAL asks for makes sense",
}

Check = Callable[[], Iterable[Finding]]
Asking = TypeVar("Asking")
Answer = TypeVar("Answer")


def unchecked(name: str, words: str, *, login: str | None) -> Finding:
    """Of a check that could not be asked, with the cloud's words: nothing is known to be wrong, and the cloud itself has the last
    word. `login` is the command that logs in where nobody is any more: then nothing could be made either.
    """
    said = f"{name} could not be checked: {words}"
    if login is not None:
        return error("unchecked", said, login)
    return warning("unchecked", said, f"allow the call, or leave it out: --skip {name}")


def ask(
    checks: Sequence[tuple[str, Check]], skip: Collection[str], refused: Callable[[str, Exception], Finding | None]
) -> tuple[Finding, ...]:
    """Findings of all checks that are not in `skip`, in their order. Of one that raises, what `refused` makes of it: None
    raises it further.
    """

    def heard(named: tuple[str, Check]) -> list[Finding]:
        name, check = named
        found: list[Finding] = []
        try:
            # What was found before it was refused is known all the same.
            for finding in check():
                found.append(finding)
        except Exception as problem:
            told = refused(name, problem)
            if told is None:
                # Nobody foresaw it: what is pasted into an issue says who asked, and its reader how to go on.
                problem.add_note(f"in the check {name}, which --skip {name} leaves out")
                raise
            found.append(told)
        return [finding.model_copy(update={"check": name}) for finding in found]

    told = side_by_side(heard, [(name, check) for name, check in checks if name not in skip])
    return tuple(finding for found in told for finding in found)


def side_by_side(ask: Callable[[Asking], Answer], of: Iterable[Asking], most: int | None = None) -> Iterator[Answer]:
    """An answer for each, in their order, asked at the same time, `most` at once. Raises what one of them raised, in its turn:
    the answers before it are known all the same.
    """
    asked = list(of)
    if asked:
        with ThreadPoolExecutor(min(len(asked), most or len(asked))) as pool:
            yield from pool.map(ask, asked)
