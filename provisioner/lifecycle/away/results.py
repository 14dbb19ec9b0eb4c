"""Where a detached run's results go: what the file says, or `--to` over it."""

from __future__ import annotations

from provisioner.errors import Invalid
from provisioner.spec import results

_NAMES = {"s3": "Amazon S3", "gs": "Google Cloud Storage", "blob": "Azure Blob Storage", "file": "a folder of this machine"}
_EXAMPLES = {"aws": "s3://BUCKET/PREFIX", "gcp": "gs://BUCKET/PREFIX", "azure": "https://ACCOUNT.blob.core.windows.net/CONTAINER"}


def wanted(said: str | None, to: str | None, target: str) -> str | None:
    """`said` is the file's `results`. Raises Invalid where there is no place, or one that the head could not write to.

    None on `local`, where nothing goes away but the terminal: outputs go to --results.
    """
    where = _parsed(to) if to is not None else results.parse(said) if said is not None else None
    if target == "local":
        return None
    if where is None:
        example = _EXAMPLES.get(target, "file:///FOLDER")
        raise Invalid(
            "--detach needs a place for the results",
            why="the head puts them there when nobody waits for them: a bucket of yours, which exists",
            fix=f"--to {example}, or in the file: results: {example}",
        )
    own = results.OF_TARGET.get(target)
    if own is not None and where.kind != own:
        raise Invalid(
            f"{where} is {_NAMES[where.kind]}: a head on {target} writes to {_NAMES[own]} alone",
            fix=f"--to {_EXAMPLES[target]}",
        )
    return str(where)


def _parsed(to: str) -> results.Where:
    try:
        return results.parse(to)
    except ValueError as problem:
        raise Invalid(str(problem), fix="--to s3://BUCKET/PREFIX") from problem
