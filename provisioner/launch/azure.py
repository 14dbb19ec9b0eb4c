"""Machines on Azure: named virtual machines, all or none, through the REST API of Azure Resource Manager.

Standard library only; the head has this file as it is, without its comments. A template has `run`, `instance`,
`subscription`, `group` (the resource group), `identity` (client id of the head's managed identity), `custom_data` (the
file with compressed user-data) and `body`: the request of "Virtual Machines - Create Or Update" but for what differs
between machines. A machine of node `cpu-1` is called RUN-cpu-1; its interface and disk are deleted with it.

Sources: "Virtual Machines - Create Or Update" and "- Delete", "Track asynchronous Azure operations", "How managed
identities for Azure resources work with Azure virtual machines" (IMDS), "Throttling Resource Manager requests".
"""

from __future__ import annotations

import base64
import copy
import http.client
import json
import os
import random
import secrets
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

Template = dict[str, Any]

ENDPOINT = "https://management.azure.com"
# Of the vendor's own clients: azure-mgmt-compute 39.0.0, azure-mgmt-network 33.1.0.
COMPUTE = "2026-04-01"
NETWORK = "2026-03-01"

# Writes under way at once: "Throttling limits for virtual machines" count them by subscription and region.
_AT_ONCE = 16
# Seconds between tries of what is busy (THROTTLE, TRANSIENT), unless the answer says how long.
_PAUSES = (1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
# A role that was just assigned: "changes can take up to 10 minutes" ("Troubleshoot Azure RBAC"), mostly one or two.
_FRESH = (5.0, 10.0, 15.0, 30.0, 30.0, 30.0, 60.0, 60.0, 60.0)
# Between two looks at an operation, where the answer does not say it, and how long one may take: a machine whose
# image does not report is given up by Azure itself after 20 minutes (OSProvisioningTimedOut).
_LOOK = 3.0
_LONGEST = 1500.0
_TIMEOUT = 60.0

# Kind → the error codes of it, with the vendor's pages. Other codes are told apart by the status of the answer alone.
_CODES: dict[str, str] = {
    # "Resolve errors for SKU not available"; "Troubleshoot allocation failures when you create or restart VMs in Azure"
    "CAPACITY": """SkuNotAvailable AllocationFailed ZonalAllocationFailed OverconstrainedAllocationRequest
        OverconstrainedZonalAllocationRequest OverconstrainedZonalAllocationRequestFailure""",
    # "Resolve errors for resource quotas"; OperationNotAllowed is one where its words say so (`kind_of`)
    "QUOTA": "QuotaExceeded ResourceQuotaExceeded PublicIPCountLimitReached",
    # "Troubleshooting API throttling errors"; "Understand how Azure Resource Manager throttles requests"
    "THROTTLE": """TooManyRequests SubscriptionRequestsThrottled ResourceRequestsThrottled
        ResourceCollectionRequestsThrottled""",
    # "Troubleshoot common Azure deployment errors"; "Troubleshoot Azure RBAC"
    "AUTH": """AuthorizationFailed LinkedAuthorizationFailed AuthenticationFailed ExpiredAuthenticationToken
        InvalidAuthenticationToken InvalidAuthenticationTokenTenant RoleDefinitionDoesNotExist""",
    "CONFIG": """MissingSubscriptionRegistration NoRegisteredProviderFound RequestDisallowedByPolicy InvalidParameter
        InvalidRequestContent InvalidResourceReference PlatformImageNotFound ImageNotFound PropertyChangeNotAllowed
        SubnetIsFull ScopeLocked""",
    # "Understand common error messages when you manage virtual machines in Azure"
    "TRANSIENT": """RetryableError AnotherOperationInProgress OperationPreempted InternalExecutionError
        InternalServerError NetworkingInternalOperationError OSProvisioningTimedOut ServerTimeout VMStartTimedOut""",
}
KINDS = {code: kind for kind, codes in _CODES.items() for code in codes.split()}
_STATUSES = {401: "AUTH", 403: "AUTH", 408: "TRANSIENT", 409: "TRANSIENT", 412: "TRANSIENT", 429: "THROTTLE"}


class Refused(Exception):
    """Azure said no, in its own words; `kind` is CAPACITY, QUOTA, THROTTLE, AUTH, CONFIG or TRANSIENT, `code` its own."""

    def __init__(self, kind: str, message: str, code: str = "", status: int = 0) -> None:
        super().__init__(message)
        self.kind, self.code, self.status = kind, code, status


class _Dropped(Exception):
    """Another machine of the same launch was refused: nothing more is done for this one."""


@dataclass(frozen=True)
class Answer:
    """`headers` by lower-case name; `told` is the body, None where there is none. `path` is what was asked."""

    path: str
    status: int
    headers: dict[str, str]
    told: Any

    @property
    def after(self) -> float | None:
        """Seconds after which to ask again, as the answer has it; a minute at most."""
        said = self.headers.get("retry-after", "")
        return min(float(said), 60.0) if said.isdigit() else None


def kind_of(code: str, words: str, status: int = 0) -> str:
    """The class of an error by its code; of an unknown one by the status of the answer."""
    if code == "OperationNotAllowed":
        return "QUOTA" if "quota" in words.lower() else "CONFIG"
    return KINDS.get(code) or _STATUSES.get(status) or ("TRANSIENT" if status >= 500 else "CONFIG")


def refused(error: Any, status: int = 0) -> Refused:
    """{"code", "message", "details": [{"code", "message"}]} as an exception: the first code that says anything."""
    error = error if isinstance(error, dict) else {"message": str(error)}
    nested = [detail for detail in error.get("details") or () if isinstance(detail, dict)]
    told = next((each for each in (*nested, error) if each.get("code") in (*KINDS, "OperationNotAllowed")), error)
    code, words = str(told.get("code") or status or "Unknown"), str(told.get("message") or "it gives no reason")
    return Refused(kind_of(code, words, status), f"{code}: {words}", code, status)


class Session:
    """Calls in the name of somebody: `token` answers a bearer token for Azure Resource Manager, as often as it is asked.

    `fresh` is for an identity whose role may be minutes old: its 403 is asked again for a while.
    """

    def __init__(
        self,
        token: Callable[[], str],
        endpoint: str = ENDPOINT,
        *,
        fresh: bool = False,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._token, self._endpoint, self._sleep = token, urlsplit(endpoint), sleep
        self._fresh = _FRESH if fresh else ()

    def call(self, method: str, path: str, api: str = "", body: Any = None, absent: bool = False) -> Answer:
        """One call, repeated while Azure is busy. Raises Refused; with `absent` a 404 is an answer, too."""
        path = f"{path}{'&' if '?' in path else '?'}{urlencode({'api-version': api})}" if api else path
        pauses, fresh = list(_PAUSES), list(self._fresh)
        while True:
            after = None
            try:
                answer = self._ask(method, path, body)
                if answer.status < 400 or (absent and answer.status == 404):
                    return answer
                after = answer.after
                told = answer.told if isinstance(answer.told, dict) else {}
                raise refused(told.get("error", told or answer.told), answer.status)
            except Refused as problem:
                busy = problem.kind in ("THROTTLE", "TRANSIENT")
                left = pauses if busy else fresh if problem.kind == "AUTH" and problem.status == 403 else []
                if not left:
                    raise
                pause = left.pop(0)
            # Many machines were refused in the same moment.
            self._sleep(after if after is not None else pause * random.uniform(0.8, 1.2))  # noqa: S311

    def listed(self, path: str, api: str) -> list[dict[str, Any]]:
        """Every item of a listing, page by page; nothing where what should hold them is not there."""
        answer = self.call("GET", path, api, absent=True)
        found = list((answer.told or {}).get("value", ())) if answer.status == 200 else []
        while answer.status == 200 and answer.told.get("nextLink"):
            answer = self.call("GET", _local(answer.told["nextLink"]))
            found.extend(answer.told["value"])
        return found

    def wait(self, answer: Answer, still: Callable[[], bool] = lambda: True) -> None:
        """Until what was begun has ended. Raises Refused with its error, _Dropped once `still` says no."""
        operation, location = answer.headers.get("azure-asyncoperation"), answer.headers.get("location")
        where = operation or (location if answer.status == 202 else None)
        if where is None:
            return
        end = time.monotonic() + _LONGEST
        while time.monotonic() < end:
            self._sleep(answer.after if answer.after is not None else _LOOK)
            if not still():
                raise _Dropped
            answer = self.call("GET", _local(where))
            status = (answer.told or {}).get("status") if operation else None if answer.status == 202 else "Succeeded"
            if status == "Succeeded":
                return
            if status in ("Failed", "Canceled"):
                raise refused(answer.told.get("error") or f"the operation is {status}")
        raise Refused("TRANSIENT", f"{_local(where).partition('?')[0]} goes on for {_LONGEST:.0f} s", "ServerTimeout")

    def _ask(self, method: str, path: str, body: Any) -> Answer:
        kind = http.client.HTTPSConnection if self._endpoint.scheme == "https" else http.client.HTTPConnection
        connection = kind(self._endpoint.netloc, timeout=_TIMEOUT)
        headers = {"Authorization": f"Bearer {self._token()}", "Content-Type": "application/json"}
        try:
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            response = connection.getresponse()
            text = response.read().decode("utf-8", "replace")
        except (OSError, http.client.HTTPException) as problem:
            raise Refused("TRANSIENT", f"{self._endpoint.netloc} does not answer: {problem!r}") from problem
        finally:
            connection.close()
        try:
            told = json.loads(text) if text else None
        except ValueError:
            told = text
        return Answer(path, response.status, {name.lower(): value for name, value in response.getheaders()}, told)


def _local(url: str) -> str:
    """Whatever host an answer names, the token goes to ours alone."""
    parts = urlsplit(url)
    return f"{parts.path}?{parts.query}" if parts.query else parts.path


class Own:
    """The token of this machine's own managed identity for `resource`, from its metadata service; renewed five minutes
    before its end."""

    def __init__(self, client_id: str, resource: str = f"{ENDPOINT}/") -> None:
        self._client_id, self._lock, self._token, self._until = client_id, threading.Lock(), "", 0.0
        self._resource = resource

    def __call__(self) -> str:
        with self._lock:
            if time.time() > self._until - 300:
                self._token, self._until = self._ask()
            return self._token

    def _ask(self) -> tuple[str, float]:
        asked = {"api-version": "2018-02-01", "resource": self._resource, "client_id": self._client_id}
        place = os.environ.get("BURST_METADATA", "http://169.254.169.254").removeprefix("http://")
        connection = http.client.HTTPConnection(place, timeout=10)
        try:
            connection.request("GET", f"/metadata/identity/oauth2/token?{urlencode(asked)}", headers={"Metadata": "true"})
            response = connection.getresponse()
            told = json.loads(response.read())
        except (OSError, http.client.HTTPException, ValueError) as problem:
            raise Refused("TRANSIENT", f"the metadata service does not answer: {problem!r}") from problem
        finally:
            connection.close()
        if response.status != 200:
            # 410 and 429 pass, and a new identity is 400 or 404 for a while ("Error handling" of the IMDS page).
            kind = "TRANSIENT" if response.status in (404, 410, 429) or response.status >= 500 else "AUTH"
            raise Refused(kind, f"no token: {told.get('error_description') or told}", str(told.get("error", "")))
        return str(told["access_token"]), float(told["expires_on"])


def launch(names: Sequence[str], template: Template, market: str = "on-demand", session: Session | None = None) -> dict[str, str]:
    """Make these machines, all or none, and answer {name: private address}; those that exist are ended first.

    Raises Refused: what was made is gone by then, or its words say what is not.
    """
    session = session or _own(template)
    machines = {name: f"{template['run']}-{name}" for name in names}
    there = {str(each["name"]).lower() for each in session.listed(_machines(template), COMPUTE)}
    _delete(session, template, [machine for machine in machines.values() if machine.lower() in there])
    with open(template["custom_data"], "rb") as stream:
        user_data = base64.b64encode(stream.read()).decode()
    failed = threading.Event()

    def make(machine: str) -> None:
        try:
            _make(session, template, machine, _request(template, machine, market, user_data), failed)
        except BaseException:
            failed.set()
            raise

    with ThreadPoolExecutor(min(_AT_ONCE, len(machines)) or 1) as pool:
        asked = [pool.submit(make, machine) for machine in machines.values()]
        try:
            problems = [problem for problem in (each.exception() for each in asked) if problem is not None]
        except BaseException:
            # A signal: nobody waits for what is under way, and the teardown ends it.
            failed.set()
            raise
    if problems:
        _roll_back(session, template, list(machines.values()), next(p for p in problems if not isinstance(p, _Dropped)))
    return _addresses(session, template, machines)


def end(names: Sequence[str], template: Template, session: Session | None = None) -> None:
    """End these machines, their interfaces and disks; returns once Azure has taken it on. Raises Refused."""
    machines = [f"{template['run']}-{name}" for name in names]
    _delete(session or _own(template), template, machines, wait=False)


def _own(template: Template) -> Session:
    return Session(Own(template["identity"]), template.get("endpoint", ENDPOINT), fresh=True)


def _machines(template: Template) -> str:
    group = f"/subscriptions/{template['subscription']}/resourceGroups/{quote(template['group'])}"
    return f"{group}/providers/Microsoft.Compute/virtualMachines"


def _request(template: Template, machine: str, market: str, user_data: str) -> dict[str, Any]:
    body: dict[str, Any] = copy.deepcopy(template["body"])
    properties = body["properties"]
    properties["osProfile"].update(computerName=machine, customData=user_data)
    # The last one of that name may not have gone yet.
    properties["networkProfile"]["networkInterfaceConfigurations"][0]["name"] = f"{machine}-{secrets.token_hex(3)}"
    if market == "spot":
        # At most the price on demand ("Use Azure Spot Virtual Machines").
        properties.update(priority="Spot", evictionPolicy="Delete", billingProfile={"maxPrice": -1})
    return body


def _make(session: Session, template: Template, machine: str, body: dict[str, Any], failed: threading.Event) -> None:
    for last in (False, True):
        if failed.is_set():
            raise _Dropped
        try:
            begun = session.call("PUT", f"{_machines(template)}/{machine}", COMPUTE, body)
            session.wait(begun, lambda: not failed.is_set())
            return
        except Refused as problem:
            # What fails while it is made can only be made anew.
            if last or problem.kind != "TRANSIENT":
                raise
        _delete(session, template, [machine])


def _delete(session: Session, template: Template, machines: Sequence[str], wait: bool = True) -> None:
    def delete(machine: str) -> None:
        begun = session.call("DELETE", f"{_machines(template)}/{machine}?forceDeletion=true", COMPUTE, absent=True)
        if wait:
            session.wait(begun)

    with ThreadPoolExecutor(min(_AT_ONCE, len(machines)) or 1) as pool:
        for done in [pool.submit(delete, machine) for machine in machines]:
            done.result()


def _roll_back(session: Session, template: Template, machines: Sequence[str], why: BaseException) -> None:
    try:
        _delete(session, template, machines)
    except Refused as problem:
        kind = why.kind if isinstance(why, Refused) else problem.kind
        raise Refused(kind, f"{why}; and what was made is not gone: {problem}", getattr(why, "code", "")) from why
    raise why


def _addresses(session: Session, template: Template, machines: dict[str, str]) -> dict[str, str]:
    group = _machines(template).rpartition("/providers/")[0]
    found: dict[str, str] = {}
    for interface in session.listed(f"{group}/providers/Microsoft.Network/networkInterfaces", NETWORK):
        owner = (interface["properties"].get("virtualMachine") or {}).get("id", "").rpartition("/")[2].lower()
        found[owner] = interface["properties"]["ipConfigurations"][0]["properties"]["privateIPAddress"]
    return {name: found[machine.lower()] for name, machine in machines.items()}
