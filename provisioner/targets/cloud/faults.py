"""What a provider's error codes mean, and what is done about each meaning.

    a code → (targets/CLOUD/faults.py, TABLE) → its meaning: an errors.Kind, IN_USE or GONE → what is done

The tables are the whole of it, with their sources; launch/CLOUD.py has what the head needs of them. docs/faults.md is
made from here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from provisioner.errors import Kind
from provisioner.targets.base import UNASKED, Resource

# Of deleting alone: what uses it is still there; it is not there any more.
IN_USE, GONE = "IN_USE", "GONE"
# A deletion that is refused so is not asked for again: nothing of ours would change the answer.
FINAL = (Kind.AUTH.name, Kind.CONFIG.name)

FIXES = {
    Kind.CAPACITY: "ask for fewer nodes, for other types (groups.*.instance is a list), for another region, or spot: prefer",
    Kind.QUOTA: "ask the provider for more (its message names the quota), or for fewer nodes",
    Kind.THROTTLE: "burst run again, in a minute",
    Kind.AUTH: "burst doctor",
    Kind.CONFIG: "mend what the message names in the file",
    Kind.TRANSIENT: "burst run again",
}
# Where more is asked for.
_MORE = {
    "aws": "aws service-quotas list-service-quotas --service-code ec2 names them, request-service-quota-increase raises one",
    "gcp": "console: IAM & Admin, Quotas & System Limits",
    "azure": "portal: Quotas, Request increase",
}

_AGAIN = "asked again, with pauses"
_UNKNOWN = "it is unknown what is left: exit 7"
# Meaning → what is done in (making and launching, deleting, listing).
DONE: dict[str, tuple[str, str, str]] = {
    "CAPACITY": (
        "a group's next type or market is tried; then all of it is ended, and the next zone or target tried; the last one's "
        "words are told",
        "asked again",
        "-",
    ),
    "QUOTA": (
        "a group's next type or market is tried; then it stops with the provider's words and where to ask for more, and what was "
        "made is ended",
        "asked again",
        "-",
    ),
    "THROTTLE": (
        "asked again, with pauses",
        "asked again, with pauses",
        "asked again, with pauses; then it is unknown what is left",
    ),
    "AUTH": (
        "a session is opened anew once; then it stops and says how to log in",
        "a session is opened anew once; then exit 7, how to log in, and the command that ends the run",
        f"a session is opened anew once; then {_UNKNOWN}",
    ),
    "CONFIG": ("stops with the provider's words", "left, with the provider's words: exit 7", _UNKNOWN),
    "TRANSIENT": (
        "asked again, with pauses",
        "asked again, with pauses",
        "asked again, with pauses; then it is unknown what is left",
    ),
    IN_USE: ("-", "asked again for minutes; then exit 7, by its id, and all the rest is gone", "-"),
    GONE: ("-", "it is gone", "nothing of that is there"),
}


def fix(kind: Kind, cloud: str) -> str:
    """What to type next."""
    return f"{FIXES[kind]}; {_MORE[cloud]}" if kind is Kind.QUOTA and cloud in _MORE else FIXES[kind]


@dataclass(frozen=True)
class Codes:
    """Error codes of one meaning, separated by spaces. `source` is the vendor's page that has them, by its title."""

    meaning: str
    source: str
    codes: str


def meanings(table: Iterable[Codes]) -> dict[str, str]:
    """Code → meaning. A code that stands twice is a mistake of the table."""
    found: dict[str, str] = {}
    for row in table:
        for code in row.codes.split():
            assert code not in found, f"{code} stands twice"
            found[code] = row.meaning
    return found


def kept(resource: Resource, meaning: str, words: str) -> Resource:
    """A resource that could not be deleted, with the reason."""
    return resource.model_copy(update={"why": f"{meaning}: {words}"})


def final(resource: Resource) -> bool:
    """Whether to ask once more for its deletion would be answered alike."""
    return resource.why.partition(":")[0] in FINAL


def denied(resources: Iterable[Resource]) -> bool:
    """Whether credentials kept any of them from being deleted, or asked for."""
    return any(resource.why.startswith(f"{Kind.AUTH.name}:") for resource in resources)


def listed(
    asked: Mapping[str, Callable[[], Iterable[Resource]]], region: str, told: Callable[[Exception], str]
) -> tuple[Resource, ...]:
    """What several listings, by the name of each, find side by side; one that fails is UNASKED, with `told` of its error.

    Where not one answered the first one's error is raised: then it is not a listing that is wrong.
    """
    problems: list[Exception] = []

    def ask(name: str) -> list[Resource]:
        try:
            return list(asked[name]())
        except Exception as problem:
            problems.append(problem)
            why = told(problem)
            return [Resource(kind=UNASKED, id=name, name=f"{name} could not be asked: {why}", region=region, why=why)]

    with ThreadPoolExecutor(8) as pool:
        found = [each for some in pool.map(ask, asked) for each in some]
    if problems and len(problems) == len(asked):
        raise problems[0]
    return tuple(found)
