"""What speaks against a design on AWS: each check with the answers that it hears, right and wrong."""

from __future__ import annotations

from typing import Any

import pytest
from aws_world import denied
from making import design

from provisioner.findings import Finding
from provisioner.targets.aws import checks, quotas

PLAIN = "version: 1\nname: plain\ngroups: {cpu: {instance: c7i.48xlarge, nodes: {min: 1, max: 3}}}\n"
SIZES = {"c7i.48xlarge": 192, "c7i.large": 2, "p5.48xlarge": 192}
ARN = "arn:aws:sts::123456789012:assumed-role/dev/ada"


class Service:
    """A client that answers what it is told to, or raises it; whatever is asked is kept."""

    def __init__(self, **answers: Any) -> None:
        self.answers = answers
        self.asked: dict[str, dict[str, Any]] = {}

    def can_paginate(self, call: str) -> bool:
        return False

    def __getattr__(self, call: str) -> Any:
        def ask(**told: Any) -> Any:
            self.asked[call] = told
            answer = self.answers[call]
            if isinstance(answer, Exception):
                raise answer
            return answer(**told) if callable(answer) else answer

        return ask


def limits(vcpus: float = 1000, others: float = 5) -> Any:
    def get(ServiceCode: str, QuotaCode: str) -> Any:  # noqa: N803 - the API's names
        few = QuotaCode in (quotas._VPCS, quotas._ADDRESSES)
        return {"Quota": {"Value": others if few else vcpus, "QuotaName": f"{ServiceCode} {QuotaCode}"}}

    return get


def offering(*lacking: str) -> Any:
    def describe(LocationType: str, Filters: Any) -> Any:  # noqa: N803 - the API's names
        return {
            "InstanceTypeOfferings": [
                {"InstanceType": kind, "Location": zone}
                for zone in ("a", "b")
                for kind in Filters[0]["Values"]
                if f"{kind}@{zone}" not in lacking
            ]
        }

    return describe


class Account:
    """An account in which all is well; `instead` is what is not."""

    region_name = "us-east-2"

    def __init__(self, **instead: Any) -> None:
        answers: dict[str, Any] = {
            "describe_instance_type_offerings": offering(),
            "describe_instance_types": lambda InstanceTypes: {  # noqa: N803
                "InstanceTypes": [{"InstanceType": t, "VCpuInfo": {"DefaultVCpus": SIZES.get(t, 4)}} for t in InstanceTypes]
            },
            "describe_vpcs": {"Vpcs": []},
            "describe_addresses": {"Addresses": []},
            "describe_images": {"Images": [{"ImageId": "ami-1", "Architecture": "x86_64"}]},
            "describe_subnets": {"Subnets": [{"SubnetId": "subnet-1", "VpcId": "vpc-1"}]},
            "describe_route_tables": {"RouteTables": [{"Routes": [{"GatewayId": "igw-1"}]}]},
            "get_service_quota": limits(),
            "get_caller_identity": {"Arn": ARN},
            "simulate_principal_policy": {"EvaluationResults": [{"EvalActionName": "iam:CreateRole", "EvalDecision": "allowed"}]},
            "get_role": {},
            "get_instance_profile": {},
            "describe_file_systems": {"FileSystems": [{}]},
            "head_bucket": {},
        }
        self.service = Service(**(answers | instead))

    def client(self, name: str) -> Service:
        return self.service


def found(text: str = PLAIN, **instead: Any) -> list[Finding]:
    return list(checks.preflight(Account(**instead), design(text, "aws")))


def of_results(text: str = "", **instead: Any) -> list[str]:
    decided = design(PLAIN + text, "aws", wrong=True).model_copy(update={"results": "s3://theirs/of/ada"})
    return [f.message for f in checks.preflight(Account(**instead), decided) if f.code in ("results", "unchecked")]


def test_a_detached_run_s_bucket_is_there_and_may_be_written_to() -> None:
    assert of_results() == []
    assert "there is no such bucket" in of_results(head_bucket=denied("404"))[0]
    assert "somebody else's" in of_results(head_bucket=denied("403"))[0]
    assert "may write nowhere" in of_results("identity: none\n")[0]
    role = {"InstanceProfile": {"Roles": [{"RoleName": "theirs", "Arn": "arn:aws:iam::1:role/theirs"}]}}
    asked: list[dict[str, Any]] = []

    def simulated(**told: Any) -> dict[str, Any]:
        asked.append(told)
        return {"EvaluationResults": [{"EvalActionName": "s3:PutObject", "EvalDecision": "implicitDeny"}]}

    (said,) = of_results("identity: theirs\n", get_instance_profile=role, simulate_principal_policy=simulated)
    assert "may not write there by its own policies" in said
    assert asked[0]["ResourceArns"] == ["arn:aws:s3:::theirs/of/ada/test-abc234/receipt.json"]


def test_where_all_is_well_nothing_is_found() -> None:
    assert found() == []


@pytest.mark.parametrize(
    ("more", "instead", "level", "said"),
    [
        (
            "",
            {"describe_instance_type_offerings": offering("c7i.48xlarge@a", "c7i.48xlarge@b")},
            "error",
            "c7i.48xlarge is not offered",
        ),
        (
            "",
            {"get_service_quota": limits(vcpus=100)},
            "error",
            "L-1216C47A is 100 vCPUs in us-east-2, the design's fixed machines have",
        ),
        ("", {"get_service_quota": limits(vcpus=300)}, "warning", "with all elastic nodes"),
        ("", {"get_service_quota": limits(others=0), "describe_vpcs": {"Vpcs": []}}, "error", "vpc L-F678F1CE"),
        ("image: ami-1\n", {"describe_images": {"Images": []}}, "error", "ami-1 is not in us-east-2"),
        ("image: ami-1\n", {"describe_images": {"Images": [{"Architecture": "arm64"}]}}, "error", "is for arm64"),
        ("network: {access: tunnel}\n", {}, "info", "NAT gateway"),
        ("network: {egress: gateway}\n", {}, "info", "NAT gateway"),
        ("network: {access: tunnel}\n", {}, "info", "the NAT gateway's public address stays after an expiry"),
        ("network: {id: vpc-1, subnet: subnet-1}\n", {}, "info", "the head's public address stays after an expiry"),
        ("network: {id: vpc-2, subnet: subnet-1}\n", {}, "error", "is not a subnet of vpc-2"),
        (
            "network: {id: vpc-1, subnet: subnet-1}\n",
            {"describe_route_tables": {"RouteTables": []}},
            "error",
            "no route to an internet",
        ),
        ("identity: theirs\n", {"get_instance_profile": denied("NoSuchEntity")}, "error", "no instance profile theirs"),
        (
            "",
            {
                "simulate_principal_policy": {
                    "EvaluationResults": [{"EvalActionName": "iam:CreateRole", "EvalDecision": "implicitDeny"}]
                }
            },
            "error",
            "iam:CreateRole denied",
        ),
        ("", {"simulate_principal_policy": denied("AccessDenied", "not yours")}, "warning", "identity could not be checked"),
        (
            "filesystems: {/s: {type: managed-nfs, id: fs-1}}\n",
            {"describe_file_systems": denied("FileSystemNotFound")},
            "error",
            "no fs-1",
        ),
        ("filesystems: {/s: {type: bucket, id: b}}\n", {"head_bucket": denied("404")}, "error", "there is no b"),
        ("filesystems: {/s: {type: nfs, id: host}}\n", {}, "error", "not HOST:/EXPORT"),
    ],
)
def test_what_is_wrong_is_found(more: str, instead: dict[str, Any], level: str, said: str) -> None:
    hits = [each for each in found(PLAIN + more, **instead) if said in each.message]
    assert [each.level.value for each in hits] in ([level], [level] * 2)


@pytest.mark.parametrize(
    ("more", "needed"),
    [
        ("", 0),
        ("network: {egress: gateway}\n", 1),
        ("network: {access: tunnel}\n", 1),
        ("network: {id: vpc-1, subnet: subnet-1}\n", 1),
        ("network: {id: vpc-1, subnet: subnet-1, access: tunnel}\n", 0),
    ],
)
def test_only_elastic_ips_count(more: str, needed: int) -> None:
    said = [each.message for each in found(PLAIN + more, get_service_quota=limits(others=0)) if quotas._ADDRESSES in each.message]
    assert len(said) == needed
    assert all("and 1 more is needed" in each for each in said)


def test_no_zone_has_all_types() -> None:
    text = "version: 1\nname: two\ngroups: {a: {instance: c7i.48xlarge, nodes: 1}, b: {instance: p5.48xlarge, nodes: 1}}\n"
    (one,) = found(text, describe_instance_type_offerings=offering("c7i.48xlarge@a", "p5.48xlarge@b"))
    assert "no zone of us-east-2 offers all" in one.message


def test_spot_needs_a_role_of_ec2s_own() -> None:
    text = PLAIN.replace("max: 3}", "max: 3}, spot: prefer")
    (one,) = found(text, get_role=denied("NoSuchEntity"))
    assert one.fix.startswith("aws iam create-service-linked-role")
    assert found(text) == []


def test_the_assumed_roles_policies_are_asked_of() -> None:
    account = Account()
    checks.preflight(account, design(PLAIN, "aws"))
    assert account.service.asked["simulate_principal_policy"]["PolicySourceArn"] == "arn:aws:iam::123456789012:role/dev"


@pytest.mark.parametrize(
    ("instance", "market", "quota"),
    [
        ("c7a.48xlarge", "on-demand", "L-1216C47A"),
        ("m7i.large", "spot", "L-34B43A08"),
        ("hpc7a.96xlarge", "on-demand", "L-F7808C92"),
        ("hpc7a.96xlarge", "spot", None),
        ("g6e.xlarge", "on-demand", "L-DB2E81BA"),
        ("p4d.24xlarge", "spot", "L-7212CCBC"),
        ("p5en.48xlarge", "spot", "L-C4BD4855"),
        ("trn2.48xlarge", "on-demand", "L-2C3B7624"),
        ("inf2.xlarge", "spot", "L-B5D1601B"),
        ("i4i.large", "on-demand", "L-1216C47A"),
        ("x2idn.16xlarge", "on-demand", "L-7295265B"),
    ],
)
def test_a_types_quota(instance: str, market: str, quota: str | None) -> None:
    assert quotas.code(instance, market) == quota
