"""What the head does at the end of a run on AWS: its own files from its user-data, run in moto as the head."""

from __future__ import annotations

import importlib.util
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from aws_world import Saying, Sessions, World, denied, made, pretended
from making import Still, design

from provisioner.alone import end_aws
from provisioner.launch import aws as launcher
from provisioner.targets.aws import listing, reaping
from provisioner.targets.aws.place import AwsPlace
from provisioner.targets.nspawn import imds
from tests.stacks import aws, aws_rules
from tests.stacks.aws_moto import session
from tests.stacks.aws_needs import actions
from tests.stacks.contract import mutated
from tests.stacks.test_aws import head as head_files

SMALL = "version: 1\nname: small\ngroups: {cpu: {instance: c7i.large, nodes: {min: 0, max: 2}}}\n"
STORING = (
    SMALL
    + """
network: {egress: gateway}
filesystems:
  /managed: {type: managed-nfs}
  /scratch: {type: lustre, size: 1200GiB}
  /data: {type: bucket}
  /theirs: {type: bucket, id: their-bucket}
"""
)
RUN, OTHER = "test-abc234", "other-abc234"


class Clock(Still):
    """The machine's: a pause takes no time of ours."""

    strftime, gmtime = staticmethod(time.strftime), staticmethod(time.gmtime)


class Head:
    """A head's own programs, which know it by its metadata."""

    def __init__(self, world: World, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.world = world
        (machine,) = world.stack.of(":Instance")
        self.id = machine.id
        for path, text in head_files(world.stack).items():
            if path.startswith(("/opt/burst/launch/", "/opt/burst/end.json")):
                (folder / Path(path).name).write_text(text)
        self.told, self.clock = folder / "end.json", Clock()
        spec = importlib.util.spec_from_file_location("end_aws_on_the_head", folder / "end_aws.py")
        assert spec is not None
        assert spec.loader is not None
        self.program = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(self.program)
        monkeypatch.setattr(self.program, "time", self.clock)

    def end(self, **instead: Any) -> int:
        """The exit code; with other clients where a test has some."""
        code: int = self.program.main(str(self.told), Sessions(self.world.session, **instead))
        return code

    def switch_off(self) -> None:
        """As EC2 takes it."""
        told = self.world.ec2.describe_instance_attribute(InstanceId=self.id, Attribute="instanceInitiatedShutdownBehavior")
        assert told["InstanceInitiatedShutdownBehavior"] == {"Value": "terminate"}
        self.world.ec2.terminate_instances(InstanceIds=[self.id])


@pytest.fixture
def head(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A function: the head of a world, with its metadata service; and a bucket that nobody made for a run."""
    facts: dict[str, imds.Facts] = {}

    class Metadata(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            got = imds.answer("aws", self.command, self.path, dict(self.headers), facts["head"], 1_800_000_000.0)
            self.send_response(got.status)
            self.send_header("Content-Length", str(len(got.body)))
            self.end_headers()
            self.wfile.write(got.body)

        def do_PUT(self) -> None:
            self.do_GET()

        def log_message(self, *args: Any) -> None:
            pass

    def of(world: World) -> Head:
        one = Head(world, tmp_path, monkeypatch)
        facts["head"] = imds.Facts(
            name=f"{RUN}-head",
            machine_id=one.id,
            kind="c7i.large",
            address="10.77.0.4",
            market="on-demand",
            tags={},
            region="us-east-2",
            zone="us-east-2a",
            user_data="",
            started=0.0,
            notice=None,
        )
        return one

    server = ThreadingHTTPServer(("127.0.0.1", 0), Metadata)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setenv("BURST_METADATA", f"http://127.0.0.1:{server.server_address[1]}")
    with pretended(monkeypatch):
        s3 = session().client("s3")
        s3.create_bucket(Bucket="their-bucket", CreateBucketConfiguration={"LocationConstraint": "us-east-2"})
        s3.put_object(Bucket="their-bucket", Key="kept", Body=b"x")
        yield of
    server.shutdown()
    thread.join()
    server.server_close()


def billed(world: World, run: str = RUN) -> set[tuple[str, str]]:
    return {(each.kind, each.id) for each in AwsPlace().remains(world.session, run) if each.billed}


def root_disk(one: Head) -> set[tuple[str, str]]:
    """It goes with its machine."""
    told = one.world.ec2.describe_volumes(Filters=[{"Name": "attachment.instance-id", "Values": [one.id]}])["Volumes"]
    return {("volume", each["VolumeId"]) for each in told}


def a_volume(world: World, run: str) -> str:
    tags = [{"ResourceType": "volume", "Tags": [{"Key": "burst-run", "Value": run}]}]
    made: str = world.ec2.create_volume(AvailabilityZone="us-east-2a", Size=1, TagSpecifications=tags)["VolumeId"]
    return made


def full(run: str = RUN) -> World:
    """Everything that is billed, with nodes, an unattached volume, and bytes in the bucket."""
    world = made(STORING, run)
    launcher.launch(["cpu-1", "cpu-2"], world.template("cpu"), "on-demand", world.session)
    a_volume(world, run)
    s3 = world.session.client("s3")
    s3.put_object(Bucket=f"{run}-bucket-0", Key="a/b", Body=b"x")
    s3.create_multipart_upload(Bucket=f"{run}-bucket-0", Key="half")
    return world


@pytest.mark.timeout(200)
def test_nothing_billed_is_left_but_the_head_and_another_run_stays(head: Any, capsys: pytest.CaptureFixture[str]) -> None:
    theirs = full(OTHER)
    before = billed(theirs, OTHER)
    one = head(full())
    there = {kind for kind, _ in billed(one.world)}
    assert there == {kind for stage in end_aws.STAGES for kind in stage}, "a kind is not tried"
    assert one.end() == 0
    assert billed(one.world) == {("instance", one.id)} | root_disk(one)
    one.switch_off()
    assert billed(one.world) == set()
    assert billed(theirs, OTHER) == before
    assert [each["Key"] for each in theirs.session.client("s3").list_objects_v2(Bucket="their-bucket")["Contents"]] == ["kept"]
    said = capsys.readouterr().out
    assert said.endswith(
        " 0 billed left beside this machine; what is free (network, groups, templates, roles) stays for burst sweep\n"
    )
    for kind in there:
        assert f" {kind} " in said, "each thing has a line"
    assert one.id not in said
    assert {each.kind for each in AwsPlace().remains(one.world.session, RUN)} >= {"vpc", "role", "launch-template"}


def test_a_second_end_finds_nothing(head: Any) -> None:
    one = head(full())
    assert (one.end(), one.end()) == (0, 0)


def test_machines_go_first(head: Any) -> None:
    one = head(full())
    changing = [operation for _, operation in recorded(one) if operation.startswith(("Terminate", "Delete", "Release"))]
    assert changing[0] == "TerminateInstances"
    assert changing[-1] == "ReleaseAddress"


def test_what_is_still_in_use_is_told_again(head: Any) -> None:
    one = head(full())
    busy = denied("FileSystemInUse", "has mount targets", "DeleteFileSystem")
    efs = Saying(one.world.session.client("efs"), "delete_file_system", busy, busy)
    assert one.end(efs=efs) == 0
    assert len(efs.asked) == 3
    assert one.clock.at > Clock().at


def test_a_throttled_call_is_made_again(head: Any) -> None:
    one = head(full())
    ec2 = Saying(one.world.ec2, "describe_nat_gateways", denied("RequestLimitExceeded"), denied("503"))
    assert one.end(ec2=ec2) == 0
    assert billed(one.world) == {("instance", one.id)} | root_disk(one)


@pytest.mark.parametrize(
    ("service", "call", "kind"),
    [
        ("ec2", "delete_volume", "volume"),
        ("ec2", "release_address", "address"),
        ("fsx", "delete_file_system", "fsx"),
        ("ec2", "describe_volumes", "volume"),
        ("s3", "delete_bucket", "bucket"),
    ],
)
def test_what_is_denied_is_left_and_the_rest_goes(
    head: Any, service: str, call: str, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    one = head(full())
    no = denied("UnauthorizedOperation", "You are not authorized")
    client = Saying(one.world.session.client(service), call, *[no] * 9)
    assert one.end(**{service: client}) == 1
    assert len(client.asked) == 1, "nobody waits for what is denied"
    assert {each for each, _ in billed(one.world)} == {"instance", "volume", kind}
    said = capsys.readouterr().out
    assert f" left: {kind} " in said
    assert "UnauthorizedOperation: You are not authorized" in said
    assert " 1 billed left " in said


def test_what_never_goes_is_left_after_a_while(
    head: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    one = head(full())
    busy = denied("FileSystemInUse", "has mount targets", "DeleteFileSystem")
    efs = Saying(one.world.session.client("efs"), "delete_file_system", *[busy] * 1000)
    assert 600 <= end_aws.PATIENCE <= 1140, "end.sh stops it after 1,200"
    monkeypatch.setattr(one.program, "PATIENCE", 60.0)
    assert one.end(efs=efs) == 1
    assert 50 <= one.clock.at - Clock().at <= 60
    assert {kind for kind, _ in billed(one.world)} == {"instance", "volume", "efs"}
    assert capsys.readouterr().out.count("has mount targets") == 2, "once when it happens, once at the end"


def test_a_machine_that_does_not_know_itself_ends_none(
    head: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    one = head(full())
    monkeypatch.setenv("BURST_METADATA", "https://not.http")
    monkeypatch.setattr(one.program, "PATIENCE", 30.0)
    assert one.end() == 1
    assert len(one.world.machines()) == 3
    assert {kind for kind, _ in billed(one.world)} == {"instance", "volume"}
    assert "left: instance *: this machine does not know its own id" in capsys.readouterr().out


def test_nodes_that_are_made_meanwhile_are_ended_too(head: Any) -> None:
    one = head(full())
    world = one.world
    ec2 = Saying(world.ec2, "delete_nat_gateway", lambda **told: late(world, told))
    assert one.end(ec2=ec2) == 0
    assert {name for name in world.machines() if name.startswith(RUN)} == {f"{RUN}-head"}


def late(world: World, told: dict[str, Any]) -> Any:
    launcher.launch(["cpu-1"], world.template("cpu"), "on-demand", world.session)
    # Another round is asked for.
    raise denied("RequestLimitExceeded")


def test_behind_a_tunnel_the_way_out_is_last_and_its_address_stays(head: Any, capsys: pytest.CaptureFixture[str]) -> None:
    one = head(made(STORING.replace("egress: gateway", "access: tunnel")))
    assert recorded(one, code=1)[-1] == ("ec2", "DeleteNatGateway")
    assert {kind for kind, _ in billed(one.world)} == {"instance", "volume", "address"}
    assert "it is held by this machine's own way out" in capsys.readouterr().out


def test_behind_a_tunnel_a_throttled_last_act_is_done_again(head: Any) -> None:
    one = head(made(SMALL + "network: {access: tunnel}\n"))
    ec2 = Saying(one.world.ec2, "delete_nat_gateway", denied("RequestLimitExceeded"))
    assert one.end(ec2=ec2) == 1
    assert len(ec2.asked) == 2
    assert {kind for kind, _ in billed(one.world)} == {"instance", "volume", "address"}


def test_in_an_existing_network_the_heads_own_address_stays(head: Any, capsys: pytest.CaptureFixture[str]) -> None:
    ec2 = session().client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.0.0/24", AvailabilityZone="us-east-2b")["Subnet"]["SubnetId"]
    one = head(made(SMALL + f"network: {{id: {vpc}, subnet: {subnet}}}\n"))
    (outside,) = one.world.stack.of(":Eip")
    told = json.loads(one.told.read_text())
    assert told["own"] == [outside.id]
    calls = [operation for _, operation in recorded(one, code=1)]
    assert "ReleaseAddress" not in calls
    assert billed(one.world) == {("instance", one.id), ("address", outside.id)} | root_disk(one)
    assert f"left: address {outside.id}: it is this machine's own way out" in capsys.readouterr().out


def recorded(one: Head, code: int = 0) -> list[tuple[str, str]]:
    """(service, operation) of every call of an end."""
    found: list[tuple[str, str]] = []

    def record(model: Any, **more: Any) -> None:
        found.append((model.service_model.service_name, model.name))

    events = one.world.session.events
    events.register("before-call", record)
    try:
        assert one.end() == code
    finally:
        events.unregister("before-call", record)
    return found


def test_the_role_allows_every_call_and_no_more_than_that(head: Any) -> None:
    one = head(full())
    calls = set(recorded(one))
    told = list(aws_rules.statements(one.world.stack))
    allowed = {action for each in told for action in each["Action"]}
    needed = {action for service, operation in calls for action in actions(service, operation)}
    assert needed <= allowed
    # What launching, and reading and writing buckets, are for; and what EFS does in its caller's name.
    others = {action for each in aws_rules.statements(made_without_anything()) for action in each["Action"]}
    others |= {"ec2:DeleteNetworkInterface", "iam:PassRole", "s3:ListBucket", "s3:GetObject", "s3:PutObject"}
    assert allowed - needed - others == set()


def made_without_anything() -> Any:
    return aws.CLOUD.run(design(SMALL, "aws"))


# identity.py with one thing less, or too much; which rule has to complain, and of what.
MUTATIONS = [
    ("calls", '"DeleteNatGateway": "natgateway"', '"CreateNatGateway": "natgateway"', "delete_nat_gateway"),
    ("calls", '"ReleaseAddress": "elastic-ip"', '"AssociateAddress": "elastic-ip"', "release_address"),
    ("calls", '"ec2:DescribeVolumes", ', "", "describe_volumes"),
    ("calls", '"DeleteMountTarget", ', "", "delete_mount_target"),
    ("calls", '"fsx:DescribeFileSystems"', '"fsx:DescribeBackups"', "describe_file_systems"),
    ("calls", '"s3:ListBucketVersions", ', "", "list_object_versions"),
    ("calls", '["s3:DeleteObjectVersion"]', '["s3:GetObject"]', "delete_objects"),
    (
        "actions",
        "for kind in gone.values()], ours)",
        'for kind in gone.values()], {"Null": {"aws:ResourceTag": "false"}})',
        "Volume",
    ),
    (
        "actions",
        'file-system/*"], ours),\n            _allow(["ec2:Del',
        'file-system/*"]),\n            _allow(["ec2:Del',
        "MountTarget",
    ),
    (
        "actions",
        '["fsx:DeleteFileSystem"], [f"arn:aws:fsx:{places}:file-system/*"], ours',
        '["fsx:DeleteFileSystem"], ["*"]',
        "fsx",
    ),
    ("actions", '"ArnEquals": {"ec2:Subnet": subnet}', "", "DeleteNetworkInterface"),
    ("actions", '"Bool": {"aws:ViaAWSService": "true"}, ', "", "DeleteNetworkInterface"),
    ("actions", "_allow(emptied, whole)", '_allow(emptied, ["arn:aws:s3:::*"])', "s3:DeleteBucket"),
]


@pytest.mark.parametrize(("rule", "right", "wrong", "said"), MUTATIONS)
def test_a_role_that_lacks_something_or_has_too_much_is_noticed(
    rule: str, right: str, wrong: str, said: str, tmp_path: Path
) -> None:
    about = design(aws.TEXT, "aws")
    stack = aws.CLOUD.run(about, mutated(aws.CLOUD.folder, tmp_path, ("identity.py", right, wrong)))
    complaints = aws.CLOUD.rules[rule].check(stack, about)
    assert complaints
    assert all(said in each for each in complaints), complaints


def test_only_what_the_run_made_is_the_roles_to_end() -> None:
    allowed = {action for each in aws_rules.statements(made_without_anything()) for action in each["Action"]}
    assert not any(action.startswith(("elasticfilesystem:", "fsx:", "s3:")) for action in allowed)
    given = made_of(SMALL + "filesystems: {/theirs: {type: bucket, id: their-bucket}, /m: {type: managed-nfs, id: fs-1}}\n")
    assert not any("DeleteBucket" in a or "Version" in a for each in aws_rules.statements(given) for a in each["Action"])
    assert json.loads(head_files(given)["/opt/burst/end.json"]) == {
        "run": RUN,
        "region": "us-east-2",
        "tunnel": False,
        "efs": [],
        "fsx": [],
        "bucket": [],
        "own": [],
    }


def made_of(text: str) -> Any:
    return aws.CLOUD.run(design(text, "aws"))


def test_nobody_ends_anything_without_an_identity() -> None:
    files = head_files(made_of(SMALL.replace("{min: 0, max: 2}", "2") + "identity: none\n"))
    assert not {"/opt/burst/end.json", "/opt/burst/launch/end_aws.py"} & files.keys()


def test_what_ends_from_inside_and_from_outside_is_the_same_in_the_same_order() -> None:
    kinds = {"instance", "efs", "fsx", "bucket"} | {kind for kind, (*_, costs) in listing._EC2.items() if costs}
    staged = [tuple(kind for kind in stage if kind in kinds) for stage in reaping.STAGES]
    assert [stage for stage in staged if stage] == list(end_aws.STAGES)
    assert end_aws._END.keys() == kinds
    assert all(reaping._DELETE[kind] is end_aws._END[kind] for kind in ("nat-gateway", "efs", "fsx", "bucket"))
