"""The Pulumi engine: where it is, and one run's stack driven through the Automation API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from provisioner.events import Events
from provisioner.findings import Finding
from provisioner.targets.cloud.layout import Layout
from provisioner.targets.cloud.place import Place


def findings() -> tuple[Finding, ...]:
    """Whether there is an engine that can be used."""
    raise NotImplementedError


class Engine:
    """One run's stack. `environment` is what the provider's plugin needs."""

    def __init__(self, layout: Layout, place: Place, environment: Mapping[str, str]) -> None:
        self._layout, self._place, self._environment = layout, place, dict(environment)

    def create(self, configuration: Mapping[str, str], secrets: Mapping[str, str], events: Events) -> dict[str, Any]:
        """`pulumi up`; answers the outputs. Raises NotCreated with the provider's words and their class."""
        raise NotImplementedError

    def destroy(self, events: Events) -> None:
        """`pulumi destroy`, whatever state an earlier `up` died in; the stack goes too. May be repeated."""
        raise NotImplementedError
