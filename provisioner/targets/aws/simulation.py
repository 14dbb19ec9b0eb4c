"""Who calls, and what IAM says that it may do: simulated, so that nothing is made.

IAM API Reference, "SimulatePrincipalPolicy": it knows the caller's own policies, its permissions boundary and its
organization's; not those of a resource, of a session, nor what only a real request has (an address, a second factor).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from provisioner.targets.aws.listing import pages
from provisioner.targets.checks import side_by_side

# At the same time, of one account's IAM.
_AT_ONCE = 6
ALLOWED = "allowed"


@dataclass(frozen=True)
class Caller:
    """`arn` as STS has it; `source` the user or role whose policies can be simulated, None for the account's root and for a
    federated user.
    """

    arn: str
    source: str | None

    @property
    def partition(self) -> str:
        return self.arn.split(":")[1]

    @property
    def account(self) -> str:
        return self.arn.split(":")[4]

    @property
    def root(self) -> bool:
        return self.arn.endswith(":root")

    @property
    def principal(self) -> tuple[str, str]:
        """("user" or "role", its name)."""
        kind, _, name = (self.source or "").rpartition(":")[2].partition("/")
        return kind, name.rpartition("/")[2]


@dataclass(frozen=True)
class Question:
    """Whether these actions are allowed on a resource (an ARN, or *). `context` is what the request would carry."""

    resource: str
    actions: tuple[str, ...]
    context: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Denied:
    """An action that is not allowed, and by what. `unsure` are keys that only a real request has, on which it may depend."""

    action: str
    why: str
    unsure: tuple[str, ...] = ()


def caller(sts: Any, iam: Any) -> Caller:
    """Who asks. An assumed role's ARN has its name without its path."""
    arn = sts.get_caller_identity()["Arn"]
    kind = arn.split(":")[5].partition("/")[0]
    if kind == "user":
        return Caller(arn, arn)
    return Caller(arn, _role(iam, arn) if kind == "assumed-role" else None)


def _role(iam: Any, arn: str) -> str:
    from botocore.exceptions import ClientError

    name = arn.split("/")[1]
    try:
        return str(iam.get_role(RoleName=name)["Role"]["Arn"])
    except ClientError:
        # It may not look at itself: then as a role without a path is called.
        return f"arn:{arn.split(':')[1]}:iam::{arn.split(':')[4]}:role/{name}"


def denied(iam: Any, source: str, questions: Sequence[Question]) -> list[Denied]:
    """What of it is not allowed. Raises botocore's ClientError where nobody may ask."""
    told = side_by_side(lambda question: _denied(iam, source, question), questions, _AT_ONCE)
    # An action that is asked on two resources is told once.
    return list({each.action: each for some in told for each in some}.values())


def _denied(iam: Any, source: str, question: Question) -> list[Denied]:
    entries = [
        {"ContextKeyName": key, "ContextKeyValues": [value], "ContextKeyType": "string"} for key, value in question.context
    ]
    told = pages(
        iam,
        "simulate_principal_policy",
        "EvaluationResults",
        PolicySourceArn=source,
        ActionNames=list(question.actions),
        ResourceArns=[question.resource],
        ContextEntries=entries,
    )
    return [_why(each) for each in told if each["EvalDecision"] != ALLOWED]


def _why(told: dict[str, Any]) -> Denied:
    parts = [told, *told.get("ResourceSpecificResults", ())]
    unsure = tuple(sorted({key for part in parts for key in part.get("MissingContextValues", ())}))
    within = [part.get("PermissionsBoundaryDecisionDetail", {}).get("AllowedByPermissionsBoundary", True) for part in parts]
    if not told.get("OrganizationsDecisionDetail", {}).get("AllowedByOrganizations", True):
        why = "your organization's policies (SCP) do not let anybody in this account"
    elif not all(within):
        why = "your permissions boundary does not reach so far"
    elif told["EvalDecision"] == "explicitDeny":
        policies = {each.get("SourcePolicyId", "") for part in parts for each in part.get("MatchedStatements", ())} - {""}
        why = f"a policy denies it{': ' + ', '.join(sorted(policies)) if policies else ''}"
    else:
        why = "no policy of yours allows it"
    return Denied(told["EvalActionName"], why, unsure)
