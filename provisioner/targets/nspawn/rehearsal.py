"""What a rehearsal is to refuse or break: a YAML file named by $BURST_REHEARSAL. docs/rehearsal.md has it key by key."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from provisioner.errors import Invalid
from provisioner.spec.fields import Duration

Seconds = Duration | Annotated[float, Field(ge=0)]


class Part(BaseModel):
    """Frozen and closed."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Notice(Part):
    """A spot notice: `after` the machine was launched, it says that it will be taken away in `warning` seconds."""

    after: Seconds
    warning: Seconds = 120.0


class Rehearsal(Part):
    """`capacity` is how many machines there are of a market or an instance type (not counting the head and login nodes),
    `zones` the same for each zone that a cluster may be in, in their order; `throttle` how many of the first calls are told
    to come back later; `delay` how long each launch takes; `ready` how long nodes have to become ready; `bucket` whether the
    head may write results. Times in seconds, or as the file writes them (20s, 2m).
    """

    image: Literal["bookworm", "trixie"] = "trixie"
    plain: bool = False
    capacity: dict[str, Annotated[int, Field(ge=0)]] = {}
    zones: dict[str, dict[str, Annotated[int, Field(ge=0)]]] = {}
    throttle: Annotated[int, Field(ge=0)] = 0
    delay: Seconds = 0.0
    ready: Seconds = 120.0
    faults: dict[str, Literal["never-boots", "no-way-out", "no-exports", "no-metadata"]] = {}
    notices: dict[str, Notice] = {}
    bucket: Literal["open", "denied"] = "open"

    def within(self, zone: str | None) -> Rehearsal:
        """As a cluster in that zone finds it."""
        return self if zone is None else self.model_copy(update={"capacity": {**self.capacity, **self.zones.get(zone, {})}})


def asked() -> Rehearsal:
    """What the environment asks for; nothing by default. Raises Invalid."""
    named = os.environ.get("BURST_REHEARSAL")
    if not named:
        return Rehearsal()
    try:
        return Rehearsal.model_validate(YAML(typ="safe", pure=True).load(Path(named)) or {})
    except OSError as problem:
        raise Invalid(f"BURST_REHEARSAL: {named}: {problem.strerror}", fix="unset BURST_REHEARSAL") from problem
    except YAMLError as problem:
        raise Invalid(f"BURST_REHEARSAL: {named} is not YAML", why=str(problem), fix="see docs/rehearsal.md") from problem
    except ValidationError as problem:
        wrong = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in problem.errors()]
        raise Invalid(f"BURST_REHEARSAL: {named} is wrong", why="\n".join(wrong), fix="see docs/rehearsal.md") from problem
