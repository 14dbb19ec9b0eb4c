"""Whether the caller may: simulated against policies, and by dry runs where nobody simulates."""

from __future__ import annotations

import shlex
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aws_account import ARN, PLAIN, ROLE, Account, Policies, documented
from aws_world import denied
from making import design

import provisioner
from provisioner.findings import Finding
from provisioner.targets.aws import checks, dry_run, needs
from provisioner.targets.aws.permissions import questions
from provisioner.targets.aws.simulation import Caller

ALL = PLAIN + "filesystems: {/m: {type: managed-nfs}, /s: {type: lustre, size: 1200GiB}, /b: {type: bucket}}\n"
FABRIC = "version: 1\nname: hpc\ngroups: {cpu: {instance: hpc7a.96xlarge, nodes: {min: 1, max: 3}}}\n"
VARIANTS = (
    PLAIN,
    ALL,
    FABRIC,
    PLAIN + "network: {access: tunnel}\n",
    PLAIN + "network: {egress: gateway}\n",
    PLAIN + "network: {id: vpc-1, subnet: subnet-1}\n",
)
USER = "arn:aws:iam::123456789012:user/team/ada"


def found(text: str = PLAIN, **instead: Any) -> list[Finding]:
    names = {name for name, _ in checks.CHECKS} - {"permissions", "identity"}
    return list(checks.preflight(Account(**instead), design(text, "aws"), names))


def without(*actions: str) -> Policies:
    told = [{**each, "Action": [a for a in each["Action"] if a not in actions]} for each in documented()]
    return Policies(told)


@pytest.mark.parametrize("text", VARIANTS)
def test_the_documented_policies_allow_all_that_is_asked(text: str) -> None:
    assert found(text, simulate_principal_policy=Policies(documented())) == []


@pytest.mark.parametrize("text", VARIANTS)
def test_each_action_is_missed(text: str) -> None:
    """Of everything that is asked: taken out of the documented policies, it is named."""
    about = design(text, "aws")
    actions = {action for each in questions(about, Caller(ARN, ROLE)) for action in each.actions}
    assert {action for kind in needs.made(about) for action in needs.NEEDS[kind][1]} | set(needs.LAUNCH) <= actions
    for action in sorted(actions):
        (one,) = found(text, simulate_principal_policy=without(action))
        assert (one.level.value, one.check) == ("error", "identity" if action.startswith("iam:") else "permissions")
        assert f"may not {action}: no policy of yours allows it" in one.message
        assert action in one.fix


def test_without_the_options_only_what_needs_them_is_refused() -> None:
    basic = Policies(documented("aws-policy.json"))
    assert found(FABRIC, simulate_principal_policy=basic) == []
    (one,) = found(ALL, simulate_principal_policy=basic)
    assert "elasticfilesystem:CreateFileSystem" in one.message
    assert "fsx:CreateFileSystem" in one.message
    assert "s3:CreateBucket" in one.message


def test_the_fix_is_a_command() -> None:
    (one,) = found(simulate_principal_policy=without("ec2:CreateVpc", "ec2:CreateFleet"))
    command = shlex.split(one.fix)
    assert command[:8] == ["aws", "iam", "put-role-policy", "--role-name", "dev", "--policy-name", "burst", "--policy-document"]
    assert '"Action":["ec2:CreateFleet","ec2:CreateVpc"]' in command[8]
    (one,) = found(simulate_principal_policy=without("ec2:CreateVpc"), get_caller_identity={"Arn": USER})
    assert shlex.split(one.fix)[:5] == ["aws", "iam", "put-user-policy", "--user-name", "ada"]
    told = found(simulate_principal_policy=Policies([]))
    assert {each.check for each in told} == {"permissions", "identity"}
    command = shlex.split(told[0].fix)
    assert command[-3:-1] == ["--policy-arn", "arn:aws:iam::123456789012:policy/burst"]
    file = command[command.index("--policy-document") + 1].removeprefix("file://")
    assert (Path(provisioner.__path__[0]).parent / file).is_file()


def test_an_identity_centers_role_is_mended_there() -> None:
    role = "arn:aws:iam::123456789012:role/aws-reserved/sso.amazonaws.com/AWSReservedSSO_Hpc_0123456789abcdef"
    (one,) = found(simulate_principal_policy=without("ec2:CreateVpc"), get_role={"Role": {"Arn": role}})
    assert one.fix.startswith("IAM Identity Center, the permission set of AWSReservedSSO_Hpc")


def test_without_the_right_to_make_a_role_there_are_other_ways() -> None:
    (one,) = found(simulate_principal_policy=without("iam:CreateRole"))
    assert one.check == "identity"
    assert "identity: none with fixed nodes only" in one.fix
    assert (
        found(PLAIN.replace("{min: 1, max: 3}", "1") + "identity: none\n", simulate_principal_policy=without("iam:CreateRole"))
        == []
    )


def test_an_existing_role_must_be_given_to_machines() -> None:
    theirs = "arn:aws:iam::1:role/theirs"
    passing = {"Effect": "Allow", "Action": ["iam:PassRole"], "Resource": theirs}
    policies = [*without("iam:PassRole").statements, passing]
    assert found(PLAIN + "identity: theirs\n", simulate_principal_policy=Policies(policies)) == []
    (one,) = found(PLAIN + "identity: theirs\n", simulate_principal_policy=without("iam:PassRole"))
    assert "may not iam:PassRole" in one.message


def test_a_role_with_a_boundary_is_asked_for_with_it() -> None:
    boundary = "arn:aws:iam::123456789012:policy/limit"
    told = [each for each in documented() if each["Sid"] != "Roles"]
    (roles,) = [each for each in documented() if each["Sid"] == "Roles"]
    only_with = {**roles, "Condition": {"StringEquals": {"iam:PermissionsBoundary": boundary}}}
    policies = Policies([*told, only_with])
    assert found(PLAIN + f"identity: {{boundary: '{boundary}'}}\n", simulate_principal_policy=policies) == []
    assert [each.check for each in found(simulate_principal_policy=policies)] == ["identity"]


def result(decision: str = "implicitDeny", **more: Any) -> Callable[..., dict[str, Any]]:
    """ec2:CreateVpc is denied, as IAM's answer says more of it."""

    def simulate(ActionNames: list[str], **told: Any) -> dict[str, Any]:  # noqa: N803
        return {
            "EvaluationResults": [
                {"EvalActionName": name, "EvalDecision": decision if name == "ec2:CreateVpc" else "allowed"}
                | (more if name == "ec2:CreateVpc" else {})
                for name in ActionNames
            ]
        }

    return simulate


@pytest.mark.parametrize(
    ("answer", "level", "said", "fix"),
    [
        (
            result(OrganizationsDecisionDetail={"AllowedByOrganizations": False}),
            "error",
            "your organization's policies (SCP) do not let anybody",
            "aws organizations list-policies-for-target --target-id 123456789012",
        ),
        (
            result(ResourceSpecificResults=[{"PermissionsBoundaryDecisionDetail": {"AllowedByPermissionsBoundary": False}}]),
            "error",
            "your permissions boundary does not reach so far",
            "aws iam get-role --role-name dev",
        ),
        (
            result("explicitDeny", MatchedStatements=[{"SourcePolicyId": "no-networks"}]),
            "error",
            "a policy denies it: no-networks",
            "aws iam list-attached-role-policies --role-name dev",
        ),
        (
            result("explicitDeny", ResourceSpecificResults=[{"MissingContextValues": ["aws:SourceIp"]}]),
            "warning",
            "unless aws:SourceIp of a real request says otherwise",
            "aws iam list-attached-role-policies",
        ),
    ],
)
def test_who_denies_it_is_told(answer: Any, level: str, said: str, fix: str) -> None:
    (one,) = found(simulate_principal_policy=answer)
    assert one.level.value == level
    assert one.message.startswith("assumed-role/dev/ada may not ec2:CreateVpc: ")
    assert said in one.message
    assert fix in one.fix


def test_the_roles_own_arn_is_asked_of() -> None:
    account = Account()
    checks.preflight(account, design(PLAIN, "aws"))
    assert {each["PolicySourceArn"] for each in account.service.asked["simulate_principal_policy"]} == {ROLE}
    blind = Account(get_role=denied("AccessDenied"))
    checks.preflight(blind, design(PLAIN, "aws"))
    asked = {each["PolicySourceArn"] for each in blind.service.asked["simulate_principal_policy"]}
    assert asked == {"arn:aws:iam::123456789012:role/dev"}


@pytest.mark.parametrize("code", ["AccessDenied", "NoSuchEntity"])
def test_who_may_not_simulate_tries_dry_runs(code: str) -> None:
    blind = {"simulate_principal_policy": denied(code, "not yours")}
    said = {each.check: each for each in found(**blind)}
    assert said["identity"].message.startswith("identity could not be checked")
    assert (said["permissions"].level.value, said["permissions"].code) == ("warning", "unchecked")
    assert "permissions other than EC2's could not be asked" in said["permissions"].message
    refused = denied("UnauthorizedOperation", "no", "CreateVpc")
    told = [each for each in found(create_vpc=refused, run_instances=refused, **blind) if each.level.value == "error"]
    assert [each.message for each in told] == [
        "assumed-role/dev/ada may not ec2:CreateVpc, ec2:RunInstances: a dry run was refused"
    ]


def test_the_root_and_a_federated_user_are_not_simulated() -> None:
    never = {"simulate_principal_policy": ZeroDivisionError("nobody simulates these")}
    assert found(get_caller_identity={"Arn": "arn:aws:iam::123456789012:root"}, **never) == []
    (one,) = found(get_caller_identity={"Arn": "arn:aws:sts::123456789012:federated-user/ada"}, **never)
    assert "IAM simulates no federated user" in one.message
    refused = denied("UnauthorizedOperation", "an SCP", "CreateVpc")
    (one,) = found(get_caller_identity={"Arn": "arn:aws:iam::123456789012:root"}, create_vpc=refused, **never)
    assert "root may not ec2:CreateVpc" in one.message


def test_a_dry_run_that_says_something_else_is_told_as_it_is() -> None:
    odd = denied("VPCIdNotSpecified", "No default VPC for this user", "RunInstances")
    (one,) = found(get_caller_identity={"Arn": "arn:aws:iam::123456789012:root"}, run_instances=odd)
    assert (one.level.value, "No default VPC" in one.message) == ("info", True)


def test_dry_runs_are_dry_and_carry_the_runs_tags() -> None:
    account = Account(get_caller_identity={"Arn": "arn:aws:iam::123456789012:root"})
    about = design(FABRIC + "network: {egress: gateway}\n", "aws")
    checks.preflight(account, about)
    calls = {call for call, _, _ in dry_run.calls(about).values()}
    assert len(calls) == 7
    for call in calls:
        (told,) = account.service.asked[call]
        assert told["DryRun"] is True
        assert {"Key": "burst-run", "Value": "test-abc234"} in told["TagSpecifications"][0]["Tags"]


def test_dry_runs_are_calls_that_ec2_has() -> None:
    """Their parameters as botocore knows them: a call that is not understood would say nothing of a permission."""
    import botocore.session
    from botocore import xform_name
    from botocore.validate import ParamValidator

    model = botocore.session.get_session().get_service_model("ec2")
    operations = {xform_name(name): model.operation_model(name) for name in model.operation_names}
    for call, kind, told in dry_run.calls(design(FABRIC + "network: {egress: gateway}\n", "aws")).values():
        whole = {**told, "DryRun": True, "TagSpecifications": [{"ResourceType": kind, "Tags": [{"Key": "a", "Value": "b"}]}]}
        report = ParamValidator().validate(whole, operations[call].input_shape)
        assert not report.has_errors(), report.generate_report()


def test_the_dry_runs_image_is_the_programs() -> None:
    program = (Path(provisioner.__path__[0]).parent / "stacks/aws/images.py").read_text()
    assert dry_run.UBUNTU.removeprefix("resolve:ssm:") in program


def test_questions_are_asked_side_by_side() -> None:
    """Two at least are under way before one is answered."""
    two = threading.Barrier(2, timeout=60)
    first = iter(range(2))
    lock = threading.Lock()

    def hold(call: str) -> None:
        with lock:
            early = call == "simulate_principal_policy" and next(first, None) is not None
        if early:
            two.wait()

    names = {name for name, _ in checks.CHECKS} - {"permissions"}
    assert checks.preflight(Account(hold), design(PLAIN, "aws"), names) == ()
    assert not two.broken
