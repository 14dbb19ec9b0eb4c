"""What is particular to Google Cloud's program, and what its machines are told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import google_apis
import pulumi
import pytest
from google_fake import PROJECT
from making import design

from tests.stacks import gcp_answers
from tests.stacks.contract import mutated
from tests.stacks.gcp import CLOUD
from tests.stacks.gcp import written as told
from tests.stacks.gcp_answers import EXISTING, PLAIN, TEXT, ZONE
from tests.stacks.programs import Made, Stack

ONE = "{version: 1, name: one, groups: {cpu: {instance: c3-standard-4, nodes: 1}}%s}"


def run(text: str, **more: str) -> Stack:
    return CLOUD.run(design(text, "gcp"), **more)


def named(stack: Stack, name: str) -> Made:
    return next(made for made in stack.resources if made.name == name)


@pytest.fixture(scope="module")
def everything() -> Stack:
    return run(TEXT)


def test_the_head_is_told_how_nodes_are_made(everything: Stack) -> None:
    files = told(named(everything, "head"))
    launch = json.loads(files["/opt/burst/launch.json"])
    assert launch == {"launcher": "gcp", "scontrol": ["scontrol"], "groups": everything.outputs["attempts"]}
    assert "def launch(" in files["/opt/burst/launch/gcp.py"]
    assert "/opt/burst/gateway.sh" in files
    compute = told(named(everything, "gpu-0-spot"))
    assert "/opt/burst/launch.json" not in compute
    assert "10.0.0.2" in compute["/etc/hosts"]
    assert "3142" in compute["/etc/apt/apt.conf.d/98burst-cache"]


def test_the_head_is_told_how_its_run_ends(everything: Stack) -> None:
    files = told(named(everything, "head"))
    assert json.loads(files["/opt/burst/end.json"]) == {
        "project": PROJECT,
        "zone": ZONE,
        "run": "test-abc234",
        "nodes": {"mpi": 2, "gpu": 2, "login": 1},
        "filestore": ["test-abc234-fs1"],
        "lustre": ["test-abc234-fs2"],
        "buckets": ["test-abc234-fs3"],
    }
    assert "class Ending" in files["/opt/burst/launch/end_gcp.py"]
    assert "/opt/burst/end.json" not in told(named(everything, "gpu-0-spot"))


def test_what_is_given_by_id_is_not_the_heads_to_end() -> None:
    stack = run(EXISTING)
    ending = json.loads(told(named(stack, "head"))["/opt/burst/end.json"])
    assert (ending["filestore"], ending["lustre"], ending["buckets"]) == ([], [], [])
    own = run(EXISTING.replace("identity: hpc@p-1.iam.gserviceaccount.com\n", ""))
    allowed = {permission for made in own.of("IAMCustomRole") for permission in made.inputs["permissions"]}
    assert not {permission for permission in allowed if permission.startswith(("file.", "lustre.", "storage."))}


def test_a_head_that_can_end_its_run_is_ended_later_by_google() -> None:
    """Without an identity it goes as nodes do; with anybody's it may have the right, and if not, Google ends it."""
    at = {text: named(run(text), "head").inputs["scheduling"]["terminationTime"] for text in (ONE % "", EXISTING)}
    alone = run(ONE % ", identity: none")
    assert named(alone, "head").inputs["scheduling"]["terminationTime"] == "2027-01-15T07:59:00Z"
    assert set(at.values()) == {"2027-01-15T08:19:00Z"}
    assert "/opt/burst/end.json" not in told(named(alone, "head"))


@pytest.mark.parametrize(
    ("rule", "mutation", "complaint"),
    [
        ("calls", ("identity.py", '    "compute.disks.delete",\n', ""), "compute.disks.delete is called for"),
        ("calls", ("identity.py", '"storage.buckets.delete", ', ""), "storage.buckets.delete is called for"),
        ("calls", ("identity.py", '"lustre.instances.get", ', ""), "lustre.instances.get is called for"),
        ("calls", ("identity.py", '"file.instances.get"', '"file.instances.get", "file.backups.delete"'), "never called for"),
        ("calls", ("head.py", '"buckets": list(made["bucket"])', '"buckets": []'), "storage.buckets.delete is allowed and never"),
        (
            "actions",
            (
                "identity.py",
                'AROUND = ("',
                'AROUND = ("file.instances.delete", "lustre.instances.delete", "compute.routers.delete", "',
            ),
            "around may compute.routers.delete",
        ),
        (
            "actions",
            ("identity.py", '-end", bucket=bucket'.replace("\\", ""), '-end", bucket="theirs"'),
            "fs3-end reaches theirs",
        ),
        ("expiry", ("head.py", "BACKSTOP = 1140", "BACKSTOP = 960"), "head ends +960 s"),
        ("expiry", ("head.py", "BACKSTOP = 1140", "BACKSTOP = 1200"), "head ends +1200 s"),
        ("expiry", ("head.py", "None if self._args.identity.head is None else BACKSTOP", "None"), "head ends -60 s"),
    ],
)
def test_a_wrong_end_is_complained_of(tmp_path: Path, rule: str, mutation: tuple[str, str, str], complaint: str) -> None:
    decided = design(TEXT, "gcp")
    wrong = CLOUD.rules[rule].check(CLOUD.run(decided, mutated(CLOUD.folder, tmp_path, mutation)), decided)
    assert [each for each in wrong if complaint in each], wrong


def test_what_is_tried_in_order(everything: Stack) -> None:
    attempts = everything.outputs["attempts"]
    tried = {group: [(a["market"], a["template"]["instance"]) for a in attempts[group]] for group in attempts}
    assert tried == {
        "mpi": [(market, kind) for market in ("spot", "on-demand") for kind in ("h4d-standard-192", "c3-standard-176")],
        "gpu": [("spot", "g2-standard-4")],
        "login": [("on-demand", "t2d-standard-2")],
    }
    assert {a["template"]["zone"] for some in attempts.values() for a in some} == {ZONE}
    links = {a["template"]["template"] for some in attempts.values() for a in some}
    made = {f"projects/{PROJECT}/global/instanceTemplates/{each.inputs['name']}" for each in everything.of("InstanceTemplate")}
    assert links == made


def test_filesystems_that_are_made(everything: Stack) -> None:
    mounted = told(named(everything, "gpu-0-spot"))["/opt/burst/fstab"].splitlines()
    assert [line.split()[:3] for line in mounted if line] == [
        ["head:/home", "/home", "nfs4"],
        ["head:/shared", "/shared", "nfs4"],
        ["10.9.0.2:/share", "/files", "nfs"],
        ["10.8.0.2@tcp:/burst", "/scratch", "lustre"],
        ["test-abc234-fs3", "/data", "gcsfuse"],
    ]
    assert "client-gcs.sh" in " ".join(told(named(everything, "head")))
    assert [line.split()[1] for line in told(named(everything, "head"))["/opt/burst/fstab"].splitlines() if line] == [
        "/files",
        "/scratch",
        "/data",
    ]
    assert named(everything, "fs2").inputs["perUnitStorageThroughput"] == "1000"
    assert named(everything, "fs3").inputs["forceDestroy"] is True


@pytest.mark.parametrize(("size", "speed"), [("36000GiB", "250"), ("144000GiB", "125"), ("27000GiB", "1000")])
def test_the_slowest_tier_that_has_the_size(size: str, speed: str) -> None:
    stack = run(ONE % f", filesystems: {{/scratch: {{type: lustre, size: {size}}}}}")
    assert named(stack, "fs0").inputs["perUnitStorageThroughput"] == speed


def test_filesystems_by_id() -> None:
    stack = run(EXISTING)
    assert stack.outputs["mounts"] == {
        "/home": "head:/home",
        "/old": "10.1.2.3:/old",
        "/files": "10.9.9.9:/vol1",
        "/scratch": "10.8.8.8@tcp:/theirs",
        "/data": "theirs",
    }


def test_a_shared_network() -> None:
    stack = run(EXISTING)
    assert stack.outputs["network"] == "projects/host-1/global/networks/shared"
    rules = [*stack.of("Firewall"), *stack.of("Route")]
    assert {made.inputs["project"] for made in rules} == {"host-1"}
    assert {made.inputs["network"] for made in rules} == {"projects/host-1/global/networks/shared"}


def test_a_network_without_a_subnet() -> None:
    with pytest.raises(pulumi.RunError, match=r"network\.subnet"):
        CLOUD.run(design(ONE % ", network: {id: theirs}", "gcp", wrong=True))


def test_a_tunnel_has_no_public_address_and_a_way_out() -> None:
    stack = run(ONE % ", network: {access: tunnel}")
    assert not any("accessConfigs" in nic for nic in named(stack, "head").inputs["networkInterfaces"])
    assert named(stack, "ssh").inputs["sourceRanges"] == ["35.235.240.0/20"]
    assert stack.outputs["head_address"] == "test-abc234-head"
    assert len(stack.of("RouterNat")) == 1
    assert stack.of("Route") == []


def test_a_gateway() -> None:
    stack = run(ONE % ", network: {egress: gateway}, login: {nodes: 1}")
    assert len(stack.of("RouterNat")) == 1
    assert named(stack, "head").inputs["canIpForward"] is False
    assert "/opt/burst/gateway.sh" not in told(named(stack, "head"))
    assert not any("accessConfigs" in nic for nic in named(stack, "login").inputs["networkInterfaces"])


def test_no_identity() -> None:
    stack = run(ONE % ", identity: none")
    assert "serviceAccount" not in named(stack, "head").inputs
    assert stack.of("Account", "IAMMember", "IAMCustomRole") == []
    assert "/opt/burst/launch.json" not in told(named(stack, "head"))
    assert stack.outputs["attempts"]["cpu"]


def test_after_a_plain_up_the_head_launches() -> None:
    assert "/opt/burst/first" in told(named(run(PLAIN % 2, launches="head"), "head"))


def test_images_by_id() -> None:
    own = "projects/p-1/global/images/ours"
    text = "{version: 1, name: x, image: %s, groups: {cpu: {instance: c3-standard-4, nodes: 1}, gpu: {instance: g2-standard-4, nodes: 1, image: %s-gpu}}}"
    stack = run(text % (own, own))
    images = {made.name: made.inputs["disks"][0]["sourceImage"] for made in stack.of("InstanceTemplate")}
    assert images == {"cpu-0-on-demand": own, "gpu-0-on-demand": f"{own}-gpu"}
    assert named(stack, "head").inputs["bootDisk"]["initializeParams"]["image"] == own
    assert named(stack, "head").inputs["shieldedInstanceConfig"]["enableSecureBoot"] is False
    condition = named(stack, "nodes").inputs["condition"]["expression"]
    assert f'resource.name == "{own}-gpu"' in condition
    assert "compute.images.useReadOnly" in named(stack, "role-nodes").inputs["permissions"]


def test_images_by_lookup(everything: Stack) -> None:
    images = {made.name: made.inputs["disks"][0]["sourceImage"] for made in everything.of("InstanceTemplate")}
    assert "ubuntu-os-accelerator-images" in images["gpu-0-spot"]
    assert "ubuntu-os-accelerator-images" in images["mpi-0-spot"]
    assert "ubuntu-os-cloud" in images["mpi-1-spot"]


def test_markets(everything: Stack) -> None:
    spot, steady = (named(everything, f"mpi-0-{market}").inputs["scheduling"] for market in ("spot", "on-demand"))
    assert (spot["provisioningModel"], spot["preemptible"], steady["provisioningModel"]) == ("SPOT", True, "STANDARD")
    assert not steady.get("preemptible")
    attempts = run("{version: 1, name: x, groups: {cpu: {instance: h3-standard-88, nodes: 1, spot: prefer}}}").outputs["attempts"]
    assert [attempt["market"] for attempt in attempts["cpu"]] == ["on-demand"]


def test_without_fabric() -> None:
    stack = run("{version: 1, name: x, groups: {cpu: {instance: h4d-standard-192, nodes: 1, fabric: never}}}")
    assert stack.of("ResourcePolicy") == []
    assert len(stack.of(":Network")) == 1
    assert len(named(stack, "cpu-0-on-demand").inputs["networkInterfaces"]) == 1


def test_the_zone_with_most_of_the_types(everything: Stack) -> None:
    assert everything.outputs["zone"] == ZONE


def test_what_is_preferred_comes_before_the_number_of_types() -> None:
    from tests.stacks import programs

    has = {"us-central1-a": ("n2-standard-8", "c3-standard-8"), "us-central1-b": ("g2-standard-4",)}

    def answer(function: str, asked: dict[str, Any]) -> dict[str, Any]:
        if "getMachineTypes" not in function:
            return gcp_answers.call(function, asked)
        return {"machineTypes": [{"name": kind} for kind in ("c3-standard-4", *has[asked["zone"]])]}

    group = "any: {instance: [g2-standard-4, n2-standard-8, c3-standard-8], nodes: 1}"
    decided = design(f"{{version: 1, name: one, head: {{instance: c3-standard-4}}, groups: {{{group}}}}}", "gcp")
    stack = programs.run(CLOUD.folder, programs.configured(decided), gcp_answers.create, answer)
    assert stack.outputs["zone"] == "us-central1-b"


def test_a_zone_that_is_given_is_asked_what_it_has() -> None:
    """G2 is not in it: nothing is tried there that it lacks. No other zone is asked."""
    text = "{version: 1, name: one, groups: {gpu: {instance: [g2-standard-4, c3-standard-4], nodes: 1, spot: prefer}}}"
    stack = run(text, zone="us-central1-f")
    assert stack.outputs["zone"] == "us-central1-f"
    tried = [(a["market"], a["template"]["instance"]) for a in stack.outputs["attempts"]["gpu"]]
    assert tried == [("spot", "c3-standard-4"), ("on-demand", "c3-standard-4")]
    assert len(stack.of("InstanceTemplate")) == 2
    assert not [name for name, _ in stack.calls if "getZones" in name]
    assert [asked["zone"] for name, asked in stack.calls if "getMachineTypes" in name] == ["us-central1-f"]


def test_a_zone_that_is_given_and_lacks_a_group_s_types() -> None:
    text = "{version: 1, name: one, groups: {gpu: {instance: g2-standard-4, nodes: 1}}}"
    with pytest.raises(pulumi.RunError) as told:
        run(text, zone="us-central1-f")
    assert str(told.value) == (
        "us-central1-f has not a type for the head and for each group: us-central1-f lacks one for gpu (g2-standard-4)"
    )


def test_no_zone_has_all(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(function: str, asked: dict[str, Any]) -> dict[str, Any]:
        return {"machineTypes": []} if "getMachineTypes" in function else gcp_answers.call(function, asked)

    from tests.stacks import programs

    decided = design(ONE % "", "gcp")
    with pytest.raises(pulumi.RunError, match="no zone of us-central1"):
        programs.run(CLOUD.folder, programs.configured(decided), gcp_answers.create, none)


def test_templates_are_what_google_describes(everything: Stack) -> None:
    """Field by field: what the provider makes of its inputs is the API's schema, in which the names are nearly the same."""
    compute = google_apis.document("compute.googleapis.com")
    for made in everything.of("InstanceTemplate"):
        scheduling = {**made.inputs["scheduling"]}
        google_apis.valid(compute, {"$ref": "Scheduling"}, scheduling, made.name)
        nics = [{key: nic[key] for key in ("subnetwork", "nicType")} for nic in made.inputs["networkInterfaces"]]
        for nic in nics:
            google_apis.valid(compute, {"$ref": "NetworkInterface"}, nic, made.name)
        google_apis.valid(compute, {"$ref": "ShieldedInstanceConfig"}, made.inputs["shieldedInstanceConfig"], made.name)
        if "networkPerformanceConfig" in made.inputs:
            google_apis.valid(compute, {"$ref": "NetworkPerformanceConfig"}, made.inputs["networkPerformanceConfig"], made.name)
