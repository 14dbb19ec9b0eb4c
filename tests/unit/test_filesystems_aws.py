"""Filesystems of AWS's that are there already: whether the machines will reach them."""

from __future__ import annotations

from typing import Any

import pytest
from aws_account import PLAIN, Account, lustre, rules, subnet, target
from aws_world import denied
from making import design

from provisioner.findings import Finding
from provisioner.targets.aws import checks

THERE = "network: {id: vpc-1, subnet: subnet-1}\n"
EFS = "filesystems: {/m: {type: managed-nfs, id: fs-1}}\n"
FSX = "filesystems: {/s: {type: lustre, size: 1200GiB, id: fs-2}}\n"


def found(text: str, **instead: Any) -> list[Finding]:
    names = {name for name, _ in checks.CHECKS} - {"filesystems"}
    return list(checks.preflight(Account(**instead), design(PLAIN + text, "aws"), names))


def port(number: int, cidr: str = "10.0.0.0/16", protocol: str = "tcp") -> dict[str, Any]:
    return rules({"IpProtocol": protocol, "FromPort": number, "ToPort": number, "IpRanges": [{"CidrIp": cidr}]})


def test_what_is_there_and_open_is_well() -> None:
    assert found(THERE + EFS) == []
    assert found(THERE + FSX) == []
    assert found("filesystems: {/b: {type: bucket, id: theirs}}\n") == []
    assert found(THERE + EFS, describe_security_groups=port(2049)) == []
    assert found(THERE + FSX, describe_security_groups=port(988)) == []
    assert found("filesystems: {/m: {type: managed-nfs}}\n", describe_file_systems=ZeroDivisionError("not asked")) == []


FROM_A_GROUP = {"IpProtocol": "tcp", "FromPort": 2049, "ToPort": 2049, "UserIdGroupPairs": [{"GroupId": "sg-2"}]}


@pytest.mark.parametrize(
    ("text", "instead", "level", "said", "fix"),
    [
        (EFS, {"describe_file_systems": denied("FileSystemNotFound")}, "error", "there is no fs-1", "aws efs describe-file"),
        (FSX, {"describe_file_systems": denied("FileSystemNotFound")}, "error", "there is no fs-2", "aws fsx describe-file"),
        (
            EFS,
            {"describe_file_systems": {"FileSystems": [{"LifeCycleState": "deleting"}]}},
            "error",
            "/m: fs-1 is deleting, not available",
            "describe-file-systems",
        ),
        (
            EFS,
            {"describe_mount_targets": target(AvailabilityZoneName="us-east-2a")},
            "error",
            "fs-1 has no mount target in us-east-2b of vpc-1",
            "aws efs create-mount-target --region us-east-2 --file-system-id fs-1 --subnet-id subnet-1",
        ),
        (
            EFS,
            {"describe_mount_targets": target(VpcId="vpc-2")},
            "error",
            "no mount target in us-east-2b of vpc-1",
            "create-mount",
        ),
        (EFS, {"describe_mount_targets": target(LifeCycleState="creating")}, "error", "fs-1 is creating", "again when it is"),
        (
            EFS,
            {"describe_security_groups": rules(FROM_A_GROUP)},
            "error",
            "no rule of sg-1 lets 10.0.0.0/20 in to port 2049 of fs-1",
            "aws ec2 authorize-security-group-ingress --group-id sg-1 --protocol tcp --port 2049 --cidr 10.0.0.0/20",
        ),
        (EFS, {"describe_security_groups": port(2049, "10.0.0.0/24")}, "error", "lets 10.0.0.0/20 in", "authorize"),
        (EFS, {"describe_security_groups": port(2049, protocol="udp")}, "error", "lets 10.0.0.0/20 in", "authorize"),
        (
            EFS,
            {"describe_security_groups": rules({**FROM_A_GROUP, "PrefixListIds": [{"PrefixListId": "pl-1"}]})},
            "warning",
            "unless one of its prefix lists has it",
            "authorize",
        ),
        (FSX, {"describe_file_systems": {"FileSystems": [lustre(Lifecycle="CREATING")]}}, "error", "is CREATING", "again"),
        (
            FSX,
            {"describe_file_systems": {"FileSystems": [lustre(FileSystemType="ONTAP")]}},
            "error",
            "fs-2 is ONTAP, not Lustre",
            "another",
        ),
        (
            FSX,
            {"describe_file_systems": {"FileSystems": [lustre(VpcId="vpc-2", SubnetIds=["subnet-9"])]}},
            "error",
            "fs-2 is in vpc-2, which the run's machines are not in",
            "network: {id: vpc-2, subnet: subnet-9}",
        ),
        (FSX, {"describe_security_groups": port(2049)}, "error", "in to port 988 of fs-2", "--port 988"),
        (
            "filesystems: {/b: {type: bucket, id: theirs}}\n",
            {"head_bucket": denied("404")},
            "error",
            "there is no theirs",
            "aws s3 ls",
        ),
        (
            "filesystems: {/b: {type: bucket, id: theirs}}\n",
            {"head_bucket": {"BucketRegion": "eu-west-1"}},
            "warning",
            "theirs is in eu-west-1, the machines in us-east-2",
            "target: aws/eu-west-1",
        ),
        ("filesystems: {/s: {type: nfs, id: host}}\n", {}, "error", "not HOST:/EXPORT", "nas.example.org:/export"),
        ("filesystems: {/s: {type: nfs, id: 'nas:/export'}}\n", {}, "info", "not checked", ""),
    ],
)
def test_what_is_in_the_way_is_found(text: str, instead: dict[str, Any], level: str, said: str, fix: str) -> None:
    (one,) = found(THERE + text, **instead)
    assert (one.level.value, one.check) == (level, "filesystems")
    assert said in one.message
    assert fix in one.fix


def test_in_a_network_of_the_runs_own_an_existing_one_is_out_of_reach() -> None:
    (one,) = found(EFS)
    assert (one.level.value, one.fix) == ("error", "network: {id: vpc-1, subnet: subnet-1}")
    (one,) = found(FSX)
    assert (one.level.value, one.fix) == ("error", "network: {id: vpc-1, subnet: subnet-1}")
    (one,) = found(EFS, describe_mount_targets={"MountTargets": []})
    assert "fs-1 has no mount target at all" in one.message


def test_a_subnet_that_is_not_there_is_said_by_the_networks_check() -> None:
    assert found(THERE + EFS + "", describe_subnets=subnet(VpcId="vpc-2")) == []


def test_one_that_may_not_be_asked_does_not_hide_another() -> None:
    text = "filesystems: {/a: {type: nfs, id: host}, /b: {type: bucket, id: theirs}}\n"
    told = found(text, head_bucket=denied("403", "Forbidden", "HeadBucket"))
    assert [(each.level.value, each.code) for each in told] == [("error", "filesystem"), ("warning", "unchecked")]
