"""An AWS account as the checks hear of it: what each call answers, in the shapes of the API References."""

from __future__ import annotations

import fnmatch
import json
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from aws_world import denied

import provisioner
from provisioner.targets.aws.limits import ADDRESSES, VPCS

PLAIN = "version: 1\nname: plain\ngroups: {cpu: {instance: c7i.48xlarge, nodes: {min: 1, max: 3}}}\n"
SIZES = {"c7i.48xlarge": 192, "c7a.48xlarge": 192, "c7i.large": 2, "p5.48xlarge": 192, "hpc7a.96xlarge": 192, "t3.medium": 2}
ARN = "arn:aws:sts::123456789012:assumed-role/dev/ada"
ROLE = "arn:aws:iam::123456789012:role/team/dev"
# "AvailabilityZone": the ids are the same for all, the names are not.
ZONES = {"us-east-2a": "use2-az3", "us-east-2b": "use2-az1", "us-east-2c": "use2-az2"}
# What only counts, and how much of it there may be where a test says nothing.
COUNTED = (VPCS, ADDRESSES)
Answer = Any


class Service:
    """A client that answers what it is told to, or raises it; whatever is asked is kept. `before` is called first."""

    def __init__(self, answers: dict[str, Answer], before: Callable[[str], None] = lambda call: None) -> None:
        self.answers, self.before = answers, before
        self.asked: dict[str, list[dict[str, Any]]] = {}
        self._lock = threading.Lock()

    def can_paginate(self, call: str) -> bool:
        return False

    @property
    def counted(self) -> Counter[str]:
        return Counter({call: len(told) for call, told in self.asked.items()})

    def __getattr__(self, call: str) -> Any:
        def ask(**told: Any) -> Any:
            with self._lock:
                self.asked.setdefault(call, []).append(told)
            self.before(call)
            answer = self.answers[call]
            if isinstance(answer, Exception):
                raise answer
            return answer(**told) if callable(answer) else answer

        return ask


def limits(vcpus: float = 1000, others: float = 5, **by_code: float) -> Any:
    """`by_code` has a quota's code with _ for -."""

    def get(ServiceCode: str, QuotaCode: str) -> Any:  # noqa: N803 - the API's names
        usual = others if QuotaCode in COUNTED else vcpus if ServiceCode == "ec2" else 100_000
        value = by_code.get(QuotaCode.replace("-", "_"), usual)
        return {"Quota": {"Value": value, "QuotaName": f"{ServiceCode} {QuotaCode}"}}

    return get


def offering(*lacking: str, zones: Sequence[str] = tuple(ZONES)) -> Any:
    """Every zone has every type, but TYPE@ZONE."""

    def describe(LocationType: str, Filters: Any) -> Any:  # noqa: N803 - the API's names
        return {
            "InstanceTypeOfferings": [
                {"InstanceType": kind, "Location": zone}
                for zone in zones
                for kind in Filters[0]["Values"]
                if f"{kind}@{zone}" not in lacking
            ]
        }

    return describe


def nowhere(*types: str) -> Any:
    return offering(*(f"{kind}@{zone}" for kind in types for zone in ZONES))


def described(**differing: dict[str, Any]) -> Any:
    """Types of SIZES' vCPUs, x86_64, on both markets; `differing` by a type's name with _ for its dot."""

    def describe(Filters: Any) -> Any:  # noqa: N803
        return {
            "InstanceTypes": [
                {
                    "InstanceType": kind,
                    "VCpuInfo": {"DefaultVCpus": SIZES.get(kind, 4)},
                    "ProcessorInfo": {"SupportedArchitectures": ["x86_64"]},
                    "SupportedUsageClasses": ["on-demand", "spot"],
                    **differing.get(kind.replace(".", "_"), {}),
                }
                for kind in Filters[0]["Values"]
            ]
        }

    return describe


def running(*kinds: tuple[str, str]) -> dict[str, Any]:
    """(type, market) of each machine."""
    machines = [{"InstanceType": kind, **({"InstanceLifecycle": market} if market else {})} for kind, market in kinds]
    return {"Reservations": [{"Instances": machines}]}


def subnet(**more: Any) -> dict[str, Any]:
    told = {"SubnetId": "subnet-1", "VpcId": "vpc-1", "AvailabilityZone": "us-east-2b", "CidrBlock": "10.0.0.0/20"}
    return {"Subnets": [{**told, "AvailableIpAddressCount": 4000, **more}]}


def zones(**states: str) -> dict[str, Any]:
    """`states` by a zone's last letter."""
    return {
        "AvailabilityZones": [
            {
                "ZoneName": name,
                "ZoneId": identity,
                "ZoneType": "availability-zone",
                "OptInStatus": "opt-in-not-required",
                "State": states.get(name[-1], "available"),
            }
            for name, identity in ZONES.items()
        ]
        + [
            {
                "ZoneName": "us-east-2-chi-1a",
                "ZoneId": "use2-chi1-az1",
                "ZoneType": "local-zone",
                "OptInStatus": "opted-in",
                "State": "available",
            }
        ]
    }


class Policies:
    """IAM's simulation of statements as docs/clouds has them: Allow, Deny, Resource, and the conditions that are used there."""

    def __init__(self, statements: Iterable[dict[str, Any]]) -> None:
        self.statements = list(statements)

    def __call__(
        self,
        PolicySourceArn: str,  # noqa: N803
        ActionNames: Sequence[str],  # noqa: N803
        ResourceArns: Sequence[str],  # noqa: N803
        ContextEntries: Sequence[dict[str, Any]],  # noqa: N803
    ) -> dict[str, Any]:
        context = {each["ContextKeyName"]: each["ContextKeyValues"] for each in ContextEntries}
        decided = [(action, self._decision(action, ResourceArns[0], context)) for action in ActionNames]
        return {"EvaluationResults": [{"EvalActionName": action, "EvalDecision": decision} for action, decision in decided]}

    def _decision(self, action: str, resource: str, context: dict[str, list[str]]) -> str:
        effects = {told["Effect"] for told in self.statements if _applies(told, action, resource, context)}
        return "explicitDeny" if "Deny" in effects else "allowed" if "Allow" in effects else "implicitDeny"


def _applies(told: dict[str, Any], action: str, resource: str, context: dict[str, list[str]]) -> bool:
    places = told["Resource"] if isinstance(told["Resource"], list) else [told["Resource"]]
    if not any(fnmatch.fnmatchcase(action, each) for each in told["Action"]):
        return False
    if not any(fnmatch.fnmatchcase(resource, place) for place in places):
        return False
    for operator, keys in told.get("Condition", {}).items():
        for key, wanted in keys.items():
            has, right = context.get(key), wanted if isinstance(wanted, list) else [wanted]
            if operator == "Null" and (has is None) != (right == ["true"]):
                return False
            if operator != "Null" and not set(has or ()) & set(right):
                return False
    return True


def documented(*names: str) -> list[dict[str, Any]]:
    folder = Path(provisioner.__path__[0]).parent / "docs/clouds"
    names = names or ("aws-policy.json", "aws-policy-options.json")
    return [told for name in names for told in json.loads((folder / name).read_text())["Statement"]]


def _file_systems(**told: Any) -> dict[str, Any]:
    if "FileSystemId" in told:
        return {"FileSystems": [{"FileSystemId": told["FileSystemId"], "LifeCycleState": "available"}]}
    return {"FileSystems": [lustre()] if "FileSystemIds" in told else []}


def lustre(**more: Any) -> dict[str, Any]:
    told = {"FileSystemType": "LUSTRE", "Lifecycle": "AVAILABLE", "VpcId": "vpc-1", "SubnetIds": ["subnet-1"]}
    return {**told, "NetworkInterfaceIds": ["eni-1"], **more}


def target(**more: Any) -> dict[str, Any]:
    told = {"MountTargetId": "fsmt-1", "SubnetId": "subnet-1", "VpcId": "vpc-1", "AvailabilityZoneName": "us-east-2b"}
    return {"MountTargets": [{**told, "LifeCycleState": "available", **more}]}


def rules(*permissions: dict[str, Any]) -> dict[str, Any]:
    return {"SecurityGroups": [{"GroupId": "sg-1", "IpPermissions": list(permissions)}]}


class Account:
    """An account in which all is well; `instead` is what is not."""

    region_name = "us-east-2"

    def __init__(self, before: Callable[[str], None] = lambda call: None, **instead: Answer) -> None:
        open_to_all = {"IpProtocol": "-1", "IpRanges": [{"CidrIp": "10.0.0.0/16"}]}
        dry = {
            call: denied("DryRunOperation", "Request would have succeeded", call)
            for call in (
                *("create_vpc", "create_internet_gateway", "allocate_address", "create_security_group"),
                *("create_placement_group", "create_launch_template", "run_instances"),
            )
        }
        answers: dict[str, Answer] = {
            **dry,
            "describe_availability_zones": zones(),
            "describe_instance_type_offerings": offering(),
            "describe_instance_types": described(),
            "describe_instances": running(),
            "describe_volumes": {"Volumes": []},
            "describe_vpcs": {"Vpcs": []},
            "describe_addresses": {"Addresses": []},
            "describe_images": {"Images": [{"ImageId": "ami-1", "Architecture": "x86_64", "State": "available"}]},
            "describe_subnets": subnet(),
            "describe_route_tables": {"RouteTables": [{"Routes": [{"GatewayId": "igw-1"}]}]},
            "describe_vpc_attribute": {"EnableDnsSupport": {"Value": True}, "EnableDnsHostnames": {"Value": True}},
            "describe_mount_targets": target(),
            "describe_mount_target_security_groups": {"SecurityGroups": ["sg-1"]},
            "describe_network_interfaces": {"NetworkInterfaces": [{"Groups": [{"GroupId": "sg-1"}]}]},
            "describe_security_groups": rules(open_to_all),
            "get_service_quota": limits(),
            "get_caller_identity": {"Arn": ARN},
            "simulate_principal_policy": Policies([{"Effect": "Allow", "Action": ["*"], "Resource": "*"}]),
            "get_role": {"Role": {"Arn": ROLE}},
            "get_instance_profile": {"InstanceProfile": {"Roles": [{"RoleName": "theirs", "Arn": "arn:aws:iam::1:role/theirs"}]}},
            "describe_file_systems": _file_systems,
            "head_bucket": {},
        }
        self.service = Service(answers | instead, before)

    def client(self, name: str) -> Service:
        return self.service
