"""What a metadata service is asked, what it knows, and what it says: the same for every vendor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias
from urllib.parse import parse_qsl, unquote, urlsplit

# A service's values. What has names or numbers below it is a directory.
Tree: TypeAlias = "str | dict[str, Tree] | list[Tree]"


@dataclass(frozen=True)
class Facts:
    """What the service tells one machine of itself. Times are epoch seconds.

    `notice` is when it will be taken away; None: nobody has said so. `market` is 'on-demand' or 'spot'.
    """

    name: str
    machine_id: str
    kind: str
    address: str
    market: str
    tags: Mapping[str, str]
    region: str
    zone: str
    user_data: str
    started: float
    notice: float | None


@dataclass(frozen=True)
class Answer:
    """An answer of HTTP, without the headers that every server adds."""

    status: int
    body: bytes
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Request:
    """A request, taken apart: `headers` by lower-case name, `query` in its order."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    headers: Mapping[str, str]
    body: bytes

    @classmethod
    def of(cls, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Request:
        """From what the first line and the headers say."""
        parts = urlsplit("//service" + target)
        query = tuple(parse_qsl(parts.query, keep_blank_values=True))
        return cls(method, unquote(parts.path), query, {name.lower(): value for name, value in headers.items()}, body)

    def parameter(self, name: str) -> str:
        """A query parameter's value; empty where there is none."""
        return dict(self.query).get(name, "")


def find(tree: Tree, names: Sequence[str]) -> Tree | None:
    """What lies under these names, one below the other; None where nothing does."""
    for name in names:
        if isinstance(tree, dict) and name in tree:
            tree = tree[name]
        elif isinstance(tree, list) and name.isdecimal() and int(name) < len(tree):
            tree = tree[int(name)]
        else:
            return None
    return tree


def listing(tree: dict[str, Tree] | list[Tree]) -> list[str]:
    """The names in a directory; those of directories end with a slash."""
    items = tree.items() if isinstance(tree, dict) else ((str(number), each) for number, each in enumerate(tree))
    return [name if isinstance(each, str) else f"{name}/" for name, each in items]
