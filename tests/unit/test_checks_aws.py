"""What speaks against a design on AWS: each check with the answers that it hears, right and wrong; and all of them side by side.

Permissions, quotas, zones and filesystems have files of their own.
"""

from __future__ import annotations

import threading
from collections import Counter
from typing import Any

import pytest
from aws_account import PLAIN, ROLE, Account, described, limits, nowhere, offering, subnet, zones
from aws_world import denied
from botocore.exceptions import EndpointConnectionError, NoCredentialsError
from making import design

from provisioner.findings import Finding
from provisioner.targets.aws import checks
from provisioner.targets.aws.limits import ADDRESSES
from provisioner.targets.aws.session import logged_out
from provisioner.targets.checks import NAMES

THEIRS = "network: {id: vpc-1, subnet: subnet-1}\n"
# Something for every check to ask.
RICH = (
    "version: 1\nname: rich\nimage: ami-1\n"
    "groups: {cpu: {instance: [c7i.48xlarge, c7a.48xlarge], nodes: {min: 1, max: 3}, spot: prefer}}\n"
    "filesystems:\n  /a: {type: managed-nfs, id: fs-1}\n  /b: {type: lustre, size: 1200GiB, id: fs-2}\n  /c: {type: bucket, id: b}\n"
    "  /d: {type: managed-nfs}\n  /e: {type: lustre, size: 1200GiB}\n" + THEIRS
)


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
    asked: list[dict[str, Any]] = []

    def simulated(**told: Any) -> dict[str, Any]:
        if told["ActionNames"] != ["s3:PutObject"]:
            return {"EvaluationResults": []}
        asked.append(told)
        return {"EvaluationResults": [{"EvalActionName": "s3:PutObject", "EvalDecision": "implicitDeny"}]}

    (said,) = of_results("identity: theirs\n", simulate_principal_policy=simulated)
    assert "may not write there by its own policies" in said
    assert asked[0]["ResourceArns"] == ["arn:aws:s3:::theirs/of/ada/test-abc234/receipt.json"]


def test_where_all_is_well_nothing_is_found() -> None:
    assert found() == []
    assert {each.code for each in found(RICH)} == {"address"}


@pytest.mark.parametrize(
    ("more", "instead", "level", "said"),
    [
        ("", {"describe_instance_type_offerings": nowhere("c7i.48xlarge")}, "error", "c7i.48xlarge is not offered"),
        ("", {"get_service_quota": limits(others=0)}, "error", "vpc L-F678F1CE"),
        ("image: ami-1\n", {"describe_images": {"Images": []}}, "error", "ami-1 is not in us-east-2"),
        (
            "image: ami-1\n",
            {"describe_images": {"Images": [{"ImageId": "ami-1", "Architecture": "arm64"}]}},
            "error",
            "is for arm64",
        ),
        (
            "image: ami-1\n",
            {"describe_images": {"Images": [{"ImageId": "ami-1", "Architecture": "x86_64", "State": "pending"}]}},
            "error",
            "ami-1 is pending, not available",
        ),
        (
            "image: ami-1\n",
            {"describe_images": {"Images": [{"ImageId": "ami-1", "Architecture": "x86_64", "RootDeviceType": "instance-store"}]}},
            "error",
            "root disk is instance-store",
        ),
        (
            "network: {access: tunnel}\n",
            {},
            "info",
            "the NAT gateway's public address stays after an expiry, billed 0.005 USD an hour",
        ),
        (THEIRS, {}, "info", "the head's public address stays after an expiry"),
        (THEIRS, {"describe_subnets": subnet(VpcId="vpc-2")}, "error", "subnet-1 is not a subnet of vpc-1"),
        (
            THEIRS,
            {"describe_subnets": subnet(AvailableIpAddressCount=1)},
            "error",
            "1 free addresses, the design's fixed machines need 2",
        ),
        (THEIRS, {"describe_subnets": subnet(AvailableIpAddressCount=3)}, "warning", "the design needs 4 with all elastic nodes"),
        (THEIRS, {"describe_route_tables": {"RouteTables": []}}, "error", "no route to an internet"),
        (
            "network: {id: vpc-1, subnet: subnet-1, access: tunnel}\n",
            {
                "describe_route_tables": {
                    "RouteTables": [{"Routes": [{"GatewayId": "local", "DestinationCidrBlock": "10.0.0.0/16"}]}]
                }
            },
            "warning",
            "no way out: Session Manager",
        ),
        (
            THEIRS + "filesystems: {/m: {type: managed-nfs}}\n",
            {"describe_vpc_attribute": {"EnableDnsSupport": {"Value": True}, "EnableDnsHostnames": {"Value": False}}},
            "error",
            "vpc-1 has enableDnsHostnames off",
        ),
        ("identity: theirs\n", {"get_instance_profile": denied("NoSuchEntity")}, "error", "no instance profile theirs"),
        ("identity: theirs\n", {"get_instance_profile": {"InstanceProfile": {"Roles": []}}}, "error", "theirs has no role"),
        (
            "",
            {"describe_instance_types": described(c7i_48xlarge={"ProcessorInfo": {"SupportedArchitectures": ["arm64"]}})},
            "error",
            "c7i.48xlarge is arm64",
        ),
    ],
)
def test_what_is_wrong_is_found(more: str, instead: dict[str, Any], level: str, said: str) -> None:
    hits = [each for each in found(PLAIN + more, **instead) if said in each.message]
    assert [each.level.value for each in hits] in ([level], [level] * 2)
    assert all(each.fix for each in hits if each.level.value != "info")


def test_a_subnet_of_another_zone_than_the_designs_is_found() -> None:
    about = design(PLAIN + THEIRS, "aws").model_copy(update={"zone": "us-east-2a"})
    (one,) = [each for each in checks.preflight(Account(), about) if each.level.value == "error"]
    assert (one.check, one.message) == ("network", "subnet-1 is in us-east-2b, the design in us-east-2a")


@pytest.mark.parametrize(
    ("more", "needed"),
    [
        ("", 0),
        ("network: {egress: gateway}\n", 1),
        ("network: {access: tunnel}\n", 1),
        (THEIRS, 1),
        ("network: {id: vpc-1, subnet: subnet-1, access: tunnel}\n", 0),
    ],
)
def test_only_elastic_ips_count(more: str, needed: int) -> None:
    said = [each.message for each in found(PLAIN + more, get_service_quota=limits(others=0)) if ADDRESSES in each.message]
    assert len(said) == needed
    assert all("and 1 more is needed" in each for each in said)


TWO = "version: 1\nname: two\ngroups: {{a: {{instance: {}, nodes: 1}}, b: {{instance: p5.48xlarge, nodes: 1}}}}\n"


def test_no_zone_has_a_type_for_each_group() -> None:
    kinds = [f"{kind}@us-east-2{zone}" for kind, zone in (("c7i.48xlarge", "a"), ("p5.48xlarge", "b"), ("p5.48xlarge", "c"))]
    (one,) = found(TWO.format("c7i.48xlarge"), describe_instance_type_offerings=offering(*kinds))
    assert "no zone of us-east-2 has a type for the head and for each group: us-east-2a lacks a (c7i.48xlarge)" in one.message
    assert found(TWO.format("[c7i.48xlarge, c7a.48xlarge]"), describe_instance_type_offerings=offering(*kinds)) == []


def test_one_of_a_groups_types_is_enough() -> None:
    (one,) = found(TWO.format("[hpc7a.96xlarge, c7a.48xlarge]"), describe_instance_type_offerings=nowhere("hpc7a.96xlarge"))
    assert (one.level.value, one.check) == ("info", "types")
    assert "hpc7a.96xlarge is not offered in us-east-2" in one.message


def test_a_zone_that_is_down_or_that_the_design_does_not_mean_does_not_count() -> None:
    lacking = offering("p5.48xlarge@us-east-2a")
    assert found(TWO.format("c7i.48xlarge"), describe_instance_type_offerings=lacking) == []
    (one,) = found(
        TWO.format("c7i.48xlarge"),
        describe_instance_type_offerings=lacking,
        describe_availability_zones=zones(b="impaired", c="impaired"),
    )
    assert "p5.48xlarge is not offered in us-east-2a" in one.message
    there = design(TWO.format("c7i.48xlarge"), "aws").model_copy(update={"zone": "us-east-2a"})
    (one,) = checks.preflight(Account(describe_instance_type_offerings=lacking), there)
    assert "p5.48xlarge is not offered in us-east-2a" in one.message
    there = there.model_copy(update={"zone": "us-east-2x"})
    assert "us-east-2x is in no zone" in checks.preflight(Account(), there)[0].message


def test_a_type_that_is_no_spot_machine_is_not_asked_for_as_one() -> None:
    never = described(c7i_48xlarge={"SupportedUsageClasses": ["on-demand"]})
    (one,) = found(PLAIN.replace("max: 3}", "max: 3}, spot: prefer"), describe_instance_types=never)
    assert (one.level.value, one.message) == ("error", "cpu: c7i.48xlarge is not sold as a spot machine")
    assert found(describe_instance_types=never) == []


def test_spot_needs_a_role_of_ec2s_own() -> None:
    def role(RoleName: str) -> Any:  # noqa: N803 - the API's names
        if RoleName == "AWSServiceRoleForEC2Spot":
            raise denied("NoSuchEntity")
        return {"Role": {"Arn": ROLE}}

    (one,) = found(PLAIN.replace("max: 3}", "max: 3}, spot: prefer"), get_role=role)
    assert one.fix.startswith("aws iam create-service-linked-role")
    assert found(get_role=role) == []


def counted(skip: set[str]) -> Counter[str]:
    account = Account()
    checks.preflight(account, design(RICH, "aws").model_copy(update={"results": "s3://theirs/of/ada"}), skip)
    return account.service.counted


def test_what_is_skipped_asks_nothing() -> None:
    names = {name for name, _ in checks.CHECKS}
    assert names <= NAMES.keys()
    alone = {name: counted(names - {name}) for name in names}
    assert all(alone.values())
    everything = counted(set())
    assert sum(alone.values(), Counter[str]()) == everything
    for name in names:
        assert counted({name}) == everything - alone[name]
    assert counted(names) == Counter()


def test_every_check_has_begun_before_any_has_its_first_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """No clock: a call is answered when all checks are under way, and a check that waits for another never is."""
    begun, under_way, late = set[int](), threading.Event(), list[str]()

    def watched(number: int, check: Any) -> Any:
        def ask(asked: Any, about: Any) -> Any:
            begun.add(number)
            if len(begun) == len(checks.CHECKS):
                under_way.set()
            yield from check(asked, about)

        return ask

    def hold(call: str) -> None:
        if not under_way.wait(60):
            late.append(call)

    monkeypatch.setattr(checks, "CHECKS", tuple((name, watched(i, check)) for i, (name, check) in enumerate(checks.CHECKS)))
    checks.preflight(Account(hold), design(RICH, "aws"))
    assert late == []


def test_what_may_not_be_asked_is_a_warning_with_awss_words() -> None:
    told = found(describe_instances=denied("UnauthorizedOperation", "not yours", "DescribeInstances"))
    (one,) = [each for each in told if each.code == "unchecked"]
    assert (one.level.value, one.check) == ("warning", "quota")
    assert "quota could not be checked: An error occurred (UnauthorizedOperation)" in one.message
    assert one.fix == "allow the call, or leave it out: --skip quota"
    with pytest.raises(ZeroDivisionError):
        found(describe_instances=ZeroDivisionError("our own mistake"))


@pytest.mark.parametrize("code", ["ExpiredToken", "AuthFailure", "RequestExpired"])
def test_somebody_who_is_logged_in_no_more(code: str) -> None:
    told = found(describe_instances=denied(code, "too late", "DescribeInstances"))
    (one,) = [each for each in told if each.code == "unchecked"]
    assert (one.level.value, one.check) == ("error", "quota")
    assert one.fix.startswith("aws configure, or aws sso login")


def test_credentials_that_are_gone_are_somebody_logged_out_and_no_answer_is_not() -> None:
    assert logged_out(NoCredentialsError())
    assert not logged_out(EndpointConnectionError(endpoint_url="https://ec2"))
