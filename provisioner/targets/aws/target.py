"""AWS, for the registry."""

from __future__ import annotations

from provisioner.targets.aws.place import AwsPlace
from provisioner.targets.cloud.target import CloudTarget


class AwsTarget(CloudTarget):
    """A cluster in one zone of an AWS region."""

    def __init__(self) -> None:
        super().__init__(AwsPlace())
