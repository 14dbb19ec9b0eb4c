"""The metadata service of a rehearsed machine, in the shape of the cloud that its file was written for.

In: a request and the machine's Facts. Out: an Answer. Nothing else happens: who listens on 169.254.169.254 calls
`answer`, and knows by the request's source which machine asks. Each vendor's module has its documented refusals, its
tree of values, and the names of the pages that they come from.
"""

from __future__ import annotations

from collections.abc import Mapping

from provisioner.targets.nspawn.imds import aws, azure, gcp
from provisioner.targets.nspawn.imds.facts import Answer, Facts, Request

__all__ = ["SHAPES", "Answer", "Facts", "answer"]

SHAPES = {"aws": aws.answer, "gcp": gcp.answer, "azure": azure.answer}


def answer(shape: str, method: str, path: str, headers: Mapping[str, str], facts: Facts, now: float, body: bytes = b"") -> Answer:
    """What the service says to this request. `path` has the query; `now` is epoch seconds; KeyError for no such shape.

    An answer to HEAD has its body: whoever sends it sends the headers only.
    """
    return SHAPES[shape](Request.of(method, path, headers, body), facts, now)
