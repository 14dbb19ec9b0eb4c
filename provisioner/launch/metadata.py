"""What a machine's own metadata service says of it. Standard library only; copied to the machine as it is.

    python3 metadata.py aws|gcp|azure VERB [KEY]

    name       the machine's name
    tag KEY    a tag's value (GCP: an attribute of the instance, whose keys have letters, digits, - and _ only)
    market     spot or on-demand
    notice     epoch seconds at which the machine will be taken away, once that has been announced
    address    its private IPv4 address

Exit code: 0 with one line on stdout; 1 with the reason on stderr when the service cannot be reached or denies; 2 for
wrong usage; 3 when what was asked for is not there: no such tag, no notice.

`notice` asks once: who calls it calls again. The others repeat for about 20 s, as the network may come up late.
BURST_METADATA names another service (http://HOST[:PORT]). Proxies are never asked: http.client knows none.

Sources: AWS "Retrieve instance metadata", "Use IMDSv2" and "Spot Instance interruption notices"; Google Cloud "View
and query VM metadata" and "Create and use preemptible VMs"; Azure "Azure Instance Metadata Service" and "Scheduled
Events for Linux VMs".
"""

from __future__ import annotations

import http.client
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any, Protocol
from urllib.parse import quote

TIMEOUT = 2.0  # seconds for each step of a request: the service is on the machine's own host
PAUSE = 1.0  # seconds between tries: AWS and Azure limit requests per second
PATIENCE = 16.0  # seconds in which tries begin; the last may take two timeouts more: 20 s in all
AGAIN = (410, 429)  # with 5xx, the answers that pass: Azure's page says of 410 to ask again, too


class Failed(Exception):
    """The service cannot be reached, or denies."""


class Absent(Exception):
    """The service answers, and has no such thing."""


class Service:
    """One metadata service, asked until `patience` seconds have passed."""

    def __init__(self, endpoint: str, patience: float) -> None:
        scheme, _, self.place = endpoint.rstrip("/").partition("://")
        if scheme != "http" or not self.place or "/" in self.place:
            raise Failed(f"BURST_METADATA is {endpoint!r}, not http://HOST[:PORT]")
        self.deadline = time.monotonic() + patience

    def ask(self, path: str, headers: dict[str, str], method: str = "GET") -> str:
        """The body of the answer. Raises Absent for a 404, and Failed."""
        while True:
            status, said = self._try(path, headers, method)
            if status == 200:
                return said
            if status == 404:
                raise Absent(f"{path.partition('?')[0]} is not there")
            passes = status == 0 or status in AGAIN or status >= 500
            if not passes or time.monotonic() + PAUSE > self.deadline:
                raise Failed(f"http://{self.place}: {method} {path}: " + (f"HTTP {status}" if status else said))
            time.sleep(PAUSE)

    def _try(self, path: str, headers: dict[str, str], method: str) -> tuple[int, str]:
        """(status, body); (0, why) when no answer came."""
        try:
            connection = http.client.HTTPConnection(self.place, timeout=TIMEOUT)
        except http.client.InvalidURL as error:
            raise Failed(f"http://{self.place}: {error}") from error
        try:
            connection.request(method, path, headers=headers)
            response = connection.getresponse()
            return response.status, response.read().decode("utf-8", "replace")
        except (OSError, http.client.HTTPException) as error:
            return 0, str(error) or type(error).__name__
        finally:
            connection.close()


class Cloud(Protocol):
    """What each vendor's service is asked. Every member raises Failed, and Absent where nothing is there."""

    def __init__(self, service: Service) -> None:
        """Asks nothing yet."""

    def name(self) -> str:
        """The machine's name."""

    def tag(self, key: str) -> str:
        """The value of a tag."""

    def spot(self) -> bool:
        """Whether it may be taken away."""

    def notice(self) -> float:
        """When it will be, in epoch seconds."""

    def address(self) -> str:
        """Its private IPv4 address."""


class AWS:
    """IMDSv2: first a token, then everything with it."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.token = ""

    def _get(self, item: str) -> str:
        if not self.token:
            wanted = {"X-aws-ec2-metadata-token-ttl-seconds": "60"}
            self.token = self.service.ask("/latest/api/token", wanted, "PUT")
        return self.service.ask(f"/latest/meta-data/{item}", {"X-aws-ec2-metadata-token": self.token})

    def id(self) -> str:
        """The instance's."""
        return self._get("instance-id")

    def name(self) -> str:
        return self.tag("Name")

    def tag(self, key: str) -> str:
        # All that a tag's key may have where tags are in the metadata ("View tags for your EC2 instances").
        return self._get(f"tags/instance/{quote(key, safe='+-=.,_:@')}")

    def spot(self) -> bool:
        return self._get("instance-life-cycle") == "spot"

    def notice(self) -> float:
        return datetime.fromisoformat(json.loads(self._get("spot/instance-action"))["time"]).timestamp()

    def address(self) -> str:
        return self._get("local-ipv4")


class GCP:
    """One header, one path for each value."""

    def __init__(self, service: Service) -> None:
        self.service = service

    def _get(self, item: str) -> str:
        return self.service.ask(f"/computeMetadata/v1/instance/{item}", {"Metadata-Flavor": "Google"})

    def name(self) -> str:
        return self._get("name")

    def tag(self, key: str) -> str:
        return self._get(f"attributes/{quote(key, safe='')}")

    def spot(self) -> bool:
        return self._get("scheduling/preemptible") == "TRUE"

    def notice(self) -> float:
        if self._get("preempted") != "TRUE":
            raise Absent("the machine is not being preempted")
        # No time is given: "Preemption process" has 30 s from the notice, which is at most one call old.
        return time.time() + 30

    def address(self) -> str:
        return self._get("network-interfaces/0/ip")


class Azure:
    """JSON documents, of which each request takes a part."""

    def __init__(self, service: Service) -> None:
        self.service = service

    def _ask(self, path: str) -> str:
        return self.service.ask(path, {"Metadata": "true"})

    def _instance(self, item: str, form: str = "text") -> str:
        return self._ask(f"/metadata/instance/{item}?api-version=2021-02-01&format={form}")

    def name(self) -> str:
        return self._instance("compute/name")

    def tag(self, key: str) -> str:
        tags = json.loads(self._instance("compute/tagsList", "json"))
        # Azure's names of tags and machines have no case ("Use tags to organize your Azure resources").
        found = [tag["value"] for tag in tags if tag["name"].casefold() == key.casefold()]
        if not found:
            raise Absent(f"there is no tag {key}")
        return str(found[0])

    def spot(self) -> bool:
        return self._instance("compute/priority") == "Spot"

    def notice(self) -> float:
        """The earliest event that ends this machine. The first request ever may take two minutes, so fail here."""
        events = json.loads(self._ask("/metadata/scheduledevents?api-version=2020-07-01"))["Events"]
        ending = [event for event in events if event["EventType"] in ("Preempt", "Terminate")]
        # A scale set's events come to all of its machines.
        name = self.name().casefold() if ending else ""
        times = [_not_before(event) for event in ending if name in (each.casefold() for each in event["Resources"])]
        if not times:
            raise Absent("no event ends this machine")
        return min(times)

    def address(self) -> str:
        return self._instance("network/interface/0/ipv4/ipAddress/0/privateIpAddress")


def _not_before(event: dict[str, Any]) -> float:
    """Epoch seconds; now, where the event is under way and NotBefore therefore blank."""
    return parsedate_to_datetime(event["NotBefore"]).timestamp() if event["NotBefore"] else time.time()


SHAPES: dict[str, type[Cloud]] = {"aws": AWS, "gcp": GCP, "azure": Azure}
VERBS: dict[str, Callable[[Cloud, str], str]] = {
    "name": lambda cloud, _: cloud.name(),
    "tag": lambda cloud, key: cloud.tag(key),
    "market": lambda cloud, _: "spot" if cloud.spot() else "on-demand",
    "notice": lambda cloud, _: str(int(cloud.notice())),
    "address": lambda cloud, _: cloud.address(),
}


def main(argv: Sequence[str]) -> int:
    """The command line above."""
    shape, verb, key = (*argv, "", "", "")[:3]
    if shape not in SHAPES or verb not in VERBS or len(argv) != (3 if verb == "tag" else 2):
        return _fail(2, f"usage: metadata.py {'|'.join(SHAPES)} {'|'.join(VERBS)} [KEY]")
    try:
        service = Service(os.environ.get("BURST_METADATA", "http://169.254.169.254"), 0 if verb == "notice" else PATIENCE)
        said = VERBS[verb](SHAPES[shape](service), key)
    except Absent as error:
        return _fail(3, str(error))
    except Failed as error:
        return _fail(1, str(error))
    except (ValueError, LookupError, TypeError) as error:
        return _fail(1, f"{shape} {verb}: the service's answer is not of its documented shape: {error!r}")
    sys.stdout.write(said + "\n")
    return 0


def _fail(code: int, why: str) -> int:
    sys.stderr.write(f"metadata: {why}\n")
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
