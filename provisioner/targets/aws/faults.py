"""What AWS's error codes mean, each with the page that has it; and errors as Pulumi's provider words them → their class."""

from __future__ import annotations

import re
from typing import Any

from provisioner.launch.aws import kind_of
from provisioner.targets.cloud.faults import GONE, IN_USE, Codes, meanings

_EC2 = "Amazon EC2 API Reference, Error codes for the Amazon EC2 API"
_EFS = "Amazon EFS API Reference, Errors of CreateFileSystem, CreateMountTarget, DeleteFileSystem and DeleteMountTarget"
_FSX = "Amazon FSx API Reference, Errors of CreateFileSystem and DeleteFileSystem"
_IAM = "AWS IAM API Reference, Errors of CreateRole, DeleteRole and DeleteInstanceProfile"
_S3 = "Amazon S3 API Reference, Error responses"
_STS = "AWS IAM API Reference, Common errors; AWS STS API Reference, Common errors"
_SDK = "botocore, exceptions of credential providers"
_RETRY = "AWS SDKs and Tools Reference Guide, Retry behavior"

# A code with a dot before its last word stands for that word too: `_by_ending`.
TABLE: tuple[Codes, ...] = (
    Codes(
        "CAPACITY",
        _EC2,
        """InsufficientInstanceCapacity InsufficientCapacity InsufficientHostCapacity InsufficientReservedInstanceCapacity
        ReservationCapacityExceeded UnfulfillableCapacity SpotMaxPriceTooLow Unsupported""",
    ),
    Codes("CAPACITY", _EFS, "InsufficientThroughputCapacity UnsupportedAvailabilityZone"),
    Codes(
        "QUOTA",
        _EC2,
        """InstanceLimitExceeded VcpuLimitExceeded MaxSpotInstanceCountExceeded VolumeLimitExceeded MaxIOPSLimitExceeded
        VolumeIOPSLimit AddressLimitExceeded NetworkInterfaceLimitExceeded VpcLimitExceeded InternetGatewayLimitExceeded
        NatGatewayLimitExceeded RouteTableLimitExceeded SecurityGroupLimitExceeded SecurityGroupsPerInstanceLimitExceeded
        RulesPerSecurityGroupLimitExceeded SubnetLimitExceeded VpcEndpointLimitExceeded InsufficientFreeAddressesInSubnet
        PlacementGroupLimitExceeded ResourceLimitExceeded""",
    ),
    Codes("QUOTA", _EFS, "FileSystemLimitExceeded ThroughputLimitExceeded NoFreeAddressesInSubnet"),
    Codes("QUOTA", _FSX, "ServiceLimitExceeded"),
    Codes("QUOTA", _IAM, "LimitExceeded"),
    Codes("QUOTA", _S3, "TooManyBuckets"),
    Codes("THROTTLE", _EC2, "RequestLimitExceeded EC2ThrottledException BandwidthLimitExceeded"),
    Codes("THROTTLE", _S3, "SlowDown"),
    Codes(
        "THROTTLE",
        _RETRY,
        "Throttling ThrottlingException ThrottledException RequestThrottled RequestThrottledException TooManyRequestsException",
    ),
    Codes(
        "AUTH",
        _EC2,
        """UnauthorizedOperation AuthFailure AuthFailure.ServiceLinkedRoleCreationNotPermitted OptInRequired PendingVerification
        Blocked MissingAuthenticationToken RequestExpired InvalidClientTokenId""",
    ),
    Codes(
        "AUTH",
        _STS,
        "AccessDenied AccessDeniedException ExpiredToken ExpiredTokenException UnrecognizedClientException SignatureDoesNotMatch",
    ),
    Codes("AUTH", _S3, "InvalidAccessKeyId InvalidToken AccountProblem"),
    Codes(
        "AUTH",
        _SDK,
        """NoCredentialsError PartialCredentialsError CredentialRetrievalError TokenRetrievalError SSOTokenLoadError
        UnauthorizedSSOTokenError""",
    ),
    Codes(
        "CONFIG",
        _EC2,
        """InvalidParameter InvalidParameterValue InvalidParameterCombination MissingParameter InvalidAMIID.NotFound
        InvalidKeyPair.NotFound OperationNotPermitted""",
    ),
    Codes("CONFIG", _IAM, "UnmodifiableEntity MalformedPolicyDocument EntityAlreadyExists InvalidInput"),
    Codes("CONFIG", f"{_EFS}; {_FSX}", "BadRequest IncompatibleParameterError InvalidNetworkSettings FileSystemAlreadyExists"),
    Codes("CONFIG", _S3, "BucketAlreadyExists BucketAlreadyOwnedByYou"),
    Codes("CONFIG", _SDK, "ParamValidationError"),
    Codes(
        "TRANSIENT",
        _EC2,
        """InternalError InternalFailure ServerInternal ServiceUnavailable Unavailable InsufficientAddressCapacity
        IdempotentInstanceTerminated""",
    ),
    Codes("TRANSIENT", f"{_EFS}; {_FSX}", "InternalServerError DependencyTimeout"),
    Codes("TRANSIENT", _IAM, "ServiceFailure ConcurrentModification"),
    Codes("TRANSIENT", _S3, "OperationAborted RequestTimeout"),
    Codes("TRANSIENT", _RETRY, "RequestTimeoutException PriorRequestNotComplete"),
    Codes(
        IN_USE,
        _EC2,
        """DependencyViolation IncorrectState IncorrectInstanceState VolumeInUse InvalidGroup.InUse InvalidIPAddress.InUse
        InvalidNetworkInterface.InUse InvalidPlacementGroup.InUse InvalidAddress.Locked ResourceInUse""",
    ),
    Codes(IN_USE, _EFS, "FileSystemInUse IncorrectFileSystemLifeCycleState MountTargetConflict"),
    Codes(IN_USE, _IAM, "DeleteConflict EntityTemporarilyUnmodifiable"),
    Codes(IN_USE, _S3, "BucketNotEmpty"),
    Codes(
        GONE,
        _EC2,
        """InvalidInstanceID.NotFound InvalidVpcID.NotFound InvalidSubnetID.NotFound InvalidGroup.NotFound
        InvalidRouteTableID.NotFound InvalidInternetGatewayID.NotFound InvalidNetworkInterfaceID.NotFound
        InvalidAllocationID.NotFound InvalidVolume.NotFound InvalidLaunchTemplateId.NotFound InvalidVpcEndpointId.NotFound
        InvalidSpotInstanceRequestID.NotFound NatGatewayNotFound InvalidPlacementGroup.Unknown""",
    ),
    Codes(GONE, f"{_EFS}; {_FSX}", "FileSystemNotFound MountTargetNotFound"),
    Codes(GONE, _IAM, "NoSuchEntity"),
    Codes(GONE, _S3, "NoSuchBucket NoSuchKey NoSuchUpload"),
)
_MEANING = meanings(TABLE)

# aws-sdk-go-v2, smithy.OperationError: "operation error EC2: RunInstances, https response error StatusCode: 400,
# RequestID: …, api error InsufficientInstanceCapacity: We currently do not have …"; with a modelled error of the service
# the last part is "AccessDenied: …" or "FileSystemLimitExceeded: …" without "api error".
_CODED = re.compile(r"api error ([A-Za-z][\w.]+)")
_MODELLED = re.compile(r"StatusCode: (\d{3}), (?:RequestID|HostID)[^,]*, (?:HostID[^,]*, )?([A-Z]\w+(?:\.\w+)?):")
# What is said where no answer came, or no credentials were found.
_WORDS = (
    (
        r"(?i)no valid credential sources|failed to refresh cached credentials|get credentials|ExpiredToken",
        "AUTH",
        "NoCredentials",
    ),
    (r"(?i)connection reset|connection refused|i/o timeout|no such host|TLS handshake|unexpected EOF", "TRANSIENT", "Connection"),
    (r"(?i)timeout while waiting for state|context deadline exceeded", "TRANSIENT", "Timeout"),
)


def meaning(code: str) -> str:
    """Of a code where something is deleted or listed: its row of the table, else by its ending, else as a launch has it."""
    bare = code.removeprefix("Client.").removeprefix("Server.")
    return _MEANING.get(bare) or _by_ending(bare) or kind_of(code)


def _by_ending(code: str) -> str | None:
    """Each of EC2's resources has codes of these endings of its own."""
    if code.endswith(("NotFound", "NotFoundException")):
        return GONE
    return IN_USE if code.endswith((".InUse", "InUseException")) else None


def told(problem: Exception) -> tuple[str, str]:
    """(meaning, AWS's code and words) of what botocore raised; that no answer came is TRANSIENT."""
    response: Any = getattr(problem, "response", None)
    if response is None:
        name = type(problem).__name__
        return _MEANING.get(name, "TRANSIENT"), f"{name}: {problem}"
    error = response.get("Error", {})
    code, status = str(error.get("Code", "")), response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    words = f"{code}: {error.get('Message', problem)}"
    if code.isdigit():
        # What a gateway before the service answers has a number for its code.
        return ("THROTTLE" if status == 429 else GONE if status == 404 else "TRANSIENT"), words
    found = meaning(code)
    return ("TRANSIENT" if found == "CONFIG" and status >= 500 else found), words


def _kind(code: str) -> str:
    """The class of a code where something is made."""
    found = _MEANING.get(code)
    return kind_of(code) if found in (None, IN_USE, GONE) else str(found)


def classify(words: str) -> tuple[str, str] | None:
    """(errors.Kind by name, the provider's code); None where no error of AWS is in it."""
    if match := _CODED.search(words):
        return _kind(match[1]), match[1]
    if match := _MODELLED.search(words):
        status, code = match.groups()
        return ("TRANSIENT" if status.startswith("5") else _kind(code)), code
    return next(((kind, code) for pattern, kind, code in _WORDS if re.search(pattern, words)), None)
