"""What speaks against a design, asked of AWS: everything side by side, all findings at once; nothing is made.

What may not be asked (a policy may forbid the question) is a warning with AWS's words, and not a refusal, as long as AWS
knows who asks.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from provisioner.design.model import Design
from provisioner.findings import Finding
from provisioner.targets import checks
from provisioner.targets.aws import filesystems, identity, images, limits, networks, permissions, quotas, types
from provisioner.targets.aws import results as bucket
from provisioner.targets.aws.session import LOGIN, logged_out

_SERVICES = ("ec2", "efs", "fsx", "iam", "s3", "service-quotas", "sts")


@dataclass(frozen=True)
class Asked:
    """The clients that the checks use, by service; made before any thread is."""

    clients: dict[str, Any]

    def __getitem__(self, service: str) -> Any:
        return self.clients[service]


Check = Callable[[Asked, Design], Iterator[Finding]]


def preflight(session: Any, design: Design, skip: Collection[str] = ()) -> tuple[Finding, ...]:
    """Findings of all checks."""
    asked = Asked({name: session.client(name) for name in _SERVICES})
    return checks.ask([(name, partial(check, asked, design)) for name, check in CHECKS], skip, _unchecked)


def _unchecked(name: str, problem: Exception) -> Finding | None:
    from botocore.exceptions import BotoCoreError, ClientError

    if not isinstance(problem, ClientError | BotoCoreError):
        return None
    return checks.unchecked(name, str(problem), login=LOGIN if logged_out(problem) else None)


def results(asked: Asked, design: Design) -> Iterator[Finding]:
    """The bucket of a detached run."""
    yield from bucket.findings(asked["s3"], asked["iam"], design)


# Names as targets/checks.py has them. One name may have several checks: they are asked side by side, too.
CHECKS: tuple[tuple[str, Check], ...] = (
    ("permissions", permissions.findings),
    ("identity", identity.findings),
    ("types", types.in_a_zone),
    ("types", types.as_designed),
    ("images", images.findings),
    ("network", networks.costs),
    ("network", networks.room),
    ("network", networks.ways),
    ("network", networks.names),
    ("filesystems", filesystems.findings),
    ("quota", quotas.vcpus),
    ("quota", limits.networks),
    ("quota", limits.addresses),
    ("quota", limits.disks),
    ("quota", limits.efs),
    ("quota", limits.lustre),
    ("spot", identity.spot_role),
    ("results", results),
)
