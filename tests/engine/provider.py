"""A Pulumi resource provider whose cloud is a folder: run by the engine as pulumi-resource-aws, -gcp or -azure-native.

What it does is decided by $BURST_TESTS_CLOUD, a folder:

    ledger       a line of JSON for each thing that was made or ended: {"did": "create", "type", "name", "id"}
    orders.json  {"delay": seconds of each create, "delete_delay": …, "faults": {part of a name, or a type: the provider's words}}

and by $BURST_TESTS_ANSWERS, a module with an object CLOUD: create(type, name, inputs) → (id, outputs beside the inputs)
and call(function, arguments) → answer, as the clouds' own modules in tests/stacks have them; where it has delete(type, id,
inputs), that is called as well.
A thing exists from the beginning of its creation, as it does on a cloud: the answer comes after the delay.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
from google.protobuf import json_format, struct_pb2
from pulumi.runtime import rpc
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc

# The engine's own limit (sdk/python's _GRPC_CHANNEL_OPTIONS); a Design is larger than gRPC's default where it is large.
_LARGE = [("grpc.max_receive_message_length", 400 << 20)]


class Ledger:
    """What there is in the folder's cloud."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "ledger"

    def write(self, **entry: Any) -> None:
        descriptor = os.open(self._file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.write(descriptor, json.dumps(entry).encode() + b"\n")
        os.close(descriptor)

    def entries(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self._file.read_text().splitlines()] if self._file.exists() else []

    def left(self) -> dict[str, str]:
        """Id → name of everything that exists."""
        there: dict[str, str] = {}
        for entry in self.entries():
            if entry["did"] == "create":
                there[entry["id"]] = entry["name"]
            elif entry["did"] == "delete":
                there.pop(entry["id"], None)
        return there


class Provider(provider_pb2_grpc.ResourceProviderServicer):
    """One provider. Everything is replaced by nothing and updated in place: no test changes a stack."""

    def __init__(self, folder: Path, cloud: Any) -> None:
        self._folder, self._cloud, self._ledger = folder, cloud, Ledger(folder)

    def GetPluginInfo(self, request: Any, context: Any) -> Any:  # noqa: N802
        return plugin_pb2.PluginInfo(version="99.0.0")

    def GetSchema(self, request: Any, context: Any) -> Any:  # noqa: N802
        return provider_pb2.GetSchemaResponse(schema="{}")

    def CheckConfig(self, request: Any, context: Any) -> Any:  # noqa: N802
        return provider_pb2.CheckResponse(inputs=request.news)

    def DiffConfig(self, request: Any, context: Any) -> Any:  # noqa: N802
        return provider_pb2.DiffResponse(changes=provider_pb2.DiffResponse.DIFF_NONE)

    def Configure(self, request: Any, context: Any) -> Any:  # noqa: N802
        # Secrets come as plain values then, and the engine marks what comes back under their keys.
        return provider_pb2.ConfigureResponse(acceptSecrets=False, acceptResources=True, supportsPreview=True)

    def Check(self, request: Any, context: Any) -> Any:  # noqa: N802
        return provider_pb2.CheckResponse(inputs=request.news)

    def Diff(self, request: Any, context: Any) -> Any:  # noqa: N802
        same = request.olds == request.news
        return provider_pb2.DiffResponse(
            changes=provider_pb2.DiffResponse.DIFF_NONE if same else provider_pb2.DiffResponse.DIFF_SOME
        )

    def Invoke(self, request: Any, context: Any) -> Any:  # noqa: N802
        answer = self._cloud.call(request.tok, plain(request.args))
        self._ledger.write(did="call", type=request.tok)
        return provider_pb2.InvokeResponse(**{"return": struct(answer)})

    def Create(self, request: Any, context: Any) -> Any:  # noqa: N802
        name = request.urn.rpartition("::")[2]
        kind = request.urn.split("::")[2].rpartition("$")[2]
        inputs = plain(request.properties)
        if request.preview:
            # As azure-native has it: what is known only afterwards is unknown, and not the input of the same name.
            try:
                _, told = self._cloud.create(kind, name, inputs)
            except KeyError:
                # It asks for an input that nobody knows yet.
                told = {}
            return provider_pb2.CreateResponse(properties=struct({**inputs, **dict.fromkeys(told, rpc.UNKNOWN)}))
        self._refused("faults", name, kind, context)
        identity, told = self._cloud.create(kind, name, inputs)
        self._ledger.write(did="create", type=kind, name=name, id=f"{kind}/{identity}")
        time.sleep(self._orders().get("delay", 0))
        return provider_pb2.CreateResponse(id=identity, properties=struct({**inputs, **told}))

    def Read(self, request: Any, context: Any) -> Any:  # noqa: N802
        kind = request.urn.split("::")[2].rpartition("$")[2]
        there = f"{kind}/{request.id}" in self._ledger.left()
        return provider_pb2.ReadResponse(
            id=request.id if there else "",
            properties=request.properties if there else None,
            inputs=request.inputs if there else None,
        )

    def Update(self, request: Any, context: Any) -> Any:  # noqa: N802
        return provider_pb2.UpdateResponse(properties=request.news)

    def Delete(self, request: Any, context: Any) -> Any:  # noqa: N802
        name = request.urn.rpartition("::")[2]
        kind = request.urn.split("::")[2].rpartition("$")[2]
        self._refused("delete_faults", name, kind, context)
        time.sleep(self._orders().get("delete_delay", 0))
        if hasattr(self._cloud, "delete"):
            try:
                self._cloud.delete(kind, request.id, plain(request.properties))
            except Exception as problem:
                # As a cloud says what is still in use, or has gone.
                if "NotFound" not in str(problem) and "NoSuchEntity" not in str(problem):
                    context.abort(grpc.StatusCode.UNKNOWN, str(problem))
        self._ledger.write(did="delete", type=kind, name=name, id=f"{kind}/{request.id}")
        return struct_pb2_empty()

    def Cancel(self, request: Any, context: Any) -> Any:  # noqa: N802
        self._ledger.write(did="cancel")
        return struct_pb2_empty()

    def _orders(self) -> dict[str, Any]:
        try:
            orders: dict[str, Any] = json.loads((self._folder / "orders.json").read_text())
        except FileNotFoundError:
            return {}
        return orders

    def _refused(self, faults: str, name: str, kind: str, context: Any) -> None:
        for part, words in self._orders().get(faults, {}).items():
            if part in name or part == kind:
                context.abort(grpc.StatusCode.UNKNOWN, words)


def struct_pb2_empty() -> Any:
    from google.protobuf import empty_pb2

    return empty_pb2.Empty()


def plain(message: Any) -> Any:
    """A Struct of the engine's as Python values, secrets and outputs as what is in them, whole numbers whole."""
    return _plain(rpc.deserialize_properties(message, keep_unknowns=False))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def struct(values: Any) -> struct_pb2.Struct:
    return json_format.ParseDict(values, struct_pb2.Struct())


def main() -> None:
    """Serve until the engine ends us; it reads the port from our first line."""
    folder = Path(os.environ["BURST_TESTS_CLOUD"])
    cloud = importlib.import_module(os.environ["BURST_TESTS_ANSWERS"]).CLOUD
    server = grpc.server(ThreadPoolExecutor(32), options=_LARGE)
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(Provider(folder, cloud), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    server.wait_for_termination()
