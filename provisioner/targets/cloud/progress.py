"""The engine's own events → ours: a line for each resource, and of what failed the provider's own words."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from provisioner import clock
from provisioner.errors import Kind, NotCreated
from provisioner.events import Events
from provisioner.targets.cloud.faults import fix

if TYPE_CHECKING:
    from pulumi.automation import DiagnosticEvent, EngineEvent, StepEventMetadata

_DONE = {"create": "created", "update": "updated", "delete": "deleted", "read": "read", "import": "imported"}
# What a provider says of one resource, at most.
_LINES = 20

# Where a resource's own name is among its inputs, as the three providers call it.
_NAMES = ("name", "bucket", "accountId", "roleId", "resourceName", "vmName", "workflowName", "resourceGroupName")

Classify = Callable[[str], tuple[str, str] | None]


@dataclass(frozen=True)
class Failure:
    """`words` are the provider's, or the program's where `type` is pulumi:pulumi:Stack; "" for what is nobody's."""

    type: str
    name: str
    words: str


class Progress:
    """A callback for the Automation API's on_event. What is among `secrets` is in nothing that it says or keeps."""

    def __init__(self, events: Events, secrets: Iterable[str] = ()) -> None:
        self.failures: list[Failure] = []
        self._events = events
        self._secrets = tuple(_parts(secrets))
        self._begun: dict[str, float] = {}

    def __call__(self, event: EngineEvent) -> None:
        if event.resource_pre_event is not None:
            self._begun[event.resource_pre_event.metadata.urn] = clock.monotonic()
            self._intended(event.resource_pre_event.metadata)
        elif event.res_outputs_event is not None:
            self._made(event.res_outputs_event.metadata)
        elif event.diagnostic_event is not None and event.diagnostic_event.severity == "error":
            self._failed(event.diagnostic_event)

    def _intended(self, step: StepEventMetadata) -> None:
        """What is about to be made, into the journal: what is cut off is asked for by this name."""
        if step.new is None or not step.new.custom or _op(step) != "create" or step.type.startswith("pulumi:"):
            return
        told = step.new.inputs or {}
        name = next((str(told[key]) for key in _NAMES if told.get(key)), _name(step.urn))
        self._events.step("make", f"make {step.type} {name}", type=step.type, name=name)

    def _made(self, step: StepEventMetadata) -> None:
        done, state = _DONE.get(_op(step)), step.new or step.old
        if done is None or state is None or not state.custom or step.type.startswith("pulumi:"):
            return
        seconds = round(clock.monotonic() - self._begun.get(step.urn, clock.monotonic()), 1)
        name = _name(step.urn)
        self._events.say(
            "resource", f"{step.type} {name} {done} {seconds}s", type=step.type, name=name, done=done, seconds=seconds
        )

    def _failed(self, said: DiagnosticEvent) -> None:
        failure = Failure(*_what(said.urn or ""), self.clean(said.message))
        if any(failure.words in earlier.words for earlier in self.failures):
            return
        self.failures.append(failure)
        if said.urn:
            first = failure.words.partition("\n")[0]
            self._events.say(
                "resource.failed",
                f"{failure.type} {failure.name}: {first}",
                type=failure.type,
                name=failure.name,
                words=failure.words,
            )

    def clean(self, words: str) -> str:
        """A message without empty lines, indent and secrets, and not longer than a screen."""
        for secret in self._secrets:
            words = words.replace(secret, "[secret]")
        lines = [line.strip() for line in words.splitlines()]
        return "\n".join([line for line in lines if line][:_LINES])

    def first(self, classify: Classify, said: str) -> tuple[Failure, tuple[str, str] | None]:
        """The failure to tell: the first that has a class, else the first. `said` is what the engine printed of itself."""
        named = [failure for failure in self.failures if failure.name] or self.failures
        failures = named or [Failure("", "", self.clean(_printed(said)))]
        classes = [(failure, classify(failure.words)) for failure in failures]
        return next((each for each in classes if each[1] is not None), classes[0])

    def not_created(self, classify: Classify, said: str, cloud: str = "") -> NotCreated:
        """The error that these failures are."""
        failure, told = self.first(classify, said)
        kind = Kind(told[0]) if told is not None else None
        own = failure.type in ("", "pulumi:pulumi:Stack")
        return NotCreated(
            "the stack could not be made" if own else f"{failure.type} {failure.name} could not be made",
            why=failure.words,
            fix=fix(kind, cloud) if kind is not None else "mend what the message names; burst doctor says what is missing here",
            kind=kind,
        )


def _op(step: StepEventMetadata) -> str:
    return str(getattr(step.op, "value", step.op))


def _printed(said: str) -> str:
    """What went wrong, of a CommandError's text: " code: …\n stdout: …\n stderr: …"."""
    out, _, err = said.partition(" stderr: ")
    return err.strip() or out[-2000:]


def _what(urn: str) -> tuple[str, str]:
    """A resource's type and name: urn:pulumi:STACK::PROJECT::PARENTS$TYPE::NAME."""
    if not urn:
        return "", ""
    return urn.split("::", 3)[2].rpartition("$")[2], _name(urn)


def _name(urn: str) -> str:
    return urn.split("::", 3)[3]


def _parts(secrets: Iterable[str]) -> Iterable[str]:
    """The texts themselves, and each text within those that are JSON objects."""
    for secret in secrets:
        yield secret
        try:
            told = json.loads(secret)
        except ValueError:
            continue
        if isinstance(told, dict):
            yield from (value for value in told.values() if isinstance(value, str) and value)
