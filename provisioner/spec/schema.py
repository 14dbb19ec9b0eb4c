"""The file's JSON Schema (2020-12), for editors."""

from __future__ import annotations

from typing import Any

from provisioner.spec.model import Spec


def json_schema() -> dict[str, Any]:
    """Made from the model; what only rules can say is not in it."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **Spec.model_json_schema(mode="validation"),
        "title": "burst.yaml",
    }
