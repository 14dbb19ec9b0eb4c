"""Compute Engine's metadata server, computeMetadata/v1.

Rules: "View and query VM metadata" (the header Metadata-Flavor, X-Forwarded-For rejected, directories, recursive, alt)
and "Troubleshooting metadata server access issues" (403, 404); values: "Predefined metadata keys" and "Create and use
preemptible VMs" (preempted). The pages give no status for X-Forwarded-For and none for a directory without its slash:
403 and 301 are what clients say they saw. wait_for_change is not served: an answer here waits for nothing.
"""

from __future__ import annotations

import json
import re

from provisioner.targets.nspawn.imds.facts import Answer, Facts, Request, Tree, find, listing

ROOT = "/computeMetadata/v1"
PROJECT = "burst-rehearsal"
NUMBER = "1"


def answer(request: Request, facts: Facts, now: float) -> Answer:
    """What metadata.google.internal says."""
    if "x-forwarded-for" in request.headers:
        return _refused(403, request, "X-Forwarded-For is not allowed.")
    if request.path == "/":
        # How clients find out where they run: no header is asked for, and ours is in the answer.
        return _said("computeMetadata/\n")
    if request.headers.get("metadata-flavor") != "Google":
        return _refused(403, request, "Missing Metadata-Flavor:Google header.")
    if request.method not in ("GET", "HEAD"):
        return _refused(405, request, "Only GET is allowed.")
    if request.parameter("wait_for_change"):
        return _refused(400, request, "wait_for_change is not served here.")
    if not f"{request.path}/".startswith(f"{ROOT}/"):
        return _refused(404, request, "Not found.")
    return _value(request, _tree(facts))


def _value(request: Request, tree: Tree) -> Answer:
    below = request.path.removeprefix(ROOT).strip("/")
    found = find(tree, below.split("/") if below else ())
    slash = request.path.endswith("/")
    if found is None or (isinstance(found, str) and slash):
        return _refused(404, request, "Not found.")
    if isinstance(found, str):
        return _json(found) if request.parameter("alt") == "json" else _said(found)
    if not slash:
        query = "&".join(f"{name}={value}" for name, value in request.query)
        return _said("", 301, {"Location": f"{request.path}/" + (f"?{query}" if query else "")})
    if request.parameter("recursive").lower() != "true":
        return _said("".join(f"{name}\n" for name in listing(found)))
    if request.parameter("alt") == "text":
        return _said("".join(f"{path} {value}\n" for path, value in _leaves(found)))
    return _json(_plain(found, keep=below.endswith("attributes")))


def _tree(facts: Facts) -> Tree:
    spot = facts.market == "spot"
    attributes: dict[str, Tree] = dict(facts.tags)
    if facts.user_data:
        attributes["user-data"] = facts.user_data
    instance: dict[str, Tree] = {
        "attributes": attributes,
        "hostname": f"{facts.name}.{facts.zone}.c.{PROJECT}.internal",
        "id": facts.machine_id,
        "machine-type": f"projects/{NUMBER}/machineTypes/{facts.kind}",
        "name": facts.name,
        "network-interfaces": [{"ip": facts.address, "network": f"projects/{NUMBER}/networks/default"}],
        "preempted": "FALSE" if facts.notice is None or not spot else "TRUE",
        "scheduling": {
            "automatic-restart": "FALSE" if spot else "TRUE",
            "on-host-maintenance": "TERMINATE" if spot else "MIGRATE",
            "preemptible": "TRUE" if spot else "FALSE",
        },
        "zone": f"projects/{NUMBER}/zones/{facts.zone}",
    }
    return {"instance": instance, "project": {"attributes": {}, "numeric-project-id": NUMBER, "project-id": PROJECT}}


def _leaves(tree: Tree, path: str = "") -> list[tuple[str, str]]:
    if isinstance(tree, str):
        return [(path, tree)]
    items = tree.items() if isinstance(tree, dict) else ((str(number), each) for number, each in enumerate(tree))
    return [leaf for name, each in items for leaf in _leaves(each, f"{path}/{name}".lstrip("/"))]


def _plain(tree: Tree, keep: bool = False) -> object:
    """As JSON has it: the keys in camel case, but for those that the user gave; numbers as numbers."""
    if isinstance(tree, list):
        return [_plain(each) for each in tree]
    if isinstance(tree, str):
        return tree
    named: dict[str, object] = {}
    for name, each in tree.items():
        written = name if keep else re.sub("-(.)", lambda found: found[1].upper(), name)
        number = name in ("id", "numeric-project-id") and isinstance(each, str) and each.isdecimal() and not keep
        named[written] = int(str(each)) if number else _plain(each, keep=name == "attributes")
    return named


def _said(body: str, status: int = 200, headers: dict[str, str] | None = None) -> Answer:
    ours = {"Content-Type": "application/text", "Metadata-Flavor": "Google", "Server": "Metadata Server for VM"}
    return Answer(status, body.encode(), {**ours, **(headers or {})})


def _json(value: object) -> Answer:
    return _said(json.dumps(value, separators=(",", ":")), headers={"Content-Type": "application/json"})


def _refused(status: int, request: Request, why: str) -> Answer:
    body = f"<html><title>Error {status}</title><p>{request.path}: {why}</html>\n"
    return _said(body, status, {"Content-Type": "text/html; charset=UTF-8"})
