"""What the AWS program once made, made again in moto without the program: all of it, or its beginning."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import Any

from making import design

from tests.stacks import aws
from tests.stacks.aws_moto import InMoto
from tests.stacks.aws_placement import placement_groups
from tests.stacks.programs import Made

# Beside what aws.TEXT has: a NAT gateway.
GATEWAY = aws.TEXT + "network: {egress: gateway}\n"


@cache
def recorded(run: str) -> tuple[Made, ...]:
    """In the order in which they were made."""
    from moto import mock_aws

    decided = design(GATEWAY, "aws")
    decided = decided.model_copy(update={"run": decided.run.model_copy(update={"id": run})})
    with mock_aws(), placement_groups():
        moto = InMoto()
        return tuple(replace(aws.CLOUD, create=moto.create, call=moto.call).run(decided).resources)


def again(made: Sequence[Made], run: str = "", other: str = "") -> list[Made]:
    """These, with the ids that they have this time, also within each other; of an `other` run than the one that made them."""
    moto, ids, done = InMoto(), dict[str, str](), list[Made]()
    for each in made:
        inputs = _renamed(each.inputs, ids, run, other)
        identity, outputs = moto.create(each.type, each.name, inputs)
        ids[each.id.replace(run, other) if run else each.id] = identity
        done.append(replace(each, id=identity, inputs=inputs, outputs=outputs))
    return done


def _renamed(inputs: dict[str, Any], ids: dict[str, str], run: str, other: str) -> dict[str, Any]:
    text = json.dumps(inputs).replace(run, other) if run else json.dumps(inputs)
    for before, now in ids.items():
        text = text.replace(f'"{before}"', f'"{now}"')
    renamed: dict[str, Any] = json.loads(text)
    return renamed
