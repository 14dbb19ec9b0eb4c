"""Who the caller is: Application Default Credentials, through google-auth (loaded when it is needed)."""

from __future__ import annotations

import configparser
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from provisioner.catalog.regions import REGIONS
from provisioner.errors import Kind, Refused
from provisioner.launch import gcp
from provisioner.launch.gcp import Session

LOG_IN = "gcloud auth application-default login"
_SCOPES = ("https://www.googleapis.com/auth/cloud-platform",)


def configured() -> bool:
    """Whether there is a file that google-auth would take ("How Application Default Credentials works")."""
    named = os.environ.get("GOOGLE_APPLICATION_CREDENTIALS")
    return Path(named).is_file() if named else (_folder() / "application_default_credentials.json").is_file()


def region() -> str:
    """What gcloud's active configuration says, or its variable; else where a file without a region is run."""
    return os.environ.get("CLOUDSDK_COMPUTE_REGION") or _gcloud("compute", "region") or REGIONS["gcp"]


def session(place: str) -> Session:
    """Raises Refused (AUTH) with the command that logs in."""
    token, project = _found()
    project = project or _gcloud("core", "project")
    if not project:
        why = "neither the credentials nor gcloud's configuration name one"
        raise Refused("which project?", why=why, fix="gcloud config set project PROJECT", kind=Kind.AUTH)
    opened = Session(token, project=project, region=place)
    try:
        token()
    except gcp.Refused as problem:
        raise Refused("Google Cloud takes no token from us", why=str(problem), fix=LOG_IN, kind=Kind.AUTH) from problem
    return opened


def token() -> Callable[[], str]:
    """The caller's, for what belongs to no project. Raises Refused (AUTH); it itself launch.gcp's."""
    return _found()[0]


def _found() -> tuple[_Token, str | None]:
    try:
        import google.auth
    except ImportError as problem:
        fix = "pip install 'burst-hpc[gcp]'"
        raise Refused("Google Cloud's libraries are not installed", why=str(problem), fix=fix, kind=Kind.CONFIG) from problem
    try:
        credentials, project = google.auth.default(scopes=_SCOPES)
    except google.auth.exceptions.GoogleAuthError as problem:
        raise Refused("there are no credentials for Google Cloud", why=str(problem), fix=LOG_IN, kind=Kind.AUTH) from problem
    return _Token(credentials), project


class _Token:
    """The credentials' token, refreshed when it is due; many threads ask."""

    def __init__(self, credentials: Any) -> None:
        self._credentials = credentials
        self._lock = threading.Lock()

    def __call__(self) -> str:
        from google.auth.exceptions import GoogleAuthError, TransportError
        from google.auth.transport.requests import Request

        with self._lock:
            if not self._credentials.valid:
                try:
                    self._credentials.refresh(Request())
                except TransportError as problem:
                    raise gcp.Refused("TRANSIENT", str(problem)) from problem
                except GoogleAuthError as problem:
                    raise gcp.Refused("AUTH", str(problem)) from problem
            return str(self._credentials.token)


def environment() -> dict[str, str]:
    """The credentials that were named, from wherever the plugin runs."""
    named = os.environ.get("GOOGLE_APPLICATION_CREDENTIALS")
    return {"GOOGLE_APPLICATION_CREDENTIALS": str(Path(named).absolute())} if named else {}


def _folder() -> Path:
    return Path(os.environ.get("CLOUDSDK_CONFIG") or Path.home() / ".config" / "gcloud")


def _gcloud(section: str, key: str) -> str:
    """A value of gcloud's active configuration ("Managing gcloud CLI configurations"); "" where there is none."""
    try:
        active = (_folder() / "active_config").read_text(encoding="utf-8").strip()
    except OSError:
        active = "default"
    parser = configparser.ConfigParser()
    parser.read(_folder() / "configurations" / f"config_{active}", encoding="utf-8")
    return parser.get(section, key, fallback="")
