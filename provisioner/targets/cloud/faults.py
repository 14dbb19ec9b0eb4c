"""What to do about each class of a provider's refusals."""

from __future__ import annotations

from provisioner.errors import Kind

FIXES = {
    Kind.CAPACITY: "ask for fewer nodes, for other types (groups.*.instance is a list), for another region, or spot: prefer",
    Kind.QUOTA: "ask the provider for more (its message names the quota), or for fewer nodes",
    Kind.THROTTLE: "burst run again, in a minute",
    Kind.AUTH: "burst doctor",
    Kind.CONFIG: "mend what the message names in the file",
    Kind.TRANSIENT: "burst run again",
}
