"""Where a run's results go when nobody waits for them: a bucket of the user's own, written as its URL."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Kind = Literal["s3", "gs", "blob", "file"]

# One alphabet that policies, conditions and URLs take as it is: `*` and `?` would mean more in a policy.
_PREFIX = r"(?P<prefix>[A-Za-z0-9][A-Za-z0-9._=/-]*)?"
# "Bucket naming rules" (S3), "Bucket names" (Cloud Storage), "Naming and Referencing Containers" (Blob Storage).
_SHAPES: dict[Kind, str] = {
    "s3": r"s3://(?P<bucket>[a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:/" + _PREFIX + ")?",
    "gs": r"gs://(?P<bucket>[a-z0-9][a-z0-9._-]{1,220}[a-z0-9])(?:/" + _PREFIX + ")?",
    "blob": r"https://(?P<account>[a-z0-9]{3,24})\.blob\.core\.windows\.net/(?P<bucket>[a-z0-9][a-z0-9-]{1,61}[a-z0-9])(?:/"
    + _PREFIX
    + ")?",
    "file": r"(?:file://)?(?P<prefix>/[^\0]*)",
}
EXAMPLES = "s3://BUCKET/PREFIX, gs://BUCKET/PREFIX, https://ACCOUNT.blob.core.windows.net/CONTAINER/PREFIX or file:///FOLDER"
# Who writes where: a head has an identity in its own cloud alone.
OF_TARGET: dict[str, Kind] = {"aws": "s3", "gcp": "gs", "azure": "blob"}


@dataclass(frozen=True)
class Where:
    """A bucket (an account's container, on Azure), and a folder in it without slashes around it; of a file:// its path."""

    kind: Kind
    bucket: str
    prefix: str
    account: str = ""

    def __str__(self) -> str:
        if self.kind == "file":
            return f"file://{self.prefix}"
        host = f"https://{self.account}.blob.core.windows.net" if self.kind == "blob" else f"{self.kind}:/"
        return "/".join(filter(None, (host, self.bucket, self.prefix)))

    def below(self, *names: str) -> Where:
        """A folder in it."""
        return Where(self.kind, self.bucket, "/".join(filter(None, (self.prefix, *names))), self.account)


def parse(text: str) -> Where:
    """Raises ValueError with what is accepted."""
    for kind, shape in _SHAPES.items():
        found = re.fullmatch(shape, text, re.ASCII)
        if found is None:
            continue
        told = found.groupdict()
        prefix = told["prefix"] or ""
        prefix = (prefix.rstrip("/") or "/") if kind == "file" else prefix.strip("/")
        if any(part in ("", ".", "..") for part in prefix.strip("/").split("/") if prefix.strip("/")):
            break
        return Where(kind, told.get("bucket") or "", prefix, told.get("account") or "")
    raise ValueError(f"{text!r} is no place for results: write {EXAMPLES}")
