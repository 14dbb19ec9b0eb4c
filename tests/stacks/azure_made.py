"""What Azure's program makes of a text, and what its machines are told."""

from __future__ import annotations

import base64
from functools import cache
from typing import Any

from making import design

from tests.stacks.azure import CLOUD
from tests.stacks.azure_answers import SUBSCRIPTION, os_profile, unpacked
from tests.stacks.programs import Made, Stack

PLAIN = "version: 1\nname: plain\ngroups: {cpu: {instance: Standard_D4s_v5, nodes: 2}}\n"
GROUP = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/test-abc234"


@cache
def made(text: str, **more: str) -> Stack:
    return CLOUD.run(design(text, "azure"), **more)


def only(stack: Stack, kind: str) -> Made:
    (found,) = stack.of(f":{kind}")
    return found


def head(stack: Stack) -> dict[str, Any]:
    return unpacked(os_profile(only(stack, "VirtualMachine"))["customData"])


def compute(stack: Stack) -> dict[str, Any]:
    return unpacked(base64.b64decode(head(stack)["files"]["/opt/burst/compute"]["content"]))


def phases(told: dict[str, Any]) -> list[str]:
    return [command[1] for command in told["runcmd"]]


def rules(stack: Stack, part: str) -> dict[str, dict[str, Any]]:
    group = next(each for each in stack.of(":NetworkSecurityGroup") if each.name == part)
    return {rule["name"]: rule for rule in group.inputs["securityRules"]}
