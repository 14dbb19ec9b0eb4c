"""What is particular to Azure's program: each variant of network, identity, storage and market."""

from __future__ import annotations

import json
import re

import pulumi
import pytest
from making import design

from provisioner.targets.azure import images as preflight
from tests.stacks.azure import CLOUD, EXISTING, TEXT
from tests.stacks.azure_answers import IDENTITY, OTHERS, SUBSCRIPTION, interface, name_of, templates
from tests.stacks.azure_made import GROUP, PLAIN, compute, head, made, only, phases, rules
from tests.stacks.programs import CALLER

# --- network ----------------------------------------------------------------------------------------------------------


def test_compute_reaches_the_world_through_the_head() -> None:
    stack = made(TEXT)
    (route,) = only(stack, "RouteTable").inputs["routes"]
    nic = only(stack, "NetworkInterface").inputs
    assert (route["addressPrefix"], route["nextHopType"]) == ("0.0.0.0/0", "VirtualAppliance")
    assert route["nextHopIpAddress"] == nic["ipConfigurations"][0]["privateIPAddress"] == "10.0.0.4"
    assert nic["enableIPForwarding"] is True
    subnets = {each["name"]: each for each in only(stack, "VirtualNetwork").inputs["subnets"]}
    assert subnets["compute"]["routeTable"]["id"].endswith("/test-abc234-routes")
    assert "routeTable" not in subnets["head"]
    assert "gateway" in phases(head(stack))
    assert "way-out" in phases(compute(stack))
    assert stack.of(":NatGateway") == []


def test_a_gateway_of_azures() -> None:
    stack = made(f"{PLAIN}network: {{egress: gateway}}\n")
    subnets = {each["name"]: each for each in only(stack, "VirtualNetwork").inputs["subnets"]}
    assert "natGateway" in subnets["compute"]
    assert "natGateway" not in subnets["head"]
    assert stack.of(":RouteTable") == []
    assert only(stack, "NetworkInterface").inputs["enableIPForwarding"] is False
    assert "way-out" not in phases(compute(stack))


def test_a_tunnel() -> None:
    stack = made(f"{PLAIN}network: {{access: tunnel}}\n")
    nic = only(stack, "NetworkInterface").inputs["ipConfigurations"][0]
    assert "publicIPAddress" not in nic
    bastion = only(stack, "BastionHost").inputs
    assert (bastion["sku"]["name"], bastion["enableTunneling"]) == ("Standard", True)
    assert bastion["ipConfigurations"][0]["subnet"]["id"].endswith("/subnets/AzureBastionSubnet")
    subnets = {each["name"]: each for each in only(stack, "VirtualNetwork").inputs["subnets"]}
    assert "natGateway" in subnets["head"]
    assert rules(stack, "head-security")["ssh"]["sourceAddressPrefix"] == "VirtualNetwork"
    assert stack.outputs["head_address"] == stack.outputs["head_private_address"] == "10.0.0.4"


def test_the_head_is_reached_from_the_given_ranges_alone() -> None:
    stack = made(PLAIN, ssh_from=json.dumps([CALLER, "192.0.2.0/24"]))
    assert rules(stack, "head-security")["ssh"]["sourceAddressPrefixes"] == [CALLER, "192.0.2.0/24"]
    assert "ssh" not in rules(stack, "compute-security")
    assert stack.outputs["head_address"] == "198.51.100.7"
    assert stack.outputs["firewall"].endswith("/test-abc234-head-security")


def test_an_existing_network_keeps_its_routes() -> None:
    stack = made(EXISTING)
    nic = only(stack, "NetworkInterface").inputs["ipConfigurations"][0]
    assert (nic["privateIPAllocationMethod"], nic.get("privateIPAddress")) == ("Dynamic", None)
    assert stack.outputs["head_private_address"] == "10.1.0.5"
    assert "10.1.0.5 head" in compute(stack)["files"]["/etc/hosts"]["content"]
    assert rules(stack, "compute-security")["cluster"]["sourceAddressPrefix"] == "10.1.0.0/24"
    assert {each["name"] for each in map(dict, rules(stack, "head-security").values())} == {"ssh", "cluster", "outside"}


def test_an_existing_network_wants_its_subnet() -> None:
    with pytest.raises(pulumi.RunError, match=r"network\.subnet"):
        CLOUD.run(design(f"{PLAIN}network: {{id: {OTHERS}/Microsoft.Network/virtualNetworks/v}}\n", "azure", wrong=True))


def test_a_zone() -> None:
    stack = made(TEXT, zone="2")
    assert only(stack, "VirtualMachine").inputs["zones"] == ["2"]
    zones = {group: told["body"].get("zones") for group, _, told in templates(stack)}
    assert zones == {"cpu": ["2"], "ib": None, "gpu": ["2"], "login": ["2"]}
    assert only(stack, "AmlFilesystem").inputs["zones"] == ["2"]
    assert stack.outputs["zone"] == "2"


@pytest.mark.parametrize("name", sorted(CLOUD.rules))
def test_the_contract_holds_in_a_zone(name: str) -> None:
    """The Design's, as `burst run` gives it."""
    rule = CLOUD.rules[name]
    decided = design(rule.text or TEXT, "azure").model_copy(update={"zone": "3"})
    stack = CLOUD.run(decided)
    assert rule.check(stack, decided) == []
    assert stack.outputs["zone"] == "3"
    assert only(stack, "VirtualMachine").inputs["zones"] == ["3"]


@pytest.mark.parametrize("text", [TEXT, f"{PLAIN}network: {{access: tunnel}}\n", f"{PLAIN}network: {{egress: gateway}}\n"])
def test_networks_are_the_regions_and_in_no_zone(text: str) -> None:
    """Whatever zone machines are in, they are reached; a storage account has none to choose."""
    zonal = {made.type.rpartition(":")[2] for made in made(text, zone="2").resources if "zones" in made.inputs}
    assert zonal <= {"VirtualMachine", "AmlFilesystem"}


# --- identity ---------------------------------------------------------------------------------------------------------


def test_no_identity_launches_nothing() -> None:
    stack = made(f"{PLAIN}identity: none\n", launches="head")
    assert stack.of(":UserAssignedIdentity", ":RoleDefinition", ":RoleAssignment", ":Workflow") == []
    assert "identity" not in only(stack, "VirtualMachine").inputs
    told = head(stack)
    assert "/opt/burst/launch.json" not in told["files"]
    assert "first" not in phases(told)


def test_an_identity_by_id_also_ends_the_run() -> None:
    stack = made(EXISTING)
    assert stack.of(":RoleDefinition", ":RoleAssignment") == []
    workflow = only(stack, "Workflow").inputs
    assert workflow["identity"] == {"type": "UserAssigned", "userAssignedIdentities": [IDENTITY]}
    assert workflow["definition"]["actions"]["delete-group"]["inputs"]["authentication"]["identity"] == IDENTITY
    assert {told["identity"] for _, _, told in templates(stack)} == {"their-client"}


def test_roles_reach_what_lies_outside_with_one_action() -> None:
    subnet = f"{OTHERS}/Microsoft.Network/virtualNetworks/v/subnets/s"
    image = f"{OTHERS}/Microsoft.Compute/images/i"
    network = f"network: {{id: {OTHERS}/Microsoft.Network/virtualNetworks/v, subnet: s}}\n"
    stack = made(f"{PLAIN}image: {image}\n{network}")
    roles = {made.name: made.inputs for made in stack.of(":RoleDefinition")}
    assert {name: role["assignableScopes"] for name, role in roles.items()} == {
        "head-role": [GROUP],
        "expiry-role": [GROUP],
        "subnet-role": [f"/subscriptions/{SUBSCRIPTION}/resourceGroups/others"],
        "image-1-role": [f"/subscriptions/{SUBSCRIPTION}/resourceGroups/others"],
    }
    assert roles["subnet-role"]["permissions"][0]["actions"] == ["Microsoft.Network/virtualNetworks/subnets/join/action"]
    assert {made.inputs["scope"] for made in stack.of(":RoleAssignment")} == {GROUP, subnet, image}


def test_a_machine_that_mounts_a_bucket_may_do_nothing_else() -> None:
    stack = made(TEXT)
    for _, _, told in templates(stack):
        (mine,) = told["body"]["identity"]["userAssignedIdentities"]
        assert mine.endswith("/userAssignedIdentities/test-abc234-data")
    data = next(each for each in stack.of(":UserAssignedIdentity") if each.name == "data-identity")
    (granted,) = [each for each in stack.of(":RoleAssignment") if each.inputs["principalId"] == data.outputs["principalId"]]
    assert granted.inputs["roleDefinitionId"].endswith("/ba92f5b4-2d11-453d-a403-e96b0029c9fe")
    assert "/storageAccounts/burst" in granted.inputs["scope"]
    assert "identity" not in next(templates(made(PLAIN)))[2]["body"]


def test_a_bucket_without_identity_is_refused() -> None:
    with pytest.raises(pulumi.RunError, match="nobody may open a bucket"):
        CLOUD.run(design(f"{PLAIN}identity: none\nfilesystems: {{/data: {{type: bucket}}}}\n", "azure", wrong=True))


# --- storage ----------------------------------------------------------------------------------------------------------


def test_every_folder_is_mounted() -> None:
    stack = made(TEXT)
    mounts = stack.outputs["mounts"]
    assert list(mounts) == ["/home", "/shared", "/files", "/scratch", "/data"]
    assert mounts["/home"] == "head:/home"
    assert mounts["/scratch"] == "10.0.2.4@tcp:/lustrefs"
    told, lines = compute(stack), compute(stack)["files"]["/opt/burst/fstab"]["content"].splitlines()
    assert {line.split()[1]: line.split()[2] for line in lines} == {
        "/home": "nfs4",
        "/shared": "nfs4",
        "/files": "nfs4",
        "/scratch": "lustre",
        "/data": "blobfuse2",
    }
    assert "client_id=client-of-test-abc234-data" in lines[-1]
    assert {"client-blob", "client-lustre-azure"} < set(phases(told))
    on_head = head(stack)["files"]["/opt/burst/fstab"]["content"]
    assert [line.split()[1] for line in on_head.splitlines()] == ["/files", "/scratch", "/data"]
    exported = head(stack)["files"]["/etc/exports.d/burst.exports"]["content"].splitlines()
    assert [line.split()[0] for line in exported if not line.startswith("#")] == ["/home", "/shared"]


def test_azure_files_over_nfs() -> None:
    stack = made(TEXT)
    share, account = only(stack, "FileShare").inputs, next(a for a in stack.of(":StorageAccount") if a.name == "account-files")
    assert (share["enabledProtocols"], share["shareQuota"], share["rootSquash"]) == ("NFS", 100, "NoRootSquash")
    assert (account.inputs["kind"], account.inputs["sku"]["name"]) == ("FileStorage", "Premium_LRS")
    assert account.inputs["enableHttpsTrafficOnly"] is False
    open_to = [each["virtualNetworkResourceId"] for each in account.inputs["networkRuleSet"]["virtualNetworkRules"]]
    assert [each.rpartition("/")[2] for each in open_to] == ["head", "compute"]
    assert 3 <= len(name_of(account)) <= 24
    subnets = {each["name"]: each for each in only(stack, "VirtualNetwork").inputs["subnets"]}
    assert [each["service"] for each in subnets["compute"]["serviceEndpoints"]] == ["Microsoft.Storage"]
    assert "serviceEndpoints" not in subnets["lustre"]


@pytest.mark.parametrize(("size", "sku"), [("4TiB", 500), ("8TiB", 250), ("16TiB", 125), ("48TiB", 40), ("12TiB", 500)])
def test_lustre_is_the_cheapest_that_comes_in_that_size(size: str, sku: int) -> None:
    made_of = only(made(f"{PLAIN}filesystems: {{/scratch: {{type: lustre, size: {size}}}}}\n"), "AmlFilesystem").inputs
    assert made_of["sku"]["name"] == f"AMLFS-Durable-Premium-{sku}"
    assert f"{made_of['storageCapacityTiB']:.0f}TiB" == size
    assert made_of["zones"] == ["1"]
    assert made_of["filesystemSubnet"].endswith("/subnets/lustre")


def test_the_heads_disk_has_room_for_what_it_serves() -> None:
    disk = only(made(TEXT), "VirtualMachine").inputs["storageProfile"]["osDisk"]
    assert (disk["diskSizeGB"], disk["deleteOption"]) == (250, "Delete")


# --- groups -----------------------------------------------------------------------------------------------------------


def test_what_is_tried_in_order() -> None:
    tried = [(group, market, told["instance"]) for group, market, told in templates(made(TEXT))]
    assert tried == [
        ("cpu", "spot", "Standard_D64s_v6"),
        ("cpu", "spot", "Standard_F64as_v6"),
        ("cpu", "on-demand", "Standard_D64s_v6"),
        ("cpu", "on-demand", "Standard_F64as_v6"),
        ("ib", "on-demand", "Standard_HB120rs_v3"),
        ("gpu", "spot", "Standard_NC24ads_A100_v4"),
        ("login", "on-demand", "Standard_F2as_v6"),
    ]


def test_images() -> None:
    stack = made(TEXT)
    offers = {
        group: told["body"]["properties"]["storageProfile"]["imageReference"]["offer"] for group, _, told in templates(stack)
    }
    assert offers == {"cpu": "ubuntu-24_04-lts", "ib": "ubuntu-hpc", "gpu": "ubuntu-hpc", "login": "ubuntu-24_04-lts"}
    kinds = {group: told["body"]["properties"]["securityProfile"]["securityType"] for group, _, told in templates(stack)}
    assert kinds == {"cpu": "TrustedLaunch", "ib": "Standard", "gpu": "Standard", "login": "TrustedLaunch"}
    assert only(stack, "VirtualMachine").inputs["securityProfile"]["securityType"] == "TrustedLaunch"


def test_preflight_looks_at_the_images_that_machines_boot_from() -> None:
    decided = design(TEXT, "azure")
    nodes = {node.instance: (node, group.fabric) for group in decided.groups for node in group.alternatives}
    for group, _, told in templates(made(TEXT)):
        node, fabric = nodes.get(told["instance"], (decided.head, "never"))
        node = decided.login.node if group == "login" and decided.login else node
        properties, with_fabric = told["body"]["properties"], bool(node.fabric and fabric == "auto")
        urn = ":".join(properties["storageProfile"]["imageReference"].values())
        assert urn == preflight.booted(None, node, with_fabric)
        trusted = properties["securityProfile"]["securityType"] == "TrustedLaunch"
        assert trusted is preflight.trusted(None, node, with_fabric)


def test_images_of_the_users_own() -> None:
    stack = made(
        PLAIN.replace("nodes: 2", "nodes: 2, image: 'a:b:c:latest'") + "image: /CommunityGalleries/g/Images/i/Versions/latest\n"
    )
    own = only(stack, "VirtualMachine").inputs["storageProfile"]["imageReference"]
    assert own == {"communityGalleryImageId": "/CommunityGalleries/g/Images/i/Versions/latest"}
    (told,) = [told for _, _, told in templates(stack)]
    assert told["body"]["properties"]["storageProfile"]["imageReference"] == {
        "publisher": "a",
        "offer": "b",
        "sku": "c",
        "version": "latest",
    }
    assert told["body"]["properties"]["securityProfile"] == {"securityType": "Standard"}


def test_a_login_node_is_as_open_as_the_head() -> None:
    (told,) = [told for group, _, told in templates(made(TEXT)) if group == "login"]
    properties = interface(told)["properties"]
    assert properties["networkSecurityGroup"]["id"].endswith("head-security")
    public = properties["ipConfigurations"][0]["properties"]["publicIPAddressConfiguration"]
    assert public["properties"]["deleteOption"] == "Delete"
    assert told["custom_data"] == "/opt/burst/login"


def test_fabric_is_left_out_where_nobody_wants_it() -> None:
    stack = made(PLAIN.replace("Standard_D4s_v5", "Standard_HB120rs_v3, fabric: never, spot: prefer"))
    assert stack.of(":AvailabilitySet") == []
    assert [market for _, market, _ in templates(stack)] == ["spot", "on-demand"]


def test_folders_have_names_that_azure_takes() -> None:
    text = f"{PLAIN}filesystems: {{/Old data: {{type: bucket}}, /a--b: {{type: bucket}}, /a-b: {{type: bucket}}, /d: {{type: bucket}}}}\n"
    names = [name_of(each) for each in made(text).of(":BlobContainer")]
    assert len(set(names)) == 4
    assert "test-abc234-d" in names
    # "Naming and Referencing Containers, Blobs, and Metadata".
    assert all(re.fullmatch(r"(?=.{3,63}$)[a-z0-9]+(-[a-z0-9]+)*", name) for name in names)
