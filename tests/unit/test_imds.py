"""The rehearsal's metadata services: what each vendor's pages say of refusals, and each value that a machine is told."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import replace

import pytest

from provisioner.targets.nspawn.imds import Answer, Facts, answer

NOW = 1_700_000_000.0
FACTS = Facts(
    name="cpu-0001",
    machine_id="4711",
    kind="c6i.large",
    address="10.0.0.7",
    market="spot",
    tags={"burst-run": "r1", "burst-expires": "1700003600"},
    region="eu-west-1",
    zone="eu-west-1a",
    user_data="#cloud-config\n",
    started=NOW - 60,
    notice=None,
)
TAKEN = replace(FACTS, notice=NOW + 120)
TOKEN = "X-aws-ec2-metadata-token"
TTL = f"{TOKEN}-ttl-seconds"
GOOGLE = {"Metadata-Flavor": "Google"}
AZURE = {"Metadata": "true"}
EVENTS = "/metadata/scheduledevents?api-version=2020-07-01"


def token(facts: Facts = FACTS, seconds: str = "60", **headers: str) -> Answer:
    return answer("aws", "PUT", "/latest/api/token", {TTL: seconds, **headers}, facts, NOW)


def aws(path: str, facts: Facts = FACTS, method: str = "GET") -> Answer:
    return answer("aws", method, path, {TOKEN: token(facts).body.decode()}, facts, NOW)


def gcp(path: str, facts: Facts = FACTS, headers: Mapping[str, str] = GOOGLE, method: str = "GET") -> Answer:
    return answer("gcp", method, f"/computeMetadata/v1{path}", headers, facts, NOW)


def azure(path: str, facts: Facts = FACTS, headers: Mapping[str, str] = AZURE, method: str = "GET") -> Answer:
    return answer("azure", method, path, headers, facts, NOW)


def compute(item: str, facts: Facts = FACTS) -> Answer:
    return azure(f"/metadata/instance/{item}?api-version=2021-02-01&format=text", facts)


def test_an_unknown_shape_is_a_mistake() -> None:
    with pytest.raises(KeyError):
        answer("oracle", "GET", "/", {}, FACTS, NOW)


# AWS


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("meta-data/instance-id", "4711"),
        ("meta-data/instance-type", "c6i.large"),
        ("meta-data/local-ipv4", "10.0.0.7"),
        ("meta-data/hostname", "ip-10-0-0-7.eu-west-1.compute.internal"),
        ("meta-data/placement/region", "eu-west-1"),
        ("meta-data/placement/availability-zone", "eu-west-1a"),
        ("meta-data/placement/", "availability-zone\nregion"),
        ("meta-data/instance-life-cycle", "spot"),
        ("meta-data/tags/instance", "Name\nburst-run\nburst-expires"),
        ("meta-data/tags/instance/", "Name\nburst-run\nburst-expires"),
        ("meta-data/tags/instance/Name", "cpu-0001"),
        ("meta-data/tags/instance/burst-run", "r1"),
        ("user-data", "#cloud-config\n"),
        ("", "dynamic/\nmeta-data/\nuser-data"),
    ],
)
def test_aws_says(path: str, said: str) -> None:
    got = aws(f"/latest/{path}")
    assert (got.status, got.body.decode()) == (200, said)
    assert aws(f"/2021-03-23/{path}").body == got.body


def test_aws_lists_its_top() -> None:
    lines = aws("/latest/meta-data/").body.decode().splitlines()
    assert {"instance-id", "placement/", "tags/"} < set(lines)
    assert "spot/" not in lines
    assert "spot/" in aws("/latest/meta-data/", TAKEN).body.decode().splitlines()
    assert "latest" in aws("/").body.decode().splitlines()


def test_aws_types_of_content() -> None:
    assert aws("/latest/meta-data/instance-id").headers["Content-Type"] == "text/plain"
    assert aws("/latest/user-data").headers["Content-Type"] == "application/octet-stream"


@pytest.mark.parametrize(
    "path",
    [
        "/latest/meta-data/nothing",
        "/latest/meta-data/instance-id/",
        "/latest/meta-data/instance-id/more",
        "/latest/meta-data/tags/instance/nobody",
        "/latest/meta-data/spot/instance-action",
        "/latest/meta-data/spot/termination-time",
        "/newest/meta-data/instance-id",
    ],
)
def test_aws_has_no(path: str) -> None:
    got = aws(path)
    assert got.status == 404
    assert b"404 - Not Found" in got.body


def test_aws_has_no_user_data_where_none_was_given() -> None:
    assert aws("/latest/user-data", replace(FACTS, user_data="")).status == 404


def test_aws_notice() -> None:
    when = "2023-11-14T22:15:20Z"
    assert json.loads(aws("/latest/meta-data/spot/instance-action", TAKEN).body) == {"action": "terminate", "time": when}
    assert aws("/latest/meta-data/spot/termination-time", TAKEN).body.decode() == when
    assert aws("/latest/meta-data/spot/instance-action", replace(TAKEN, market="on-demand")).status == 404


def test_aws_identity_document() -> None:
    document = json.loads(aws("/latest/dynamic/instance-identity/document").body)
    assert document["instanceId"] == "4711"
    assert document["privateIp"] == "10.0.0.7"
    assert document["pendingTime"] == "2023-11-14T22:12:20Z"
    assert (document["region"], document["availabilityZone"]) == ("eu-west-1", "eu-west-1a")


def test_aws_token_says_how_long() -> None:
    got = token(seconds="21600")
    assert (got.status, got.headers[TTL]) == (200, "21600")


@pytest.mark.parametrize("seconds", ["0", "21601", "-1", "1.5", "", "soon", "٣"])
def test_aws_wrong_ttl(seconds: str) -> None:
    assert token(seconds=seconds).status == 400


def test_aws_missing_ttl() -> None:
    assert answer("aws", "PUT", "/latest/api/token", {}, FACTS, NOW).status == 400


def test_aws_forwarded_and_versioned_tokens_are_refused() -> None:
    assert token(**{"x-forwarded-for": "10.0.0.9"}).status == 403
    assert answer("aws", "PUT", "/2021-03-23/api/token", {TTL: "60"}, FACTS, NOW).status == 403
    # The pages refuse it with PUT only: without a token of its own, nobody who forwards gets further.
    headers = {TOKEN: token().body.decode(), "X-Forwarded-For": "10.0.0.9"}
    assert answer("aws", "GET", "/latest/meta-data/instance-id", headers, FACTS, NOW).status == 200


@pytest.mark.parametrize("wrong", ["", "AAAA", "é", "not base64 at all", base64.b64encode(b"1e99 00").decode()])
def test_aws_without_a_token(wrong: str) -> None:
    headers = {TOKEN: wrong} if wrong else {}
    assert answer("aws", "GET", "/latest/meta-data/instance-id", headers, FACTS, NOW).status == 401


def test_aws_token_ends_and_is_one_machines() -> None:
    headers = {TOKEN.lower(): token().body.decode()}
    path = "/latest/meta-data/instance-id"
    assert answer("aws", "GET", path, headers, FACTS, NOW + 59).status == 200
    assert answer("aws", "GET", path, headers, FACTS, NOW + 60).status == 401
    assert answer("aws", "GET", path, headers, replace(FACTS, machine_id="4712"), NOW).status == 401


def test_aws_methods() -> None:
    assert aws("/latest/meta-data/instance-id", method="HEAD").status == 200
    assert aws("/latest/meta-data/instance-id", method="POST").status == 405
    assert aws("/latest/api/token").headers["Allow"] == "OPTIONS, PUT"


# GCP


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/instance/id", "4711"),
        ("/instance/name", "cpu-0001"),
        ("/instance/hostname", "cpu-0001.eu-west-1a.c.burst-rehearsal.internal"),
        ("/instance/zone", "projects/1/zones/eu-west-1a"),
        ("/instance/machine-type", "projects/1/machineTypes/c6i.large"),
        ("/instance/attributes/", "burst-run\nburst-expires\nuser-data\n"),
        ("/instance/attributes/burst-run", "r1"),
        ("/instance/attributes/user-data", "#cloud-config\n"),
        ("/instance/scheduling/", "automatic-restart\non-host-maintenance\npreemptible\n"),
        ("/instance/scheduling/preemptible", "TRUE"),
        ("/instance/scheduling/automatic-restart", "FALSE"),
        ("/instance/scheduling/on-host-maintenance", "TERMINATE"),
        ("/instance/preempted", "FALSE"),
        ("/instance/network-interfaces/", "0/\n"),
        ("/instance/network-interfaces/0/ip", "10.0.0.7"),
        ("/project/project-id", "burst-rehearsal"),
        ("/", "instance/\nproject/\n"),
        ("/instance/name?alt=json", '"cpu-0001"'),
        (
            "/instance/attributes/?recursive=true",
            '{"burst-run":"r1","burst-expires":"1700003600","user-data":"#cloud-config\\n"}',
        ),
        (
            "/instance/scheduling/?recursive=true&alt=text",
            "automatic-restart FALSE\non-host-maintenance TERMINATE\npreemptible TRUE\n",
        ),
        ("/instance/network-interfaces/?recursive=true", '[{"ip":"10.0.0.7","network":"projects/1/networks/default"}]'),
    ],
)
def test_gcp_says(path: str, said: str) -> None:
    got = gcp(path)
    assert (got.status, got.body.decode()) == (200, said)
    assert got.headers["Metadata-Flavor"] == "Google"
    assert got.headers["Server"] == "Metadata Server for VM"


def test_gcp_recursive_keys_are_camel_case_but_for_the_users() -> None:
    got = gcp("/?recursive=true")
    assert got.headers["Content-Type"] == "application/json"
    whole = json.loads(got.body)
    assert whole["project"] == {"attributes": {}, "numericProjectId": 1, "projectId": "burst-rehearsal"}
    assert whole["instance"]["id"] == 4711
    assert whole["instance"]["scheduling"] == {
        "automaticRestart": "FALSE",
        "onHostMaintenance": "TERMINATE",
        "preemptible": "TRUE",
    }
    assert whole["instance"]["attributes"]["burst-run"] == "r1"


def test_gcp_market_and_preemption() -> None:
    assert gcp("/instance/preempted", TAKEN).body == b"TRUE"
    steady = replace(FACTS, market="on-demand")
    assert gcp("/instance/scheduling/preemptible", steady).body == b"FALSE"
    assert gcp("/instance/scheduling/on-host-maintenance", steady).body == b"MIGRATE"
    assert gcp("/instance/preempted", replace(TAKEN, market="on-demand")).body == b"FALSE"


def test_gcp_directory_without_its_slash() -> None:
    got = gcp("/instance/attributes?recursive=true")
    assert (got.status, got.headers["Location"]) == (301, "/computeMetadata/v1/instance/attributes/?recursive=true")
    assert gcp("").headers["Location"] == "/computeMetadata/v1/"


@pytest.mark.parametrize("headers", [{}, {"Metadata-Flavor": "google"}, {**GOOGLE, "X-Forwarded-For": "10.0.0.9"}])
def test_gcp_refuses(headers: dict[str, str]) -> None:
    got = gcp("/instance/name", headers=headers)
    assert got.status == 403
    assert b"cpu-0001" not in got.body


def test_gcp_says_which_header_is_missing() -> None:
    assert b"Missing Metadata-Flavor:Google header." in gcp("/instance/name", headers={}).body


def test_gcp_root_tells_where_one_is() -> None:
    got = answer("gcp", "GET", "/", {}, FACTS, NOW)
    assert (got.status, got.headers["Metadata-Flavor"]) == (200, "Google")


@pytest.mark.parametrize("path", ["/instance/nothing", "/instance/name/", "/instance/network-interfaces/1/ip", "x/instance/name"])
def test_gcp_has_no(path: str) -> None:
    assert gcp(path).status == 404


def test_gcp_methods_and_waiting() -> None:
    assert gcp("/instance/name", method="HEAD").status == 200
    assert gcp("/instance/name", method="POST").status == 405
    assert gcp("/instance/preempted?wait_for_change=true").status == 400


# Azure


@pytest.mark.parametrize(
    ("item", "said"),
    [
        ("compute/name", "cpu-0001"),
        ("compute/vmId", "4711"),
        ("compute/vmSize", "c6i.large"),
        ("compute/location", "eu-west-1"),
        ("compute/zone", "eu-west-1a"),
        ("compute/priority", "Spot"),
        ("compute/evictionPolicy", "Delete"),
        ("compute/tags", "burst-run:r1;burst-expires:1700003600"),
        ("compute/tagsList/0/name", "burst-run"),
        ("compute/userData", base64.b64encode(b"#cloud-config\n").decode()),
        ("compute/osProfile/computerName", "cpu-0001"),
        ("compute/osProfile", "adminUsername\ncomputerName\ndisablePasswordAuthentication"),
        ("network/interface/0/ipv4/ipAddress/0/privateIpAddress", "10.0.0.7"),
        ("network/interface", "0/"),
    ],
)
def test_azure_says(item: str, said: str) -> None:
    got = compute(item)
    assert (got.status, got.body.decode()) == (200, said)


def test_azure_on_demand() -> None:
    steady = replace(FACTS, market="on-demand")
    assert compute("compute/priority", steady).body == b"Regular"
    assert compute("compute/evictionPolicy", steady).body == b""


def test_azure_documents() -> None:
    whole = json.loads(azure("/metadata/instance?api-version=2021-02-01").body)
    assert set(whole) == {"compute", "network"}
    tags = json.loads(azure("/metadata/instance/compute/tagsList?api-version=2019-06-04").body)
    assert tags == [{"name": "burst-run", "value": "r1"}, {"name": "burst-expires", "value": "1700003600"}]
    assert whole["compute"]["tagsList"] == tags
    assert "2021-02-01" in json.loads(azure("/metadata/versions").body)["apiVersions"]


def test_azure_wants_a_version() -> None:
    got = azure("/metadata/instance")
    error = json.loads(got.body)
    assert got.status == 400
    assert error["error"] == (
        "Bad request. api-version was not specified in the request. For more information refer to aka.ms/azureimds"
    )
    assert error["newest-versions"] == ["2021-12-13", "2021-02-01", "2021-01-01"]
    assert azure("/metadata/instance?api-version=1999-01-01").status == 400
    assert json.loads(azure("/metadata/scheduledevents").body)["newest-versions"][0] == "2020-07-01"


@pytest.mark.parametrize(
    ("headers", "why"),
    [
        ({}, "Required metadata header not specified"),
        ({"Metadata": "false"}, "Required metadata header not specified"),
        ({**AZURE, "X-Forwarded-For": "10.0.0.9"}, "X-Forwarded-For"),
    ],
)
@pytest.mark.parametrize("path", ["/metadata/instance/compute/name?api-version=2021-02-01&format=text", EVENTS])
def test_azure_refuses(path: str, headers: dict[str, str], why: str) -> None:
    got = azure(path, headers=headers)
    assert got.status == 400
    assert why in json.loads(got.body)["error"]


def test_azure_a_leaf_is_text() -> None:
    assert azure("/metadata/instance/compute/name?api-version=2021-02-01").status == 400
    assert azure("/metadata/instance/compute?api-version=2021-02-01").status == 200


def test_azure_has_no() -> None:
    assert compute("compute/nothing").status == 404
    assert compute("network/interface/1").status == 404
    assert azure("/metadata/nothing?api-version=2021-02-01").status == 404


def test_azure_methods_and_doubled_parameters() -> None:
    assert azure("/metadata/instance?api-version=2021-02-01", method="POST").status == 405
    assert azure("/metadata/instance?api-version=2021-02-01&api-version=2021-02-01").status == 400


def test_azure_events() -> None:
    assert json.loads(azure(EVENTS).body)["Events"] == []
    before = json.loads(azure(EVENTS, TAKEN).body)
    (event,) = before["Events"]
    assert event["EventType"] == "Preempt"
    assert event["EventStatus"] == "Scheduled"
    assert event["NotBefore"] == "Tue, 14 Nov 2023 22:15:20 GMT"
    assert event["Resources"] == ["cpu-0001"]
    after = json.loads(answer("azure", "GET", EVENTS, AZURE, TAKEN, NOW + 120).body)
    assert (after["Events"][0]["EventStatus"], after["Events"][0]["NotBefore"]) == ("Started", "")
    assert after["Events"][0]["EventId"] == event["EventId"]
    assert after["DocumentIncarnation"] > before["DocumentIncarnation"]
    other = json.loads(azure(EVENTS, replace(TAKEN, market="on-demand")).body)
    assert other["Events"][0]["EventType"] == "Terminate"


def approve(body: bytes) -> Answer:
    return answer("azure", "POST", EVENTS, AZURE, TAKEN, NOW, body)


def test_azure_approval() -> None:
    event = json.loads(azure(EVENTS, TAKEN).body)["Events"][0]["EventId"]
    assert approve(json.dumps({"StartRequests": [{"EventId": event}]}).encode()).status == 200


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'{"StartRequests": 1}',
        b'{"StartRequests": [{"EventId": "x"}]}',
        b'{"StartRequests": [{"EventId": []}]}',
    ],
)
def test_azure_wrong_approval(body: bytes) -> None:
    assert approve(body).status == 400
