"""What the Pulumi provider's words for a failure mean."""

from __future__ import annotations

import re

from provisioner.launch.gcp import KINDS

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
