"""Which permission stands behind each call and each resource, as Google's pages have it.

METHODS: "Compute Engine API reference", and those of the other APIs: each method's "IAM Permissions" (and for bulkInsert
"Create VMs in bulk", for what the templates ask). MADE: the methods that the Pulumi provider (terraform-provider-google)
calls to make, read and delete a resource, by the same pages; what it asks beside them is noted.
"""

from __future__ import annotations

INSERT = (
    "compute.disks.create compute.disks.setLabels compute.images.useReadOnly compute.instances.create"
    " compute.instances.setLabels compute.instances.setMetadata compute.instances.setServiceAccount compute.instances.setTags"
    " compute.subnetworks.use compute.subnetworks.useExternalIp iam.serviceAccounts.actAs"
)
METHODS: dict[str, str] = {
    "compute.addresses.aggregatedList": "compute.addresses.list compute.globalAddresses.list",
    "compute.advice.capacity": "compute.advice.capacity",
    "compute.addresses.delete": "compute.addresses.deleteInternal",
    "compute.disks.aggregatedList": "compute.disks.list",
    "compute.disks.delete": "compute.disks.delete",
    "compute.firewalls.delete": "compute.firewalls.delete compute.networks.updatePolicy",
    "compute.firewalls.list": "compute.firewalls.list",
    "compute.firewalls.patch": "compute.firewalls.get compute.firewalls.update compute.networks.updatePolicy",
    "compute.globalAddresses.delete": "compute.globalAddresses.deleteInternal",
    "compute.globalOperations.wait": "compute.globalOperations.get",
    "compute.images.get": "compute.images.get",
    "compute.images.getFromFamily": "compute.images.getFromFamily",
    "compute.instanceTemplates.aggregatedList": "compute.instanceTemplates.list",
    "compute.instanceTemplates.delete": "compute.instanceTemplates.delete",
    "compute.instances.aggregatedList": "compute.instances.list",
    "compute.instances.bulkInsert": f"{INSERT} compute.instanceTemplates.useReadOnly compute.resourcePolicies.use",
    "compute.instances.delete": "compute.instances.delete",
    "compute.instances.get": "compute.instances.get",
    "compute.instances.getSerialPortOutput": "compute.instances.getSerialPortOutput",
    "compute.machineTypes.aggregatedList": "compute.machineTypes.list",
    "compute.networks.delete": "compute.networks.delete",
    "compute.networks.get": "compute.networks.get",
    "compute.networks.list": "compute.networks.list",
    "compute.networks.removePeering": "compute.networks.removePeering",
    # Its page names none; who may not is taken to share no network (listing.py).
    "compute.projects.getXpnHost": "",
    "compute.projects.get": "compute.projects.get",
    "compute.regionOperations.wait": "compute.regionOperations.get",
    "compute.regions.get": "compute.regions.get",
    "compute.resourcePolicies.aggregatedList": "compute.resourcePolicies.list",
    "compute.resourcePolicies.delete": "compute.resourcePolicies.delete",
    "compute.routers.aggregatedList": "compute.routers.list",
    "compute.routers.delete": "compute.routers.delete",
    "compute.routes.delete": "compute.routes.delete",
    "compute.routes.list": "compute.routes.list",
    "compute.subnetworks.aggregatedList": "compute.subnetworks.list",
    "compute.subnetworks.delete": "compute.subnetworks.delete",
    "compute.subnetworks.get": "compute.subnetworks.get",
    "compute.subnetworks.testIamPermissions": "",
    "compute.zones.list": "compute.zones.list",
    "compute.zoneOperations.list": "compute.zoneOperations.list",
    "compute.zoneOperations.wait": "compute.zoneOperations.get",
    # "Testing permissions": everybody may ask what he may do.
    "cloudresourcemanager.projects.testIamPermissions": "",
    "iam.projects.serviceAccounts.testIamPermissions": "",
    "serviceusage.services.batchGet": "serviceusage.services.get",
    "cloudbilling.projects.getBillingInfo": "resourcemanager.projects.get",
    # "Cloud Quotas API": required permissions.
    "cloudquotas.projects.locations.services.quotaInfos.get": "cloudquotas.quotas.get",
    "file.projects.locations.instances.get": "file.instances.get",
    "lustre.projects.locations.instances.get": "lustre.instances.get",
    "file.projects.locations.instances.delete": "file.instances.delete",
    "file.projects.locations.instances.list": "file.instances.list",
    "file.projects.locations.operations.get": "file.operations.get",
    # "Access control with IAM" of Managed Lustre.
    "lustre.projects.locations.instances.delete": "lustre.instances.delete",
    "lustre.projects.locations.instances.list": "lustre.instances.list",
    "lustre.projects.locations.operations.get": "lustre.operations.get",
    # "IAM permissions for JSON methods" of Cloud Storage.
    "storage.buckets.delete": "storage.buckets.delete",
    "storage.buckets.get": "storage.buckets.get",
    "storage.buckets.list": "storage.buckets.list",
    # Whoever asks it may ask it.
    "storage.buckets.testIamPermissions": "",
    "storage.objects.delete": "storage.objects.delete",
    "storage.objects.list": "storage.objects.list",
    "iam.projects.roles.delete": "iam.roles.delete",
    "iam.projects.roles.list": "iam.roles.list",
    "iam.projects.serviceAccounts.delete": "iam.serviceAccounts.delete",
    "iam.projects.serviceAccounts.list": "iam.serviceAccounts.list",
}
# What the programs look up.
FUNCTIONS: dict[str, str] = {
    "getClientConfig": "",
    "compute/getZones": "compute.zones.list",
    "compute/getMachineTypes": "compute.machineTypes.list",
    "compute/getImage": "compute.images.getFromFamily",
    "compute/getSubnetwork": "compute.subnetworks.get",
    "filestore/getInstance": "file.instances.get",
    "lustre/getInstance": "lustre.instances.get",
}


def _crd(kind: str, *more: str) -> str:
    """create, get and delete of a collection."""
    return " ".join((f"{kind}.create", f"{kind}.get", f"{kind}.delete", *more))


_GLOBAL, _REGION = "compute.globalOperations.get", "compute.regionOperations.get"
MADE: dict[str, str] = {
    # It reads the zone before, and the boot disk after ("instances.insert"; compute_instance: resource and boot disk).
    "compute/instance:Instance": f"{INSERT} compute.instances.get compute.instances.delete compute.addresses.use"
    " compute.addresses.useInternal compute.zones.get compute.disks.get compute.zoneOperations.get",
    "compute/instanceTemplate:InstanceTemplate": _crd("compute.instanceTemplates", _GLOBAL, "compute.networks.get"),
    "compute/resourcePolicy:ResourcePolicy": _crd("compute.resourcePolicies", _REGION),
    "compute/network:Network": _crd("compute.networks", _GLOBAL),
    "compute/subnetwork:Subnetwork": _crd("compute.subnetworks", _REGION, "compute.networks.updatePolicy"),
    "compute/firewall:Firewall": _crd("compute.firewalls", _GLOBAL, "compute.networks.updatePolicy"),
    "compute/route:Route": _crd("compute.routes", _GLOBAL, "compute.networks.updatePolicy"),
    "compute/router:Router": _crd("compute.routers", _REGION, "compute.networks.updatePolicy"),
    # A part of its router: routers.patch.
    "compute/routerNat:RouterNat": "compute.routers.get compute.routers.update compute.subnetworks.use",
    "compute/address:Address": "compute.addresses.createInternal compute.addresses.get compute.addresses.deleteInternal"
    f" compute.addresses.setLabels compute.subnetworks.use compute.networks.use {_REGION}",
    "compute/globalAddress:GlobalAddress": "compute.globalAddresses.createInternal compute.globalAddresses.get"
    f" compute.globalAddresses.deleteInternal compute.globalAddresses.setLabels compute.networks.use {_GLOBAL}",
    # It asks for the project's number ("Configure private services access"; service_networking_connection).
    "servicenetworking/connection:Connection": "servicenetworking.services.addPeering servicenetworking.services.get"
    " servicenetworking.services.deleteConnection servicenetworking.operations.get compute.networks.removePeering"
    " resourcemanager.projects.get",
    "compute/subnetworkIAMMember:SubnetworkIAMMember": "compute.subnetworks.getIamPolicy compute.subnetworks.setIamPolicy",
    "projects/iAMCustomRole:IAMCustomRole": _crd("iam.roles"),
    "projects/iAMMember:IAMMember": "resourcemanager.projects.getIamPolicy resourcemanager.projects.setIamPolicy",
    "serviceaccount/account:Account": _crd("iam.serviceAccounts"),
    "serviceaccount/iAMMember:IAMMember": "iam.serviceAccounts.getIamPolicy iam.serviceAccounts.setIamPolicy",
    "filestore/instance:Instance": _crd("file.instances", "file.operations.get"),
    "lustre/instance:Instance": _crd("lustre.instances", "lustre.operations.get"),
    # Emptied before it goes, which looks for caches, too (terraform-provider-google #22359, #25343).
    "storage/bucket:Bucket": _crd(
        "storage.buckets", "storage.objects.list", "storage.objects.delete", "storage.anywhereCaches.list"
    ),
    "storage/bucketIAMMember:BucketIAMMember": "storage.buckets.getIamPolicy storage.buckets.setIamPolicy",
}
# Calls for what a run has made, which MADE has the permissions of.
OF_MADE = ("delete", "removePeering", "storage.objects.list", "storage.buckets.get", "locations.operations.get")
# gcloud compute start-iap-tunnel ("Using IAP for TCP forwarding": IAP-secured Tunnel User).
TUNNEL = "iap.tunnelInstances.accessViaIAP"
# Machines that have a service account (instances.insert, instanceTemplates.insert).
ACTING = {"compute.instances.setServiceAccount", "iam.serviceAccounts.actAs"}
