"""Errors as Pulumi's AWS provider words them → their class."""

from __future__ import annotations

import re

from provisioner.launch.aws import kind_of

# aws-sdk-go-v2, smithy.OperationError: "operation error EC2: RunInstances, https response error StatusCode: 400,
# RequestID: …, api error InsufficientInstanceCapacity: We currently do not have …"; with a modelled error of the service
# the last part is "AccessDenied: …" or "FileSystemLimitExceeded: …" without "api error".
_CODED = re.compile(r"api error ([A-Za-z][\w.]+)")
_MODELLED = re.compile(r"StatusCode: (\d{3}), (?:RequestID|HostID)[^,]*, (?:HostID[^,]*, )?([A-Z]\w+(?:\.\w+)?):")
# What is said where no answer came, or no credentials were found.
_WORDS = (
    (
        r"(?i)no valid credential sources|failed to refresh cached credentials|get credentials|ExpiredToken",
        "AUTH",
        "NoCredentials",
    ),
    (r"(?i)connection reset|connection refused|i/o timeout|no such host|TLS handshake|unexpected EOF", "TRANSIENT", "Connection"),
    (r"(?i)timeout while waiting for state|context deadline exceeded", "TRANSIENT", "Timeout"),
)


def classify(words: str) -> tuple[str, str] | None:
    """(errors.Kind by name, the provider's code); None where no error of AWS is in it."""
    if match := _CODED.search(words):
        return kind_of(match[1]), match[1]
    if match := _MODELLED.search(words):
        status, code = match.groups()
        return ("TRANSIENT" if status.startswith("5") else kind_of(code)), code
    return next(((kind, code) for pattern, kind, code in _WORDS if re.search(pattern, words)), None)
