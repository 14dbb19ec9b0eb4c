"""docs/clouds/aws.md and its two policies say what the program, the launcher and the place really make and call.

Each check is a function from what is written to complaints, and is shown to complain of something wrong.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from aws_world import made, pretended
from botocore import xform_name
from making import Still, design

import provisioner
from provisioner import clock
from provisioner.launch import aws as launcher
from provisioner.targets.aws.needs import LAUNCH, NEEDS, READS
from provisioner.targets.aws.needs import made as foretold
from provisioner.targets.aws.place import AwsPlace
from tests.stacks import aws
from tests.stacks.aws_needs import PREFIXES, actions
from tests.stacks.aws_rules import made as really_made
from tests.stacks.aws_rules import statements
from tests.stacks.programs import Stack

ROOT = Path(provisioner.__path__[0]).parent
PAGE = ROOT / "docs/clouds/aws.md"
POLICIES = ("aws-policy.json", "aws-policy-options.json")
GATEWAY = """
version: 1
name: gateway
target: aws/us-east-2
groups: {cpu: {instance: c7i.large, nodes: 1}}
network: {egress: gateway}
"""
STORING = GATEWAY.replace("target: aws/us-east-2\n", "") + (
    "filesystems: {/managed: {type: managed-nfs}, /scratch: {type: lustre, size: 1200GiB}, /data: {type: bucket}}\n"
)
SERVICES = ("ec2", "efs", "fsx", "iam", "s3", "sts", "service-quotas", "resourcegroupstaggingapi")
# IAM User Guide, "IAM and AWS STS quotas": a managed policy's characters, white space not counted.
LONGEST = 6144
Policy = list[dict[str, Any]]


def policy(*names: str) -> Policy:
    return [told for name in names or POLICIES for told in json.loads((PAGE.parent / name).read_text())["Statement"]]


def allowed(statements: Policy) -> set[str]:
    return {action for told in statements for action in told["Action"]}


def without(action: str) -> Policy:
    """Both policies with one action taken away."""
    return [{**told, "Action": [each for each in told["Action"] if each != action]} for told in policy()]


@cache
def stacks() -> tuple[Stack, ...]:
    return tuple(aws.CLOUD.run(design(text, "aws")) for text in (aws.TEXT, aws.EXISTING, GATEWAY))


def types() -> set[str]:
    return {each.type for stack in stacks() for each in really_made(stack)}


def untold(page: str) -> list[str]:
    """The table has every type that is made, and no other; its rows have a purpose, a bill and a time."""
    rows = re.findall(r"^\| `(aws:[\w/]+:\w+)` \|(.*)\|$", page, re.MULTILINE)
    told = [kind for kind, _ in rows]
    wrong = [f"{kind} is not in the table" for kind in sorted(types() - set(told))]
    wrong += [f"{kind} is not made" for kind in sorted(set(told) - types())]
    wrong += [f"{kind} is told twice" for kind in sorted({kind for kind in told if told.count(kind) > 1})]
    return wrong + [f"{kind} has not all columns" for kind, rest in rows if not all(cell.strip() for cell in rest.split("|")[:3])]


def provider_lacks(statements: Policy, needs: Mapping[str, tuple[str, tuple[str, ...]]] = NEEDS) -> list[str]:
    """What Pulumi's provider calls for each type, and what the program reads."""
    wrong = [f"{kind}: nobody says what it needs" for kind in sorted(types() ^ needs.keys())]
    may = allowed(statements)
    wrong += [f"{kind}: {action}" for kind, (_, some) in needs.items() for action in some if action not in may]
    functions = {name.rpartition(":")[2] for stack in stacks() for name, _ in stack.calls}
    return wrong + [f"{name}: {action}" for name in sorted(functions) for action in READS[name] if action not in may]


@cache
def operations() -> dict[str, tuple[tuple[str, str], ...]]:
    """A client's method → (service, operation) of each service that has it."""
    session = botocore.session.get_session()
    found: dict[str, tuple[tuple[str, str], ...]] = {}
    for service in SERVICES:
        for operation in session.get_service_model(service).operation_names:
            name = xform_name(operation)
            found[name] = (*found.get(name, ()), (service, operation))
    return found


def words() -> Iterator[str]:
    """Every name and text in the source of the place, of the launcher, and of what it shares with a head's end."""
    here = (ROOT / "provisioner/launch/aws.py", ROOT / "provisioner/alone/end_aws.py")
    for path in (*here, *sorted((ROOT / "provisioner/targets/aws").glob("*.py"))):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute):
                yield node.attr
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value


def written_lacks(statements: Policy) -> list[str]:
    """By the source: of a method that several services have, one must be allowed (the recorded calls say which)."""
    may = allowed(statements)
    return [
        word
        for word in sorted(set(words()) & operations().keys())
        if not any(set(actions(service, operation)) <= may for service, operation in operations()[word])
    ]


@cache
def called() -> frozenset[tuple[str, str]]:
    """(service, operation) of every call of a run's life: launched, listed, seen, let in, ended and reaped in moto."""
    found: set[tuple[str, str]] = set()

    def record(model: Any, **more: Any) -> None:
        found.add((model.service_model.service_name, model.name))

    with pytest.MonkeyPatch.context() as patch, pretended(patch), clock.use(Still()):
        world, place = made(STORING), AwsPlace()
        # The program's own calls are made by then.
        world.session.events.register("before-call", record)
        try:
            launcher.launch(["cpu-1"], world.template("cpu"), "on-demand", world.session)
            place.runs(world.session)
            world.session.client("s3").put_object(Bucket="test-abc234-bucket-0", Key="a", Body=b"x")
            found.discard(("s3", "PutObject"))
            remains = place.remains(world.session, "test-abc234")
            place.end_machines(world.session, "test-abc234")
            assert place.reap(world.session, remains) == ()
        finally:
            world.session.events.unregister("before-call", record)
    return frozenset(found)


def recorded_lacks(statements: Policy) -> list[str]:
    may = allowed(statements)
    return sorted(f"{s}:{o}: {action}" for s, o in called() for action in actions(s, o) if action not in may)


# Statements of both policies that hold for everybody's: they only look, or what AWS has no condition for.
FREE = {
    *("See", "SeeImages", "SeeRoles", "SeePrices"),  # changes nothing
    *("MakeMachines", "UseNetwork"),  # useless without Make, which asks for the tag
    *("TunnelBySsh", "FsxNetwork"),  # a public document; a listing
}


def too_wide(statements: Policy) -> list[str]:
    """Exact actions; what changes anything is bound to the tag, to a path or name of ours, or to whom it is for."""
    wrong = [f"{told['Sid']}: {action}" for told in statements for action in told["Action"] if re.search(r"[*?]", action)]
    for told in statements:
        places = told["Resource"] if isinstance(told["Resource"], list) else [told["Resource"]]
        ours = all(re.search(r"/burst/|-bucket-|\$\{aws:userid\}", place) for place in places)
        if told["Sid"] not in FREE and "Condition" not in told and not ours:
            wrong.append(f"{told['Sid']} is bound to nothing")
        if told["Sid"].startswith("See") and any(re.search(r":(Create|Put|Delete|Run|Modify|Tag)", a) for a in told["Action"]):
            wrong.append(f"{told['Sid']} changes something")
    return wrong


# S3's actions that are no calls of its (or not under that name): Service Authorization Reference, Amazon S3.
S3_ALONE = {
    *("s3:ListAllMyBuckets", "s3:ListBucket", "s3:ListBucketVersions", "s3:ListBucketMultipartUploads"),
    *("s3:DeleteObjectVersion", "s3:GetBucketCORS", "s3:GetBucketObjectLockConfiguration", "s3:GetAccelerateConfiguration"),
    *("s3:GetBucketPublicAccessBlock", "s3:PutBucketPublicAccessBlock", "s3:GetEncryptionConfiguration"),
    *("s3:PutEncryptionConfiguration", "s3:GetLifecycleConfiguration", "s3:GetReplicationConfiguration"),
    *("s3:TagResource", "s3:ListTagsForResource"),  # of S3 Control
}
# Of no service's API: IAM User Guide, "Grant a user permissions to pass a role"; Session Manager, "Sample IAM policies".
NO_CALLS = {"iam:PassRole", "ssmmessages:OpenDataChannel"}


def unknown(statements: Policy) -> list[str]:
    """Every action is a call of its service's, or one of the few that are not."""
    services = {prefix: service for service, prefix in PREFIXES.items()}
    session, wrong = botocore.session.get_session(), []
    for action in sorted(allowed(statements) - S3_ALONE - NO_CALLS):
        prefix, name = action.split(":")
        if name not in session.get_service_model(services.get(prefix, prefix)).operation_names:
            wrong.append(action)
    return wrong


def test_every_type_that_is_made_is_in_the_table() -> None:
    page = PAGE.read_text()
    assert untold(page) == []
    assert untold(page.replace("`aws:ec2/vpc:Vpc`", "`aws:ec2/vpn:Vpn`")) == [
        "aws:ec2/vpc:Vpc is not in the table",
        "aws:ec2/vpn:Vpn is not made",
    ]


@pytest.mark.parametrize(
    "more",
    [
        "",
        "network: {egress: gateway}\n",
        "network: {access: tunnel}\n",
        "network: {id: vpc-0a, subnet: subnet-0a}\n",
        "network: {id: vpc-0a, subnet: subnet-0a, access: tunnel}\n",
        "identity: theirs\nfilesystems: {/data: {type: bucket, id: theirs}, /m: {type: managed-nfs, id: fs-1}}\n",
        "filesystems: {/m: {type: managed-nfs}, /scratch: {type: lustre, size: 1200GiB}, /data: {type: bucket}}\n",
    ],
)
def test_preflight_knows_what_the_program_makes(more: str) -> None:
    for kinds in ("c7i.large", "[hpc7a.96xlarge, c7i.large]"):
        about = design(f"version: 1\nname: a\ngroups: {{cpu: {{instance: {kinds}, nodes: {{min: 1, max: 2}}}}}}\n{more}", "aws")
        assert foretold(about) == {each.type for each in really_made(aws.CLOUD.run(about))}


def test_preflight_asks_for_all_that_launching_calls() -> None:
    with pytest.MonkeyPatch.context() as patch, pretended(patch), clock.use(Still()):
        world, found = made(GATEWAY), set[tuple[str, str]]()

        def record(model: Any, **more: Any) -> None:
            found.add((model.service_model.service_name, model.name))

        world.session.events.register("before-call", record)
        try:
            launcher.launch(["cpu-1"], world.template("cpu"), "on-demand", world.session)
            launcher.end(["cpu-1"], world.template("cpu"), world.session)
        finally:
            world.session.events.unregister("before-call", record)
    assert {action for service, operation in found for action in actions(service, operation)} == set(LAUNCH)


def test_the_policies_allow_what_pulumis_provider_does() -> None:
    assert provider_lacks(policy()) == []
    assert "aws:ec2/vpc:Vpc: ec2:ModifyVpcAttribute" in provider_lacks(without("ec2:ModifyVpcAttribute"))
    assert "getParameter: ssm:GetParameter" in provider_lacks(without("ssm:GetParameter"))
    fewer = {kind: told for kind, told in NEEDS.items() if kind != "aws:ec2/eip:Eip"}
    assert provider_lacks(policy(), fewer) == ["aws:ec2/eip:Eip: nobody says what it needs"]


def test_the_policies_allow_what_our_own_source_calls() -> None:
    assert written_lacks(policy()) == []
    assert written_lacks(without("iam:SimulatePrincipalPolicy")) == ["simulate_principal_policy"]
    assert written_lacks(without("elasticfilesystem:DeleteMountTarget")) == ["delete_mount_target"]


@pytest.mark.timeout(200)
def test_the_policies_allow_every_call_of_a_runs_life() -> None:
    assert {"ec2", "efs", "fsx", "iam", "s3", "resourcegroupstaggingapi"} <= {service for service, _ in called()}
    assert recorded_lacks(policy()) == []
    assert "efs:DeleteMountTarget: elasticfilesystem:DeleteMountTarget" in recorded_lacks(
        without("elasticfilesystem:DeleteMountTarget")
    )


def test_without_the_options_only_what_is_optional_is_lacking() -> None:
    """Who uses no EFS, FSx, bucket, tunnel needs the first policy alone."""
    lacking = provider_lacks(policy(POLICIES[0]))
    assert lacking
    assert all(each.startswith(("aws:efs/", "aws:fsx/", "aws:s3/")) for each in lacking)


def test_the_policies_are_exact() -> None:
    assert too_wide(policy()) == []
    for action in ("*", "ec2:*", "ec2:Describe*"):
        assert too_wide([{**policy()[0], "Action": [action]}]) == [f"See: {action}"]
    for sid in {told["Sid"] for told in policy()} - FREE:
        loose = [
            {key: value for key, value in told.items() if key != "Condition"} | {"Resource": "*"}
            for told in policy()
            if told["Sid"] == sid
        ]
        assert too_wide(loose) == [f"{sid} is bound to nothing"]


def test_the_actions_exist() -> None:
    assert unknown(policy()) == []
    assert unknown([{"Action": ["ec2:MakeVpc", "s3:HeadBucket2"]}]) == ["ec2:MakeVpc", "s3:HeadBucket2"]


@pytest.mark.parametrize("name", POLICIES)
def test_iam_takes_a_policy_of_that_length(name: str) -> None:
    text = re.sub(r"\s", "", (PAGE.parent / name).read_text())
    assert len(text) <= LONGEST
    sids = [told["Sid"] for told in policy(name)]
    assert len(sids) == len(set(sids))
    assert all(re.fullmatch(r"[A-Za-z0-9]+", sid) for sid in sids)


def misses_of_the_role(page: str) -> set[str]:
    """Actions that the page says of the head's role, or the role has, and not both."""
    part = page.partition("## What the head's role may do")[2].partition("\n## ")[0]
    tunnel = aws.CLOUD.run(design(GATEWAY.replace("egress: gateway", "access: tunnel"), "aws"))
    has = {action for stack in (*stacks(), tunnel) for told in statements(stack) for action in told["Action"]}
    return has ^ set(re.findall(r"`(\w+:[A-Z]\w+)`", part))


def test_the_page_says_what_the_heads_role_may() -> None:
    page = PAGE.read_text()
    assert misses_of_the_role(page) == set()
    assert misses_of_the_role(page.replace("`ec2:TerminateInstances`", "`ec2:StopInstances`")) == {
        "ec2:TerminateInstances",
        "ec2:StopInstances",
    }


def test_the_page_tells_of_every_statement_and_of_nothing_else() -> None:
    page = PAGE.read_text()
    told = {
        sid for row in re.findall(r"^\| ((?:`[A-Z]\w+`(?:, )?)+) \|", page, re.MULTILINE) for sid in re.findall(r"`(\w+)`", row)
    }
    assert told == {each["Sid"] for each in policy()}


def test_the_pages_links_lead_somewhere() -> None:
    for link in re.findall(r"\]\(((?!https?:)[^)#]+)", PAGE.read_text()):
        assert (PAGE.parent / link).exists(), link
    assert "](clouds/aws.md)" in (ROOT / "docs/clouds.md").read_text()
