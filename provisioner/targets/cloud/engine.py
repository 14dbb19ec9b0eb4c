"""The Pulumi engine: one run's stack driven through the Automation API.

    create:   passphrase → program, copied → stack → configuration → secrets, by standard input → up → outputs
    destroy:  wait for an engine that still works → (cancel → refresh without pending creates, after a cut) → destroy → remove

The program runs in a process of its own under this very interpreter. The state is in the user's data folder unless
PULUMI_BACKEND_URL says otherwise; docs/adr/0017-how-the-engine-is-driven.md has the reasons.
"""

from __future__ import annotations

import os
import secrets as random
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import provisioner
from provisioner import files
from provisioner.errors import Kind, Leftover
from provisioner.events import Events
from provisioner.targets.cloud import installation
from provisioner.targets.cloud.installation import findings
from provisioner.targets.cloud.layout import Layout, backend_folder
from provisioner.targets.cloud.place import Place
from provisioner.targets.cloud.progress import Progress

if TYPE_CHECKING:
    from pulumi.automation import Stack

    from provisioner.targets.cloud.workspace import Workspace

__all__ = ["Engine", "findings"]


class Engine:
    """One run's stack. `environment` is what the provider's plugin needs."""

    def __init__(self, layout: Layout, place: Place, environment: Mapping[str, str]) -> None:
        self._layout, self._place, self._environment = layout, place, dict(environment)

    def create(self, configuration: Mapping[str, str], secrets: Mapping[str, str], events: Events) -> dict[str, Any]:
        """`pulumi up`; answers the outputs. Raises NotCreated with the provider's words and their class."""
        from pulumi.automation.errors import CommandError

        from provisioner.targets.cloud.command import alone

        progress = Progress(events, secrets.values())
        self._prepare()
        with alone(self._layout.lock) as held:
            workspace = self._workspace(held)
            try:
                stack = workspace.made(self._layout.run_id, configuration, secrets)
                done = stack.up(
                    on_event=progress, color="never", show_secrets=False, suppress_outputs=True, suppress_progress=True
                )
            except CommandError as problem:
                raise progress.not_created(self._place.classify, str(problem), self._place.name) from None
            files.write(self._layout.settled, "")
        return {key: output.value for key, output in done.outputs.items()}

    def destroy(self, events: Events) -> None:
        """`pulumi destroy`, whatever state an earlier `up` died in; the stack goes too. May be repeated.

        Raises Leftover with the provider's words and their class, Refused where there is no engine.
        """
        if not (self._layout.passphrase.is_file() and self._layout.program.is_dir()):
            # `create` had not come as far as a stack.
            return
        from pulumi.automation.errors import CommandError

        from provisioner.targets.cloud.command import alone

        with alone(self._layout.lock) as held:
            progress = Progress(events)
            try:
                self._destroy(self._workspace(held), progress)
            except CommandError as problem:
                failure, told = progress.first(self._place.classify, str(problem))
                named = f": {failure.type} {failure.name}" if failure.name else ""
                raise Leftover(
                    f"Pulumi could not destroy {self._layout.run_id}{named}",
                    why=failure.words,
                    fix=f"burst down {self._layout.run_id}",
                    kind=Kind(told[0]) if told is not None else None,
                ) from None

    def _destroy(self, workspace: Workspace, progress: Progress) -> None:
        from pulumi.automation.errors import CommandError

        stack = workspace.existing(self._layout.run_id)
        if stack is None:
            return
        settled = self._layout.settled.is_file()
        self._layout.settled.unlink(missing_ok=True)
        if settled:
            try:
                _down(stack, progress)
            except CommandError:
                settled = False
        if not settled:
            # Of an engine that failed or was cut the state is not the whole truth: it may be locked, have begun what it did
            # not see the end of, and have what others have deleted.
            stack.cancel()
            stack.refresh(clear_pending_creates=True, color="never", show_secrets=False, run_program=False)
            _down(stack, progress)
        workspace.remove_stack(self._layout.run_id)

    def _prepare(self) -> None:
        """What the engine needs of files; the program last, which says that the rest is there."""
        layout = self._layout
        backend = os.environ.get("PULUMI_BACKEND_URL")
        if not backend:
            backend_folder().mkdir(mode=0o700, parents=True, exist_ok=True)
            backend_folder().chmod(0o700)
            backend = backend_folder().as_uri()
        files.write(layout.backend, backend, mode=0o600)
        files.write(layout.passphrase, random.token_urlsafe(32), mode=0o600)
        coming = layout.program.with_name(".program")
        shutil.rmtree(coming, ignore_errors=True)
        shutil.copytree(files.packaged("stacks") / self._place.name, coming, ignore=shutil.ignore_patterns("__pycache__"))
        coming.rename(layout.program)

    def _workspace(self, held: int) -> Workspace:
        from provisioner.targets.cloud.command import Orderly
        from provisioner.targets.cloud.workspace import Workspace

        return Workspace(Orderly(installation.find(), held), self._layout.program, self._variables())

    def _variables(self) -> dict[str, str]:
        """Of the engine's environment, beside ours. The language host starts PULUMI_PYTHON_CMD (its toolchain/pip.go)."""
        ours = str(Path(provisioner.__file__).parent.parent)
        return {
            **self._environment,
            "PULUMI_BACKEND_URL": self._layout.backend.read_text(),
            "PULUMI_CONFIG_PASSPHRASE_FILE": str(self._layout.passphrase),
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            # Else the plugins of all clouds are fetched whose SDKs are installed, some hundred megabytes each.
            "PULUMI_OPTION_SKIP_PLUGIN_PRE_INSTALL": "true",
            "PULUMI_PYTHON_CMD": sys.executable,
            "PYTHONPATH": os.pathsep.join(part for part in (ours, os.environ.get("PYTHONPATH")) if part),
        }


def _down(stack: Stack, progress: Progress) -> None:
    """Everything that can be deleted, also where something cannot."""
    progress.failures.clear()
    stack.destroy(
        on_event=progress, color="never", show_secrets=False, run_program=False, suppress_progress=True, continue_on_error=True
    )
