"""What a run needs to be allowed: IAM's actions, by the type that the program makes, by what it reads, and by what is launched.

Of a resource type: what Pulumi's provider asks of AWS to make, read, tag and delete it. Read off the source of
hashicorp/terraform-provider-aws, which pulumi-aws is a bridge to: the file of each type is beside it (`internal/service/…`),
with the helpers that it calls in `find.go` and `wait.go`. Reading is done after every making. Not tried in a live account:
a newer provider may call more, and then says which action was denied.
"""

from __future__ import annotations

from provisioner.design import offered
from provisioner.design.model import Design

# Made with its tags in one call: IAM asks for ec2:CreateTags, too (Service Authorization Reference, "Dependent actions").
_TAG = "ec2:CreateTags"
_INTERFACES = "ec2:DescribeNetworkInterfaces"  # before a group or a subnet is deleted: deleteLingeringENIs
_RULES = ("ec2:DescribeSecurityGroupRules", _TAG)

NEEDS: dict[str, tuple[str, tuple[str, ...]]] = {
    "aws:ec2/vpc:Vpc": (
        "ec2/vpc_.go",
        (
            *("ec2:CreateVpc", "ec2:DescribeVpcs", "ec2:DescribeVpcAttribute", "ec2:ModifyVpcAttribute", "ec2:DeleteVpc", _TAG),
            *("ec2:DescribeNetworkAcls", "ec2:DescribeRouteTables", "ec2:DescribeSecurityGroups"),
        ),
    ),
    "aws:ec2/internetGateway:InternetGateway": (
        "ec2/vpc_internet_gateway.go",
        (
            *("ec2:CreateInternetGateway", "ec2:AttachInternetGateway", "ec2:DescribeInternetGateways", _TAG),
            *("ec2:DetachInternetGateway", "ec2:DeleteInternetGateway"),
        ),
    ),
    "aws:ec2/subnet:Subnet": (
        "ec2/vpc_subnet.go",
        ("ec2:CreateSubnet", "ec2:DescribeSubnets", "ec2:DeleteSubnet", _INTERFACES, _TAG),
    ),
    "aws:ec2/routeTable:RouteTable": (
        "ec2/vpc_route_table.go",
        ("ec2:CreateRouteTable", "ec2:DescribeRouteTables", "ec2:DisassociateRouteTable", "ec2:DeleteRouteTable", _TAG),
    ),
    "aws:ec2/routeTableAssociation:RouteTableAssociation": (
        "ec2/vpc_route_table_association.go",
        ("ec2:AssociateRouteTable", "ec2:DescribeRouteTables", "ec2:DisassociateRouteTable"),
    ),
    "aws:ec2/route:Route": ("ec2/vpc_route.go", ("ec2:CreateRoute", "ec2:DescribeRouteTables", "ec2:DeleteRoute")),
    "aws:ec2/vpcEndpoint:VpcEndpoint": (
        "ec2/vpc_endpoint.go",
        ("ec2:CreateVpcEndpoint", "ec2:DescribeVpcEndpoints", "ec2:DescribePrefixLists", "ec2:DeleteVpcEndpoints", _TAG),
    ),
    "aws:ec2/natGateway:NatGateway": (
        "ec2/vpc_nat_gateway.go",
        ("ec2:CreateNatGateway", "ec2:DescribeNatGateways", "ec2:DeleteNatGateway", _TAG),
    ),
    "aws:ec2/eip:Eip": (
        "ec2/ec2_eip.go",
        (
            *("ec2:AllocateAddress", "ec2:AssociateAddress", "ec2:DescribeAddresses", "ec2:DescribeAddressesAttribute", _TAG),
            *("ec2:DisassociateAddress", "ec2:ReleaseAddress"),
        ),
    ),
    "aws:ec2/securityGroup:SecurityGroup": (
        "ec2/vpc_security_group.go",
        (
            *("ec2:CreateSecurityGroup", "ec2:DescribeSecurityGroups", "ec2:RevokeSecurityGroupEgress", _TAG),
            *(_INTERFACES, "ec2:DeleteSecurityGroup"),
        ),
    ),
    # Its tags are given in a call of their own, afterwards.
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": (
        "ec2/vpc_security_group_ingress_rule.go",
        ("ec2:AuthorizeSecurityGroupIngress", "ec2:RevokeSecurityGroupIngress", *_RULES),
    ),
    "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule": (
        "ec2/vpc_security_group_egress_rule.go",
        ("ec2:AuthorizeSecurityGroupEgress", "ec2:RevokeSecurityGroupEgress", *_RULES),
    ),
    "aws:ec2/networkInterface:NetworkInterface": (
        "ec2/vpc_network_interface.go",
        (
            *("ec2:CreateNetworkInterface", _INTERFACES, "ec2:ModifyNetworkInterfaceAttribute", _TAG),
            *("ec2:DetachNetworkInterface", "ec2:DeleteNetworkInterface"),
        ),
    ),
    "aws:ec2/placementGroup:PlacementGroup": (
        "ec2/ec2_placement_group.go",
        ("ec2:CreatePlacementGroup", "ec2:DescribePlacementGroups", "ec2:DeletePlacementGroup", _TAG),
    ),
    "aws:ec2/launchTemplate:LaunchTemplate": (
        "ec2/ec2_launch_template.go",
        (
            *("ec2:CreateLaunchTemplate", "ec2:DescribeLaunchTemplates", "ec2:DescribeLaunchTemplateVersions", _TAG),
            *("ec2:CreateLaunchTemplateVersion", "ec2:ModifyLaunchTemplate", "ec2:DeleteLaunchTemplate"),
        ),
    ),
    # The root disk's tags are given in a call of their own; before it is deleted its protection is taken away.
    "aws:ec2/instance:Instance": (
        "ec2/ec2_instance.go",
        (
            *("ec2:RunInstances", "ec2:DescribeInstances", "ec2:DescribeInstanceTypes", "ec2:DescribeInstanceAttribute", _TAG),
            *("ec2:DescribeVolumes", "ec2:DescribeTags", "ec2:DescribeInstanceCreditSpecifications", "iam:PassRole"),
            *("ec2:ModifyInstanceAttribute", "ec2:TerminateInstances"),
        ),
    ),
    # Beside the source: what the EFS API Reference says that each call needs of EC2.
    "aws:efs/fileSystem:FileSystem": (
        "efs/file_system.go",
        (
            *("elasticfilesystem:CreateFileSystem", "elasticfilesystem:TagResource", "elasticfilesystem:DescribeFileSystems"),
            *("elasticfilesystem:DescribeLifecycleConfiguration", "elasticfilesystem:DeleteFileSystem"),
        ),
    ),
    "aws:efs/mountTarget:MountTarget": (
        "efs/mount_target.go",
        (
            *("elasticfilesystem:CreateMountTarget", "elasticfilesystem:DescribeMountTargets", "ec2:DescribeSubnets"),
            *("elasticfilesystem:DescribeMountTargetSecurityGroups", "elasticfilesystem:DeleteMountTarget"),
            *("ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface", "ec2:DescribeNetworkInterfaceAttribute", _INTERFACES),
        ),
    ),
    # Beside the source: CreateFileSystem's dependent actions, "Actions, resources, and condition keys for Amazon FSx".
    "aws:fsx/lustreFileSystem:LustreFileSystem": (
        "fsx/lustre_file_system.go",
        (
            *("fsx:CreateFileSystem", "fsx:TagResource", "fsx:DescribeFileSystems", "fsx:DeleteFileSystem"),
            "ec2:GetSecurityGroupsForVpc",
        ),
    ),
    # TagResource and ListTagsForResource: since 6.23.0 of the provider (its CHANGELOG).
    "aws:s3/bucket:Bucket": (
        "s3/bucket.go",
        (
            *("s3:CreateBucket", "s3:TagResource", "s3:ListTagsForResource", "s3:PutBucketTagging", "s3:GetBucketTagging"),
            *("s3:ListBucket", "s3:GetBucketPolicy", "s3:GetBucketAcl", "s3:GetBucketCORS", "s3:GetBucketWebsite"),
            *("s3:GetBucketVersioning", "s3:GetAccelerateConfiguration", "s3:GetBucketRequestPayment", "s3:GetBucketLogging"),
            *("s3:GetLifecycleConfiguration", "s3:GetReplicationConfiguration", "s3:GetEncryptionConfiguration"),
            *("s3:GetBucketObjectLockConfiguration", "s3:ListBucketVersions", "s3:DeleteObject", "s3:DeleteObjectVersion"),
            "s3:DeleteBucket",
        ),
    ),
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": (
        "s3/bucket_public_access_block.go",
        ("s3:PutBucketPublicAccessBlock", "s3:GetBucketPublicAccessBlock"),
    ),
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": (
        "s3/bucket_server_side_encryption_configuration.go",
        ("s3:PutEncryptionConfiguration", "s3:GetEncryptionConfiguration"),
    ),
    "aws:iam/role:Role": (
        "iam/role.go",
        (
            *("iam:CreateRole", "iam:TagRole", "iam:GetRole", "iam:ListRolePolicies", "iam:GetRolePolicy"),
            *("iam:ListAttachedRolePolicies", "iam:ListInstanceProfilesForRole", "iam:RemoveRoleFromInstanceProfile"),
            "iam:DeleteRole",
        ),
    ),
    "aws:iam/rolePolicy:RolePolicy": (
        "iam/role_policy.go",
        ("iam:PutRolePolicy", "iam:GetRolePolicy", "iam:DeleteRolePolicy"),
    ),
    # iam:PassRole is what AddRoleToInstanceProfile depends on.
    "aws:iam/instanceProfile:InstanceProfile": (
        "iam/instance_profile.go",
        (
            *("iam:CreateInstanceProfile", "iam:TagInstanceProfile", "iam:GetInstanceProfile", "iam:GetRole", "iam:PassRole"),
            *("iam:AddRoleToInstanceProfile", "iam:RemoveRoleFromInstanceProfile", "iam:DeleteInstanceProfile"),
        ),
    ),
}

# What the program reads, by the function's name. The account's and the region's need nothing.
READS: dict[str, tuple[str, ...]] = {
    "getRegion": (),
    "getCallerIdentity": (),
    "getInstanceTypeOfferings": ("ec2:DescribeInstanceTypeOfferings",),
    "getParameter": ("ssm:GetParameter",),
    "getAmi": ("ec2:DescribeImages",),
    "getSubnet": ("ec2:DescribeSubnets",),
}

# What launch/aws.py calls to make and end nodes; a fleet runs instances in its caller's name, and tags them.
LAUNCH = ("ec2:CreateFleet", "ec2:RunInstances", _TAG, "ec2:DescribeInstances", "ec2:TerminateInstances")

_VPC = (
    *("ec2/vpc:Vpc", "ec2/internetGateway:InternetGateway", "ec2/subnet:Subnet", "ec2/routeTable:RouteTable"),
    *("ec2/routeTableAssociation:RouteTableAssociation", "ec2/route:Route"),
)
_ALWAYS = (
    *("ec2/securityGroup:SecurityGroup", "vpc/securityGroupIngressRule:SecurityGroupIngressRule"),
    *("vpc/securityGroupEgressRule:SecurityGroupEgressRule", "ec2/launchTemplate:LaunchTemplate", "ec2/instance:Instance"),
)
_STORAGE: dict[str, tuple[str, ...]] = {
    "managed-nfs": ("efs/fileSystem:FileSystem", "efs/mountTarget:MountTarget"),
    "lustre": ("fsx/lustreFileSystem:LustreFileSystem",),
    "bucket": (
        *("s3/bucket:Bucket", "s3/bucketPublicAccessBlock:BucketPublicAccessBlock"),
        "s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
    ),
}
_IDENTITY = ("iam/role:Role", "iam/rolePolicy:RolePolicy", "iam/instanceProfile:InstanceProfile")


def made(design: Design) -> frozenset[str]:
    """Pulumi's types that the program makes of a design (tests/stacks/test_docs_aws.py compares it with the program)."""
    network, types = design.network, [*_ALWAYS]
    own, public = network.id is None, network.access == "public"
    gateway = own and (network.egress == "gateway" or not public)
    types += _VPC if own else ("ec2/networkInterface:NetworkInterface",)
    types += ("ec2/natGateway:NatGateway",) if gateway else ()
    types += ("ec2/eip:Eip",) if gateway or (public and not own) else ()
    types += ("ec2/vpcEndpoint:VpcEndpoint",) if own and any(fs.type == "bucket" for fs in design.filesystems) else ()
    if any(group.fabric == "auto" and node.fabric == "efa" for group in design.groups for node in offered.kinds(design, group)):
        types.append("ec2/placementGroup:PlacementGroup")
    for fs in design.filesystems:
        types += _STORAGE.get(fs.type, ()) if fs.id is None else ()
    types += _IDENTITY if design.identity.create and design.identity.id is None else ()
    return frozenset(f"aws:{each}" for each in types)
