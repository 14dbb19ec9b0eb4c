"""The AWS program's resources made in moto, so that launch, remains and reap are tried on what it really made.

Each type has the call that Pulumi's provider makes for it; a type that is in neither list fails the test.
"""

from __future__ import annotations

import base64
import itertools
from collections.abc import Callable
from functools import cache
from typing import Any

import boto3
from botocore import xform_name

from tests.stacks import aws

# pulumi.runtime.rpc, _special_sig_key.
SECRET = "4dabf18193072939515e22adb298388d"
# A part of what is made in one call with its parent here.
NOTHING = ("aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",)
Told = tuple[str, dict[str, Any]]


def tagged(tags: dict[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def revealed(told: Any) -> Any:
    """Inputs without Pulumi's wrapping of secrets: {its signature of one, "value"}."""
    if isinstance(told, dict):
        return revealed(told["value"]) if SECRET in told else {key: revealed(value) for key, value in told.items()}
    return [revealed(each) for each in told] if isinstance(told, list) else told


@cache
def session() -> Any:
    """One for all: reading EC2's description takes a second, each time that there is a new one."""
    return boto3.session.Session("testing", "testing", region_name=aws.REGION)


@cache
def image() -> str:
    """Any of those that moto has from its beginning: to list them takes a second."""
    told = session().client("ec2").describe_images(Filters=[{"Name": "architecture", "Values": ["x86_64"]}])
    found: str = told["Images"][0]["ImageId"]
    return found


class InMoto:
    """`create` and `call` as contract.Cloud has them, within `placement_groups`, which moto has not."""

    def __init__(self) -> None:
        self.ec2, self.efs, self.fsx, self.iam, self.s3 = (session().client(n) for n in ("ec2", "efs", "fsx", "iam", "s3"))
        self.image = image()
        self.inputs: dict[str, dict[str, Any]] = {}
        self._number = itertools.count()

    def create(self, type_: str, name: str, inputs: dict[str, Any]) -> Told:
        if type_ in NOTHING:
            return inputs["bucket"], {}
        make: Callable[[dict[str, Any]], Told] = getattr(self, "_" + xform_name(type_.rpartition(":")[2]))
        return make(revealed(inputs))

    def call(self, function: str, arguments: dict[str, Any]) -> dict[str, Any]:
        answer = aws.call(function, arguments)
        if function.endswith("getAmi"):
            answer["id"] = self.image
        return answer

    def _spec(self, kind: str, inputs: dict[str, Any]) -> list[dict[str, Any]]:
        return [{"ResourceType": kind, "Tags": tagged(inputs["tags"])}]

    def _vpc(self, i: dict[str, Any]) -> Told:
        return self.ec2.create_vpc(CidrBlock=i["cidrBlock"], TagSpecifications=self._spec("vpc", i))["Vpc"]["VpcId"], {}

    def _internet_gateway(self, i: dict[str, Any]) -> Told:
        made = self.ec2.create_internet_gateway(TagSpecifications=self._spec("internet-gateway", i))["InternetGateway"]
        self.ec2.attach_internet_gateway(InternetGatewayId=made["InternetGatewayId"], VpcId=i["vpcId"])
        return made["InternetGatewayId"], {}

    def _subnet(self, i: dict[str, Any]) -> Told:
        made = self.ec2.create_subnet(
            VpcId=i["vpcId"],
            CidrBlock=i["cidrBlock"],
            AvailabilityZone=i["availabilityZone"],
            TagSpecifications=self._spec("subnet", i),
        )
        return made["Subnet"]["SubnetId"], {}

    def _route_table(self, i: dict[str, Any]) -> Told:
        made = self.ec2.create_route_table(VpcId=i["vpcId"], TagSpecifications=self._spec("route-table", i))
        return made["RouteTable"]["RouteTableId"], {}

    def _route_table_association(self, i: dict[str, Any]) -> Told:
        made = self.ec2.associate_route_table(SubnetId=i["subnetId"], RouteTableId=i["routeTableId"])
        return made["AssociationId"], {}

    def _route(self, i: dict[str, Any]) -> Told:
        keys = {"gatewayId": "GatewayId", "natGatewayId": "NatGatewayId", "networkInterfaceId": "NetworkInterfaceId"}
        to = {name: i[key] for key, name in keys.items() if key in i}
        self.ec2.create_route(RouteTableId=i["routeTableId"], DestinationCidrBlock=i["destinationCidrBlock"], **to)
        return f"r-{next(self._number)}", {}

    def _vpc_endpoint(self, i: dict[str, Any]) -> Told:
        made = self.ec2.create_vpc_endpoint(
            VpcId=i["vpcId"],
            ServiceName=i["serviceName"],
            VpcEndpointType=i["vpcEndpointType"],
            RouteTableIds=i["routeTableIds"],
            TagSpecifications=self._spec("vpc-endpoint", i),
        )
        return made["VpcEndpoint"]["VpcEndpointId"], {}

    def _eip(self, i: dict[str, Any]) -> Told:
        made = self.ec2.allocate_address(Domain=i["domain"], TagSpecifications=self._spec("elastic-ip", i))
        if "networkInterface" in i:
            self.ec2.associate_address(AllocationId=made["AllocationId"], NetworkInterfaceId=i["networkInterface"])
        return made["AllocationId"], {"publicIp": made["PublicIp"], "allocationId": made["AllocationId"]}

    def _nat_gateway(self, i: dict[str, Any]) -> Told:
        made = self.ec2.create_nat_gateway(
            SubnetId=i["subnetId"], AllocationId=i["allocationId"], TagSpecifications=self._spec("natgateway", i)
        )
        return made["NatGateway"]["NatGatewayId"], {}

    def _security_group(self, i: dict[str, Any]) -> Told:
        made = self.ec2.create_security_group(
            GroupName=i["name"],
            Description=i["description"],
            VpcId=i["vpcId"],
            TagSpecifications=self._spec("security-group", i),
        )
        # Pulumi's provider takes away the rule that a new group has by itself.
        everywhere = {"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
        self.ec2.revoke_security_group_egress(GroupId=made["GroupId"], IpPermissions=[everywhere])
        return made["GroupId"], {}

    def _security_group_ingress_rule(self, i: dict[str, Any]) -> Told:
        return self._rule(self.ec2.authorize_security_group_ingress, i)

    def _security_group_egress_rule(self, i: dict[str, Any]) -> Told:
        return self._rule(self.ec2.authorize_security_group_egress, i)

    def _rule(self, authorize: Callable[..., Any], i: dict[str, Any]) -> Told:
        permission: dict[str, Any] = {"IpProtocol": i["ipProtocol"]}
        if "fromPort" in i:
            permission |= {"FromPort": int(i["fromPort"]), "ToPort": int(i["toPort"])}
        if "cidrIpv4" in i:
            permission["IpRanges"] = [{"CidrIp": i["cidrIpv4"]}]
        else:
            permission["UserIdGroupPairs"] = [{"GroupId": i["referencedSecurityGroupId"]}]
        authorize(GroupId=i["securityGroupId"], IpPermissions=[permission])
        return f"sgr-{next(self._number)}", {}

    def _network_interface(self, i: dict[str, Any]) -> Told:
        made = self.ec2.create_network_interface(
            SubnetId=i["subnetId"], Groups=i["securityGroups"], TagSpecifications=self._spec("network-interface", i)
        )["NetworkInterface"]
        return made["NetworkInterfaceId"], {"privateIp": made["PrivateIpAddress"]}

    def _placement_group(self, i: dict[str, Any]) -> Told:
        self.ec2.create_placement_group(
            GroupName=i["name"], Strategy=i["strategy"], TagSpecifications=self._spec("placement-group", i)
        )
        return i["name"], {}

    def _launch_template(self, i: dict[str, Any]) -> Told:
        self.inputs[i["name"]] = i
        data = {
            "ImageId": i["imageId"],
            "InstanceType": i["instanceType"],
            "UserData": i["userData"],
            "InstanceInitiatedShutdownBehavior": i["instanceInitiatedShutdownBehavior"],
            "TagSpecifications": [
                {"ResourceType": each["resourceType"], "Tags": tagged(each["tags"])} for each in i["tagSpecifications"]
            ],
            "NetworkInterfaces": [_interface(each) for each in i["networkInterfaces"]],
        }
        made = self.ec2.create_launch_template(
            LaunchTemplateName=i["name"], LaunchTemplateData=data, TagSpecifications=self._spec("launch-template", i)
        )
        return made["LaunchTemplate"]["LaunchTemplateId"], {}

    def _instance(self, i: dict[str, Any]) -> Told:
        assert len(base64.b64decode(i["userDataBase64"])) <= 16 * 1024, "EC2 takes no more"
        made = self.ec2.run_instances(
            ImageId=i["ami"],
            InstanceType=i["instanceType"],
            MinCount=1,
            MaxCount=1,
            NetworkInterfaces=[_primary(i)],
            InstanceInitiatedShutdownBehavior=i["instanceInitiatedShutdownBehavior"],
            TagSpecifications=[
                *self._spec("instance", i),
                {"ResourceType": "volume", "Tags": tagged(i["rootBlockDevice"]["tags"])},
            ],
        )
        (told,) = self.ec2.describe_instances(InstanceIds=[made["Instances"][0]["InstanceId"]])["Reservations"][0]["Instances"]
        interface = told["NetworkInterfaces"][0]["NetworkInterfaceId"]
        return told["InstanceId"], {"publicIp": told.get("PublicIpAddress", ""), "primaryNetworkInterfaceId": interface}

    def _file_system(self, i: dict[str, Any]) -> Told:
        made = self.efs.create_file_system(
            CreationToken=i["creationToken"], Encrypted=i["encrypted"], ThroughputMode="bursting", Tags=tagged(i["tags"])
        )
        return made["FileSystemId"], {}

    def _mount_target(self, i: dict[str, Any]) -> Told:
        made = self.efs.create_mount_target(
            FileSystemId=i["fileSystemId"], SubnetId=i["subnetId"], SecurityGroups=i["securityGroups"]
        )
        return made["MountTargetId"], {}

    def _lustre_file_system(self, i: dict[str, Any]) -> Told:
        made = self.fsx.create_file_system(
            FileSystemType="LUSTRE",
            StorageCapacity=int(i["storageCapacity"]),
            SubnetIds=[i["subnetIds"]],
            SecurityGroupIds=i["securityGroupIds"],
            Tags=tagged(i["tags"]),
            LustreConfiguration={"DeploymentType": i["deploymentType"]},
        )["FileSystem"]
        return made["FileSystemId"], {"dnsName": made["DNSName"], "mountName": "abcdefgh"}

    def _bucket(self, i: dict[str, Any]) -> Told:
        self.s3.create_bucket(Bucket=i["bucket"], CreateBucketConfiguration={"LocationConstraint": aws.REGION})
        self.s3.put_bucket_tagging(Bucket=i["bucket"], Tagging={"TagSet": tagged(i["tags"])})
        return i["bucket"], {}

    def _bucket_public_access_block(self, i: dict[str, Any]) -> Told:
        closed = dict.fromkeys(("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"), True)
        self.s3.put_public_access_block(Bucket=i["bucket"], PublicAccessBlockConfiguration=closed)
        return i["bucket"], {}

    def _role(self, i: dict[str, Any]) -> Told:
        made = self.iam.create_role(
            RoleName=i["name"],
            Path=i["path"],
            Description=i["description"],
            AssumeRolePolicyDocument=i["assumeRolePolicy"],
            Tags=tagged(i["tags"]),
        )
        return i["name"], {"arn": made["Role"]["Arn"]}

    def _role_policy(self, i: dict[str, Any]) -> Told:
        self.iam.put_role_policy(RoleName=i["role"], PolicyName=i["name"], PolicyDocument=i["policy"])
        return f"{i['role']}:{i['name']}", {}

    def _instance_profile(self, i: dict[str, Any]) -> Told:
        self.iam.create_instance_profile(InstanceProfileName=i["name"], Path=i["path"], Tags=tagged(i["tags"]))
        self.iam.add_role_to_instance_profile(InstanceProfileName=i["name"], RoleName=i["role"])
        return i["name"], {}


def _primary(told: dict[str, Any]) -> dict[str, Any]:
    """An instance's own: one that is there, or one that comes with it."""
    if "primaryNetworkInterface" in told:
        return {"DeviceIndex": 0, "NetworkInterfaceId": told["primaryNetworkInterface"]["networkInterfaceId"]}
    return {
        "DeviceIndex": 0,
        "SubnetId": told["subnetId"],
        "PrivateIpAddress": told["privateIp"],
        "Groups": told["vpcSecurityGroupIds"],
        "AssociatePublicIpAddress": told["associatePublicIpAddress"],
        "DeleteOnTermination": True,
    }


def _interface(told: dict[str, Any]) -> dict[str, Any]:
    """Of one network card only: moto makes an address for each interface."""
    keys = {"deviceIndex": "DeviceIndex", "networkCardIndex": "NetworkCardIndex", "interfaceType": "InterfaceType"}
    made = {name: int(told[key]) if key != "interfaceType" else told[key] for key, name in keys.items() if key in told}
    return {**made, "SubnetId": told["subnetId"], "Groups": told["securityGroups"], "DeleteOnTermination": True}
