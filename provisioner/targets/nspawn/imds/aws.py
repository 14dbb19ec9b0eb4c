"""EC2's instance metadata, version 2 only (HttpTokens: required).

Statuses and the token's rules: "Use IMDSv2" and "Retrieve instance metadata" of the EC2 user guide; values: "Instance
metadata categories", "Instance identity documents", "Spot Instance interruption notices". The pages name a status
with each refusal, and no body: ours is the status in HTML.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import secrets
import time

from provisioner.targets.nspawn.imds.facts import Answer, Facts, Request, Tree, find, listing

LONGEST = 21600  # seconds: a token's six hours at most
# Those that cloud-init's DataSourceEc2 asks for, and what everybody else does.
VERSIONS = ("1.0", "2009-04-04", "2016-09-02", "2018-09-24", "2021-03-23", "latest")
REASONS = {400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed"}
# Tokens need no memory: each carries its end and is signed. A service that starts again knows no older one.
_KEY = secrets.token_bytes(32)


def answer(request: Request, facts: Facts, now: float) -> Answer:
    """What 169.254.169.254 says on EC2."""
    names = request.path.strip("/").split("/")
    if names[1:] == ["api", "token"]:
        return _token(request, names[0], facts, now)
    if request.method not in ("GET", "HEAD"):
        return _refused(405)
    if not _valid(request.headers.get("x-aws-ec2-metadata-token", ""), facts, now):
        return _refused(401)
    if names == [""]:
        return _text("\n".join(VERSIONS))
    found = find(_tree(facts), names[1:]) if names[0] in VERSIONS else None
    if found is None or (isinstance(found, str) and request.path.endswith("/")):
        return _refused(404)
    if isinstance(found, str):
        return _text(found, "application/octet-stream" if names[1] == "user-data" else "text/plain")
    return _text("\n".join(listing(found)))


def _token(request: Request, version: str, facts: Facts, now: float) -> Answer:
    if request.method != "PUT":
        return _refused(405, {"Allow": "OPTIONS, PUT"})
    if version != "latest" or "x-forwarded-for" in request.headers:
        return _refused(403)
    seconds = request.headers.get("x-aws-ec2-metadata-token-ttl-seconds", "")
    if not (seconds.isascii() and seconds.isdigit() and 1 <= int(seconds) <= LONGEST):
        return _refused(400)
    said = _text(_signed(facts, now + int(seconds)))
    return Answer(200, said.body, {**said.headers, "X-aws-ec2-metadata-token-ttl-seconds": seconds})


def _signed(facts: Facts, end: float) -> str:
    """A token of this machine only, until `end`."""
    mark = hmac.digest(_KEY, f"{facts.machine_id} {end!r}".encode(), hashlib.sha256).hex()
    return base64.urlsafe_b64encode(f"{end!r} {mark}".encode()).decode()


def _valid(token: str, facts: Facts, now: float) -> bool:
    try:
        end = float(base64.urlsafe_b64decode(token).split()[0])
    except (binascii.Error, ValueError, IndexError):
        return False
    return hmac.compare_digest(token.encode(), _signed(facts, end).encode()) and now < end


def _tree(facts: Facts) -> dict[str, Tree]:
    host = f"ip-{facts.address.replace('.', '-')}.{facts.region}.compute.internal"
    data: dict[str, Tree] = {
        "hostname": host,
        "instance-id": facts.machine_id,
        "instance-life-cycle": facts.market,
        "instance-type": facts.kind,
        "local-hostname": host,
        "local-ipv4": facts.address,
        "placement": {"availability-zone": facts.zone, "region": facts.region},
        "tags": {"instance": {"Name": facts.name, **facts.tags}},
    }
    if facts.notice is not None and facts.market == "spot":
        when = _utc(facts.notice)
        data["spot"] = {
            "instance-action": json.dumps({"action": "terminate", "time": when}),
            "termination-time": when,
        }
    top: dict[str, Tree] = {"dynamic": {"instance-identity": {"document": _document(facts)}}, "meta-data": data}
    return {**top, "user-data": facts.user_data} if facts.user_data else top


def _document(facts: Facts) -> str:
    """The identity document. What no rehearsal has, its account and its image, is zeros."""
    return json.dumps(
        {
            "accountId": "000000000000",
            "architecture": "x86_64",
            "availabilityZone": facts.zone,
            "billingProducts": None,
            "devpayProductCodes": None,
            "marketplaceProductCodes": None,
            "imageId": "ami-00000000000000000",
            "instanceId": facts.machine_id,
            "instanceType": facts.kind,
            "kernelId": None,
            "pendingTime": _utc(facts.started),
            "privateIp": facts.address,
            "ramdiskId": None,
            "region": facts.region,
            "version": "2017-09-30",
        },
        indent=2,
    )


def _utc(when: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(when))


def _text(body: str, kind: str = "text/plain") -> Answer:
    return Answer(200, body.encode(), {"Content-Type": kind, "Server": "EC2ws"})


def _refused(status: int, headers: dict[str, str] | None = None) -> Answer:
    title = f"{status} - {REASONS[status]}"
    body = f"<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>\n"
    return Answer(status, body.encode(), {"Content-Type": "text/html", "Server": "EC2ws", **(headers or {})})
