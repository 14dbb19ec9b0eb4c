"""Machines on Google Cloud: made by `instances.bulkInsert`, all or none, and ended by name. Plain REST.

A template has `project`, `zone`, `run` (the run's id: node cpu-1 is the machine RUN-cpu-1), `instance` (the machine
type) and `template` (projects/P/global/instanceTemplates/NAME, which also says spot or on demand). On the head nobody
gives a session: the machine's own service account is asked for a token, over the metadata service.

Sources: Compute Engine API reference, "instances.bulkInsert" and "zoneOperations.wait"; "Troubleshooting bulk creation
of VMs"; "About bulk creation of VMs" (a repeated requestId is one request, and minCount rolls back).
"""

from __future__ import annotations

import http.client
import json
import os
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

Template = dict[str, Any]

COMPUTE = "https://compute.googleapis.com/compute/v1"
_TOKEN = "/computeMetadata/v1/instance/service-accounts/default/token"  # noqa: S105 - a path

# What is busy now is asked again after these many seconds: THROTTLE and TRANSIENT are nobody's last word.
PAUSES = (1.0, 2.0, 4.0, 8.0, 16.0)
# A role counts everywhere some minutes after it was granted ("Access change propagation": two, typically).
_FRESH = 180.0
_AGAIN = 5.0
# zoneOperations.wait answers after two minutes at the latest; nobody waits for a machine longer than this.
_PATIENCE = 1200.0
_TIMEOUT = 150.0
# Of one request ("About bulk creation of VMs").
_AT_ONCE = 1000
_SIDE_BY_SIDE = 16

# A code of an answer ("reason", or "status" of the newer APIs) or of an operation's error → its class.
KINDS: dict[str, str] = {
    # "Troubleshooting resource availability errors", "Troubleshooting bulk creation of VMs" (insufficientCapacity).
    "ZONE_RESOURCE_POOL_EXHAUSTED": "CAPACITY",
    "ZONE_RESOURCE_POOL_EXHAUSTED_WITH_DETAILS": "CAPACITY",
    "REGION_RESOURCE_POOL_EXHAUSTED": "CAPACITY",
    "RESOURCE_POOL_EXHAUSTED": "CAPACITY",
    "insufficientCapacity": "CAPACITY",
    # It does not say why; `_causes` looks. Where nobody knows it is room that was missing.
    "VM_MIN_COUNT_NOT_REACHED": "CAPACITY",
    # "Allocation quotas", "Troubleshooting bulk creation of VMs".
    "QUOTA_EXCEEDED": "QUOTA",
    "quotaExceeded": "QUOTA",
    "limitExceeded": "QUOTA",
    # "Rate quotas"; "API rate limits": rateLimitExceeded comes with 403.
    "rateLimitExceeded": "THROTTLE",
    "userRateLimitExceeded": "THROTTLE",
    "RATE_LIMIT_EXCEEDED": "THROTTLE",
    "RESOURCE_OPERATION_RATE_EXCEEDED": "THROTTLE",
    "RESOURCE_EXHAUSTED": "THROTTLE",
    # google.rpc.Code, "Troubleshooting IAM permissions".
    "forbidden": "AUTH",
    "authError": "AUTH",
    "required": "AUTH",
    "PERMISSIONS_ERROR": "AUTH",
    "PERMISSION_DENIED": "AUTH",
    "UNAUTHENTICATED": "AUTH",
    # An API that is not enabled comes with 403 ("Troubleshoot API enablement"): no credentials mend it.
    "accessNotConfigured": "CONFIG",
    "SERVICE_DISABLED": "CONFIG",
    "BILLING_DISABLED": "CONFIG",
    # "Error messages" of the Compute Engine API, google.rpc.Code.
    "backendError": "TRANSIENT",
    "internalError": "TRANSIENT",
    "INTERNAL_ERROR": "TRANSIENT",
    "INTERNAL": "TRANSIENT",
    "UNAVAILABLE": "TRANSIENT",
    "SERVICE_UNAVAILABLE": "TRANSIENT",
    "RESOURCE_NOT_READY": "TRANSIENT",
    "resourceNotReady": "TRANSIENT",
    "DEADLINE_EXCEEDED": "TRANSIENT",
    "ABORTED": "TRANSIENT",
}
# Where the code is in no table, the answer's status counts.
_STATUS = {
    401: "AUTH",
    403: "AUTH",
    408: "TRANSIENT",
    429: "THROTTLE",
    500: "TRANSIENT",
    502: "TRANSIENT",
    503: "TRANSIENT",
    504: "TRANSIENT",
}
# One operation may have several errors: a lack of rights or of quota explains what is missing, room does not.
_WORST = ("AUTH", "CONFIG", "QUOTA", "CAPACITY", "THROTTLE", "TRANSIENT")


class Refused(Exception):
    """Google said no, in its own words; `kind` is the class of its reason, `code` its own name, `status` HTTP's (or 0)."""

    def __init__(self, kind: str, words: str, code: str = "", status: int = 0) -> None:
        super().__init__(words)
        self.kind = kind
        self.code = code
        self.status = status


class Session:
    """Calls with a bearer token. `token` answers one that is valid now; `endpoint` stands for every host, in tests."""

    def __init__(self, token: Callable[[], str], endpoint: str = "", project: str = "", region: str = "") -> None:
        self._token = token
        self._endpoint = endpoint
        self.project = project
        self.region = region

    def call(self, method: str, url: str, query: Mapping[str, Any] | None = None, body: Any = None) -> Any:
        """The answer's JSON ({} where it has none). Raises Refused once THROTTLE and TRANSIENT have been asked again."""
        for pause in PAUSES:
            try:
                return self._once(method, url, query, body)
            except Refused as problem:
                if problem.kind not in ("THROTTLE", "TRANSIENT"):
                    raise
            time.sleep(pause)
        return self._once(method, url, query, body)

    def pages(self, url: str, query: Mapping[str, Any] | None = None) -> Iterator[dict[str, Any]]:
        """Every page of a listing."""
        token = ""
        while True:
            page = self.call("GET", url, {**(query or {}), **({"pageToken": token} if token else {})})
            yield page
            token = page.get("nextPageToken", "")
            if not token:
                return

    def _once(self, method: str, url: str, query: Mapping[str, Any] | None, body: Any) -> Any:
        asked = self._endpoint + "/" + url.removeprefix("https://") if self._endpoint else url
        if query:
            asked += "?" + urllib.parse.urlencode(query, doseq=True)
        headers = {"Authorization": f"Bearer {self._token()}", "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(asked, data, headers, method=method)  # noqa: S310 - https, or a test's own
        try:
            with urllib.request.urlopen(request, timeout=_TIMEOUT) as answer:  # noqa: S310
                return json.loads(answer.read() or b"{}")
        except urllib.error.HTTPError as problem:
            with problem:
                raise _refusal(problem.code, problem.read()) from None
        except (OSError, http.client.HTTPException, ValueError) as problem:
            raise Refused("TRANSIENT", f"{method} {url}: {problem or type(problem).__name__}") from problem


def own(endpoint: str = "") -> Session:
    """The session of the machine that this runs on."""
    return Session(Own().token, endpoint)


class Own:
    """The token of the machine's service account, until a minute before it ends."""

    def __init__(self) -> None:
        self._known, self._until = "", 0.0

    def token(self) -> str:
        """Raises Refused."""
        if time.monotonic() >= self._until:
            endpoint = os.environ.get("BURST_METADATA", "http://169.254.169.254")
            request = urllib.request.Request(endpoint + _TOKEN, headers={"Metadata-Flavor": "Google"})  # noqa: S310
            # A proxy must not see it, and could not answer.
            opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            try:
                with opener.open(request, timeout=10) as answer:
                    told = json.loads(answer.read())
                self._known, self._until = told["access_token"], time.monotonic() + told["expires_in"] - 60
            except urllib.error.HTTPError as problem:
                with problem:
                    kind = "AUTH" if problem.code < 500 else "TRANSIENT"
                raise Refused(kind, f"this machine has no token: HTTP {problem.code}", status=problem.code) from None
            except (OSError, ValueError, LookupError, TypeError) as problem:
                raise Refused("TRANSIENT", f"the metadata service gives no token: {problem}") from problem
        return self._known


def launch(names: Sequence[str], template: Template, market: str = "on-demand", session: Session | None = None) -> dict[str, str]:
    """Make these nodes, all or none; answer name → private address. Those that exist are ended first. Raises Refused."""
    session = session or own()
    machines = {f"{template['run']}-{name}": name for name in names}
    _patiently(lambda: _end(session, template, machines))
    try:
        for some in _chunks(list(machines)):
            _insert(session, template, some)
        return dict(_each(lambda machine: (machines[machine], _address(session, template, machine)), machines))
    except Refused as problem:
        try:
            _end(session, template, machines)
        except Refused as left:
            raise Refused(problem.kind, f"{problem}; and what was made could not be ended: {left}", problem.code) from problem
        raise


def end(names: Sequence[str], template: Template, session: Session | None = None) -> None:
    """End these nodes; those that do not exist are ended already. Raises Refused."""
    session = session or own()
    _patiently(lambda: _end(session, template, [f"{template['run']}-{name}" for name in names]))


def _insert(session: Session, template: Template, machines: Sequence[str]) -> None:
    body = {
        "count": str(len(machines)),
        "minCount": str(len(machines)),
        "sourceInstanceTemplate": template["template"],
        "perInstanceProperties": {machine: {} for machine in machines},
    }
    # One id however often it is asked: what got lost on its way back is not made twice.
    query = {"requestId": str(uuid.uuid4())}
    url = f"{_zone(template)}/instances/bulkInsert"
    done = wait(session, _patiently(lambda: session.call("POST", url, query, body)))
    problems = _errors(done)
    if problems:
        raise _worst(_causes(session, template, done, problems))


def wait(session: Session, operation: dict[str, Any], patience: float | None = None) -> dict[str, Any]:
    """A Compute Engine operation once it is done, failed or not. Raises Refused (TRANSIENT) after so many seconds, by default
    twenty minutes.
    """
    patience = _PATIENCE if patience is None else patience
    until = time.monotonic() + patience
    while operation.get("status") != "DONE":
        if time.monotonic() > until:
            raise Refused("TRANSIENT", f"{operation.get('name')} is not done after {patience:.0f} s")
        where = COMPUTE + operation["selfLink"].partition("/compute/v1")[2]
        operation = session.call("POST", f"{where}/wait")
    return operation


def raise_failed(operation: dict[str, Any]) -> None:
    """Raises Refused where an operation that is done has failed."""
    problems = _errors(operation)
    if problems:
        raise _worst(problems)


def _end(session: Session, template: Template, machines: Iterable[str]) -> None:
    def ended(machine: str) -> None:
        url = f"{_zone(template)}/instances/{machine}"
        try:
            # Reading has the larger quota, and most of them are not there.
            session.call("GET", url)
            raise_failed(wait(session, session.call("DELETE", url, {"requestId": str(uuid.uuid4())})))
        except Refused as problem:
            if problem.status != 404 and problem.code != "RESOURCE_NOT_FOUND":
                raise

    _each(ended, machines)


def _address(session: Session, template: Template, machine: str) -> str:
    address: str = session.call("GET", f"{_zone(template)}/instances/{machine}")["networkInterfaces"][0]["networkIP"]
    return address


def _patiently(act: Callable[[], Any]) -> Any:
    """Again while it is denied, for as long as a role that was just granted may take to count."""
    until = time.monotonic() + _FRESH
    while True:
        try:
            return act()
        except Refused as problem:
            if problem.kind != "AUTH" or time.monotonic() + _AGAIN > until:
                raise
        time.sleep(_AGAIN)


def _causes(session: Session, template: Template, operation: dict[str, Any], problems: list[Refused]) -> list[Refused]:
    """Why a bulk operation came to nothing: each machine has an operation of its own, in the same group."""
    group = operation.get("operationGroupId")
    if group is None or any(problem.code != "VM_MIN_COUNT_NOT_REACHED" for problem in problems):
        return problems
    try:
        pages = session.pages(f"{_zone(template)}/operations", {"filter": f'operationGroupId="{group}"'})
        parts = [problem for page in pages for part in page.get("items", ()) for problem in _errors(part)]
    except Refused:
        return problems
    return [problem for problem in parts if problem.code != "VM_MIN_COUNT_NOT_REACHED"] or problems


def _errors(operation: dict[str, Any]) -> list[Refused]:
    found = operation.get("error", {}).get("errors", ())
    status = operation.get("httpErrorStatusCode", 0)
    return [_classed(error.get("code", ""), error.get("message", ""), status) for error in found]


def _worst(problems: Sequence[Refused]) -> Refused:
    return min(problems, key=lambda problem: _WORST.index(problem.kind))


def _refusal(status: int, answer: bytes) -> Refused:
    try:
        error = json.loads(answer)["error"]
        reasons = [each.get("reason", "") for each in error.get("errors", ())]
        reasons += [each["reason"] for each in error.get("details", ()) if "reason" in each]
        codes = [*reasons, error.get("status", "")]
        words = error.get("message", "")
    except (ValueError, KeyError, TypeError, AttributeError):
        codes, words = [""], answer.decode("utf-8", "replace")[:500]
    code = next((each for each in codes if each in KINDS), next(filter(None, codes), ""))
    return _classed(code, words, status)


def _classed(code: str, words: str, status: int) -> Refused:
    kind = KINDS.get(code) or _STATUS.get(status, "CONFIG")
    return Refused(kind, ": ".join(filter(None, (code or (f"HTTP {status}" if status else ""), words))), code, status)


def _zone(template: Template) -> str:
    return f"{COMPUTE}/projects/{template['project']}/zones/{template['zone']}"


def _chunks(machines: Sequence[str]) -> Iterator[Sequence[str]]:
    for first in range(0, len(machines), _AT_ONCE):
        yield machines[first : first + _AT_ONCE]


def _each(act: Callable[[str], Any], machines: Iterable[str]) -> list[Any]:
    with ThreadPoolExecutor(_SIDE_BY_SIDE) as pool:
        return list(pool.map(act, machines))
