"""A program of the tests' own: a network, an address in it, and three machines that are told a secret."""

from __future__ import annotations

import pulumi
from thing import Thing, lookup

config = pulumi.Config("burst")
run = config.require("run")
keys = config.require_secret("keys")

image = lookup("aws:ec2/getAmi:getAmi", {"owners": ["099720109477"]})
network = Thing("aws:ec2/vpc:Vpc", f"{run}-vpc", {"cidrBlock": "10.0.0.0/16"})
address = Thing("aws:ec2/networkInterface:NetworkInterface", f"{run}-head", {"network": network.id})
machines = [
    Thing(
        "aws:ec2/instance:Instance",
        f"{run}-{name}",
        {"ami": image["id"], "userData": keys, "interface": address.id, "tags": {"burst-run": run}},
    )
    for name in ("one", "two", "three")
]
pulumi.export("network", network.id)
pulumi.export("address", address.told)
pulumi.export("machines", [machine.id for machine in machines])
pulumi.export("run_id", run)
