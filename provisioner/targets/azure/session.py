"""The caller's own credentials: a token by azure-identity, and which subscription and region are meant."""

from __future__ import annotations

import configparser
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from provisioner.catalog.regions import REGIONS
from provisioner.errors import Kind, Refused
from provisioner.launch import azure as launcher
from provisioner.targets.azure import faults
from provisioner.targets.azure.once import Once

_LATER = "again, in a minute"
LOGIN = "az login, and az account set --subscription NAME; or AZURE_TENANT_ID, AZURE_CLIENT_ID, AZURE_CLIENT_SECRET"


class Caller(launcher.Session):
    """Calls in the name of the caller, in one subscription; `region` is where a run is. `known` keeps what stays the same as
    long as a session does.
    """

    def __init__(
        self, subscription: str, region: str, token: Callable[[], str], endpoint: str = launcher.ENDPOINT, **more: Any
    ) -> None:
        super().__init__(token, endpoint, **more)
        self.subscription, self.region, self.known = subscription, region, Once(again=True)

    @property
    def root(self) -> str:
        return f"/subscriptions/{self.subscription}"

    def group(self, run_id: str) -> str:
        """The id of a run's resource group, which has its name."""
        return f"{self.root}/resourceGroups/{run_id}"

    def found(self, path: str, api: str) -> Any:
        """What is at this id; None where nothing is. Raises launch.azure's Refused."""
        answer = self.call("GET", path, api, absent=True)
        return None if answer.status == 404 else answer.told

    def once(self, path: str, api: str, body: Any) -> launcher.Answer:
        """A question that is asked with POST, and not again while Azure is busy: a refusal is an answer, too.

        Raises launch.azure's Refused where there is no answer.
        """
        return self._ask("POST", f"{path}?api-version={api}", body)

    def pause(self, seconds: float) -> None:
        self._sleep(seconds)


def configured() -> bool:
    """Whether there seem to be credentials: variables, or a login of the Azure CLI."""
    return bool(os.environ.get("AZURE_CLIENT_ID") or _subscription())


def region() -> str:
    """The CLI's default location ("Azure CLI configuration": defaults.location), else where a file without one is run."""
    known = configparser.ConfigParser(interpolation=None)
    known.read(_folder() / "config", encoding="utf-8")
    return os.environ.get("AZURE_DEFAULTS_LOCATION") or str(known.get("defaults", "location", fallback=REGIONS["azure"]))


def opened(region: str) -> Caller:
    """A session that has been answered once. Raises Refused (AUTH) with the command that logs in."""
    subscription = _subscription()
    if subscription is None:
        raise _refused("no subscription is chosen", "neither AZURE_SUBSCRIPTION_ID nor a login of the Azure CLI is there")
    caller = Caller(subscription, region, _token())
    try:
        told = caller.call("GET", caller.root, "2022-12-01").told
    except launcher.Refused as problem:
        raise Refused(
            f"Azure refuses subscription {subscription}", why=str(problem), fix=LOGIN, kind=Kind(problem.kind)
        ) from problem
    if told.get("state") not in (None, "Enabled"):
        raise _refused(f"subscription {told.get('displayName', subscription)} is {told['state']}", "nothing can be made in it")
    return caller


@contextmanager
def refusing(what: str) -> Iterator[None]:
    """Azure's errors as Refused, with its own words and their class."""
    try:
        yield
    except launcher.Refused as problem:
        meaning, why = faults.told(problem)
        kind = Kind[meaning] if meaning in Kind.__members__ else Kind.CONFIG
        fix = {Kind.AUTH: LOGIN, Kind.THROTTLE: _LATER, Kind.TRANSIENT: _LATER}.get(kind, "")
        raise Refused(f"Azure refused to {what}", why=why, fix=fix, kind=kind) from problem


def _refused(message: str, why: str) -> Refused:
    return Refused(message, why=why, fix=LOGIN, kind=Kind.AUTH)


def storage_token() -> Callable[[], str]:
    """The caller's, for Blob Storage ("Authorize access to blobs using Microsoft Entra ID")."""
    return _token("https://storage.azure.com")


def _token(resource: str = launcher.ENDPOINT) -> Callable[[], str]:
    try:
        from azure.core.exceptions import AzureError
        from azure.identity import AzureCliCredential, DefaultAzureCredential
    except ImportError as problem:
        fix = "pip install 'burst-hpc[azure]'"
        raise Refused("azure-identity is not installed", why=str(problem), fix=fix, kind=Kind.AUTH) from problem
    # Only who asks for it by variables, or has no login, has the other ways tried: each takes a second to fail.
    by_cli = not os.environ.get("AZURE_CLIENT_ID") and (_folder() / "azureProfile.json").exists()
    credential = AzureCliCredential() if by_cli else DefaultAzureCredential()

    def token() -> str:
        try:
            return str(credential.get_token(f"{resource}/.default").token)
        except AzureError as problem:
            raise launcher.Refused("AUTH", str(problem).partition("\n")[0]) from problem

    return token


def _folder() -> Path:
    return Path(os.environ.get("AZURE_CONFIG_DIR") or Path.home() / ".azure")


def _subscription() -> str | None:
    """By variable, else the CLI's default one (azureProfile.json begins with a byte-order mark)."""
    named = os.environ.get("AZURE_SUBSCRIPTION_ID") or os.environ.get("ARM_SUBSCRIPTION_ID")
    if named:
        return named
    try:
        told = json.loads((_folder() / "azureProfile.json").read_text(encoding="utf-8-sig"))
        return next((str(each["id"]) for each in told["subscriptions"] if each.get("isDefault")), None)
    except (OSError, ValueError, KeyError, TypeError):
        return None
