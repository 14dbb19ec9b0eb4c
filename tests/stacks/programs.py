"""A stack's program run against Pulumi's mocks: what it would have made, recorded."""

from __future__ import annotations

import asyncio
import json
import runpy
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pulumi
from pulumi.runtime import mocks
from pulumi.runtime.settings import reset_options

from provisioner import files
from provisioner.bootstrap.secrets import Keys
from provisioner.design.model import Design
from provisioner.stack import outputs

KEYS = Keys(b"munge-key-of-this-test", "ssh-ed25519 AAAA client", "-----BEGIN HOST KEY-----\n", "ssh-ed25519 AAAA head")
CALLER = "203.0.113.7/32"


@dataclass(frozen=True)
class Made:
    """One resource. `inputs` as the provider would be given them, `outputs` as the mock answered."""

    type: str
    name: str
    inputs: dict[str, Any]
    outputs: dict[str, Any]
    id: str


@dataclass
class Stack:
    """What a program made: its resources (components left out), the functions it called, its outputs."""

    resources: list[Made] = field(default_factory=list)
    components: list[str] = field(default_factory=list)
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    outputs: dict[str, Any] = field(default_factory=dict)

    def of(self, *types: str) -> list[Made]:
        """The resources of these types (by the end of the type's name: `ec2/instance:Instance`)."""
        return [made for made in self.resources if made.type.endswith(types)]


# How a cloud answers: (type, name, inputs) → (id, outputs beside the inputs), (function, arguments) → its answer.
Create = Callable[[str, str, dict[str, Any]], tuple[str, dict[str, Any]]]
Call = Callable[[str, dict[str, Any]], dict[str, Any]]


class Recorder(mocks.Mocks):
    """Pulumi's mocks, told by a cloud what is answered."""

    def __init__(self, stack: Stack, create: Create, call: Call) -> None:
        self._stack, self._create, self._call = stack, create, call

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        # What is read by its id is no component, though it is not said to be custom either.
        if not args.custom and not args.resource_id:
            self._stack.components.append(args.typ)
            return "", dict(args.inputs)
        identity, told = self._create(args.typ, args.name, dict(args.inputs))
        answered = {**args.inputs, **told}
        self._stack.resources.append(Made(args.typ, args.name, dict(args.inputs), answered, identity))
        return identity, answered

    def call(self, args: mocks.MockCallArgs) -> dict[str, Any]:
        self._stack.calls.append((args.token, dict(args.args)))
        return self._call(args.token, dict(args.args))


def configured(design: Design, **more: str) -> dict[str, str]:
    """A stack's configuration as `burst run` sets it."""
    return {
        "burst:design": design.model_dump_json(),
        "burst:ssh_from": json.dumps([CALLER]),
        "burst:launches": "client",
        "burst:keys": KEYS.dumps(),
        **{f"burst:{key}": value for key, value in more.items()},
    }


def run(folder: Path, config: Mapping[str, str], create: Create, call: Call) -> Stack:
    """Run `folder`/__main__.py to its end. Raises what the program raises."""
    stack, published = Stack(), dict[str, Any]()
    with _loops():
        pulumi.runtime.set_mocks(Recorder(stack, create, call), project=f"burst-{folder.name}", stack="test", preview=False)
        pulumi.runtime.set_all_config(dict(config), ["burst:keys"])
        with _program(folder), _publishing(published):

            @pulumi.runtime.test
            def body() -> pulumi.Output[None]:
                runpy.run_path(str(folder / "__main__.py"), run_name="__main__")
                return pulumi.Output.all(**published).apply(stack.outputs.update)

            body()
    return stack


@contextmanager
def _loops() -> Iterator[None]:
    """An event loop of this program's own, and the end of those that the mocks' threads make and leave."""
    loop, ensure, others = asyncio.new_event_loop(), mocks._ensure_event_loop, set[asyncio.AbstractEventLoop]()

    def ensured() -> asyncio.AbstractEventLoop:
        others.add(made := ensure())
        return made

    asyncio.set_event_loop(loop)
    mocks._ensure_event_loop = ensured
    try:
        yield
    finally:
        mocks._ensure_event_loop = ensure
        reset_options()
        pulumi.runtime.set_all_config({})
        loop.run_until_complete(loop.shutdown_default_executor())
        for each in {loop, *others}:
            each.close()
        asyncio.set_event_loop(None)


@contextmanager
def _program(folder: Path) -> Iterator[None]:
    """Its modules are found and forgotten afterwards: the three programs' have the same names."""
    known = set(sys.modules)
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        for name in set(sys.modules) - known:
            where = getattr(sys.modules[name], "__file__", None)
            if where and Path(where).is_relative_to(folder):
                del sys.modules[name]


@contextmanager
def _publishing(published: dict[str, Any]) -> Iterator[None]:
    """Exports reach nobody without an engine: here they are kept. `publish` itself checks them."""
    real = outputs.publish

    def publish(told: dict[str, Any]) -> None:
        published.update(outputs.checked(told))

    outputs.publish = publish
    try:
        yield
    finally:
        outputs.publish = real


def stacks_folder(cloud: str) -> Path:
    return files.packaged("stacks") / cloud
