"""AWS as the shared target sees it (targets/cloud/place.py has what each member is for)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from types import ModuleType
from typing import Any

from provisioner import clock
from provisioner.design.model import Design
from provisioner.findings import Finding
from provisioner.launch import aws as launcher
from provisioner.targets.aws import checks, faults, listing, reaping, session, zones
from provisioner.targets.base import Intent, Inventory, Resource, Tagged, Zone

# Seconds for machines to end: most take half a minute, those with many GPUs or local disks several.
_ENDING = 300.0


class AwsPlace:
    """`session` everywhere is a boto3 Session."""

    name = "aws"
    launcher: ModuleType = launcher

    def configured(self) -> bool:
        return session.configured()

    def region(self) -> str:
        return session.region()

    def session(self, region: str) -> Any:
        return session.open_session(region)

    def preflight(self, session: Any, design: Design, skip: Collection[str] = ()) -> tuple[Finding, ...]:
        return checks.preflight(session, design, skip)

    def zones(self, session: Any, design: Design) -> tuple[Zone, ...]:
        with _refusing("list its zones"):
            return zones.zones(session.client("ec2"), design)

    def configuration(self, session: Any, design: Design) -> dict[str, str]:
        return {"aws:region": session.region_name}

    def environment(self, session: Any) -> dict[str, str]:
        """Frozen: whatever they came from (a profile, SSO, a role), the plugin need not find them again."""
        found = session.get_credentials().get_frozen_credentials()
        told = {
            "AWS_ACCESS_KEY_ID": found.access_key,
            "AWS_SECRET_ACCESS_KEY": found.secret_key,
            "AWS_REGION": session.region_name,
        }
        return {**told, **({"AWS_SESSION_TOKEN": found.token} if found.token else {})}

    def end_machines(self, session: Any, run_id: str) -> None:
        """The head first, and until there is none: what it launched in its last moment is seen by the next listing."""
        with _refusing("end the run's machines"):
            ec2 = session.client("ec2")
            for _ in clock.patience(_ENDING, first=0.5, longest=5.0):
                there = list(listing.instances(ec2, run_id))
                if not there:
                    return
                running = [each for each in there if each["State"]["Name"] != "shutting-down"]
                head = [each for each in running if _name(each) == f"{run_id}-head"]
                for some in (head, [each for each in running if each not in head]):
                    if some:
                        ec2.terminate_instances(InstanceIds=[each["InstanceId"] for each in some])

    def remains(self, session: Any, run_id: str, intents: Sequence[Intent] = ()) -> tuple[Resource, ...]:
        with _refusing("list what is left"):
            return listing.remains(session, run_id, intents)

    def reap(self, session: Any, resources: Sequence[Resource]) -> tuple[Resource, ...]:
        return reaping.reap(session, resources)

    def regions(self, session: Any) -> tuple[str, ...]:
        """Those that the account has enabled (EC2 API, DescribeRegions: without AllRegions)."""
        with _refusing("list its regions"):
            return tuple(sorted(each["RegionName"] for each in session.client("ec2").describe_regions()["Regions"]))

    def runs(self, session: Any) -> Iterable[Tagged]:
        with _refusing("list the runs"):
            return listing.runs(session)

    def console(self, session: Any, inventory: Inventory, machine: str) -> str:
        with _refusing("show a console"):
            ec2 = session.client("ec2")
            # The one of that name that was made last.
            named = [each for each in listing.instances(ec2, inventory.run_id) if _name(each) == f"{inventory.run_id}-{machine}"]
            if not named:
                return ""
            newest = max(named, key=lambda each: each["LaunchTime"])
            return _output(ec2, newest["InstanceId"])

    def allow(self, session: Any, inventory: Inventory, ranges: Sequence[str]) -> None:
        """The new ones first: who changes from one network to another is never shut out by half."""
        with _refusing("let this machine's address in"):
            ec2, group = session.client("ec2"), inventory.place["firewall"]
            told = listing.pages(
                ec2, "describe_security_group_rules", "SecurityGroupRules", Filters=[{"Name": "group-id", "Values": [group]}]
            )
            rules = [each for each in told if not each["IsEgress"] and each.get("FromPort") == 22]
            new = [each for each in ranges if each not in {rule.get("CidrIpv4") for rule in rules}]
            if new:
                permission = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": each} for each in new]}
                ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[permission])
            old = [rule["SecurityGroupRuleId"] for rule in rules if rule.get("CidrIpv4") not in ranges]
            if old:
                ec2.revoke_security_group_ingress(GroupId=group, SecurityGroupRuleIds=old)

    def tunnel(self, inventory: Inventory) -> tuple[str, ...]:
        """Needs the AWS CLI and its Session Manager plugin (Systems Manager User Guide, "SSH connections through Session
        Manager")."""
        place = inventory.place
        document = ("--document-name", "AWS-StartSSHSession", "--parameters", "portNumber=22")
        return ("aws", "ssm", "start-session", "--region", place["region"], "--target", place["head_id"], *document)

    def classify(self, words: str) -> tuple[str, str] | None:
        return faults.classify(words)


_refusing = session.refusing


def _name(instance: dict[str, Any]) -> str:
    return listing.tags_of(instance.get("Tags")).get("Name", "")


def _output(ec2: Any, instance: str) -> str:
    from botocore.exceptions import ClientError

    try:
        # What is there now; older kinds of machines have only what EC2 keeps of their start.
        return str(ec2.get_console_output(InstanceId=instance, Latest=True).get("Output", ""))
    except ClientError as problem:
        if problem.response["Error"]["Code"] != "UnsupportedOperation":
            raise
        return str(ec2.get_console_output(InstanceId=instance).get("Output", ""))
