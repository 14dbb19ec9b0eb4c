"""Credentials: whether there seem to be any, and a session that has been shown to work."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from provisioner.errors import Kind, Refused
from provisioner.targets.aws import faults

DEFAULT_REGION = "us-east-2"
# "Credential providers" of the AWS SDKs and Tools Reference Guide, those that cost nothing to look at.
_VARIABLES = (
    "AWS_ACCESS_KEY_ID",
    "AWS_PROFILE",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
)
_LATER = "again, in a minute"
LOGIN = "aws configure, or aws sso login; then: aws sts get-caller-identity"
# What is said of credentials that are no good, or no longer, and not of what they may do: faults.py has the pages.
_NOBODY = (
    *("AuthFailure", "MissingAuthenticationToken", "RequestExpired", "InvalidClientTokenId", "ExpiredToken"),
    *("ExpiredTokenException", "UnrecognizedClientException", "SignatureDoesNotMatch", "InvalidAccessKeyId", "InvalidToken"),
)


def configured() -> bool:
    """Whether a variable or a file names credentials."""
    files = (("AWS_SHARED_CREDENTIALS_FILE", "credentials"), ("AWS_CONFIG_FILE", "config"))
    return any(os.environ.get(name) for name in _VARIABLES) or any(
        Path(os.environ.get(variable) or Path.home() / ".aws" / name).is_file() for variable, name in files
    )


def region() -> str:
    """The region of the user's own configuration."""
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        if os.environ.get(name):
            return os.environ[name]
    try:
        import boto3
    except ImportError:
        return DEFAULT_REGION
    return boto3.session.Session().region_name or DEFAULT_REGION


def open_session(where: str) -> Any:
    """A boto3 Session whose credentials AWS has recognised. Raises Refused."""
    try:
        import boto3
        from botocore.exceptions import BotoCoreError, ClientError
    except ImportError as problem:
        raise Refused(
            "the target aws needs boto3", why=str(problem), fix="pip install 'burst-hpc[aws]'", kind=Kind.CONFIG
        ) from problem
    try:
        made = _shared(boto3.session.Session(region_name=where))
        made.client("sts").get_caller_identity()
    except (ClientError, BotoCoreError) as problem:
        raise Refused("AWS does not know who asks", why=str(problem), fix=LOGIN, kind=Kind.AUTH) from problem
    return made


def _shared(session: Any) -> Any:
    """Preflight, zones and launches have one session between them. It makes one client at a time: "Session objects are not
    thread safe", while its clients are (boto3, "Multithreading").
    """
    one, make = threading.Lock(), session.client

    def client(*told: Any, **more: Any) -> Any:
        with one:
            return make(*told, **more)

    session.client = client
    return session


def logged_out(problem: Exception) -> bool:
    """Whether botocore raised it because AWS does not know, or know any more, who asks."""
    response: Any = getattr(problem, "response", None)
    if response is None:
        return faults.told(problem)[0] == Kind.AUTH.value
    return response.get("Error", {}).get("Code") in _NOBODY


@dataclass(frozen=True)
class Clients:
    """One client for each service: they may be used in threads, and are made in one (boto3, "Multithreading")."""

    region: str
    ec2: Any
    efs: Any
    fsx: Any
    iam: Any
    s3: Any


def clients(session: Any) -> Clients:
    """Those of a session."""
    return Clients(session.region_name, *(session.client(name) for name in ("ec2", "efs", "fsx", "iam", "s3")))


@contextmanager
def refusing(what: str) -> Iterator[None]:
    """AWS's errors as Refused, with its own words and their class."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except (ClientError, BotoCoreError) as problem:
        meaning, _ = faults.told(problem)
        kind = Kind[meaning] if meaning in Kind.__members__ else Kind.CONFIG
        fix = {Kind.AUTH: LOGIN, Kind.THROTTLE: _LATER, Kind.TRANSIENT: _LATER}.get(kind, "")
        raise Refused(f"AWS refused to {what}", why=str(problem), fix=fix, kind=kind) from problem
