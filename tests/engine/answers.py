"""What the cloud of tests/engine/stack answers."""

from __future__ import annotations

from typing import Any


class Cloud:
    def create(self, type_: str, name: str, inputs: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        return f"{name}-id", {"told": f"of {name}"}

    def call(self, function: str, arguments: dict[str, Any]) -> dict[str, Any]:
        return {"id": "ami-1"}


CLOUD = Cloud()
