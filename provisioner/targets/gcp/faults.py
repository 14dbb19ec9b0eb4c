"""What Google Cloud's error codes mean, each with the page that has it; and the Pulumi provider's words for a failure."""

from __future__ import annotations

import re

from provisioner.launch.gcp import KINDS, Refused
from provisioner.targets.cloud.faults import GONE, IN_USE, Codes, meanings

_ROOM = "Compute Engine, Troubleshooting resource availability errors"
_BULK = "Compute Engine, Troubleshooting bulk creation of VMs"
_QUOTA = "Compute Engine, Allocation quotas"
_RATE = "Compute Engine, Rate quotas; Cloud Storage, HTTP status and error codes"
_IAM = "IAM, Troubleshoot permission error messages; Cloud Storage, HTTP status and error codes"
_COMPUTE = "Compute Engine, Troubleshooting VM creation; Cloud APIs, Errors"
_RPC = "Cloud APIs, Errors: google.rpc.Code"
_REASON = "Cloud APIs, Errors: google.api.ErrorReason"
_STORAGE = "Cloud Storage, HTTP status and error codes"

TABLE: tuple[Codes, ...] = (
    Codes(
        "CAPACITY",
        _ROOM,
        """ZONE_RESOURCE_POOL_EXHAUSTED ZONE_RESOURCE_POOL_EXHAUSTED_WITH_DETAILS REGION_RESOURCE_POOL_EXHAUSTED
        RESOURCE_POOL_EXHAUSTED""",
    ),
    Codes("CAPACITY", _BULK, "insufficientCapacity VM_MIN_COUNT_NOT_REACHED"),
    Codes("QUOTA", _QUOTA, "QUOTA_EXCEEDED quotaExceeded limitExceeded"),
    Codes("QUOTA", _REASON, "RESOURCE_QUOTA_EXCEEDED"),
    Codes("THROTTLE", _RATE, "rateLimitExceeded userRateLimitExceeded RESOURCE_OPERATION_RATE_EXCEEDED"),
    Codes("THROTTLE", _REASON, "RATE_LIMIT_EXCEEDED"),
    Codes("THROTTLE", _RPC, "RESOURCE_EXHAUSTED"),
    Codes("AUTH", _IAM, "forbidden authError required PERMISSIONS_ERROR"),
    Codes("AUTH", _RPC, "PERMISSION_DENIED UNAUTHENTICATED"),
    Codes(
        "AUTH",
        _REASON,
        "ACCESS_TOKEN_EXPIRED ACCESS_TOKEN_SCOPE_INSUFFICIENT CREDENTIALS_MISSING IAM_PERMISSION_DENIED ACCOUNT_STATE_INVALID",
    ),
    Codes("CONFIG", _COMPUTE, "invalid badRequest alreadyExists accessNotConfigured conditionNotMet"),
    Codes("CONFIG", _RPC, "INVALID_ARGUMENT ALREADY_EXISTS OUT_OF_RANGE UNIMPLEMENTED"),
    Codes("CONFIG", _REASON, "SERVICE_DISABLED BILLING_DISABLED LOCATION_ORG_POLICY_VIOLATED ORG_RESTRICTION_VIOLATION"),
    Codes(
        "TRANSIENT",
        _COMPUTE,
        "backendError internalError INTERNAL_ERROR SERVICE_UNAVAILABLE RESOURCE_NOT_READY resourceNotReady",
    ),
    Codes("TRANSIENT", _RPC, "INTERNAL UNAVAILABLE DEADLINE_EXCEEDED ABORTED"),
    Codes(IN_USE, _COMPUTE, "resourceInUseByAnotherResource RESOURCE_IN_USE_BY_ANOTHER_RESOURCE"),
    Codes(IN_USE, _RPC, "FAILED_PRECONDITION"),
    Codes(IN_USE, _STORAGE, "conflict"),
    Codes(GONE, _COMPUTE, "notFound RESOURCE_NOT_FOUND"),
    Codes(GONE, _RPC, "NOT_FOUND"),
)
_MEANING = meanings(TABLE)
# The numbers of google.rpc.Code: what a long-running operation of the newer APIs has for its error.
RPC = {
    3: "INVALID_ARGUMENT",
    4: "DEADLINE_EXCEEDED",
    5: "NOT_FOUND",
    7: "PERMISSION_DENIED",
    8: "RESOURCE_EXHAUSTED",
    9: "FAILED_PRECONDITION",
    10: "ABORTED",
    13: "INTERNAL",
    14: "UNAVAILABLE",
    16: "UNAUTHENTICATED",
}

# As terraform-provider-google words them, which the Pulumi provider is made of; the first that fits counts.
_WORDS: tuple[tuple[str, str, str], ...] = (
    (r"could not find default credentials|invalid_grant|Reauthentication|oauth2: ", "AUTH", "credentials"),
    (r"does not have enough resources available|resource pool exhausted", "CAPACITY", "ZONE_RESOURCE_POOL_EXHAUSTED"),
    (r"Quota '[^']+' exceeded|Quota exceeded for quota metric", "QUOTA", "QUOTA_EXCEEDED"),
    (r"(?:API|it) (?:has not been used in project|is disabled)", "CONFIG", "SERVICE_DISABLED"),
    (r"connection (?:reset|refused)|i/o timeout|TLS handshake|unexpected EOF|no such host", "TRANSIENT", "connection"),
)
_STATUS = {"401": "AUTH", "403": "AUTH", "429": "THROTTLE", "500": "TRANSIENT", "502": "TRANSIENT", "503": "TRANSIENT"}
_ORDER = ("AUTH", "QUOTA", "CAPACITY", "CONFIG", "THROTTLE", "TRANSIENT")
_CODE = re.compile(r"\b(?:" + "|".join(sorted(map(re.escape, KINDS), key=len, reverse=True)) + r")\b")
_ERROR = re.compile(r"googleapi: (?:got HTTP response code|Error) (\d{3})")
# Words that are codes and also plain English say nothing by themselves.
_PLAIN = frozenset(("required", "forbidden", "INTERNAL", "ABORTED"))


def told(problem: Exception) -> tuple[str, str]:
    """(meaning where something is deleted or listed, Google's code and words)."""
    code, status = getattr(problem, "code", ""), getattr(problem, "status", 0)
    if status == 404:
        return GONE, str(problem)
    return _MEANING.get(code) or str(getattr(problem, "kind", "TRANSIENT")), str(problem) or type(problem).__name__


def gone(problem: Refused) -> bool:
    """Whether it says that there is no such thing."""
    return told(problem)[0] == GONE


def classify(words: str) -> tuple[str, str] | None:
    """(class, Google's code) of an error as the provider words it; None where nobody knows."""
    for pattern, kind, code in _WORDS:
        if re.search(pattern, words):
            return kind, code
    codes = [code for code in dict.fromkeys(_CODE.findall(words)) if code not in _PLAIN]
    if codes:
        code = min(codes, key=lambda each: _ORDER.index(KINDS[each]))
        return KINDS[code], code
    status = _ERROR.search(words)
    if status:
        return _STATUS.get(status[1], "CONFIG"), status[1]
    return None
