"""What Azure's error codes mean, each with the page that has it; and the class of an error as the Pulumi provider words it."""

from __future__ import annotations

import re

from provisioner.launch.azure import KINDS, kind_of
from provisioner.targets.cloud.faults import GONE, IN_USE, Codes, meanings

_SKU = "Resolve errors for SKU not available"
_ALLOCATION = "Troubleshoot allocation failures when you create or restart VMs in Azure"
_QUOTA = "Resolve errors for resource quotas"
_RBAC_LIMITS = "Troubleshoot Azure RBAC limits"
_THROTTLE = "Troubleshooting API throttling errors; Understand how Azure Resource Manager throttles requests"
_RBAC = "Troubleshoot Azure RBAC"
_DEPLOY = "Troubleshoot common Azure deployment errors"
_VM = "Understand common error messages when you manage virtual machines in Azure"
_LOCK = "Lock your resources to protect your infrastructure"
_GROUP = "Azure Resource Manager resource group and resource deletion"
_NETWORK = "Troubleshoot: failed to delete a virtual network in Azure; error codes of Microsoft.Network"
_CUSTOM = "Azure custom roles: find role assignments to delete a custom role"

# OperationNotAllowed is a quota where its words say so, else what is in use (a disk, an availability set): `told`.
TABLE: tuple[Codes, ...] = (
    Codes("CAPACITY", _SKU, "SkuNotAvailable"),
    Codes(
        "CAPACITY",
        _ALLOCATION,
        """AllocationFailed ZonalAllocationFailed OverconstrainedAllocationRequest OverconstrainedZonalAllocationRequest
        OverconstrainedZonalAllocationRequestFailure""",
    ),
    Codes("QUOTA", _QUOTA, "QuotaExceeded ResourceQuotaExceeded PublicIPCountLimitReached"),
    Codes("QUOTA", _RBAC_LIMITS, "RoleAssignmentLimitExceeded RoleDefinitionLimitExceeded"),
    Codes(
        "THROTTLE",
        _THROTTLE,
        "TooManyRequests SubscriptionRequestsThrottled ResourceRequestsThrottled ResourceCollectionRequestsThrottled",
    ),
    Codes("AUTH", _DEPLOY, "AuthorizationFailed LinkedAuthorizationFailed AuthenticationFailed"),
    Codes(
        "AUTH",
        _RBAC,
        """ExpiredAuthenticationToken InvalidAuthenticationToken InvalidAuthenticationTokenTenant
        RoleDefinitionDoesNotExist""",
    ),
    Codes(
        "CONFIG",
        _DEPLOY,
        """MissingSubscriptionRegistration NoRegisteredProviderFound RequestDisallowedByPolicy InvalidParameter
        InvalidRequestContent InvalidResourceReference ImageNotFound SubnetIsFull""",
    ),
    Codes("CONFIG", _VM, "PlatformImageNotFound PropertyChangeNotAllowed"),
    Codes("CONFIG", _LOCK, "ScopeLocked"),
    Codes("TRANSIENT", _DEPLOY, "AnotherOperationInProgress RetryableError OperationPreempted InternalServerError ServerTimeout"),
    Codes(
        "TRANSIENT",
        _VM,
        "InternalExecutionError NetworkingInternalOperationError OSProvisioningTimedOut VMStartTimedOut",
    ),
    Codes("TRANSIENT", _GROUP, "ResourceGroupBeingDeleted"),
    Codes(IN_USE, _GROUP, "ResourceGroupDeletionBlocked ResourceGroupDeletionTimeout CannotDeleteResource"),
    Codes(
        IN_USE,
        _NETWORK,
        """InUseSubnetCannotBeDeleted NicInUse NicReservedForAnotherVm PublicIPAddressCannotBeDeleted
        InUseNetworkSecurityGroupCannotBeDeleted InUseRouteTableCannotBeDeleted InUseNatGatewayCannotBeDeleted VnetInUse""",
    ),
    Codes(IN_USE, _CUSTOM, "RoleDefinitionHasAssignments"),
    Codes(GONE, _DEPLOY, "ResourceNotFound ResourceGroupNotFound ParentResourceNotFound NotFound"),
)
_MEANING = meanings(TABLE)

# Code="X" (go-autorest), ERROR CODE: X (azcore), "code": "X" (the answer itself).
_CODES = re.compile(r"""(?:\bCode="|ERROR CODE: |"code"\s*:\s*")([A-Za-z]+)""")
# "Microsoft Entra authentication and authorization error codes"; the Azure CLI's own words.
_LOGIN = re.compile(r"(AADSTS\d+)|az login|DefaultAzureCredential|AzureCLICredential")


def told(problem: Exception) -> tuple[str, str]:
    """(meaning where something is deleted or listed, Azure's code and words)."""
    code, words = getattr(problem, "code", ""), str(problem) or type(problem).__name__
    if code == "OperationNotAllowed":
        return ("QUOTA" if "quota" in words.lower() else IN_USE), words
    if getattr(problem, "status", 0) == 404:
        return GONE, words
    return _MEANING.get(code) or str(getattr(problem, "kind", "TRANSIENT")), words


def classify(words: str) -> tuple[str, str] | None:
    """(kind, Azure's code); of nested errors the first that says anything. None where there is none."""
    codes = _CODES.findall(words)
    for code in codes:
        if code in KINDS or code == "OperationNotAllowed":
            return kind_of(code, words), code
        if _MEANING.get(code) in ("QUOTA", "AUTH", "CONFIG"):
            return _MEANING[code], code
    if login := _LOGIN.search(words):
        return "AUTH", login.group(1) or "CredentialUnavailable"
    status = re.search(r"(?:StatusCode=|Status=|RESPONSE )(\d{3})", words)
    return (kind_of("", words, int(status.group(1))), codes[0] if codes else status.group(1)) if status else None
