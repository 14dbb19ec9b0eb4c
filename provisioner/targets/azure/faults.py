"""The class of an error as the Pulumi provider words it: the code is Azure's own, and so is the table."""

from __future__ import annotations

import re

from provisioner.launch.azure import KINDS, kind_of

# Code="X" (go-autorest), ERROR CODE: X (azcore), "code": "X" (the answer itself).
_CODES = re.compile(r"""(?:\bCode="|ERROR CODE: |"code"\s*:\s*")([A-Za-z]+)""")
# "Microsoft Entra authentication and authorization error codes"; the Azure CLI's own words.
_LOGIN = re.compile(r"(AADSTS\d+)|az login|DefaultAzureCredential|AzureCLICredential")


def classify(words: str) -> tuple[str, str] | None:
    """(kind, Azure's code); of nested errors the first that says anything. None where there is none."""
    codes = _CODES.findall(words)
    for code in codes:
        if code in KINDS or code == "OperationNotAllowed":
            return kind_of(code, words), code
    if login := _LOGIN.search(words):
        return "AUTH", login.group(1) or "CredentialUnavailable"
    status = re.search(r"(?:StatusCode=|Status=|RESPONSE )(\d{3})", words)
    return (kind_of("", words, int(status.group(1))), codes[0] if codes else status.group(1)) if status else None
