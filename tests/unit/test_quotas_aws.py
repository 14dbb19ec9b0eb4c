"""AWS's quotas: what a type counts for, what is in use, and which of a group's choices has room."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from aws_account import PLAIN, SIZES, Account, described, limits, running
from aws_world import denied
from hypothesis import given
from hypothesis import strategies as st
from making import design

from provisioner.findings import Finding
from provisioner.targets.aws import checks, quotas

STANDARD, SPOT, HPC = "L_1216C47A", "L_34B43A08", "L_F7808C92"
GROUPS = "version: 1\nname: q\ngroups: {{cpu: {{instance: {}, nodes: {}, spot: {}}}}}\n"


def found(text: str = PLAIN, **instead: Any) -> list[Finding]:
    names = {name for name, _ in checks.CHECKS} - {"quota"}
    return list(checks.preflight(Account(**instead), design(text, "aws"), names))


def head_vcpus() -> int:
    return SIZES.get(design(PLAIN, "aws").head.instance, 4)


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


def test_what_is_always_there_must_fit_and_what_is_elastic_should() -> None:
    always = 192 + head_vcpus()
    assert found(get_service_quota=limits(**{STANDARD: always + 384})) == []
    (one,) = found(get_service_quota=limits(**{STANDARD: always}))
    assert (one.level.value, f"the design needs {always + 384} with all elastic nodes" in one.message) == ("warning", True)
    (one,) = found(get_service_quota=limits(**{STANDARD: always - 1}))
    assert one.level.value == "error"
    said = f"the quota ec2 L-1216C47A is {always - 1} vCPUs in us-east-2, 0 in use, the design's fixed machines need {always}"
    assert one.message == said
    ask = "aws service-quotas request-service-quota-increase --region us-east-2 --service-code ec2"
    assert one.fix == f"{ask} --quota-code L-1216C47A --desired-value {always}"


def test_what_is_in_use_counts_by_family_and_market() -> None:
    always = 192 + head_vcpus()
    text = GROUPS.format("c7i.48xlarge", 1, "never")
    enough = limits(**{STANDARD: always + 4})
    busy = running(("c7i.large", ""), ("c7i.large", ""), ("c7i.48xlarge", "spot"), ("hpc7a.96xlarge", ""), ("p5.48xlarge", ""))
    assert found(text, get_service_quota=enough, describe_instances=busy) == []
    busy = running(("c7i.large", ""), ("c7i.large", ""), ("c7i.large", ""))
    (one,) = found(text, get_service_quota=enough, describe_instances=busy)
    assert f"is {always + 4} vCPUs in us-east-2, 6 in use, the design's fixed machines need {always}" in one.message
    assert one.fix.endswith(f"--desired-value {always + 6}"), "what is in use, and what is needed"


def test_capacity_blocks_and_dedicated_hosts_have_quotas_of_their_own() -> None:
    busy = running(("c7i.48xlarge", "capacity-block"))
    busy["Reservations"][0]["Instances"].append({"InstanceType": "c7i.48xlarge", "Placement": {"Tenancy": "host"}})
    text = GROUPS.format("c7i.48xlarge", 1, "never")
    assert found(text, get_service_quota=limits(**{STANDARD: 192 + head_vcpus()}), describe_instances=busy) == []


def test_a_group_fits_as_one_of_its_types() -> None:
    text = GROUPS.format("[hpc7a.96xlarge, c7i.48xlarge]", 2, "never")
    assert found(text, get_service_quota=limits(**{STANDARD: head_vcpus(), HPC: 384})) == []
    (one,) = found(text, get_service_quota=limits(**{HPC: 383}))
    assert one.level.value == "warning"
    assert "cpu: its fixed nodes fit as c7i.48xlarge, on-demand (ec2 L-1216C47A), and not as hpc7a.96xlarge" in one.message
    assert one.fix.endswith("--quota-code L-F7808C92 --desired-value 384; or name c7i.48xlarge first")
    said = found(text, get_service_quota=limits(**{HPC: 383, STANDARD: 100}))
    assert [each.level.value for each in said] == ["error", "info"]
    assert "ec2 L-F7808C92 is 383 vCPUs" in said[0].message
    assert f"ec2 L-1216C47A has {100 - head_vcpus()} vCPUs left, 384 are needed (c7i.48xlarge)" in said[1].message


def test_spot_or_on_demand_whichever_has_room() -> None:
    text = GROUPS.format("c7i.48xlarge", 1, "prefer")
    assert found(text, get_service_quota=limits(**{SPOT: 192, STANDARD: head_vcpus()})) == []
    (one,) = found(text, get_service_quota=limits(**{SPOT: 100, STANDARD: 192 + head_vcpus()}))
    assert (one.level.value, "fit as c7i.48xlarge, on-demand" in one.message) == ("warning", True)
    assert one.fix.endswith("--quota-code L-34B43A08 --desired-value 192; or spot: never")
    said = found(text, get_service_quota=limits(**{SPOT: 100, STANDARD: 192}))
    assert said[0].level.value == "error"
    only = GROUPS.format("c7i.48xlarge", 1, "only")
    assert [each.level.value for each in found(only, get_service_quota=limits(**{SPOT: 100}))] == ["error"]


def test_groups_make_room_for_each_other() -> None:
    """a could be either, b only HPC: a gives way."""
    text = (
        "version: 1\nname: q\ngroups:\n  a: {instance: [hpc7a.96xlarge, c7i.48xlarge], nodes: 1}\n"
        "  b: {instance: hpc7a.96xlarge, nodes: 1}\n"
    )
    (one,) = found(text, get_service_quota=limits(**{HPC: 192}))
    assert (one.level.value, one.message.startswith("a: its fixed nodes fit as c7i.48xlarge")) == ("warning", True)


def test_an_elastic_group_is_not_kept_out_by_a_quota_that_is_used_up() -> None:
    """It is warned of: what is tried first is not to be had."""
    text = GROUPS.format("c7i.48xlarge", "{min: 0, max: 1}", "prefer")
    busy = running(("c7i.48xlarge", "spot"))
    (one,) = found(text, get_service_quota=limits(**{SPOT: 100}), describe_instances=busy)
    assert (one.level.value, one.fix.endswith("--quota-code L-34B43A08 --desired-value 384")) == ("warning", True)
    fixed = GROUPS.format("c7i.48xlarge", 1, "never")
    assert found(fixed, get_service_quota=limits(**{SPOT: 100}), describe_instances=busy) == []


def test_a_type_that_the_region_has_not_is_no_way_round_a_quota() -> None:
    def without_hpc(Filters: Any) -> Any:  # noqa: N803 - the API's names
        told = described()(Filters)
        return {"InstanceTypes": [each for each in told["InstanceTypes"] if not each["InstanceType"].startswith("hpc")]}

    text = GROUPS.format("[hpc7a.96xlarge, c7i.48xlarge]", 1, "never")
    (one,) = found(text, get_service_quota=limits(**{STANDARD: 100}), describe_instance_types=without_hpc)
    assert one.level.value == "error"


@given(
    st.lists(
        st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 6)), min_size=1, max_size=3),
        max_size=4,
    ),
    st.fixed_dictionaries({key: st.integers(-2, 12) for key in "abc"}),
)
def test_a_way_is_found_where_there_is_one(groups: list[list[tuple[str, int]]], room: dict[str, int]) -> None:
    def right(numbers: tuple[int, ...]) -> bool:
        taken = [some[i] for some, i in zip(groups, numbers, strict=True)]
        return all(not sum(n for q, n in taken if q == key) or sum(n for q, n in taken if q == key) <= room[key] for key in room)

    ways = [numbers for numbers in itertools.product(*(range(len(some)) for some in groups)) if right(numbers)]
    assert quotas.fit(groups, room) == (ways[0] if ways else None), "the first, in the order of what is preferred"


def test_a_quota_without_a_value_of_the_accounts_is_the_default() -> None:
    none = denied("NoSuchResourceException", "The request failed because the specified quota doesn't exist.")
    default = {"Quota": {"Value": 4, "QuotaName": "the default"}}
    said = found(get_service_quota=none, get_aws_default_service_quota=default)
    assert any("the quota the default is 4 vCPUs" in each.message for each in said)


@pytest.mark.parametrize(
    ("text", "instead", "level", "said"),
    [
        (
            PLAIN,
            {"get_service_quota": limits(L_7A658B76=0.05)},
            "error",
            "the quota ebs L-7A658B76 is 0.05 in us-east-2, 0.0 are in use, the design's fixed machines need 0.1 at least",
        ),
        (
            PLAIN,
            {"get_service_quota": limits(L_7A658B76=1), "describe_volumes": {"Volumes": [{"Size": 940}]}},
            "warning",
            "0.9 are in use, the design needs 0.1 at least with all elastic nodes",
        ),
        (
            PLAIN + "filesystems: {/m: {type: managed-nfs}}\n",
            {"get_service_quota": limits(L_848C634D=0)},
            "error",
            "elasticfilesystem L-848C634D: 0 of 0 are there in us-east-2, and 1 more is needed",
        ),
        (
            PLAIN + "filesystems: {/s: {type: lustre, size: 1200GiB}}\n",
            {
                "get_service_quota": limits(L_AD2FC696=3000),
                "describe_file_systems": {
                    "FileSystems": [
                        {"StorageCapacity": 2400, "LustreConfiguration": {"DeploymentType": "SCRATCH_2"}},
                        {"StorageCapacity": 9600, "LustreConfiguration": {"DeploymentType": "PERSISTENT_2"}},
                        {"StorageCapacity": 32},
                    ]
                },
            },
            "error",
            "fsx L-AD2FC696: 2400 of 3000 are there in us-east-2, and 1200 more are needed",
        ),
    ],
)
def test_what_is_counted_or_weighed(text: str, instead: dict[str, Any], level: str, said: str) -> None:
    (one,) = found(text, **instead)
    assert (one.level.value, one.check) == (level, "quota")
    assert said in one.message
    assert one.fix.startswith("aws service-quotas request-service-quota-increase --region us-east-2 --service-code ")
