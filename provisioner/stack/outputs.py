"""A stack's outputs: the same keys on every cloud. They become the Inventory (targets/cloud/inventory.py)."""

from __future__ import annotations

from typing import Any

# Key → what it is. None of them is a secret.
OUTPUTS: dict[str, str] = {
    "run_id": "the run's id",
    "target": "aws, gcp or azure",
    "region": "the region",
    "zone": "the zone that machines and filesystems share; empty where the cloud was left to choose",
    "account": "AWS account, GCP project, Azure subscription",
    "head_id": "the head, as its provider names it",
    "head_address": "where the head's SSH is reached: its public address, or what the tunnel takes",
    "head_private_address": "the head's address inside the network",
    "network": "VPC, network or VNet, by id",
    "firewall": "what has the rule that lets SSH in: security group, firewall rule, network security group",
    "attempts": "for each group (and `login`, where there are login nodes) what is tried in order: [{market, template}]",
    "mounts": "mount point → source, of every shared folder",
}


def checked(outputs: dict[str, Any]) -> dict[str, Any]:
    """The same; raises ValueError where a stack left one out or has one of its own."""
    missing, strange = sorted(OUTPUTS.keys() - outputs.keys()), sorted(outputs.keys() - OUTPUTS.keys())
    if missing or strange:
        raise ValueError(f"outputs: missing {missing or 'none'}, unknown {strange or 'none'}")
    return outputs


def publish(outputs: dict[str, Any]) -> None:
    """Make them the stack's outputs (pulumi.export), each under its key."""
    import pulumi

    for key, value in checked(outputs).items():
        pulumi.export(key, value)
