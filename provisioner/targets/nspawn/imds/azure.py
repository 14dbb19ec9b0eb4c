"""Azure's Instance Metadata Service, with its scheduled events.

Rules and values: "Azure Instance Metadata Service" (Metadata: true, no X-Forwarded-For, api-version, route parameters,
format, 400, 404 and 405), "Scheduled Events for Linux VMs" (api-version 2020-07-01). Of the refusals' bodies the pages
have those for the header and for no api-version; the others here are of the same form.
"""

from __future__ import annotations

import base64
import json
import uuid
from email.utils import formatdate

from provisioner.targets.nspawn.imds.facts import Answer, Facts, Request, Tree, find, listing

VERSIONS = ("2019-06-04", "2020-06-01", "2020-12-01", "2021-01-01", "2021-02-01", "2021-12-13")
EVENT_VERSIONS = ("2017-11-01", "2019-01-01", "2019-04-01", "2019-08-01", "2020-07-01")
GROUP = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/burst"


def answer(request: Request, facts: Facts, now: float) -> Answer:
    """What 169.254.169.254 says on Azure."""
    if request.headers.get("metadata", "").lower() != "true":
        return _bad("Required metadata header not specified")
    if "x-forwarded-for" in request.headers:
        return _bad("X-Forwarded-For header is not allowed")
    names = request.path.strip("/").split("/")
    if names == ["metadata", "versions"]:
        return _json(200, {"apiVersions": list(VERSIONS)})
    if names[:2] == ["metadata", "instance"]:
        return _checked(request, VERSIONS, ("GET",)) or _instance(request, names[2:], facts)
    if names == ["metadata", "scheduledevents"]:
        events = _events(facts, now)
        wrong = _checked(request, EVENT_VERSIONS, ("GET", "POST"))
        return wrong or (_start(request, events) if request.method == "POST" else _json(200, events))
    return _json(404, {"error": "Not found"})


def _checked(request: Request, versions: tuple[str, ...], methods: tuple[str, ...]) -> Answer | None:
    """What speaks against a request to an endpoint of these versions."""
    if request.method not in methods:
        return _json(405, {"error": "Method not allowed"})
    if len(dict(request.query)) < len(request.query):
        return _bad("a query parameter was specified twice")
    version = request.parameter("api-version")
    if version in versions:
        return None
    what = "is not supported" if version else "was not specified in the request"
    why = f"Bad request. api-version {what}. For more information refer to aka.ms/azureimds"
    return _json(400, {"error": why, "newest-versions": list(reversed(versions))[:3]})


def _instance(request: Request, names: list[str], facts: Facts) -> Answer:
    found = find({"compute": _compute(facts), "network": _network(facts)}, names)
    text = request.parameter("format") == "text"
    if found is None:
        return _json(404, {"error": "Not found"})
    if not text:
        return _json(200, found) if not isinstance(found, str) else _bad("format=text is required for a leaf")
    body = found if isinstance(found, str) else "\n".join(listing(found))
    return Answer(200, body.encode(), {"Content-Type": "text/plain; charset=utf-8"})


def _compute(facts: Facts) -> dict[str, Tree]:
    """Every primitive is a string, and what does not apply is there and empty, as the page says."""
    spot = facts.market == "spot"
    tags: list[Tree] = [{"name": name, "value": value} for name, value in facts.tags.items()]
    return {
        "azEnvironment": "AzurePublicCloud",
        "customData": "",
        "evictionPolicy": "Delete" if spot else "",
        "location": facts.region,
        "name": facts.name,
        "osProfile": {"adminUsername": "", "computerName": facts.name, "disablePasswordAuthentication": "true"},
        "osType": "Linux",
        "placementGroupId": "",
        "priority": "Spot" if spot else "Regular",
        "provider": "Microsoft.Compute",
        "publicKeys": [],
        "resourceGroupName": GROUP.rpartition("/")[2],
        "resourceId": f"{GROUP}/providers/Microsoft.Compute/virtualMachines/{facts.name}",
        "subscriptionId": GROUP.split("/")[2],
        "tags": ";".join(f"{name}:{value}" for name, value in facts.tags.items()),
        "tagsList": tags,
        "userData": base64.b64encode(facts.user_data.encode()).decode(),
        "vmId": facts.machine_id,
        "vmScaleSetName": "",
        "vmSize": facts.kind,
        "zone": facts.zone,
    }


def _network(facts: Facts) -> dict[str, Tree]:
    address: Tree = {"privateIpAddress": facts.address, "publicIpAddress": ""}
    ipv4: Tree = {"ipAddress": [address], "subnet": [{"address": "", "prefix": ""}]}
    return {"interface": [{"ipv4": ipv4, "ipv6": {"ipAddress": []}, "macAddress": ""}]}


def _events(facts: Facts, now: float) -> dict[str, object]:
    """The document: its incarnation changes when the event comes and when it starts."""
    if facts.notice is None:
        return {"DocumentIncarnation": 1, "Events": []}
    started = now >= facts.notice
    event = {
        "EventId": str(uuid.uuid5(uuid.NAMESPACE_OID, f"{facts.machine_id} {facts.notice}")).upper(),
        "EventStatus": "Started" if started else "Scheduled",
        "EventType": "Preempt" if facts.market == "spot" else "Terminate",
        "ResourceType": "VirtualMachine",
        "Resources": [facts.name],
        "NotBefore": "" if started else formatdate(facts.notice, usegmt=True),
        "Description": "",
        "EventSource": "Platform",
        "DurationInSeconds": -1,
    }
    return {"DocumentIncarnation": 3 if started else 2, "Events": [event]}


def _start(request: Request, events: dict[str, object]) -> Answer:
    """An approval lets Azure start earlier "when possible"; here it never is, and only its form is looked at."""
    try:
        wanted = {each["EventId"] for each in json.loads(request.body)["StartRequests"]}
    except (ValueError, LookupError, TypeError):
        return _bad("StartRequests, a list of EventId, is required")
    listed = events["Events"]
    known = {event["EventId"] for event in listed} if isinstance(listed, list) else set()
    return Answer(200, b"", {}) if wanted <= known else _bad("there is no such event")


def _json(status: int, value: object) -> Answer:
    return Answer(status, json.dumps(value).encode(), {"Content-Type": "application/json; charset=utf-8"})


def _bad(why: str) -> Answer:
    return _json(400, {"error": f"Bad request. {why}"})
