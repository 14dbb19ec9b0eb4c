"""What is missing on this machine for a cloud: the engine, the extra's packages, credentials."""

from __future__ import annotations

from collections.abc import Callable

from provisioner.findings import Finding, error
from provisioner.targets.cloud import installation

# The distributions of pyproject.toml's extras, beside Pulumi's own.
PACKAGES = {
    "aws": ("pulumi-aws", "boto3"),
    "gcp": ("pulumi-gcp", "google-auth", "requests"),
    "azure": ("pulumi-azure-native", "azure-identity", "requests"),
}
_LOGINS = {
    "aws": "aws configure sso (or: aws configure), or set AWS_PROFILE",
    "gcp": "gcloud auth application-default login",
    "azure": "az login",
}


def lacking(name: str, configured: Callable[[], bool] | None) -> tuple[Finding, ...]:
    """`configured` looks whether there seem to be credentials; None where this version has no such target."""
    extra = f"pip install 'burst-hpc[{name}]'"
    missing = [package for package in ("pulumi", *PACKAGES[name]) if installation.sdk(package) is None]
    found = []
    if missing:
        found.append(error("extra", f"not installed: {', '.join(missing)}", extra))
    found += installation.unusable()
    if configured is None:
        found.append(error("target", f"the target {name} is not in this version"))
    elif not missing and not configured():
        found.append(error("credentials", f"no credentials for {name} seem to be configured", _LOGINS[name]))
    return tuple(found)
