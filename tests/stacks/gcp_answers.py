"""Google Cloud as the mocks have it: what it adds to what is made, and what the program looks up."""

from __future__ import annotations

import warnings
from typing import Any

import pulumi_gcp
from google_fake import PROJECT

ZONE = "us-central1-a"

with warnings.catch_warnings():
    # Pulumi's modules load when they are first looked at, and some of them warn of themselves.
    warnings.simplefilter("ignore")
    _LOADED = (pulumi_gcp.compute.Network, pulumi_gcp.storage.Bucket, pulumi_gcp.projects.IAMMember)

TEXT = """
version: 1
name: everything
groups:
  mpi: {instance: [h4d-standard-192, c3-standard-176], nodes: 2, spot: prefer}
  gpu: {instance: g2-standard-4, nodes: {max: 2}, spot: only}
login: {nodes: 1}
filesystems:
  /shared: {type: nfs, size: 200GiB}
  /files: {type: managed-nfs, size: 1024GiB}
  /scratch: {type: lustre, size: 9000GiB}
  /data: {type: bucket}
"""
PLAIN = "{version: 1, name: plain, groups: {cpu: {instance: c3-standard-4, nodes: %s}}}"
EXISTING = """
version: 1
name: theirs
groups: {cpu: {instance: c3-standard-4, nodes: 1}}
network: {id: projects/host-1/global/networks/shared, subnet: hpc}
identity: hpc@p-1.iam.gserviceaccount.com
filesystems:
  /old: {type: nfs, id: "10.1.2.3:/old"}
  /files: {type: managed-nfs, id: files}
  /scratch: {type: lustre, id: projects/p-1/locations/us-central1-a/instances/scratch}
  /data: {type: bucket, id: gs://theirs}
"""


def create(kind: str, name: str, inputs: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """What Google adds to what it is given."""
    kind = kind.removeprefix("gcp:")
    called = inputs.get("name") or inputs.get("accountId") or name
    project = inputs.get("project", PROJECT)
    told: dict[str, Any] = {}
    if kind == "compute/instance:Instance":
        reached = {"natIp": "203.0.113.9"}
        told["networkInterfaces"] = [
            {**nic, "accessConfigs": [reached for _ in nic.get("accessConfigs", [])]} for nic in inputs["networkInterfaces"]
        ]
    elif kind in ("compute/address:Address", "compute/globalAddress:GlobalAddress"):
        told["address"] = "10.0.0.2"
    elif kind == "compute/resourcePolicy:ResourcePolicy":
        told["selfLink"] = (
            f"https://www.googleapis.com/compute/v1/projects/{project}/regions/us-central1/resourcePolicies/{called}"
        )
    elif kind == "serviceaccount/account:Account":
        email = f"{called}@{project}.iam.gserviceaccount.com"
        told |= {"email": email, "member": f"serviceAccount:{email}", "name": f"projects/{project}/serviceAccounts/{email}"}
    elif kind == "projects/iAMCustomRole:IAMCustomRole":
        told["name"] = f"projects/{project}/roles/{inputs['roleId']}"
    elif kind == "filestore/instance:Instance":
        told["networks"] = [{**network, "ipAddresses": ["10.9.0.2"]} for network in inputs["networks"]]
    elif kind == "lustre/instance:Instance":
        told["mountPoint"] = "10.8.0.2@tcp:/burst"
    scope = {"Network": "global/networks", "Subnetwork": "regions/us-central1/subnetworks", "Firewall": "global/firewalls"}
    return f"projects/{project}/{scope.get(kind.rpartition(':')[2], kind)}/{called}", told


def call(function: str, asked: dict[str, Any]) -> dict[str, Any]:
    """What the program looks up. G2 is in one of the two zones."""
    name = function.rpartition(":")[2]
    if name == "getClientConfig":
        return {"project": PROJECT, "region": "us-central1", "zone": "", "accessToken": "not-for-you"}
    if name == "getZones":
        return {"names": ["us-central1-b", "us-central1-a"]}
    if name == "getMachineTypes":
        types = [part.split(" = ")[1].strip(")") for part in asked["filter"].split(" OR ")]
        return {"machineTypes": [{"name": kind} for kind in types if asked["zone"] == ZONE or not kind.startswith("g2")]}
    if name == "getImage":
        return {
            "selfLink": f"https://www.googleapis.com/compute/v1/projects/{asked['project']}/global/images/{asked['family']}-v1"
        }
    if name == "getSubnetwork":
        return {"name": asked["name"], "ipCidrRange": "10.20.0.0/20"}
    if name == "getInstance" and "filestore" in function:
        return {"networks": [{"ipAddresses": ["10.9.9.9"]}], "fileShares": [{"name": "vol1"}]}
    if name == "getInstance" and "lustre" in function:
        return {"mountPoint": "10.8.8.8@tcp:/theirs"}
    raise KeyError(function)
